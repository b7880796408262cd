--- A recipe's options: their defaults declare names and types, profiles are named sets of overrides, and overrides
-- come from the shell as key=value or from Lua as a table. Everything here returns nil and a message when a
-- user's word does not fit, so that each caller raises it where it belongs.

local members = require "hyla.members"
local names = require "hyla.names"
local number = require "hyla.number"

local settings = {}

-- One line a type: does a Lua value fit, and what a word of the shell means (nil when it means nothing).
local function finite(x) return type(x) == "number" and x == x and math.abs(x) ~= math.huge end

local function number_of(word)
  local x = tonumber(word)
  return finite(x) and x or nil
end

local function list_of(word)
  local list = {}
  for part in (word .. ","):gmatch("([^,]*),") do
    local x = number_of(part)
    if not x then return nil end
    list[#list + 1] = x
  end
  return list
end

local function is_list(value)
  if type(value) ~= "table" or #value == 0 then return false end
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  for i = 1, #value do
    if not finite(value[i]) then return false end
  end
  return count == #value
end

local kinds = {
  { name = "number", fits = finite, parse = number_of },
  { name = "string", fits = function(v) return type(v) == "string" end, parse = function(word) return word end },
  { name = "boolean", fits = function(v) return type(v) == "boolean" end,
    parse = function(word)
      if word == "true" then return true end
      if word == "false" then return false end
    end },
  { name = "list of numbers", fits = is_list, parse = list_of },
}

local function kind_of(value)
  for _, kind in ipairs(kinds) do
    if kind.fits(value) then return kind end
  end
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for i, x in ipairs(value) do out[i] = x end
  return out
end

--- A value as one would type it on the command line: `0.5`, `digits`, `1000,1500`.
-- @param value a number, string, boolean or list of numbers
-- @treturn string
function settings.text(value)
  if type(value) == "table" then
    local parts = {}
    for i, x in ipairs(value) do parts[i] = number.format(x) end
    return table.concat(parts, ",")
  end
  return type(value) == "number" and number.format(value) or tostring(value)
end

-- In words where the values of an option may lie; nil where there is no bound.
local function range(bound)
  if not bound then return nil end
  local lo, hi, words = bound[1] or -math.huge, bound[2] or math.huge, {}
  if bound.integer then words[1] = "a whole number" end
  if lo > -math.huge and hi < math.huge then
    words[#words + 1] = ("from %s to %s"):format(number.format(lo), number.format(hi))
  elseif hi < math.huge then
    words[#words + 1] = "at most " .. number.format(hi)
  elseif lo > -math.huge then
    words[#words + 1] = "at least " .. number.format(lo)
  end
  return #words > 0 and table.concat(words, " ") or nil
end

--- The options a recipe has, one a line, with types, defaults, bounds and profiles: the tail of every complaint.
-- @param declared what settings.declare returned
-- @treturn string
function settings.describe(declared)
  local width = 0
  for _, key in ipairs(declared.names) do width = math.max(width, #key) end
  local lines = { #declared.names == 0 and "there are no options" or "options (type, default):" }
  for _, key in ipairs(declared.names) do
    local bound = range(declared.bounds[key])
    lines[#lines + 1] = ("  %-" .. width .. "s  %s, %s%s"):format(key, declared.kinds[key].name,
      settings.text(declared.defaults[key]), bound and ", " .. bound or "")
  end
  for _, name in ipairs(names.keys(declared.profiles)) do
    local words = {}
    for _, key in ipairs(names.keys(declared.profiles[name])) do
      words[#words + 1] = key .. "=" .. settings.text(declared.profiles[name][key])
    end
    lines[#lines + 1] = ("  profile=%s  stands for %s"):format(name, table.concat(words, " "))
  end
  return table.concat(lines, "\n")
end

--- What is wrong with what was asked for, before the right options.
-- @tparam table declared what settings.declare returned
-- @param ... as for string.format
-- @treturn nil
-- @treturn string message
function settings.refuse(declared, ...)
  return nil, string.format(...) .. "\n" .. settings.describe(declared)
end

local refuse = settings.refuse

--- The same of an option that is not there.
-- @tparam table declared
-- @param key
-- @treturn nil
-- @treturn string message
function settings.unknown(declared, key)
  return refuse(declared, "unknown option '%s'%s", tostring(key), names.hint(key, declared.names))
end

-- nil, or what is wrong with a value that has the right type: bounds[key] = {lo, hi, integer = true}, parts optional.
local function out_of_bounds(bound, value)
  if not bound then return nil end
  local lo, hi = bound[1] or -math.huge, bound[2] or math.huge
  for _, x in ipairs(type(value) == "table" and value or { value }) do
    if bound.integer and x % 1 ~= 0 then return "a whole number", x end
    if x < lo or x > hi then
      if hi == math.huge then return "at least " .. number.format(lo), x end
      if lo == -math.huge then return "at most " .. number.format(hi), x end
      return ("%s to %s"):format(number.format(lo), number.format(hi)), x
    end
  end
end

local function check(declared, key, value)
  local kind = declared.kinds[key]
  if not kind then return settings.unknown(declared, key) end
  if not kind.fits(value) then
    local shown = type(value) == "table" and "a table" or ("%s '%s'"):format(type(value), tostring(value))
    return refuse(declared, "option '%s': expected %s, got %s", key, kind.name, shown)
  end
  local expected, got = out_of_bounds(declared.bounds[key], value)
  if expected then
    return refuse(declared, "option '%s': expected %s, got %s", key, expected, settings.text(got))
  end
  return true
end

--- Takes a recipe's declaration.
-- @tparam table options defaults by name: numbers, strings, booleans, lists of numbers
-- @tparam[opt] table profiles overrides by profile's name
-- @tparam[opt] table bounds by option's name: {lo, hi, integer = true}, each part optional, ends included
-- @return the declaration, or nil and what is wrong with it
function settings.declare(options, profiles, bounds)
  local declared = { defaults = options or {}, profiles = profiles or {}, bounds = bounds or {}, kinds = {} }
  declared.names = names.keys(declared.defaults)
  for _, key in ipairs(declared.names) do
    if not key:match("^[%a_][%w_]*$") then
      return nil, ("option '%s': expected a name of letters, digits and _"):format(key)
    end
    if key == "profile" then return nil, "option 'profile': the name is taken, profile=NAME applies a profile" end
    declared.kinds[key] = kind_of(declared.defaults[key])
    if not declared.kinds[key] then
      return nil, ("option '%s': expected a number, string, boolean or list of numbers as its default, got %s")
        :format(key, type(declared.defaults[key]))
    end
  end
  for _, sets in ipairs { { defaults = declared.defaults }, declared.profiles } do
    for _, overrides in pairs(sets) do
      for key, value in pairs(overrides) do
        local ok, message = check(declared, key, value)
        if not ok then return nil, message end
      end
    end
  end
  for key in pairs(declared.bounds) do
    if not declared.kinds[key] then return refuse(declared, "bounds: unknown option '%s'", tostring(key)) end
  end
  return declared
end

--- The options a run has: defaults, then the profile, then the other overrides.
-- @param declared what settings.declare returned
-- @tparam[opt] table overrides values by name; `profile` names a profile
-- @return a new table with every option, reading any other being an error; or nil and a message that lists the right
--   ones
function settings.resolve(declared, overrides)
  overrides = overrides or {}
  local o, profile = {}, {}
  if overrides.profile ~= nil then
    profile = declared.profiles[overrides.profile]
    if not profile then
      return refuse(declared, "unknown profile '%s'%s", tostring(overrides.profile),
        names.hint(overrides.profile, names.keys(declared.profiles)))
    end
  end
  for key, value in pairs(overrides) do
    if key ~= "profile" then
      local ok, message = check(declared, key, value)
      if not ok then return nil, message end
    end
  end
  for _, key in ipairs(declared.names) do
    local value = overrides[key]
    if value == nil then value = profile[key] end
    if value == nil then value = declared.defaults[key] end
    o[key] = copy(value)
  end
  return members.strict(o, "the options", declared.names)
end

--- Reads words of the shell. A list is given with commas: budget=1000,1500.
-- @param declared what settings.declare returned
-- @tparam {string,...} words each "key=value", or "profile=NAME"
-- @return overrides for settings.resolve, or nil and a message that lists the right ones
function settings.parse(declared, words)
  local overrides = {}
  for _, word in ipairs(words or {}) do
    local key, text = word:match("^([^=]*)=(.*)$")
    if not key then return refuse(declared, "expected key=value, got '%s'", word) end
    if overrides[key] ~= nil then return refuse(declared, "option '%s' is given twice", key) end
    if key == "profile" then
      overrides.profile = text
    else
      local kind = declared.kinds[key]
      if not kind then return settings.unknown(declared, key) end
      overrides[key] = kind.parse(text)
      if overrides[key] == nil then
        return refuse(declared, "option '%s': expected %s, got '%s'", key, kind.name, text)
      end
    end
  end
  return overrides
end

return settings
