--- Recipes: an experiment as a file that returns a description. Nothing in it runs, reads a file or draws a number
-- until it is asked to build a problem or to run.
--
--     return hyla.recipe {
--       about = "one line",
--       options = { steps = 2000, budget = { 1000, 1500 } },   -- defaults declare names and types
--       profiles = { quick = { steps = 500 } },                -- profile=quick
--       bounds = { steps = { 1, integer = true } },            -- {lowest, highest, integer =}, parts optional
--       build = function(o) return hyla.problem {...} end,     -- a recipe of one problem needs no more
--       problems = { cleaner = function(o, budget) ... end },  -- several: functions of options and earlier results
--       run = function(o, lab) ... end,                        -- the stages (hyla.run.lab)
--       columns = { "method" },                                -- order of the results' columns
--       charts = { name = { title =, left = { "a" } } },       -- figures that belong together (hyla.run.charts)
--     }
--
-- The module itself is called to make one: hyla.recipe {...}.
-- @module hyla.recipe

local folders = require "hyla.folders"
local lfs = require "lfs"
local charts = require "hyla.run.charts"
local members = require "hyla.members"
local names = require "hyla.names"
local options = require "hyla.options"
local settings = require "hyla.run.settings"
local site = require "hyla.site"

local recipe = {}

local Recipe, methods = {}, {}

local fields = {
  about = { kind = "string", required = true },
  options = { kind = "table" },
  profiles = { kind = "table" },
  bounds = { kind = "table" },
  build = { kind = "function" },
  problems = { kind = "table" },
  run = { kind = "function" },
  columns = { kind = "table" },
  charts = { kind = "table" },
}

