--- What the Tab key offers: names, fields and methods, recipes and data sets within a text, and the options of what is
-- being called.
-- @module hyla.prompt.complete
local descriptor = require "hyla.data.descriptor"
local known = require "hyla.prompt.known"
local problem = require "hyla.problem"
local recipes = require "hyla.recipe"

-- ---- where the cursor is ----

-- Position behind a text or comment that begins at i, or nil where the cursor is within it.
local function behind_text(text, i)
  local quote, at = text:sub(i, i), i + 1
  while at <= #text do
    local c = text:sub(at, at)
    if c == "\\" then at = at + 1
    elseif c == quote then return at + 1
    elseif c == "\n" then return at end
    at = at + 1
  end
end

-- What is open where a text ends: the quote that begins a string there, or false; the brackets, innermost last, as
-- positions. And the text with blanks in the place of comments.
local function open_at_end(text)
  local at, stack = 1, {}
  while at <= #text do
    local c = text:sub(at, at)
    if c == '"' or c == "'" then
      local behind = behind_text(text, at)
      if not behind then return at, stack, text end
      at = behind
    elseif text:sub(at, at + 1) == "--" then
      local stop = text:find("\n", at, true) or #text + 1
      text = text:sub(1, at - 1) .. (" "):rep(stop - at) .. text:sub(stop)
      at = stop
    else
      if c:find "[%({%[]" then stack[#stack + 1] = at
      elseif c:find "[%)}%]]" then stack[#stack] = nil end
      at = at + 1
    end
  end
  return false, stack, text
end

-- ---- what stands before it ----

local function index(value, key)
  local readable, found = pcall(function() return value[key] end)
  return readable and found or nil
end

-- The value of a chain such as "p.hypers[1].set" or 'hyla.load "x"' at the end of a text; nothing is called but load,
-- which reads a recipe's file.
local function value_of(env, text)
  local name = text:match "load%s*%(?%s*[\"']([^\"']+)[\"']%s*%)?%s*$"
  if name then return (recipes.try_load(name)) end
  local chain = text:match "([%a_][%w_%.%[%]\"']*)%s*$"
  if not chain then return nil end
  local first, rest = chain:match "^([%w_]+)(.*)$"
  local value = index(env, first)
  while rest ~= "" and value ~= nil do
    local key, further = rest:match "^%.([%a_][%w_]*)(.*)$"
    if not key then key, further = rest:match "^%[[\"']([^\"'%]]*)[\"']%](.*)$" end
    if not key then
      key, further = rest:match "^%[(%d+)%](.*)$"
      key = tonumber(key)
    end
    if key == nil then return nil end
    value, rest = index(value, key), further
  end
  return value
end

-- ---- candidates ----

local function add_keys(set, t, only)
  for key, value in pairs(t) do
    if type(key) == "string" and (not only or type(value) == only) then set[key] = true end
  end
end

-- Names that can follow a value: after a colon methods alone.
local function members_of(value, separator)
  local set, only = {}, separator == ":" and "function" or nil
  if type(value) == "string" then value = string end
  local about = known.type_of(value)
  if about then
    add_keys(set, about.methods)
    if not only then
      add_keys(set, about.computed)
      for name in pairs(about.optional) do
        if index(value, name) ~= nil then set[name] = true end
      end
    end
  end
  if type(value) == "table" then
    add_keys(set, value, only)
    local meta = getmetatable(value)
    local fallback = type(meta) == "table" and rawget(meta, "__index")
    if not about and type(fallback) == "table" then add_keys(set, fallback, only) end
  end
  return set
end

local function all_names(env, tools)
  local set = {}
  for _, scope in ipairs { env, _G, tools } do add_keys(set, scope) end
  for _, name in ipairs(known.public()) do set[name] = true end
  return set
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

-- What is written before an open bracket: the receiver of a method and its name.
local function call_before(text, at)
  return text:sub(1, at - 1):match "^(.-)%s*:%s*([%a_][%w_]*)%s*%(?%s*$"
end

-- Options by name in the braces that are open, and "profile": those of a recipe that is built, and hyperparameters of
-- a problem that are set.
local function options_in(env, text, stack)
  local at = stack[#stack]
  if not at or text:sub(at, at) ~= "{" then return nil end
  local inside = text:sub(at + 1)
  if not (inside:match "^%s*[%w_]*$" or inside:match "[,;]%s*[%w_]*$") then return nil end
  local receiver, method = call_before(text, at)
  local value = receiver and value_of(env, receiver)
  local about, set = known.type_of(value), nil
  if about and about.what == "a recipe" and (method == "build" or method == "resolve") then
    set = set_of(value.declared.names)
    set.profile = next(value.declared.profiles) and true or nil
  elseif problem.is(value) and (method == "set" or method == "train" or method == "hypergradient") then
    set = {}
    for _, list in ipairs { value.hypers, value.frozen } do
      for _, hyper in ipairs(list) do set[hyper.name] = true end
    end
  end
  for given in inside:gmatch "([%w_]+)%s*=" do
    if set then set[given] = nil end
  end
  return set
end

local function profiles_at(env, text, stack)
  local at = stack[#stack]
  local receiver = at and text:find "profile%s*=%s*$" and call_before(text, at)
  local value = receiver and value_of(env, receiver)
  local about = known.type_of(value)
  local set = {}
  if about and about.what == "a recipe" then add_keys(set, value.declared.profiles) end
  return set
end

-- What a text may be, from what it is given to.
local function texts_for(env, before, stack)
  local called = before:match "([%w_]+)%s*%(?%s*$"
  if called == "load" then return set_of(recipes.names()) end
  if called == "data" then return set_of(descriptor.names()) end
  if called == "help" then
    local set = set_of(known.public())
    add_keys(set, known.types())
    for _, name in ipairs(recipes.names()) do set[name] = true end
    return set
  end
  return profiles_at(env, before, stack)
end

local function candidates(env, tools, text, start)
  local quote, stack
  quote, stack, text = open_at_end(text)
  if quote then return texts_for(env, text:sub(1, quote - 1), stack), "" end
  local before = text:sub(1, #text - #start)
  local base, separator = before:match "^(.-)%s*([.:])$"
  if base and base:sub(-1) ~= "." then                 -- but after a .. b comes a name
    local value = value_of(env, base)
    return value ~= nil and members_of(value, separator) or {}, ""
  end
  local options = options_in(env, text, stack)
  if options then return options, " = " end
  return all_names(env, tools), ""
end

--- Words to put in the place of the last one.
-- @tparam table env globals of the prompt
-- @tparam table tools its other names: name -> anything
-- @tparam string text all that was typed before the cursor, lines before this one included
-- @tparam string word the last word, as the editor cuts it: with what stands before a last dot or colon
-- @treturn {string,...} sorted
return function(env, tools, text, word)
  local start = text:match "[%w_]*$"
  local found, ending = candidates(env, tools, text, start)
  local head, list = word:sub(1, #word - #start), {}
  for name in pairs(found) do
    if name:sub(1, #start) == start and name:match "^[%a_][%w_%.]*$" then list[#list + 1] = head .. name .. ending end
  end
  table.sort(list)
  return list
end
