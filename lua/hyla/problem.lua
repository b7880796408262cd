--- A problem: what training minimises (inner), what it is judged by (outer, at the end; cost, summed over the steps),
-- how it moves (train), how the hypergradient is computed (method) and what moves the hyperparameters (improve).
--
-- Building one finds the leaves that the objectives reach, makes the engine's programs and derives them; nothing is
-- trained. Its values: lambda (the current hyperparameters) and the state of training, at step `p.t` of `p.steps`.
-- @module hyla.problem
-- @field steps T, how many steps a training has
-- @field hypers the hyperparameters that are learned, by position and by name: each name, shape, value, set, scale
-- @field frozen those that can be set and are not learned, the same
-- @field method how the hypergradient is computed
-- @field method_reason why "auto" chose the method, or false
-- @field improve what moves the hyperparameters, or false
-- @field notes choices that were made for the user, in words
-- @field dtype "float32" or "float64"
local ffi = require "ffi"
local assemble = require "hyla.assemble"
local auto = require "hyla.auto"
local cost = require "hyla.cost"
local dynamics = require "hyla.dynamics"
local engine = require "hyla.ffi"
local hoag = require "hyla.hoag"
local implicit = require "hyla.implicit"
local improver = require "hyla.improver"
local lambda = require "hyla.lambda"
local layout = require "hyla.layout"
local lower = require "hyla.lower"
local members = require "hyla.members"
local method = require "hyla.method"
local names = require "hyla.names"
local number = require "hyla.number"
local objectives = require "hyla.objectives"
local options = require "hyla.options"
local problem_text = require "hyla.report.problem"
local programs = require "hyla.program"
local realtime = require "hyla.realtime"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
local training = require "hyla.training"
require "hyla.functions"                               -- arithmetic with tensors
local C, check = engine.C, engine.check

local Problem = {}

-- ---- building ----

local fields = {
  inner = objectives.fields.inner, cost = objectives.fields.cost, outer = objectives.fields.outer,
  train = { required = true,
            expected = "a dynamics such as hyla.gd { rate = 0.1, steps = 100 }, a transition, or a list of them",
            is = function(v) return type(v) == "table" and not trace.is(v) end },
  method = { expected = "a method such as hyla.reverse(), or \"auto\"", default = method.reverse(), is = auto.is },
  improve = { expected = "a dynamics such as hyla.adam { rate = 0.005, steps = 500 }, or hyla.hoag { steps = 50 }",
              is = function(v) return dynamics.is(v) or hoag.is(v) end },
  watch = { kind = "table", default = {} },
  dtype = { expected = "\"float32\" or \"float64\"", default = "float32",
            is = function(v) return v == "float32" or v == "float64" end },
}

