--- Tables of options, read strictly: an unknown key, a missing one or a wrong type is an error at the caller's line
-- that lists the right ones.
-- @module hyla.options
local names = require "hyla.names"
local site = require "hyla.site"

local options = {}

local function listed(fields)
  local words = {}
  for _, name in ipairs(names.keys(fields)) do
    words[#words + 1] = fields[name].required and name .. " (required)" or name
  end
  return #words > 0 and table.concat(words, ", ") or "none"
end

local function shown(value)
  if type(value) == "string" then return ("%q"):format(value) end
  return type(value) == "number" and tostring(value) or "a " .. type(value)
end

local function fits(value, field)
  if field.is then return field.is(value) end
  return field.kind == nil or type(value) == field.kind
end

--- Reads a table of options.
-- @tparam string what the function whose options they are, for messages ("gd")
-- @tparam table|nil given the caller's table; nil is an empty one
-- @tparam table fields name -> { kind = a Lua type, or is = function(value) -> boolean with expected = "words";
--   required = true, or default = value }
-- @treturn table name -> value, defaults filled in
function options.read(what, given, fields)
  if given ~= nil and type(given) ~= "table" then
    site.fail("%s: expected a table of options, %s { ... }, got %s", what, what, shown(given))
  end
  local read = {}
  for key, value in pairs(given or {}) do
    local field = fields[key]
    if not field then
      site.fail("%s: unknown option '%s'%s; the options are: %s", what, tostring(key),
                names.hint(key, names.keys(fields)), listed(fields))
    end
    if not fits(value, field) then
      site.fail("%s: option '%s': expected %s, got %s", what, key, field.expected or "a " .. field.kind, shown(value))
    end
    read[key] = value
  end
  for name, field in pairs(fields) do
    if read[name] == nil then
      if field.required then
        site.fail("%s: option '%s' is missing; the options are: %s", what, name, listed(fields))
      end
      read[name] = field.default
    end
  end
  return read
end

--- Fields that come up again and again, for `fields`.
options.count = {
  expected = "a whole number >= 1",
  is = function(v) return type(v) == "number" and v >= 1 and v % 1 == 0 and v < math.huge end,
}
options.seed = {
  expected = "a whole number >= 0",
  is = function(v) return type(v) == "number" and v >= 0 and v % 1 == 0 and v < 2 ^ 53 end,
}

--- A copy of a field with a default, or required.
-- @tparam table field
-- @tparam table changes e.g. { required = true }
-- @treturn table
function options.with(field, changes)
  local copy = {}
  for k, v in pairs(field) do copy[k] = v end
  for k, v in pairs(changes) do copy[k] = v end
  return copy
end

return options
