--- The real-time loop: one training; at the end of every hyperbatch the partial hypergradient, the watched values, an
-- update of the hyperparameters and projection. It ends with training, by the early-stopping rule, by itself when the
-- learning rate is held at 0, or where training diverges: what was reached before is not lost.
--
-- The state is a plain table that a checkpoint keeps whole; the loop goes on from it to the same bits:
--   iteration  updates done; seconds spent; training: step, states, tangents; hypers, improver: lambda and the
--              accessories
--   series     a row a hyperbatch: iteration, step, response, norms of the hypergradient, scalar hyperparameters,
--              watched numbers, all before its update
--   best       the row's figures, lambda and weights where the early-stopping value was best
--   ended      whether the hyperbatch has come to its end, but not been looked at
--   positive, held    the natural stop: the learning rate has been positive; hyperbatches at 0 since
-- @module hyla.run.realtime
local diverged = require "hyla.run.diverged"
local figures = require "hyla.run.figures"
local C = require("hyla.ffi").C
local progress = require "hyla.report.progress"
local stopper = require "hyla.run.stopper"

local function keep_best(state, settings, row, p, watched)
  local rule = settings.early_stop
  if rule and not row[rule.watch] then
    error(("early_stop: '%s' is no number that the problem watches"):format(rule.watch), 0)
  end
  if not rule or stopper.better(rule, state.best and state.best.row[rule.watch], row[rule.watch]) then
    state.best = {
      iteration = row.iteration, row = row, values = watched, hypers = p:lambda(),
      weights = rule and settings.weights and p:weights { into = state.best and state.best.weights } or nil,
    }
  end
end

-- The learning rate, having been positive, has been held at 0 for long enough.
local function stopped_by_itself(state, method, p)
  if not method.rate then return false end
  local hyper = p.hypers[method.rate]
  if not hyper then error(("%s: rate: '%s' is no hyperparameter"):format(method.kind, method.rate), 0) end
  local positive = hyper.value:max():item() > 0
  state.positive = state.positive or positive
  state.held = state.positive and not positive and (state.held or 0) + 1 or 0
  return state.held >= method.patience
end

--- Runs the loop.
-- @tparam problem p whose method is hyla.rtho or one of its kin
-- @tparam table settings steps: updates at most; early_stop: from stopper.rule, or nil; weights: keep those of the best
-- @tparam table|nil state as `save` was given it, to go on from there
-- @tparam table on save(state, now, write): after every hyperbatch, where `state` is to be completed around the writing
--   by write(save), and now: an interrupt leaves no other time for it; progress(done, row, p): after every hyperbatch
-- @treturn table outcome: hypers (last lambda, or with early_stop the best), iteration, response and values there;
--   last (with early_stop: the last lambda); iterations (updates done), step (steps of training), seconds it took,
--   stopped ("steps", "patience", "rate" when the learning rate stayed at 0, or "diverged" with `message`), weights
--   where asked for, series
return function(p, settings, state, on)
  local method, rule = p.method, settings.early_stop
  if state then p:place(state.hypers) end
  local training, improver = p:realtime(), p:improver()
  if state then
    training:restore(state.training)
    state.training = nil                               -- large, and no longer needed
    improver:restore(state.improver)
  else
    state = { iteration = 0, series = {}, seconds = 0 }
  end
  local began, before = progress.clock(), state.seconds
  local function spent() return before + progress.clock() - began end
  local stopped, message

  -- The tensors of training are lent to the writing alone: they are large, and go on changing.
  local function save(now)
    on.save(state, now, function(write)
      state.hypers, state.improver, state.training = p:lambda(), improver:state(), training:state(true)
      state.seconds = spent()
      write()
      state.training = nil
    end)
  end

  -- Some of the loop's work, which an interrupt may end: where it came is kept.
  local function attempt(work, ...)
    local ok, a, b, c = pcall(work, ...)
    if ok then return a, b, c end
    if C.hyla_interrupted() == 1 then save(true) end
    error(a, 0)
  end

  -- Whether a piece of the work did not diverge; where nothing was seen before, that is an error.
  local function finite(work, ...)
    local _, words = diverged.or_result(work, ...)
    if words and not state.best then error(words, 0) end
    if words then stopped, message = "diverged", words end
    return not words
  end

  -- To the end of the hyperbatch, unless the state is of one that has come to its end.
  local function advance()
    if not state.ended then
      state.ended = attempt(finite, training.step, training, method.every - training.t % method.every)
    end
    return state.ended
  end

  local function look()
    local g, response
    if not finite(function() g, response = training:partial() end) then return nil end
    return g, response, p:watch()
  end

  local function improve(g)
    improver:step(g)
    training:update()
  end

  while advance() do
    local last = training.t >= p.steps or state.iteration >= settings.steps
    local g, response, watched = attempt(look)
    if not g then break end
    local row = figures("hyperbatch " .. state.iteration,
      { iteration = state.iteration, step = training.t, response = response }, p, g, watched)
    state.series[#state.series + 1] = row
    keep_best(state, settings, row, p, watched)
    on.progress(state.iteration, row, p)
    stopped = rule and stopper.done(rule, state.best.iteration, state.iteration) and "patience" or last and "steps"
    if stopped then break end
    if not finite(improve, g) then break end
    state.iteration, state.ended = state.iteration + 1, nil
    if stopped_by_itself(state, method, p) then
      stopped = "rate"
      break
    end
    save(false)
  end
  local best = state.best
  return {
    hypers = best.hypers, last = rule and p:lambda() or nil, iteration = best.iteration,
    response = best.row.response, values = best.values, iterations = state.iteration, step = training.t,
    seconds = spent(), stopped = stopped, message = message, series = state.series,
    weights = settings.weights and (best.weights or stopped ~= "diverged" and p:weights()) or nil,
  }
end