local function watched(watch)
  local list = {}
  for _, name in ipairs(names.keys(watch)) do
    list[#list + 1] = trace.lift("watch '" .. name .. "'", watch[name])
  end
  return list
end

--- Builds a problem.
-- @tparam table given { inner =, outer = expression or { name = expression } (their sum, each of them watched), cost =,
--   train =, method =, improve =, watch = { name = expression }, dtype = }
-- @treturn problem its `notes` are texts that its user should read: choices that were made for them; method_reason is
--   why "auto" chose its method, false where it did not
local function new(given)
  local o = options.read("problem", given, fields)
  objectives.read(o)
  local segments = training.stretches(o.train)
  if o.method and o.method.want then o.method.want(segments) end
  local laid = layout.new {
    inner = o.inner, outer = o.outer, cost = o.cost, watch = watched(o.watch), segments = segments, dtype = o.dtype,
  }
  local self = {
    definition = o, dtype = o.dtype, layout = laid, position = {},
    outer = laid.outer or false, warm = false,
    programs = setmetatable({}, { __mode = "k" }),     -- an expression's goes with it
    applied = setmetatable({}, { __mode = "k" }),      -- the same, for weights that are given
    improve = o.improve or false, hyper_steps = o.improve and o.improve.steps or false, unfinished = false,
    handles = {}, current = false, steps = training.steps(segments),
    hypergradients = 0,                                -- done so far: the hyper-iterations that a method may count
  }
  for i, leaf in ipairs(laid.states) do self.position[leaf] = i end
  self.hypers, self.frozen, self.notes = assemble.hypers(laid, dynamics.domains(segments), o.dtype)
  self.method, self.method_reason = auto.resolve(o.method, self)
  self.notes[#self.notes + 1] = self.method_reason or nil
  local rows = {}
  for _, hyper in ipairs(self.frozen) do rows[hyper.leaf] = hyper.row end
  local reversible = self.method.kind == "reversible"
  local made = assemble.problem(laid, { dtype = o.dtype, steps = self.steps, reversible = reversible }, rows)
  self.handle, self.graph, self.streams = made.handle, made.graph, made.streams
  return setmetatable(self, Problem)
end

-- ---- lambda ----

local methods = {}

local function set(self, values, inside)
  lambda.assign(self, values, inside)
  self.current, self.unfinished = false, false
end

--- Sets hyperparameters; training starts afresh after it.
-- @tparam[opt] table values name -> number, tensor or table, in its constraint; those not named stay
function methods:set(values) set(self, values or {}, true) end

--- As `set`, without asking the constraints: for values that a projection gave, and for central differences, which
-- step over the edge.
-- @tparam table values
function methods:place(values) set(self, values, false) end

--- The hyperparameters that are learned.
-- @treturn table name -> number (a scalar's) or tensor (a copy)
function methods:lambda() return lambda.values(self) end

-- ---- training ----

local function handle_of(self, kind)
  if not self.handles[kind] then
    local made = kind == "train" and method.train() or self.method
    self.handles[kind] = made.new(self.handle)
  end
  return self.handles[kind]
end

-- s_0 at the current lambda, or the states of a warm start.
local function start_engine(self, handle)
  local values = ffi.new("hyla_tensor *[?]", math.max(#self.hypers, 1))
  for i, hyper in ipairs(self.hypers) do values[i - 1] = hyper.value end
  if not self.warm then return C.hyla_method_start(handle, values) end
  local states = ffi.new("hyla_tensor *[?]", #self.layout.states)
  for i, leaf in ipairs(self.layout.states) do states[i - 1] = self.warm[leaf.name] end
  return C.hyla_method_start_from(handle, values, 0, states)
end

-- Training at its first step. An interrupted piece of work of the same kind is gone on with instead.
local function start(self, kind)
  local handle = handle_of(self, kind)
  if self.unfinished ~= kind then
    self.current = false
    if kind ~= "train" and self.method.begin then self.method.begin(handle, self.hypergradients + 1) end
    local status = start_engine(self, handle)
    if status == C.HYLA_ENOMEM then                    -- memory that only the collector still holds is given back first
      collectgarbage()
      status = start_engine(self, handle)
    end
    check(status)
  end
  self.current = handle
  return handle
end

-- Passes a status on, noting whether the work can go on.
local function finish(self, kind, status)
  self.unfinished = status == C.HYLA_EINTR and kind
  check(status)
end

local function want_current(self, what)
  if not self.current then site.fail("%s: nothing is trained yet; :train() or :hypergradient() comes first", what) end
  return self.current
end

--- One training, looked at on the way: it has a hypergradient at every step, and can go on with other hyperparameters,
-- where the method is hyla.rtho, one of its kin, or hyla.forward.
-- @treturn Realtime at its first step: see hyla.realtime
function methods:realtime()
  self.unfinished = false
  return realtime.new(self, { start = start, finish = finish })
end

--- Goes back to step 0 of plain training, at the current lambda.
function methods:start()
  self.unfinished = false
  start(self, "train")
end

--- Trains from s_0 to the last step, without a hypergradient. After an interrupt, calling it again goes on.
-- @tparam[opt] table values as for set
function methods:train(values)
  if values then self:set(values) end
  local handle = start(self, "train")
  finish(self, "train", C.hyla_method_advance(handle, self.steps - C.hyla_method_step(handle)))
end

--- Where training starts from now on, in the place of s_0: a warm start. It counts as depending on no hyperparameter.
-- @tparam[opt] table states name -> tensor, as `states` gives them; states that are not named start as in s_0; nil goes
--   back to s_0
function methods:start_from(states)
  if states == nil then
    self.warm, self.current, self.unfinished = false, false, false
    return
  end
  self.warm = false
  self:start()
  local warm = self:states()
  for name, value in pairs(states) do
    local known = warm[name]
    if not known or not tensor.is(value) or trace.show(value:to(self.dtype)) ~= trace.show(known) then
      site.fail("start_from: expected '%s' as %s, got %s", tostring(name),
                known and trace.show(known) or "one of " .. table.concat(names.keys(warm), ", "), trace.show(value))
    end
    warm[name] = value:to(self.dtype):clone()
  end
  self.warm, self.current = warm, false
end

--- Goes on training for n steps, at most to the last.
-- @tparam number n
function methods:step(n)
  if not options.count.is(n) then site.fail("step: expected a whole number of steps >= 1, got %s", tostring(n)) end
  local handle = self.handles.train
  if not handle or self.current ~= handle then handle = start(self, "train") end
  finish(self, "train", C.hyla_method_advance(handle, math.min(n, self.steps - C.hyla_method_step(handle))))
end

local function want_finite(self, f)
  if f == f and math.abs(f) < math.huge then return f end
  site.fail_at(self.outer.site, "the outer objective is %s after %d steps", number.format(f), self.t)
end

--- The outer objective at the current state; an error where it is not finite.
-- @treturn number
function methods:response()
  if not self.outer then site.fail("response: the problem has no outer objective") end
  local f = ffi.new("double[1]")
  check(C.hyla_method_response(want_current(self, "response"), f))
  return want_finite(self, f[0])
end

local function want_differentiable(self, what)
  if not self.outer then site.fail("%s: the problem has no outer objective", what) end
  if #self.hypers == 0 then site.fail("%s: the problem has no hyperparameter", what) end
end

-- The problem stays as it is, at the step where it is.
local function hypergradient_by(self, by)
  local other = self:with { method = by }
  local g, f = other:hypergradient()
  other:release()
  return g, f
end

--- The gradient of the outer objective at the last step by every hyperparameter. After an interrupt, calling it again
-- goes on.
-- @tparam[opt] table values as for set
-- @tparam[opt] method by another method than the problem's, such as hyla.forward(); it may come alone. What training
--   has come to is then left as it is, and an interrupted call begins anew
-- @treturn table name -> number (a scalar hyperparameter's) or tensor
-- @treturn number the outer objective
function methods:hypergradient(values, by)
  want_differentiable(self, "hypergradient")
  if by == nil and auto.is(values) then values, by = nil, values end
  if values then self:set(values) end
  if by ~= nil then return hypergradient_by(self, by) end
  local handle = start(self, self.method.kind)
  local f, g, out = ffi.new("double[1]"), {}, ffi.new("hyla_tensor *[?]", #self.hypers)
  for i, hyper in ipairs(self.hypers) do
    g[i] = tensor.zeros(hyper.shape, self.dtype)
    out[i - 1] = g[i]
  end
  finish(self, self.method.kind, C.hyla_method_hypergradient(handle, f, out))
  self.hypergradients = self.hypergradients + 1
  local by_name = {}
  for i, hyper in ipairs(self.hypers) do by_name[hyper.name] = #hyper.shape == 0 and g[i]:item() or g[i] end
  return by_name, want_finite(self, f[0])
end

-- ---- looking ----

local function state_view(self, leaf)
  local out = ffi.new("hyla_tensor *[1]")
  check(C.hyla_method_state(want_current(self, "state"), self.position[leaf] - 1, out))
  return tensor.adopt(out[0])
end

local function stream_value(self, leaf)
  local value = tensor.zeros(leaf.shape, leaf.dtype == "int32" and "int32" or self.dtype)
  check(C.hyla_method_stream(want_current(self, "evaluate"), self.streams[leaf], value))
  return value
end

-- Values of expressions at the current state and lambda, the weights as they are read: one program, kept under `key`.
local function values_of(self, key, roots)
  local program = self.programs[key]
  if not program then
    local read = {}
    for i, e in ipairs(roots) do read[i] = trace.substitute(e, self.layout.readout) end
    program = lower.program(read, self.dtype)
    self.programs[key] = program
  end
  local results = program:run(function(leaf)
    if self.position[leaf] then return state_view(self, leaf) end
    local hyper = self.hypers[leaf.name] or self.frozen[leaf.name]
    if hyper and hyper.leaf == leaf then return hyper.value end
    if self.streams[leaf] then return stream_value(self, leaf) end
    site.fail("evaluate: %s '%s' (%s) does not belong to this problem", leaf.op, leaf.name, leaf.site)
  end)
  return results
end

local function item(value) return value.rank == 0 and value:item() or value end

--- The value of an expression of this problem's weights and hyperparameters, at the current state. Where the dynamics
-- has a readout (averaged weights), the expression sees it, as the outer objective does.
-- @tparam expression e
-- @return number (of a scalar) or tensor
function methods:evaluate(e)
  e = trace.lift("evaluate", e)
  return item(values_of(self, e, { e })[1])
end

--- The watched values at the current state.
-- @treturn table name -> number (of a scalar) or tensor
function methods:watch()
  local keys, by_name = names.keys(self.definition.watch), {}
  if #keys == 0 then return by_name end
  local values = values_of(self, "watch", watched(self.definition.watch))
  for i, name in ipairs(keys) do by_name[name] = item(values[i]) end
  return by_name
end

local weights_fields = { raw = { kind = "boolean", default = false }, into = { kind = "table" } }

--- Copies of the weights at the current state, as the outer objective sees them.
-- @tparam[opt] table given { raw = true: as training moves them, where the dynamics has a readout of its own; into =
--   what an earlier call gave, whose tensors are overwritten: large ones are not made anew }
-- @treturn table name -> tensor
function methods:weights(given)
  local o, weights, by_name = options.read("weights", given, weights_fields), self.layout.weights, {}
  local read = not o.raw and next(self.layout.readout) and values_of(self, "weights", weights)
  for i, leaf in ipairs(weights) do
    local now, to = read and read[i] or state_view(self, leaf), o.into and o.into[leaf.name]
    if to then check(C.hyla_tensor_copy(to, now)) end
    by_name[leaf.name] = to or read and now or now:clone()
  end
  return by_name
end

--- Gives back what training holds, its state and tangents, now and not when the collector comes by; what was looked at
-- before stays. Training starts afresh after it.
function methods:release()
  for kind, handle in pairs(self.handles) do
    C.hyla_method_drop(ffi.gc(handle, nil))
    self.handles[kind] = nil
  end
  self.current, self.unfinished = false, false
end

--- Copies of all of the state: weights, states, and what the optimizer keeps beside them ("W.v").
-- @treturn table name -> tensor
function methods:states()
  local by_name = {}
  for _, leaf in ipairs(self.layout.states) do by_name[leaf.name] = state_view(self, leaf):clone() end
  return by_name
end

--- The hyper-optimizer, at its start.
-- @treturn Improver :step(g), :state(), :restore(state)
function methods:improver()
  if not self.improve then
    site.fail("improver: the problem has no hyper-optimizer; improve = hyla.adam { ... } names it")
  end
  return (hoag.is(self.improve) and hoag.improver or improver.new)(self.improve, self)
end

--- A problem like this one, with some of it changed: at the same hyperparameters, and at the same warm start.
-- @tparam table changes fields of hyla.problem by name, such as method or dtype; steps = a shorter T, shared out among
--   the stretches of training (each keeps at least one step)
-- @treturn problem
function methods:with(changes)
  local definition = {}
  for key, value in pairs(self.definition) do definition[key] = value end
  for key, value in pairs(changes) do
    if key ~= "steps" then definition[key] = value end
  end
  if changes.steps then definition.train = training.shortened(definition.train, changes.steps) end
  local other = new(definition)
  for _, list in ipairs { self.hypers, self.frozen } do
    for _, hyper in ipairs(list) do other:place { [hyper.name] = hyper.value } end
  end
  if self.warm then other:start_from(self.warm) end
  return other
end

--- Compares the methods at the current lambda with each other and with central differences, in float64, and says what
-- each costs: see hyla.check.
-- @tparam[opt] table given
-- @treturn table report; tostring is readable
function methods:check(given)
  local result = require("hyla.check").check(self, given)   -- seldom asked for: loaded then
  return result
end

--- Bytes that the work of a kind holds at its largest.
-- @treturn number
function methods:bytes() return C.hyla_method_bytes(want_current(self, "bytes")) end

--- What a hypergradient costs, known before it begins (hyla.cost has the figures); tostring makes it a line.
-- @treturn table
function methods:cost()
  want_differentiable(self, "cost")
  local handle = handle_of(self, self.method.kind)
  if self.method.cost_of_lambda and self.current ~= handle then check(start_engine(self, handle)) end
  return cost.of(handle)
end

-- report, carried and carry.
for name, work in pairs(implicit.methods) do methods[name] = work end

-- Methods that are seldom asked for: their modules are loaded when one is first called.
local function weights() return require "hyla.weights" end
local function estimate() return require "hyla.estimate" end
local function explore() return require "hyla.explore" end
local elsewhere = {
  save_weights = weights, apply = weights, estimate = estimate, trajectory = explore, optimise = explore,
}
for name, module in pairs(elsewhere) do
  methods[name] = function(...) return module().methods[name](...) end
end

-- ---- fields that are computed ----

local computed = {
  --- The step that training is at, from 0 to `steps`.
  t = function(self) return self.current and C.hyla_method_step(self.current) or 0 end,
  --- How the first state is computed: see hyla.program.
  init_program = function(self) return programs.new(self, "init") end,
  --- How a step is computed.
  step_program = function(self) return programs.new(self, "step") end,
  --- How the outer objective is computed.
  outer_program = function(self) return programs.new(self, "outer") end,
  --- How a step's adjoint is computed.
  adjoint_program = function(self) return programs.new(self, "step.vjp") end,
}

members.define(Problem, { what = "a problem", methods = methods, computed = computed, elsewhere = elsewhere })

function Problem:__tostring() return problem_text(self, 80) end

return { new = new, is = function(x) return getmetatable(x) == Problem end }
