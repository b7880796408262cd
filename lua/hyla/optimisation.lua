--- The outer loop of a problem, done in pieces: it ends after its hyper-iterations, by its rule, at Ctrl-C, or where
-- training diverges, with all that it has found; `run:go_on()` goes on to the bits of a loop that never ended.
-- @module hyla.optimisation
-- @field series a row a hyper-iteration: iteration, response, norms of the hypergradient, scalar hyperparameters and
--   watched numbers, before its update
-- @field best where it was best: iteration, response, row (of the series) and hypers; false before the first look
-- @field iterations updates done
-- @field steps hyper-iterations that were asked for, in all
-- @field stopped "steps", "patience", "rate" (the learning rate stayed at 0), "interrupted" or "diverged"
-- @field message of what diverged, or false
-- @field seconds spent
-- @field problem the problem
local interrupt = require "hyla.interrupt"
local members = require "hyla.members"
local number = require "hyla.number"
local options = require "hyla.options"
local site = require "hyla.site"
local tensor = require "hyla.tensor"

local Optimisation, methods = {}, {}

local fields = { steps = options.count, early_stop = { kind = "table" } }
local by_response = { watch = "response", goal = "min" }

-- The loop's own tables go on changing: what it can go on from is copied when it is whole.
local function copied(value)
  if tensor.is(value) then return value:clone() end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = copied(item) end
  return copy
end

local function snapshot(state)
  local kept = {}
  for key, value in pairs(state) do kept[key] = value end
  kept.training = copied(state.training)
  return kept
end

-- A state to go on from, with the rows that were done by then.
local function resumed(self)
  local state, series = self.state and snapshot(self.state), {}
  if not state then return nil end
  for _, row in ipairs(self.series) do
    if row.iteration < state.iteration then series[#series + 1] = row end
  end
  state.series = series
  return state
end

-- A loop of its own kind where the method goes along with training.
local function loop_of(problem)
  return problem.method.every and require "hyla.run.realtime" or require "hyla.run.optimise"
end

local function keep_best(self, row, problem)
  local stopper = require "hyla.run.stopper"
  local value = row[self.rule.watch]
  if not value or self.best and not stopper.better(self.rule, self.best.row[self.rule.watch], value) then return end
  self.best = { iteration = row.iteration, response = row.response, row = row, hypers = problem:lambda() }
end

-- What the loops call to keep a state. That of a real-time loop is whole only while it is written, and an interrupt may
-- have come when a hyperbatch had just ended.
local function saver(self)
  local every = self.problem.method.every
  return function(state, _, whole)
    if not whole then
      self.state = snapshot(state)
      return
    end
    whole(function()
      local kept = snapshot(state)
      kept.ended = kept.training.step >= (kept.iteration + 1) * every or nil
      self.state = kept
    end)
  end
end

-- One stretch of the loop.
local function run(self)
  local diverged, progress = require "hyla.run.diverged", require "hyla.report.progress"
  local problem, state = self.problem, resumed(self)
  if not state then problem:place(self.first) end
  local shown = progress.new { quiet = require("posix.unistd").isatty(2) ~= 1 }
  local outcome, words
  self.series = state and state.series or {}
  shown:begin("optimise", self.iterations, self.steps, problem.method.every and "hyperbatch" or "hyper-iteration")
  interrupt.guard(function()
    local settings = { steps = self.steps, early_stop = self.rule }
    outcome, words = diverged.or_result(loop_of(problem), problem, settings, state, {
      progress = function(done, row)
        if self.series[#self.series] ~= row then self.series[#self.series + 1] = row end
        keep_best(self, row, problem)
        shown:update(done, { response = row.response })
      end,
      save = saver(self),
    })
  end, function(interrupted)
    shown:clear()
    if words and #self.series == 0 then error(words, 0) end
    self.stopped = interrupted and "interrupted" or words and "diverged" or outcome.stopped
    self.message = words or outcome and outcome.message or false
    self.iterations = outcome and outcome.iterations or self.state and self.state.iteration or 0
    self.seconds = outcome and outcome.seconds or self.state and self.state.seconds or 0
    if not outcome then problem:place(self.state and self.state.hypers or self.first) end
  end)
end

--- An optimisation that has not begun.
-- @tparam problem problem
-- @tparam[opt] table given as for p:optimise
-- @treturn Optimisation
local function new(problem, given)
  local o = options.read("optimise", given, fields)
  local steps = o.steps or problem.hyper_steps or problem.method.every and
    math.ceil(problem.steps / problem.method.every)
  if not steps then
    site.fail("optimise: how many hyper-iterations? neither steps = ... nor the problem's `improve` says it")
  end
  local rule = require("hyla.run.stopper").rule(o.early_stop or by_response)
  problem:improver()                                   -- whose mistakes are told now
  return setmetatable({
    problem = problem, steps = steps, rule = rule, series = {}, best = false, iterations = 0, stopped = false,
    message = false, seconds = 0, first = problem:lambda(), state = false,
  }, Optimisation)
end

--- Goes on with the loop.
-- @tparam[opt] number steps more hyper-iterations than were asked for until now; by default what is left of them
-- @treturn Optimisation itself
function methods:go_on(steps)
  if steps ~= nil then
    if not options.count.is(steps) then
      site.fail("go_on: expected a whole number of hyper-iterations >= 1, got %s", tostring(steps))
    end
    self.steps = self.steps + steps
  end
  run(self)
  return self
end

local stopped_words = {
  steps = "done", patience = "no better for long enough", rate = "the learning rate stayed at 0",
  interrupted = "interrupted; run:go_on() goes on", diverged = "diverged",
}

function Optimisation:__tostring()
  local lines = { ("%d of %d hyper-iterations, %s"):format(self.iterations, self.steps,
                                                          stopped_words[self.stopped] or "not begun") }
  if self.message then lines[#lines + 1] = "  " .. self.message end
  if self.best then
    local first, last = self.series[1], self.series[#self.series]
    lines[#lines + 1] = ("  response %s, at last %s"):format(number.short(first.response), number.short(last.response))
    lines[#lines + 1] = ("  best %s at hyper-iteration %d"):format(number.short(self.best.response),
                                                                   self.best.iteration)
  end
  return table.concat(lines, "\n")
end

members.define(Optimisation, { what = "an optimisation", methods = methods })

return { new = new }
