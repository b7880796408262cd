--- method = "auto": reverse or forward, stored or checkpointed, whichever takes the fewest steps within the memory.
--
-- The model counts plain steps of training (Franceschi et al. 2017, section 4: derivatives of a step cost a small
-- multiple of it; the multiples are those of Hyla's own kernels):
--
--   reverse       T forward and T adjoint ones of 3: 4 T. It stores T states.
--   checkpointed  with c states beside the one in work, r T - C(c + 1 + r, c + 2) + 1 forward, r being the least with
--                 C(c + 1 + r, c + 1) >= T (Griewank and Walther 2000), and 3 T for the adjoint ones
--   forward       a tangent takes 2: 2 m T, and T for each group of tangents that runs together, at most 16 and as many
--                 as fit: each is a state and a direction of the hyperparameters
--
-- where T is the number of steps and m that of the hyperparameters' components. A tie goes to reverse.
-- @module hyla.auto
local C = require("hyla.ffi").C
local layout = require "hyla.layout"
local method = require "hyla.method"
local number = require "hyla.number"
local options = require "hyla.options"

local auto = {}

local ADJOINT, TANGENT, TOGETHER = 3, 2, 16
local NOTE = 8   -- bytes beside a checkpoint: its step

-- ---- the model ----

-- C(c + 1 + r, c + 1) for r = 0, 1, ... until it reaches T; then steps forward.
local function steps_forward(T, c)
  local r, reach = 0, 1
  while reach < T do
    r = r + 1
    reach = reach * (c + 1 + r) / r
  end
  return r * T - reach * r / (c + 2) + 1                -- C(n, c + 2) = C(n, c + 1) r / (c + 2), n = c + 1 + r
end

local function reverse_plan(f)
  if f.T * f.state <= f.memory then return { kind = "reverse", words = "reverse", cost = 1 + ADJOINT } end
  local c = math.floor((f.memory - f.state) / (f.state + NOTE))
  if c < 1 then return { kind = "reverse", words = "reverse", cost = math.huge } end
  return {
    kind = "reverse", words = "reverse with " .. number.count(c, "checkpoint"),
    cost = steps_forward(f.T, c) / f.T + ADJOINT,
  }
end

local function forward_plan(f)
  local together = math.min(TOGETHER, f.m, math.floor(f.memory / (f.state + f.hypers)))
  local cost = together >= 1 and math.ceil(f.m / together) + TANGENT * f.m or math.huge
  return { kind = "forward", words = "forward with " .. number.count(f.m, "tangent"), cost = cost }
end

-- "4 plain trainings", to a tenth where it is few.
local function times(plan)
  if plan.cost == math.huge then return "more memory than there is" end
  local few = plan.cost < 100
  return "about " .. number.count(few and math.floor(10 * plan.cost + 0.5) / 10 or math.floor(plan.cost + 0.5),
                                  "plain training")
end

--- The choice.
-- @tparam table f { m = components of the hyperparameters, T = steps, state = bytes of one state, hypers = bytes of the
--   hyperparameters, memory = bytes that may be taken, or math.huge }
-- @treturn string "reverse" or "forward"
-- @treturn string why, in words
-- @treturn number what it takes, in plain trainings; math.huge where nothing fits, which the method then refuses
function auto.choose(f)
  local reverse, forward = reverse_plan(f), forward_plan(f)
  local chosen, other = reverse, forward
  if forward.cost < reverse.cost then chosen, other = forward, reverse end
  local room = f.memory < math.huge and number.size(f.memory) or "memory without a limit"
  local why = ("auto: %s, which takes %s; %s would take %s; a trajectory of %s %s %s"):format(
    chosen.words, times(chosen), other.words, times(other), number.size(f.T * f.state),
    f.T * f.state <= f.memory and "fits into" or "does not fit into", room)
  return chosen.kind, why, chosen.cost
end

-- ---- the method ----

--- The method that takes the fewest steps on the problem it is given to, by the model above. The problem's `method` is
-- the one that was chosen; its `method_reason`, which is also among its `notes`, says why.
-- @tparam[opt] table given { memory = bytes, or "700M", that it may take; what the memory limit leaves otherwise or,
--   without one, three quarters of the machine's memory }
-- @treturn method for hyla.problem; method = "auto" stands for hyla.auto()
function auto.auto(given)
  local asked = options.read("auto", given, { memory = {} }).memory
  return { kind = "auto", settings = { memory = asked and method.bytes("auto: memory", asked) or 0 } }
end

--- Whether a value names a method: one of hyla.method, hyla.auto() or "auto".
-- @return boolean
function auto.is(v)
  return v == "auto" or type(v) == "table" and (v.kind == "auto" or type(v.new) == "function")
end

--- The method of a problem.
-- @tparam method given
-- @tparam table p hypers, steps, layout, dtype and outer of a problem
-- @treturn method given itself, unless it is to be chosen
-- @return why it was chosen, in words, or false
function auto.resolve(given, p)
  if given ~= "auto" and given.kind ~= "auto" then return given, false end
  local m = 0
  for _, hyper in ipairs(p.hypers) do m = m + hyper.size end
  if m == 0 or not p.outer then return method.reverse(), false end
  local asked = given ~= "auto" and given.settings.memory or 0
  local kind, why = auto.choose {
    m = m, T = p.steps, state = layout.bytes(p.layout.states, p.dtype), hypers = layout.bytes(p.layout.hypers, p.dtype),
    memory = C.hyla_memory_allowed(asked),
  }
  return method[kind] { memory = asked > 0 and asked or nil }, why
end

return auto
