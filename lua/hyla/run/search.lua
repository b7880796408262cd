--- Random search and grid search: the baselines of a hypergradient, on the same problem. A trial sets hyperparameters,
-- trains to the end and looks; nothing is differentiated.
--
-- The state is a plain table that a checkpoint keeps whole; the search goes on from it:
--   trial, seconds   trials done, and the time they took
--   series           a row a trial: its scalar hyperparameters and drawn values, response and watched numbers; with
--                    early stopping the steps it took
--   failed           { trial, values, message } of each trial that diverged; its row has no response
--   best             of the best trial until now; nil while all have failed

local candidates = require "hyla.run.candidates"
local diverged = require "hyla.run.diverged"
local progress = require "hyla.report.progress"
local site = require "hyla.site"
local stopper = require "hyla.run.stopper"
local train = require "hyla.run.train"
local names = require "hyla.names"

local search = {}

-- The values as the function that builds a problem sees them: notes which are read; a wrong name is an error.
local function noting(values, used)
  return setmetatable({}, {
    __index = function(_, name)
      if values[name] == nil then
        site.fail("search: no value named '%s'%s", tostring(name), names.hint(tostring(name), names.keys(values)))
      end
      used[name] = true
      return values[name]
    end,
    __newindex = function(_, name) site.fail("search: the value '%s' cannot be set", tostring(name)) end,
  })
end

-- A function trial's values -> problem. A problem whose building read none of them serves all trials.
local function builder(build, from)
  local kept
  return function(values)
    if kept then return kept end
    local used = {}
    local problem = build(noting(values, used))
    candidates.want_used("search", problem, from, used)
    if next(used) == nil then kept = problem end
    return problem
  end
end

local function silent() end

local function look(problem, settings)
  if settings.early_stop then
    local outcome = train(problem, settings, silent)
    return { response = outcome.response, watched = outcome.values, weights = outcome.weights, steps = outcome.steps }
  end
  problem:train()
  local response = problem.outer and problem:response() or nil
  local watched = problem:watch()
  for name, value in pairs(watched) do
    if type(value) == "number" then diverged.unless_finite("watched value '" .. name .. "'", value) end
  end
  return { response = response, watched = watched, weights = settings.weights and problem:weights() or nil }
end

-- The row of a trial. A failed one has neither response nor watched numbers.
local function row_of(trial, problem, values, seen)
  local row = { trial = trial, response = seen and seen.response, steps = seen and seen.steps }
  for _, part in ipairs { problem:lambda(), values, seen and seen.watched or {} } do
    for name, value in pairs(part) do
      if type(value) == "number" or part == values then row[name] = value end
    end
  end
  return row
end

local function judge(state, rule, row, problem, values, seen)
  local value = row[rule.watch]
  if type(value) ~= "number" then
    error(rule.given and ("search: '%s' is no number that the problem watches"):format(rule.watch)
      or "search: the problem has no outer objective; watch = ... names what is to be best", 0)
  end
  if stopper.better(rule, state.best and state.best.value, value) then
    state.best = { trial = row.trial, value = value, response = seen.response, values = seen.watched,
      hypers = problem:lambda(), drawn = values, weights = seen.weights }
  end
end

-- The problem of a trial and the values it was made with.
local function prepare(build, from, trial)
  local values = from.at(trial)
  local problem = build(values)
  candidates.set(problem, from, values, "trial " .. trial)
  return problem, values
end

--- The problem of one trial, for a look at what it will take.
-- @tparam function build values by name -> problem
-- @tparam table from hyla.run.candidates
-- @tparam number trial
-- @treturn problem
function search.prepared(build, from, trial) return (prepare(builder(build, from), from, trial)) end

local function try(state, trial, settings, build)
  local problem, values = prepare(build, settings.from, trial)
  local seen, message = diverged.or_result(look, problem, settings)
  local row = row_of(trial, problem, values, seen)
  if seen then
    judge(state, settings.rule, row, problem, values, seen)
  else
    state.failed[#state.failed + 1] = { trial = trial, values = values, message = message }
  end
  state.series[#state.series + 1] = row
  return row, message
end

--- Runs the search.
-- @tparam function build values by name -> problem
-- @tparam table settings from: hyla.run.candidates; rule: watch, goal (hyla.run.stopper); trials: the most; seconds:
--   after which no other trial begins, or nil; weights: whether to keep those of the best; early_stop and every: of
--   each trial (hyla.run.train)
-- @tparam table|nil state as `save` was given it, to go on from there
-- @tparam table on save(state): called after every trial; progress(done, row, message): after every trial, with the
--   words of one that failed
-- @treturn table outcome: hypers (by name: number or tensor), drawn, response, values and trial of the best; trials,
--   failed, seconds, series; an error when all have failed
function search.run(build, settings, state, on)
  state = state or { trial = 0, seconds = 0, series = {}, failed = {} }
  build = builder(build, settings.from)
  local began, before = progress.clock(), state.seconds
  while state.trial < settings.trials and not (settings.seconds and state.seconds >= settings.seconds) do
    local row, message = try(state, state.trial + 1, settings, build)
    state.trial, state.seconds = state.trial + 1, before + progress.clock() - began
    on.progress(state.trial, row, message)
    on.save(state)
  end
  local best = state.best
  if not best then
    error(("search: all of %d trials failed; the last: %s"):format(state.trial, state.failed[#state.failed].message), 0)
  end
  return { hypers = best.hypers, drawn = best.drawn, response = best.response, values = best.values, trial = best.trial,
    weights = best.weights, trials = state.trial, failed = state.failed, seconds = state.seconds,
    series = state.series }
end

return search
