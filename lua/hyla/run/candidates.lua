--- What the trials of a search are made with: values drawn from distributions, or the points of a grid.

local distribution = require "hyla.distribution"
local names = require "hyla.names"
local number = require "hyla.number"
local options = require "hyla.options"
local site = require "hyla.site"

local candidates = {}

local reserved = { trial = true, restart = true, response = true, iteration = true, steps = true }

local function want_names(what, part, given)
  for name in pairs(given) do
    if type(name) ~= "string" then
      site.fail("%s: %s: expected names, got the key %s", what, part, tostring(name))
    end
    if reserved[name] then site.fail("%s: %s: '%s' is a column of the series already", what, part, name) end
  end
  if next(given) == nil then site.fail("%s: %s: expected at least one name", what, part) end
end

--- Values drawn for each trial.
-- @tparam string what for messages ("search")
-- @tparam table given name -> distribution
-- @tparam number|nil seed required
-- @treturn table names; count: math.huge; at(trial) -> values by name; source(name) -> text
function candidates.drawn(what, given, seed)
  want_names(what, "draw", given)
  for _, name in ipairs(names.keys(given)) do
    if not distribution.is(given[name]) then
      site.fail("%s: draw: expected a distribution such as hyla.distribution.uniform(0, 1) for '%s', got %s", what,
                name, type(given[name]) == "number" and number.format(given[name]) or "a " .. type(given[name]))
    end
  end
  if not options.seed.is(seed) then
    site.fail("%s: option 'seed': expected %s, which the drawing needs, got %s", what, options.seed.expected,
              tostring(seed))
  end
  return {
    names = names.keys(given), count = math.huge,
    source = function(name) return tostring(given[name]) end,
    at = function(trial)
      local values = {}
      for name, d in pairs(given) do values[name] = d:draw(seed, trial, name) end
      return values
    end,
  }
end

local function want_list(what, name, list)
  local plain = type(list) == "table" and #list > 0
  for _, value in ipairs(plain and list or {}) do
    local kind = type(value)
    plain = plain and (kind == "string" or kind == "boolean" or kind == "number" and value == value)
  end
  if not plain then
    site.fail("%s: grid: expected a list of numbers, strings or booleans for '%s', got %s", what, name,
              type(list) == "table" and "another table" or tostring(list))
  end
end

--- All combinations of values, the last name (in alphabetic order) varying fastest.
-- @tparam string what for messages
-- @tparam table given name -> list of values
-- @treturn table as for drawn; count: of the points
function candidates.grid(what, given)
  want_names(what, "grid", given)
  local list, count = names.keys(given), 1
  for _, name in ipairs(list) do
    want_list(what, name, given[name])
    count = count * #given[name]
  end
  return {
    names = list, count = count,
    source = function() return "the grid" end,
    at = function(trial)
      local values, rest = {}, trial - 1
      for i = #list, 1, -1 do
        local of = given[list[i]]
        values[list[i]] = of[1 + rest % #of]
        rest = math.floor(rest / #of)
      end
      return values
    end,
  }
end

--- Sets those values that are hyperparameters; one outside of its constraint is an error that names where it is from.
-- @tparam problem problem
-- @tparam table from as drawn or grid give it
-- @tparam table values by name
-- @tparam string where words for messages ("trial 3")
function candidates.set(problem, from, values, where)
  for _, name in ipairs(from.names) do
    if problem.hypers[name] or problem.frozen[name] then
      local ok, message = pcall(problem.set, problem, { [name] = values[name] })
      if not ok then error(("%s: '%s' from %s: %s"):format(where, name, from.source(name), tostring(message)), 0) end
    end
  end
end

--- Names that are no hyperparameters of the problem and were not read by the function that built it.
-- @tparam string what for messages
-- @tparam problem problem
-- @tparam table from as drawn or grid give it
-- @tparam table used name -> true
function candidates.want_used(what, problem, from, used)
  for _, name in ipairs(from.names) do
    if not (problem.hypers[name] or problem.frozen[name] or used[name]) then
      local known = names.keys(problem.hypers)
      for _, each in ipairs(names.keys(problem.frozen)) do known[#known + 1] = each end
      error(("%s: unknown hyperparameter '%s'%s; the problem has: %s; the function that builds it did not read it, "
        .. "either"):format(what, name, names.hint(name, known), #known > 0 and table.concat(known, ", ") or "none"), 0)
    end
  end
end

return candidates
