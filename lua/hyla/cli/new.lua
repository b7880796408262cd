--- The command `new`: writes a recipe and its spec to begin from.
-- @module hyla.cli.new
local engine = require "hyla.ffi"
local folders = require "hyla.folders"
local lfs = require "lfs"
local template = require "hyla.template"

local function exists(path) return lfs.attributes(path, "mode") ~= nil end

-- Writes all files or none: what was written is removed where one fails.
local function write_all(files)
  for i, one in ipairs(files) do
    local ok, message = folders.make(one.path:match "^(.*)/")
    if ok then ok, message = pcall(engine.check, engine.C.hyla_file_write(one.path, one.text, #one.text)) end
    if not ok then
      for k = 1, i do os.remove(files[k].path) end
      return nil, message
    end
  end
  return true
end

local function new(a)
  local name = a.name
  if not name:match "^[%a_][%w_]*$" then
    return 2, ("new: expected a name of letters, digits and '_' that begins with no digit, got '%s'"):format(name)
  end
  local specs = exists "spec/recipes" and "spec/recipes" or "spec"   -- Hyla's own tree has a folder for them
  local files = {
    { path = ("recipes/%s.lua"):format(name), text = template.recipe },
    { path = ("%s/%s_spec.lua"):format(specs, name), text = template.spec },
    { path = ("%s/golden/%s.yaml"):format(specs, name), text = template.golden },
  }
  for _, one in ipairs(files) do
    if exists(one.path) then return 1, ("new: %s exists already; nothing was written"):format(one.path) end
    one.text = one.text:gsub("@NAME@", name):gsub("@SPEC@", files[2].path)
  end
  local ok, message = write_all(files)
  if not ok then return 1, ("new: %s; nothing was written"):format(message) end
  for _, one in ipairs(files) do io.stdout:write("wrote ", one.path, "\n") end
  io.stdout:write(("next: hyla run %s; hyla test %s\n"):format(files[1].path, files[2].path))
  return 0
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "new":summary "Write a recipe with its spec, to begin from."
  command:argument "what":choices { "recipe" }:description "recipe"
  command:argument "name":description "its name: recipes/NAME.lua and spec/NAME_spec.lua are written here"
  return { new = new }
end
