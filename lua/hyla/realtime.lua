--- Real-time hyperparameter optimisation (RTHO; Franceschi et al. 2017, eq. 17): one training whose hyperparameters are
-- improved on the way, by the partial hypergradient of every hyperbatch. What is carried along, the tangents Z, is not
-- reset: at a hyper learning rate of 0 this is plain training, bit for bit.
-- @module hyla.realtime
local ffi = require "ffi"
local engine = require "hyla.ffi"
local members = require "hyla.members"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local C, check = engine.C, engine.check

local Realtime, methods = {}, {}

local function lambda_of(p)
  local lambda = ffi.new("hyla_tensor *[?]", math.max(#p.hypers, 1))
  for i, hyper in ipairs(p.hypers) do lambda[i - 1] = hyper.value end
  return lambda
end

local function view(read, handle, i)
  local out = ffi.new("hyla_tensor *[1]")
  check(read(handle, i - 1, out))
  return tensor.adopt(out[0])
end

--- Training of a problem at its first step, or where its warm start says. The problem's method has to be one that goes
-- along with training (hyla.rtho and its kin, hyla.forward).
-- @tparam problem p
-- @tparam table hooks start(p, kind) -> engine's method at its first step; finish(p, kind, status)
-- @treturn Realtime
local function new(p, hooks)
  if not p.outer then site.fail("realtime: the problem has no outer objective") end
  if #p.hypers == 0 then site.fail("realtime: the problem has no hyperparameter") end
  if not p.method.partial then
    site.fail("realtime: the problem's method is %s; method = hyla.rtho { ... } goes along with training, and "
              .. "hyla.forward()", p.method.kind)
  end
  return setmetatable({ problem = p, hooks = hooks, handle = hooks.start(p, p.method.kind) }, Realtime)
end

-- The engine's method, which p:release() gives back.
local function alive(self)
  if self.problem.handles[self.problem.method.kind] ~= self.handle then
    site.fail("realtime: the problem has released this training")
  end
  return self.handle
end

--- Goes on for n steps, at most to the last. After an interrupt calling it again goes on.
-- @tparam number n
function methods:step(n)
  self.problem.current = alive(self)
  self.hooks.finish(self.problem, self.problem.method.kind, C.hyla_method_advance(alive(self), n))
end

--- The partial hypergradient at the present step, of the outer objective there.
-- @treturn table name -> number (a scalar hyperparameter's) or tensor
-- @treturn number the outer objective
function methods:partial()
  local p = self.problem
  local f, g, out = ffi.new("double[1]"), {}, ffi.new("hyla_tensor *[?]", #p.hypers)
  for i, hyper in ipairs(p.hypers) do
    g[i] = tensor.zeros(hyper.shape, p.dtype)
    out[i - 1] = g[i]
  end
  check(C.hyla_method_partial(alive(self), f, out))
  local by_name = {}
  for i, hyper in ipairs(p.hypers) do by_name[hyper.name] = #hyper.shape == 0 and g[i]:item() or g[i] end
  return by_name, f[0]
end

-- A running cost begins anew with each hyperbatch, and its tangents: what is improved is the cost since the last
-- update.
local function clear_cost(self)
  local p = self.problem
  local at
  for i, leaf in ipairs(p.layout.states) do
    if leaf == p.layout.cost then at = i end
  end
  if not at then return end
  local zero = tensor.zeros({}, p.dtype)
  check(C.hyla_tensor_copy(view(C.hyla_method_state, alive(self), at), zero))
  for i = at, C.hyla_method_carried(alive(self)), #p.layout.states do
    check(C.hyla_tensor_copy(view(C.hyla_method_carry, alive(self), i), zero))
  end
end

--- Goes on with the problem's present hyperparameters, as an improver or p:set left them.
function methods:update()
  check(C.hyla_method_update(alive(self), lambda_of(self.problem)))
  self.problem.current = alive(self)
  clear_cost(self)
end

--- What a checkpoint keeps of training.
-- @tparam[opt=false] boolean live true: not copies but the tensors themselves, which change as training goes on; for a
--   checkpoint that is written at once
-- @treturn table step; states and carried: lists of tensors
function methods:state(live)
  local states, carried = {}, {}
  local function kept(read, i)
    local t = view(read, alive(self), i)
    return live and t or t:clone()
  end
  for i = 1, #self.problem.layout.states do states[i] = kept(C.hyla_method_state, i) end
  for i = 1, C.hyla_method_carried(alive(self)) do carried[i] = kept(C.hyla_method_carry, i) end
  return { step = self.t, states = states, carried = carried }
end

--- Goes back to a state; the problem's hyperparameters have been set before.
-- @tparam table state as `state` gave it
function methods:restore(state)
  local states = ffi.new("hyla_tensor *[?]", #self.problem.layout.states)
  for i = 1, #self.problem.layout.states do states[i - 1] = state.states[i] end
  check(C.hyla_method_start_from(alive(self), lambda_of(self.problem), state.step, states))
  check(C.hyla_method_update(alive(self), lambda_of(self.problem)))
  for i = 1, C.hyla_method_carried(alive(self)) do
    check(C.hyla_tensor_copy(view(C.hyla_method_carry, alive(self), i), state.carried[i]))
  end
  self.problem.current = alive(self)
end

local computed = {
  --- The step that training is at.
  t = function(self) return C.hyla_method_step(alive(self)) end,
}

members.define(Realtime, { what = "training", methods = methods, computed = computed })

return { new = new }
