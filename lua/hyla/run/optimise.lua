--- The outer loop: hypergradient, watch, record, improve and project, until the hyper-iterations or patience end.
--
-- The state is a plain table that a checkpoint keeps whole; the loop goes on from it to the same bits:
--   seconds    spent so far
--   iteration  updates done; hypers, improver: lambda and the accessories of the hyper-optimizer
--   series     a row a hyper-iteration: iteration, response, norms of the hypergradient, scalar hyperparameters and
--              watched numbers, all at lambda before its update
--   carried    what the method takes from one hypergradient to the next, where it does
--   best       the row's figures and lambda where the early-stopping value was best (without a rule: the last)

local figures = require "hyla.run.figures"
local profile = require "hyla.profile"
local progress = require "hyla.report.progress"
local stopper = require "hyla.run.stopper"

-- At the last lambda nothing is improved, so plain training is enough to see how good it is.
local function look(problem, last)
  local g, response
  if last then
    problem:train()
    response = problem:response()
  else
    g, response = problem:hypergradient()
  end
  return g, response, problem:watch()
end

local function keep_best(state, rule, row, problem, watched)
  local value = rule and row[rule.watch]
  if rule and not value then
    error(("early_stop: '%s' is no number that the problem watches"):format(rule.watch), 0)
  end
  if not rule or stopper.better(rule, state.best and state.best.row[rule.watch], value) then
    state.best = { iteration = row.iteration, row = row, values = watched, hypers = problem:lambda() }
  end
end

-- A state that was kept after its last look failed has a row too many.
local function restore(problem, improver, state)
  local series = state.series
  while #series > 0 and series[#series].iteration >= state.iteration do series[#series] = nil end
  problem:place(state.hypers)
  improver:restore(state.improver)
  if state.carried then problem:carry(state.carried) end
end

--- Runs the loop.
-- @tparam problem problem
-- @tparam table settings steps: hyper-iterations; early_stop: from stopper.rule, or nil
-- @tparam table|nil state as `save` was given it, to go on from there
-- @tparam table on save(state): called after every update; progress(done, row, problem): after every look
-- @treturn table outcome: hypers (best lambda by name: number or tensor), iteration (where), response and values
--   (watched) there; last (with early stopping: the last lambda); iterations (updates done), stopped ("steps" or
--   "patience"), series; seconds it took
return function(problem, settings, state, on)
  local rule, improver = settings.early_stop, problem:improver()
  if state then
    restore(problem, improver, state)
  else
    state = { iteration = 0, series = {}, seconds = 0 }
  end
  local began, before = progress.clock(), state.seconds
  local stopped
  while true do
    local last = state.iteration >= settings.steps
    local g, response, watched = profile.within("hyper-iteration", look, problem, last)
    local row = figures("hyper-iteration " .. state.iteration, { iteration = state.iteration, response = response },
      problem, g, watched)
    state.series[#state.series + 1] = row
    keep_best(state, rule, row, problem, watched)
    on.progress(state.iteration, row, problem)
    stopped = rule and stopper.done(rule, state.best.iteration, state.iteration) and "patience" or last and "steps"
    if stopped then break end
    profile.within("improve", improver.step, improver, g, response)
    state.iteration = state.iteration + 1
    state.hypers, state.improver, state.carried = problem:lambda(), improver:state(), problem:carried()
    state.seconds = before + progress.clock() - began
    on.save(state)
  end
  local best = state.best
  return { hypers = best.hypers, iteration = best.iteration, response = best.row.response, values = best.values,
    last = rule and problem:lambda() or nil, iterations = state.iteration, stopped = stopped, series = state.series,
    seconds = before + progress.clock() - began }
end
