--- A recipe's own pictures: values as a .npy file, and JSON that says what they are.
-- @module hyla.run.pictures
local json = require "hyla.report.json"
local options = require "hyla.options"
local site = require "hyla.site"
local tensor = require "hyla.tensor"

local pictures = {}

--- An error at the recipe's line for a name that is no file's name everywhere.
-- @tparam string what for the message
-- @param name
function pictures.check_name(what, name)
  if type(name) ~= "string" or not name:match "^[%w][%w._-]*$" then
    site.fail("%s: expected a name of letters, digits, '.', '_' and '-', got %s", what, tostring(name))
  end
end

local fields = { title = { kind = "string" }, captions = { kind = "table" }, marks = { kind = "table" } }

-- A list of n texts, empty ones where nothing is given.
local function texts(name, what, given, n)
  local list = {}
  if given and #given ~= n then site.fail("images '%s': %s: expected %d, got %d", name, what, n, #given) end
  for i = 1, n do list[i] = tostring(given and given[i] or "") end
  return json.list(list)
end

--- Adds images: see lab:images.
-- @tparam lab lab
-- @tparam string name
-- @tparam tensor values
-- @tparam[opt] table given
function pictures.images(lab, name, values, given)
  pictures.check_name("images", name)
  local o = options.read("images", given, fields)
  if not tensor.is(values) or values.rank ~= 3 or values.size == 0 then
    site.fail("images '%s': expected a tensor [n, height, width], got %s", name,
      tensor.is(values) and "[" .. table.concat(values.shape, ", ") .. "]" or "a " .. type(values))
  end
  local n = values.shape[1]
  local about = { kind = "images", title = o.title or name, captions = texts(name, "captions", o.captions, n),
    marks = texts(name, "marks", o.marks, n) }
  if lab.recorder then lab.recorder:picture(name, values, about) end
end

return pictures
