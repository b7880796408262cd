--- What specs of checkpointed and truncated Reverse-HG share: problems, and runs of methods on them.
local assert = require "luassert"
local ffi = require "ffi"
local cost = require "hyla.cost"
local engine = require "hyla.ffi"
local hyla = require "hyla"
local hyla_method = require "hyla.method"
local tensor = require "hyla.tensor"
local C, check = engine.C, engine.check

local unrolled = {}

local function hyper(name, value, size) return hyla.hyper(name, { init = value, size = size }) end
local function values(...) return hyla.tensor({ ... }, "float64") end

--- Problems of T steps that between them have accessories, learned settings, stretches, a start that depends on a
-- hyperparameter, the direct term, and values inside the steps that pay to store.
unrolled.problems = {
  ["gradient descent"] = function(T)
    local w, eta = hyla.weight("w", { 3 }, values(1, -2, 0.5)), hyper("eta", 0.05)
    return { inner = (w ^ 2 * values(0.5, 1, 2)):sum() + w:cos():sum(), outer = (w ^ 2):sum() + 2 * eta,
      train = hyla.gd { rate = eta, steps = T }, dtype = "float64" }
  end,
  ["momentum from a learned start"] = function(T)
    local start = hyper("start", values(0.3, -0.6), 2)
    local w = hyla.weight("w", { 2 }, start:tanh() * 2)
    return { inner = (w ^ 2 * values(1, 3)):sum() + w:exp():sum(), outer = ((w - 1) ^ 2):sum(), dtype = "float64",
      train = hyla.momentum { rate = hyper("eta", 0.05), momentum = hyper("mu", 0.6), steps = T } }
  end,
  ["adam in float32"] = function(T)
    local w = hyla.weight("w", { 5 }, hyla.normal { seed = 3 })
    return { inner = (w ^ 2 * w ^ 2):sum() + w:sum(), outer = (w ^ 2):sum(),
      train = hyla.adam { rate = hyper("rate", 0.1), beta1 = hyper("b1", 0.8), beta2 = hyper("b2", 0.95),
        epsilon = hyper("eps", 1e-3), steps = T } }
  end,
  ["softmax regression in stretches"] = function(T)
    local x = hyla.normal { seed = 1 } ({ 20, 60 }, "float32", 1)
    local y = x:matmul(hyla.normal { seed = 2 } ({ 60, 3 }, "float32", 1)):argmax()
    local W, weight = hyla.weight("W", { 60, 3 }, hyla.zeros), hyper("weight", 0.5, 20)
    local function loss(z) return hyla.cross_entropy(z:matmul(W), y) end
    local first = math.ceil(T / 3)
    local train = { hyla.gd { rate = 0.1, steps = first } }
    if T > first then train[2] = hyla.momentum { rate = hyper("eta", 0.05), momentum = 0.8, steps = T - first } end
    return { inner = (weight * loss(x)):mean(), outer = loss(x + 0.1):mean(), train = train }
  end,
  ["mini-batches, and a learning rate for each step"] = function(T)
    local train, valid = hyla.data("digits"):split({ 23, 10 }, 1)
    local W = hyla.weight("W", { train.width, 10 }, hyla.zeros)
    local rate, lambda = hyper("rate", 0.3, T), hyper("lambda", 0.5, train.size)
    local batch = train:batches { size = 5, seed = 4 }
    local function loss(part) return hyla.cross_entropy(part.x:matmul(W) * 0.1, part.y) end
    return { inner = (lambda:gather(batch.index) * loss(batch)):mean(), outer = loss(valid):mean(),
      train = hyla.momentum { rate = hyla.at_step(rate), momentum = 0.5, steps = T } }
  end,
}

--- Those whose adjoint steps read all of a state: nothing smaller is worth storing.
unrolled.whole_states = { ["gradient descent"] = true, ["momentum from a learned start"] = true,
  ["adam in float32"] = true }

--- Bytes of a problem's state.
function unrolled.state_bytes(p)
  local bytes = 0
  for _, leaf in ipairs(p.layout.states) do
    bytes = bytes + math.ceil(leaf.size * (p.dtype == "float64" and 8 or 4) / 64) * 64
  end
  return bytes
end

--- The budget that holds just `count` checkpoints beside the state that is worked on.
function unrolled.budget(p, count)
  local state = unrolled.state_bytes(p)
  return state + count * (state + 8)
end

--- A method at s_0 of a problem's present hyperparameters, or at step `from`, at the states of training then.
function unrolled.start(p, method, from)
  local handle, lambda = method.new(p.handle), ffi.new("hyla_tensor *[?]", #p.hypers)
  for i, h in ipairs(p.hypers) do lambda[i - 1] = h.value end
  check(C.hyla_method_start(handle, lambda))
  if from then
    local states, there = ffi.new("hyla_tensor *[?]", #p.layout.states), unrolled.start(p, hyla_method.train())
    check(C.hyla_method_advance(there, from))
    for i = 0, #p.layout.states - 1 do check(C.hyla_method_state(there, i, states + i)) end
    local status = C.hyla_method_start_from(handle, lambda, from, states)
    for i = 0, #p.layout.states - 1 do C.hyla_tensor_drop(states[i]) end
    check(status)
  end
  return handle
end

--- The hypergradient of a method that was started.
-- @treturn table all of it, then f: a list of numbers; or nil when interrupted
function unrolled.finish(p, handle)
  local g, out, f = {}, ffi.new("hyla_tensor *[?]", #p.hypers), ffi.new "double[1]"
  for i, h in ipairs(p.hypers) do
    g[i] = tensor.zeros(h.shape, p.dtype)
    out[i - 1] = g[i]
  end
  local status = C.hyla_method_hypergradient(handle, f, out)
  if status == C.HYLA_EINTR then return nil end
  check(status)
  local list = {}
  for _, t in ipairs(g) do
    for _, v in ipairs(t:reshape({ t.size }):totable()) do list[#list + 1] = v end
  end
  list[#list + 1] = f[0]
  return list
end

--- Start and finish, and the cost.
function unrolled.run(p, method, from)
  local handle = unrolled.start(p, method, from)
  return unrolled.finish(p, handle), cost.of(handle)
end

--- Interrupts a hypergradient at its first step boundary, a new one at its second and so on, until one is through
-- without an interrupt; each, called again, must come to `stored` and take no step twice for it.
-- @treturn number boundaries there were, and one
function unrolled.interrupt_everywhere(p, method, stored)
  local steps, at = select(2, unrolled.run(p, method)).steps, 0
  repeat
    at = at + 1
    local handle, calls, g = unrolled.start(p, method), 0
    C.hyla_interrupt_at(at)
    repeat
      calls, g = calls + 1, unrolled.finish(p, handle)
      C.hyla_interrupt_clear()
    until g or calls > 2
    C.hyla_interrupt_at(0)
    assert.same(stored, g)
    assert.equal(steps, cost.of(handle).taken)
    assert.is_true(calls <= 2)
  until calls == 1
  return at
end

return unrolled