--- Makes a recipe from its description; an error at the recipe's line when it does not fit.
-- @tparam table description see above
-- @treturn Recipe about, declared (options), description; name, path, text and own (is it Hyla's?) when loaded from
-- a file
function recipe.new(description)
  description = options.read("recipe", description, fields)
  if not (description.build or description.run) then
    site.fail("recipe: nothing to do: expected build = function(o), or problems and run = function(o, lab)")
  end
  local declared, message = settings.declare(description.options, description.profiles, description.bounds)
  if not declared then site.fail("recipe: %s", message) end
  description.charts = charts.read_all(description.charts)
  for name, build in pairs(description.problems or {}) do
    if type(build) ~= "function" then
      site.fail("recipe: problem '%s': expected a function of the options, got a %s", tostring(name), type(build))
    end
  end
  return setmetatable({ about = description.about, declared = declared, description = description }, Recipe)
end

--- Is a value a recipe?
function recipe.is(value) return getmetatable(value) == Recipe end

--- The function that builds a problem.
-- @tparam[opt] string name among `problems`; nil: the recipe's `build`
-- @treturn function of the options and, for a named one, of what else it takes
function methods:builder(name)
  local problems = self.description.problems or {}
  local build = self.description.build
  if name ~= nil then build = problems[name] end
  if not build then
    site.fail("recipe: no problem %s; the problems are: %s", name and ("'%s'"):format(tostring(name))
      or "without a name", table.concat(names.keys(problems), ", "))
  end
  return build
end

--- The options of a run.
-- @tparam[opt] table overrides values by name, and profile = a profile's name
-- @treturn table every option; an error that lists the right ones otherwise
function methods:resolve(overrides)
  local o, message = settings.resolve(self.declared, overrides)
  if not o then site.fail("%s", message) end
  return o
end

--- Builds a problem, for the REPL, for specs and benchmarks.
-- @tparam[opt] table overrides options by name, and profile
-- @tparam[opt] string name of one of the recipe's `problems`; its `build` otherwise
-- @param ... what a named problem takes besides the options
-- @treturn problem
function methods:build(overrides, name, ...)
  local problem = self:builder(name)(self:resolve(overrides), ...)
  return problem
end

function Recipe:__tostring()
  local title = self.name and ("recipe %s: %s"):format(self.name, self.about) or "recipe: " .. self.about
  return title .. "\n" .. settings.describe(self.declared)
end

members.define(Recipe, {
  what = "a recipe", methods = methods,
  optional = { name = true, path = true, word = true, text = true, own = true },
})

local function is_file(path) return lfs.attributes(path, "mode") == "file" end

-- A word with a slash or ".lua" is a path. A name is looked for in the folders of recipes, and last, so that a stray
-- file hides nothing, in the current folder; with `own` among Hyla's alone.
-- Returns the file to open, what messages call it, and whether it is one of Hyla's own; nil when there is none.
local function find(word, own)
  if word:find("/", 1, true) or word:find("%.lua$") then return word, word end
  local file = word .. ".lua"
  for _, folder in ipairs(folders.recipes()) do
    local path = folder.path .. "/" .. file
    if is_file(path) and (folder.own or not own) then return path, folder.shown .. "/" .. file, folder.own end
  end
  if is_file(file) and not own then return file, file end
end

--- Names of the recipes there are here, without a look into any: see `recipe.list`.
-- @treturn {string,...} sorted
function recipe.names()
  local seen = {}
  for _, folder in ipairs(folders.recipes()) do
    if lfs.attributes(folder.path, "mode") == "directory" then
      for file in lfs.dir(folder.path) do seen[file:match "^([^.].*)%.lua$" or false] = true end
    end
  end
  return names.keys(seen)
end

-- A recipe sees the usual globals but makes none, and a misspelt one is an error instead of nil.
local function environment()
  return setmetatable({}, {
    __index = function(_, name)
      local value = _G[name]
      if value == nil then site.fail("undefined variable '%s'", tostring(name)) end
      return value
    end,
    __newindex = function(_, name) site.fail("assignment to undeclared variable '%s'; write local", tostring(name)) end,
  })
end

local function read(word, only_own)
  local path, shown, own = find(word, only_own)
  local file = path and io.open(path, "rb")
  local text = file and file:read("*a")
  if file then file:close() end
  if not text then
    local known = recipe.names()
    return nil, ("no recipe '%s'%s; the recipes are: %s (or give the path of a .lua file)")
      :format(word, names.hint(word, known), table.concat(known, ", "))
  end
  return text, shown, path, own
end

-- `return hyla.recipe {...}` is a tail call, which leaves no frame to take a line from: the file is named instead.
local function in_file(message, shown)
  if message:sub(1, #shown + 1) == shown .. ":" then return message end
  return (message:gsub("^%S*: recipe: ", function() return shown .. ": recipe: " end))
end

--- Loads a recipe.
-- @tparam string word a name in a folder of recipes (see hyla.folders), or the path of a file
-- @tparam[opt] boolean only_own a name is one of Hyla's own recipes, whatever else has it
-- @return Recipe, or nil and what is wrong: no such file, a mistake in it, or it is no recipe
function recipe.try_load(word, only_own)
  local text, shown, path, own = read(word, only_own)
  if not text then return nil, shown end
  local chunk, message = loadstring(text, "@" .. shown)
  if not chunk then return nil, ("%s: not a recipe: %s"):format(shown, message) end
  local ok, value = pcall(setfenv(chunk, environment()))
  if not ok then return nil, in_file(tostring(value), shown) end
  if not recipe.is(value) then
    return nil, ("%s: not a recipe: expected the file to return hyla.recipe {...}, got %s")
      :format(shown, value == nil and "nothing" or "a " .. type(value))
  end
  value.name = shown:match("([^/]*)%.lua$") or shown:match("[^/]*$")
  value.path, value.word, value.text, value.own = path, word, text, own or false
  return value
end

--- Loads a recipe; an error at the caller's line when that fails.
-- @tparam string word a name in a folder of recipes (see hyla.folders), or the path of a file
-- @treturn Recipe
function recipe.load(word)
  if type(word) ~= "string" then site.fail("load: expected a recipe's name or path, got a %s", type(word)) end
  local value, message = recipe.try_load(word)
  if not value then site.fail("%s", message) end
  return value
end

--- The recipes that have a name here: those of the current folder's recipes/, the user's, and Hyla's own.
-- @treturn {table,...} name, path, own (is it Hyla's?), and about and options (text by name), or error where the file
-- is no recipe
function recipe.list()
  local list = {}
  for _, name in ipairs(recipe.names()) do
    local value, message = recipe.try_load(name)
    local path, _, own = find(name)
    local entry = { name = name, path = path, own = own or false, error = message }
    if value then
      entry.about, entry.options = value.about, {}
      for key, default in pairs(value.declared.defaults) do entry.options[key] = settings.text(default) end
    end
    list[#list + 1] = entry
  end
  return list
end

return setmetatable(recipe, { __call = function(_, description) return recipe.new(description) end })
