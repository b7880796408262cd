--- The problems that a recipe can build from its options alone, by name.
-- @module hyla.run.problems
local names = require "hyla.names"
local recipe = require "hyla.recipe"
local settings = require "hyla.run.settings"

local problems = {}

-- A function of the options alone; others want earlier results.
local function wants_options_alone(build)
  local about = debug.getinfo(build, "u")
  return about.nparams <= 1
end

-- The recipe's problems by name, and those that cannot be built, with why.
local function builders(loaded)
  local list, left_out = {}, {}
  if loaded.description.build then list[1] = { name = loaded.name, build = loaded.description.build } end
  local declared = loaded.description.problems or {}
  for _, name in ipairs(names.keys(declared)) do
    if wants_options_alone(declared[name]) then
      list[#list + 1] = { name = name, build = declared[name] }
    else
      left_out[#left_out + 1] = { name = name, why = "it is built from earlier results" }
    end
  end
  return list, left_out
end

--- Builds those that have a hypergradient.
-- @tparam Recipe loaded
-- @tparam table o its resolved options
-- @tparam[opt] function wanted name -> whether to build that one
-- @treturn {table,...} { name, problem }
-- @treturn {table,...} the others: { name, why }
function problems.build(loaded, o, wanted)
  local built, left_out = {}, {}
  local list, unbuilt = builders(loaded)
  for _, each in ipairs(list) do
    local p = (not wanted or wanted(each.name)) and each.build(o)
    if p and (not p.outer or #p.hypers == 0) then
      left_out[#left_out + 1] = { name = each.name, why = "it has no hypergradient" }
    elseif p then
      built[#built + 1] = { name = each.name, problem = p }
    end
  end
  for _, each in ipairs(unbuilt) do left_out[#left_out + 1] = each end
  return built, left_out
end

--- Names of all problems of a recipe that can be built from its options.
-- @tparam Recipe loaded
-- @treturn {string,...}
function problems.names(loaded)
  local list = {}
  for i, each in ipairs((builders(loaded))) do list[i] = each.name end
  return list
end

--- A recipe and its options, from words of the shell.
-- @tparam string word the recipe's name or path
-- @tparam {string,...} words "key=value"
-- @tparam[opt] string profile the one that applies where no word names another and the recipe has it
-- @treturn[1] Recipe
-- @treturn[1] table resolved options
-- @treturn[1] string|nil the profile that applies
-- @treturn[2] nil
-- @treturn[2] string what is wrong
function problems.resolve(word, words, profile)
  local loaded, message = recipe.try_load(word)
  if not loaded then return nil, message end
  local overrides
  overrides, message = settings.parse(loaded.declared, words)
  if not overrides then return nil, message end
  if overrides.profile == nil and profile and loaded.declared.profiles[profile] then overrides.profile = profile end
  local o
  o, message = settings.resolve(loaded.declared, overrides)
  if not o then return nil, message end
  return loaded, o, overrides.profile
end

return problems
