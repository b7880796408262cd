--- What a command line asks for, as a list of runs: recipes, options, several values of one, a configuration file.
--
-- An option that is given more than once takes each of its values in turn, whatever its type:
-- `data=digits data=words`, `budget=1000,1500 budget=2000`. Numbers and booleans have a short form of it, `seed=1,2,5`
-- and `seed=1..3`; the comma of a text or of a list of numbers is part of its one value. Every combination is a run.
-- @module hyla.run.sweep
local names = require "hyla.names"
local recipe = require "hyla.recipe"
local settings = require "hyla.run.settings"
local yaml = require "hyla.yaml"

local sweep = {}

local MOST = 10000   -- runs of one command

local refuse = settings.refuse

-- The whole numbers of "1..3"; nil for another text, and for what is no range that can be run.
local function range_of(text)
  local first, last = text:match "^(%-?%d+)%.%.(%-?%d+)$"
  first, last = tonumber(first), tonumber(last)
  if not first or last < first or last - first >= MOST then return nil end
  local list = {}
  for x = first, last do list[#list + 1] = x end
  return list
end

-- The values that a word's text means, for an option of a kind; nil where it means none.
local function values_of(kind, text)
  if kind.name ~= "number" and kind.name ~= "boolean" then
    local value = kind.parse(text)
    return value ~= nil and { value } or nil
  end
  local list = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    local value = kind.parse(part)
    local several = kind.name == "number" and range_of(part) or value ~= nil and { value }
    if not several then return nil end
    for _, one in ipairs(several) do list[#list + 1] = one end
  end
  return list
end

-- An axis is { key =, values = }. Adds values to that of a key; nil and a message where one is there already.
local function add(axes, declared, key, values)
  local axis
  for _, one in ipairs(axes) do axis = one.key == key and one or axis end
  if not axis then
    axis = { key = key, values = {}, seen = {} }
    axes[#axes + 1] = axis
  end
  for _, value in ipairs(values) do
    local text = settings.text(value)
    if axis.seen[text] then return refuse(declared, "option '%s': the value %s is given twice", key, text) end
    axis.seen[text], axis.values[#axis.values + 1] = true, value
  end
  return true
end

--- Reads words of the shell.
-- @tparam table declared what settings.declare returned
-- @tparam {string,...} words each "key=value", or "profile=NAME"
-- @treturn {table,...} { key =, values = {value,...} } in the order of the words; or nil and a message that lists the
--   right options
function sweep.axes(declared, words)
  local axes = {}
  for _, word in ipairs(words) do
    local key, text = word:match "^([^=]*)=(.*)$"
    local kind, values = declared.kinds[key], { text }
    if key ~= "profile" then
      if not kind then return settings.unknown(declared, key) end
      values = values_of(kind, text)
    end
    if not values then
      local wanted = kind.name
      if text:find("..", 1, true) then wanted = ("%s, or LOWEST..HIGHEST of at most %d"):format(wanted, MOST) end
      return refuse(declared, "option '%s': expected %s, got '%s'", key, wanted, text)
    end
    local ok, message = add(axes, declared, key, values)
    if not ok then return nil, message end
  end
  return axes
end

-- Types of YAML by the names of the kinds of options.
local types = { number = "number", string = "text", boolean = "boolean", ["list of numbers"] = yaml.list "number" }

-- The document's type; before the recipe is known its options may be anything.
local function document_of(declared)
  local options, swept = yaml.any, yaml.any
  if declared then
    local fields, lists = {}, { profile = yaml.list "text" }
    for key, kind in pairs(declared.kinds) do
      fields[key], lists[key] = types[kind.name], yaml.list(types[kind.name])
    end
    options, swept = yaml.map({}, fields), yaml.map({}, lists)
  end
  local optional = { profile = "text", options = options, sweep = swept, path = "text" }
  -- What a run's own config.yaml has besides: it says what was, and asks for nothing.
  for _, key in ipairs { "seed", "data", "began", "commit", "versions", "machine" } do optional[key] = yaml.any end
  return yaml.map({ recipe = "text" }, optional)
end

local function exists(path)
  local file = path and io.open(path)
  if file then file:close() end
  return file ~= nil
end

--- Reads a configuration file: recipe; profile; options: by name; sweep: lists of values by name. A run's own
-- config.yaml is one.
-- @tparam string path
-- @treturn Recipe
-- @treturn {table,...} axes; or nil and a message with file and line
function sweep.file(path)
  local first, message = yaml.read(path, document_of())
  if not first then return nil, message end
  local loaded
  loaded, message = recipe.try_load(exists(first.path) and first.path or first.recipe)
  if not loaded then return nil, ("%s: %s"):format(path, message) end
  local config
  config, message = yaml.read(path, document_of(loaded.declared))
  if not config then return nil, message end
  local axes = {}
  if config.profile then add(axes, loaded.declared, "profile", { config.profile }) end
  for _, part in ipairs { config.options or {}, config.sweep or {} } do
    for _, key in ipairs(names.keys(part)) do
      local swept = part == config.sweep
      if swept and (config.options or {})[key] ~= nil then
        return nil, ("%s: '%s' is given both in options and in sweep"):format(path, key)
      end
      if swept and #part[key] == 0 then return nil, ("%s: sweep: '%s' has no value"):format(path, key) end
      local ok
      ok, message = add(axes, loaded.declared, key, swept and part[key] or { part[key] })
      if not ok then return nil, ("%s: %s"):format(path, message) end
    end
  end
  return loaded, axes
end

-- All combinations of the axes' values, the last axis varying fastest.
local function combinations(axes)
  local list = { {} }
  for _, axis in ipairs(axes) do
    local longer = {}
    for _, one in ipairs(list) do
      for _, value in ipairs(axis.values) do
        local copy = { [axis.key] = value }
        for key, other in pairs(one) do copy[key] = other end
        longer[#longer + 1] = copy
        if #longer > MOST then return nil, ("expected at most %d runs, got more"):format(MOST) end
      end
    end
    list = longer
  end
  return list
end

-- The axes of a file, those of the same names replaced by those of the words.
local function over(below, above)
  local replaced, axes = {}, {}
  for _, axis in ipairs(above) do replaced[axis.key] = true end
  for _, axis in ipairs(below) do
    if not replaced[axis.key] then axes[#axes + 1] = axis end
  end
  for _, axis in ipairs(above) do axes[#axes + 1] = axis end
  return axes
end

local function add_runs(runs, loaded, axes)
  local list, message = combinations(axes)
  if not list then return nil, message end
  for _, overrides in ipairs(list) do
    local o
    o, message = settings.resolve(loaded.declared, overrides)
    if not o then return nil, message end
    runs[#runs + 1] = { recipe = loaded, overrides = overrides, options = o, axes = axes }
  end
  return true
end

-- Recipes and options among words; a recipe's path may have a '=' behind a '/'.
local function sorted(words)
  local recipes, options = {}, {}
  for _, word in ipairs(words) do
    local list = word:match "^[^/=]*=" and options or recipes
    list[#list + 1] = word
  end
  return recipes, options
end

--- The runs that a command asks for.
-- @tparam {string,...} words recipes (names or paths) and key=value
-- @tparam[opt] string file a configuration file, in the place of a recipe
-- @treturn {table,...} { recipe = loaded, overrides = by name, options = resolved, axes = of its recipe }; or nil and
--   what is wrong, with the right words
function sweep.expand(words, file)
  local recipes, options = sorted(words)
  if file and #recipes > 0 then
    return nil, ("--config %s says which recipe: expected options alone beside it, got '%s'"):format(file, recipes[1])
  end
  if not file and #recipes == 0 then return nil, "expected a recipe: a name that `hyla list` shows, or a path" end
  local runs = {}
  for i = 1, file and 1 or #recipes do
    local loaded, below
    if file then
      loaded, below = sweep.file(file)
    else
      loaded, below = recipe.try_load(recipes[i])
    end
    if not loaded then return nil, below end
    local above, message = sweep.axes(loaded.declared, options)
    local ok = above ~= nil
    if ok then ok, message = add_runs(runs, loaded, file and over(below, above) or above) end
    if not ok then return nil, #recipes > 1 and ("%s: %s"):format(recipes[i], message) or message end
  end
  if #runs > MOST then return nil, ("expected at most %d runs, got %d"):format(MOST, #runs) end
  return runs
end

--- A run's own values of the options that vary, as words.
-- @tparam table run one of those that `expand` gives
-- @treturn {string,...} keys
-- @treturn table key -> text
function sweep.varying(run)
  local keys, texts = {}, {}
  for _, axis in ipairs(run.axes) do
    if #axis.values > 1 then
      keys[#keys + 1] = axis.key
      local value = run.overrides[axis.key]
      texts[axis.key] = type(value) == "number" and value or settings.text(value)
    end
  end
  return keys, texts
end

--- A run as words of a command line of its own.
-- @tparam table run
-- @treturn {string,...}
function sweep.words(run)
  local words = { run.recipe.word }
  for _, key in ipairs(names.keys(run.overrides)) do
    words[#words + 1] = ("%s=%s"):format(key, settings.text(run.overrides[key]))
  end
  return words
end

return sweep
