--- Hyper-optimisation begun anew from drawn start values, of which the best is kept.
--
-- The state is a plain table that a checkpoint keeps whole:
--   restart   the one that runs; loop: its state (hyla.run.optimise), nil before its first update
--   series    rows of the finished ones, each with its restart
--   failed    { restart, values, message } of each one that diverged
--   best      outcome of the best until now, with its restart, `drawn`, and the value it was judged by

local candidates = require "hyla.run.candidates"
local diverged = require "hyla.run.diverged"
local stopper = require "hyla.run.stopper"

local response = { watch = "response", goal = "min" }

local function value_of(outcome, rule)
  if rule.watch == "response" then return outcome.response end
  return outcome.values[rule.watch]
end

local function start(problem, settings, restart, values)
  local first = {}
  for _, list in ipairs { problem.hypers, problem.frozen } do
    for _, hyper in ipairs(list) do first[hyper.name] = hyper.init end
  end
  problem:place(first)
  candidates.set(problem, settings.from, values, "restart " .. restart)
end

local function add_rows(state, rows)
  for _, row in ipairs(rows) do
    row.restart = state.restart
    state.series[#state.series + 1] = row
  end
end

local function keep_best(state, rule, outcome, values)
  local value = value_of(outcome, rule)
  if stopper.better(rule, state.best and state.best.value, value) then
    state.best = { value = value, restart = state.restart, drawn = values, outcome = outcome }
  end
end

-- One restart, to its end.
local function run(problem, settings, state, on)
  local values = settings.from.at(state.restart)
  start(problem, settings, state.restart, values)
  local outcome, message = diverged.or_result(settings.loop, problem, settings, state.loop, {
    progress = function(done, row, p)
      on.progress((state.restart - 1) * settings.steps + done, row, p)
    end,
    save = function(loop, now, write)
      state.loop = loop
      on.save(state, now, write)
    end,
  })
  add_rows(state, outcome and outcome.series or state.loop and state.loop.series or {})
  if outcome then
    outcome.series = nil
    keep_best(state, settings.early_stop or response, outcome, values)
  else
    state.failed[#state.failed + 1] = { restart = state.restart, values = values, message = message }
    on.failed(state.restart, message)
  end
end

--- Runs the restarts.
-- @tparam problem problem
-- @tparam table settings as for hyla.run.optimise, and restarts: how many; from: hyla.run.candidates; loop: what one
--   restart runs, hyla.run.optimise or hyla.run.realtime
-- @tparam table|nil state as `save` was given it, to go on from there
-- @tparam table on as for hyla.run.optimise, and failed(restart, message)
-- @treturn table the outcome of the best restart (hyla.run.optimise, without seconds) with restart, drawn (its start
--   values), restarts and failed; series: of all of them; an error when all have failed
return function(problem, settings, state, on)
  state = state or { restart = 1, series = {}, failed = {} }
  candidates.want_used("optimise", problem, settings.from, {})
  while state.restart <= settings.restarts do
    run(problem, settings, state, on)
    state.restart, state.loop = state.restart + 1, nil
    on.save(state)
  end
  local best = state.best
  if not best then
    error(("optimise: all of %d restarts failed; the last: %s"):format(settings.restarts,
      state.failed[#state.failed].message), 0)
  end
  local outcome = best.outcome
  outcome.restart, outcome.drawn, outcome.restarts = best.restart, best.drawn, settings.restarts
  outcome.failed, outcome.series = state.failed, state.series
  outcome.seconds = nil                                -- those of the best restart alone
  return outcome
end
