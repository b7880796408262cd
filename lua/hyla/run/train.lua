--- Plain training, to the last step or until it is no longer worth while: with a rule of early stopping the watched
-- values are looked at every so many steps, the best look is what counts, and training ends when none has been better
-- for the rule's patience. Where training diverges what it had reached before counts; where nothing was, that is an
-- error.
-- @module hyla.run.train
local diverged = require "hyla.run.diverged"
local progress = require "hyla.report.progress"
local row_of = require "hyla.run.row"
local stopper = require "hyla.run.stopper"

local CHUNK = 100   -- training steps between two looks at the clock and the interrupt flag

local function to_the_end(p, settings, on)
  while p.t < p.steps do
    p:step(math.min(CHUNK, p.steps - p.t))
    on(p.t)
  end
  return { values = p:watch(), weights = settings.weights and p:weights() or nil, step = p.t }
end

-- What is there now, as an outcome, where it is better than the best; or the best.
local function better(best, rule, p, settings, row, values)
  if type(row[rule.watch]) ~= "number" then
    error(("early_stop: '%s' is no number that the problem watches"):format(rule.watch), 0)
  end
  if not stopper.better(rule, best and best.values[rule.watch], row[rule.watch]) then return best end
  return { values = values, step = p.t, look = row.iteration, response = p.outer and p:response() or nil,
    weights = settings.weights and p:weights { into = best and best.weights } or nil }
end

local function until_no_better(p, settings, on)
  local rule, best, series, stopped, message = settings.early_stop, nil, {}, nil, nil
  while not stopped do
    local _, words = diverged.or_result(p.step, p, math.min(settings.every, p.steps - p.t))
    if words and not best then error(words, 0) end
    if words then
      stopped, message = "diverged", words
      break
    end
    local values = p:watch()
    local row = row_of("look " .. #series + 1, { iteration = #series + 1, step = p.t }, values)
    series[row.iteration] = row
    best = better(best, rule, p, settings, row, values)
    on(p.t, row)
    stopped = p.t >= p.steps and "steps" or stopper.done(rule, best.look, row.iteration) and "patience" or nil
  end
  best.series, best.stopped, best.message, best.look = series, stopped, message, nil
  best.steps = series[#series].step
  return best
end

--- Trains from s_0.
-- @tparam problem p
-- @tparam table settings weights: whether to keep them; early_stop: from stopper.rule, or nil; every: steps between two
--   looks, with it
-- @tparam function on (step, row): called on the way
-- @treturn table outcome: values (watched), weights where asked for, step they are of, seconds it took; with
--   early_stop also response there, steps taken, stopped ("steps", "patience", or "diverged" with `message`), series (a
--   row a look)
return function(p, settings, on)
  local began = progress.clock()
  p:start()
  local outcome = (settings.early_stop and until_no_better or to_the_end)(p, settings, on)
  outcome.seconds = progress.clock() - began
  return outcome
end
