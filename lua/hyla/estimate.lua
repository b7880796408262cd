--- What a problem will take, before it is worked on: memory, and time from a few steps that are measured. The problem
-- stays as it is.
-- @module hyla.estimate
local ffi = require "ffi"
local cost = require "hyla.cost"
local engine = require "hyla.ffi"
local method = require "hyla.method"
local number = require "hyla.number"
local progress = require "hyla.report.progress"
local tensor = require "hyla.tensor"
local C, check = engine.C, engine.check

local MEASURED = 0.15                                  -- seconds that one measurement should take
local MOST = 64                                        -- steps of it

local Estimate = {}

local function seconds(t) return t and number.time(t) or "unknown" end

function Estimate:__tostring()
  local text = ("%s held, %s a step"):format(number.size(self.bytes), seconds(self.step_seconds))
  if not self.cost then return text end
  return ("%s, %s a hypergradient (%s)"):format(text, seconds(self.hypergradient_seconds), tostring(self.cost))
end

local function timed(work, ...)
  local began = progress.clock()
  work(...)
  return progress.clock() - began
end

local function lambda_of(problem)
  local values = ffi.new("hyla_tensor *[?]", math.max(#problem.hypers, 1))
  for i, hyper in ipairs(problem.hypers) do values[i - 1] = hyper.value end
  return values
end

local function drop(handle) C.hyla_method_drop(ffi.gc(handle, nil)) end

-- Runs `work` with a method of its own, which holds nothing afterwards, whatever happens.
local function with(made, problem, work)
  local handle = made.new(problem.handle)
  local ok, result, second = pcall(work, handle)
  drop(handle)
  if not ok then error(result, 0) end
  return result, second
end

-- How many steps to measure, when one takes t seconds.
local function steps_for(t, most) return math.max(1, math.min(math.ceil(MEASURED / math.max(t, 1e-9)), MOST, most)) end

-- Seconds of a step of plain training, the first one's preparations aside; and s_0.
local function plain_step(problem, handle)
  local T, lambda, states = problem.steps, lambda_of(problem), {}
  check(C.hyla_method_start(handle, lambda))
  for i = 1, #problem.layout.states do
    local view = ffi.new("hyla_tensor *[1]")
    check(C.hyla_method_state(handle, i - 1, view))
    states[i] = tensor.adopt(view[0]):clone()
  end
  local function advance(n) check(C.hyla_method_advance(handle, n)) end
  local first = timed(advance, 1)
  if T == 1 then return first, states end
  local one = timed(advance, 1)
  local n = steps_for(one, T - 2)
  return T > 2 and timed(advance, n) / n or one, states
end

-- Runs the last n steps alone, from s_0, and their hypergradient. Gives its seconds and the steps forward it took.
local function short(problem, handle, states, n)
  local from, lambda = ffi.new("hyla_tensor *[?]", #states), lambda_of(problem)
  for i, state in ipairs(states) do from[i - 1] = state end
  local f, g, out = ffi.new("double[1]"), {}, ffi.new("hyla_tensor *[?]", #problem.hypers)
  for i, hyper in ipairs(problem.hypers) do
    g[i] = tensor.zeros(hyper.shape, problem.dtype)
    out[i - 1] = g[i]
  end
  check(C.hyla_method_start_from(handle, lambda, problem.steps - n, from))
  local t = timed(function() check(C.hyla_method_hypergradient(handle, f, out)) end)
  return t, cost.of(handle).taken
end

-- Steps forward cost f each, steps back b each, and what comes once c: from two short runs.
local function whole(problem, handle, states, step, plan)
  local T = problem.steps
  local swept = math.min(T, problem.method.settings.truncate or T)
  short(problem, handle, states, 1)                    -- prepares what is prepared once
  local first, taken = short(problem, handle, states, 1)
  local n = math.min(steps_for(first, T), swept)
  if n < 2 then return plan.steps * step + swept * math.max(first - step * taken, 0) end
  local second, more = short(problem, handle, states, n)
  local back = math.max(((second - first) - step * (more - taken)) / (n - 1), 0)
  local once = math.max(first - step * taken - back, 0)
  return plan.steps * step + swept * back + once
end

-- Drops tensors now, not when the collector comes by: they are as large as the state of training.
local function let_go(tensors)
  for i, t in ipairs(tensors) do
    C.hyla_tensor_drop(ffi.gc(t, nil))
    tensors[i] = nil
  end
end

local function hypergradient(problem, step, states)
  return with(problem.method, problem, function(handle)
    local plan = cost.of(handle)
    local ok, t = pcall(whole, problem, handle, states, step, plan)
    let_go(states)
    if not ok and engine.status_of(t) ~= C.HYLA_ENONFINITE then error(t, 0) end
    check(C.hyla_method_start(handle, lambda_of(problem)))     -- takes all of its memory, and touches little of it
    return { seconds = ok and t or nil, cost = plan, bytes = C.hyla_memory_current() }
  end)
end

local methods = {}

--- Memory and time that a step and a hypergradient will take, at the current hyperparameters, from a few steps that are
-- measured; tostring makes it a line.
-- @treturn table bytes: what the engine will hold in all, data and programs included; step_seconds: of plain training;
--   with hyperparameters and an outer objective also cost: of a hypergradient (hyla.cost), and hypergradient_seconds,
--   nil where the few steps gave no finite one. An error where the memory limit will refuse
function methods:estimate()
  local problem, figures = self, {}
  collectgarbage()
  local states
  figures.step_seconds, states = with(method.train(), problem, function(handle)
    local step, first = plain_step(problem, handle)
    figures.bytes = C.hyla_memory_current()
    return step, first
  end)
  if #problem.hypers > 0 and problem.outer then
    local whole_one = hypergradient(problem, figures.step_seconds, states)
    figures.hypergradient_seconds, figures.cost, figures.bytes = whole_one.seconds, whole_one.cost, whole_one.bytes
  end
  return setmetatable(figures, Estimate)
end

return { methods = methods }
