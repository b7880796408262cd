--- A problem: what training minimises (inner), what it is judged by (outer), how it moves (train), how the
-- hypergradient is computed (method) and what moves the hyperparameters (improve).
--
-- Building one finds the leaves that the objectives reach, makes the engine's programs and derives them; nothing is
-- trained. Its values: lambda (the current hyperparameters) and the state of training, at step `p.step` of `p.steps`.
-- @module hyla.problem
local ffi = require "ffi"
local differences = require "hyla.differences"
local dynamics = require "hyla.dynamics"
local engine = require "hyla.ffi"
local improver = require "hyla.improver"
local layout = require "hyla.layout"
local lower = require "hyla.lower"
local method = require "hyla.method"
local model = require "hyla.model"
local names = require "hyla.names"
local number = require "hyla.number"
local options = require "hyla.options"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
require "hyla.functions"                               -- arithmetic with tensors
local C, check = engine.C, engine.check

local Problem = {}

-- ---- building ----

local function is_objective(v) return trace.is(v) end
local fields = {
  inner = { required = true, expected = "a traced expression of the weights", is = is_objective },
  outer = { expected = "a traced expression of the weights", is = is_objective },
  train = { required = true, expected = "a dynamics such as hyla.gd { rate = 0.1, steps = 100 }, or a list of them",
            is = function(v) return type(v) == "table" and not trace.is(v) end },
  method = { expected = "a method such as hyla.reverse()",
             is = function(v) return type(v) == "table" and type(v.new) == "function" end },
  improve = { expected = "a dynamics such as hyla.adam { rate = 0.005, steps = 500 }", is = dynamics.is },
  watch = { kind = "table", default = {} },
  dtype = { expected = "\"float32\" or \"float64\"", default = "float32",
            is = function(v) return v == "float32" or v == "float64" end },
}

local function want_scalar(what, e)
  if e.size == 1 and e.dtype == "float" then return end
  site.fail("problem: expected %s to be one real number, got %s; :mean() or :sum() makes it one", what, tostring(e))
end

local function segments_of(train)
  local list = dynamics.is(train) and { train } or train
  for i, d in ipairs(list) do
    if not dynamics.is(d) then site.fail("problem: train: expected a dynamics as element %d, got a %s", i, type(d)) end
    if not d.steps then site.fail_at(d.site, "%s: option 'steps' is missing, which training needs", d.kind) end
  end
  if #list == 0 then site.fail("problem: train: expected a dynamics such as hyla.gd { rate = 0.1, steps = 100 }") end
  return list
end

local function watched(watch)
  local list = {}
  for _, name in ipairs(names.keys(watch)) do
    list[#list + 1] = trace.lift("watch '" .. name .. "'", watch[name])
  end
  return list
end

-- The engine's problem: programs init, step (one a segment) and outer, over one graph.
local function engine_problem(laid, o)
  local lowering = lower.new(o.dtype)
  local hypers, states, init = lowering:refer(laid.hypers), lowering:refer(laid.states), lowering:refer(laid.init)
  local out = ffi.new("hyla_problem *[1]")
  check(C.hyla_problem_new(lowering.graph, out))
  local handle = ffi.gc(out[0], C.hyla_problem_drop)
  for i, e in ipairs(laid.hypers) do check(C.hyla_problem_hyper(handle, e.name, hypers[i], e.site)) end
  for i, e in ipairs(laid.states) do check(C.hyla_problem_state(handle, e.name, states[i], init[i], e.site)) end
  for _, segment in ipairs(laid.segments) do
    local after = ffi.new("int[?]", #states, lowering:refer(segment.next))
    check(C.hyla_problem_segment(handle, segment.steps, #states, after, 0, nil, nil))
  end
  if o.outer then
    local scalar = o.outer.rank == 0 and o.outer or trace.apply("reshape", { o.outer }, { v = {} })
    check(C.hyla_problem_outer(handle, lowering:refer({ scalar })[1]))
  end
  check(C.hyla_problem_ready(handle, (o.outer and #laid.hypers > 0) and 1 or 0))
  return handle, lowering.graph
end

-- The first value of a hyperparameter: its initial one, which has to lie in its constraint (up to rounding).
local function first_value(leaf, dtype)
  local value = lower.program({ model.initial(leaf, dtype) }, dtype):run()[1]
  if leaf.within then
    local given = value:clone()
    leaf.within:project(value, leaf.site)
    local moved = (value - given):abs():max():item()
    if moved > 1e-5 * (1 + given:abs():max():item()) then
      site.fail_at(leaf.site, "hyper '%s': the initial value lies outside of %s; the nearest point is %.3g away",
                   leaf.name, tostring(leaf.within), moved)
    end
  end
  return value
end

--- Builds a problem.
-- @tparam table given { inner =, outer =, train =, method =, improve =, watch = { name = expression }, dtype = }
-- @treturn problem
local function new(given)
  local o = options.read("problem", given, fields)
  want_scalar("inner", o.inner)
  if o.outer then want_scalar("outer", o.outer) end
  local segments = segments_of(o.train)
  local laid = layout.new {
    inner = o.inner, outer = o.outer, watch = watched(o.watch), segments = segments, dtype = o.dtype,
  }
  local self = {
    definition = o, dtype = o.dtype, layout = laid, hypers = {}, position = {},
    programs = setmetatable({}, { __mode = "k" }),     -- an expression's goes with it
    improve = o.improve or false, hyper_steps = o.improve and o.improve.steps or false, unfinished = false,
    method = o.method or method.reverse(), handles = {}, current = false, steps = 0,
  }
  for _, d in ipairs(segments) do self.steps = self.steps + d.steps end
  for i, leaf in ipairs(laid.states) do self.position[leaf] = i end
  self.handle, self.graph = engine_problem(laid, o)
  for i, leaf in ipairs(laid.hypers) do
    local value = first_value(leaf, o.dtype)
    local hyper = {
      name = leaf.name, shape = leaf.shape, size = leaf.size, set = leaf.within, site = leaf.site, leaf = leaf,
      init = value, value = value,
    }
    self.hypers[i], self.hypers[leaf.name] = hyper, hyper
  end
  return setmetatable(self, Problem)
end

-- ---- lambda ----

local function value_for(hyper, value, dtype)
  if type(value) == "number" then value = tensor.full(hyper.shape, value, dtype) end
  if type(value) == "table" and not trace.is(value) then value = tensor.from(value, dtype) end
  if not tensor.is(value) or table.concat(value.shape, ",") ~= table.concat(hyper.shape, ",") then
    site.fail("set: expected '%s' as a number or a tensor of shape [%s], got %s", hyper.name,
              table.concat(hyper.shape, ", "), trace.show(value))
  end
  local copy = value:clone():to(dtype)
  if not copy:is_finite() then site.fail("set: '%s' has NaN or infinity", hyper.name) end
  return copy
end

local methods = {}

--- Sets hyperparameters; training starts afresh after it.
-- @tparam[opt] table values name -> number, tensor or table; those not named stay
function methods:set(values)
  local copies = {}
  for name, value in pairs(values or {}) do
    local hyper = self.hypers[name]
    if type(name) ~= "string" or not hyper then
      local known = names.keys(self.hypers)
      site.fail("set: unknown hyperparameter '%s'%s; there are: %s", tostring(name), names.hint(name, known),
                #known > 0 and table.concat(known, ", ") or "none")
    end
    copies[name] = value_for(hyper, value, self.dtype)
  end
  for name, value in pairs(copies) do self.hypers[name].value = value end
  self.current, self.unfinished = false, false
end

-- ---- training ----

local function handle_of(self, kind)
  if not self.handles[kind] then
    local made = kind == "train" and method.train() or self.method
    self.handles[kind] = made.new(self.handle)
  end
  return self.handles[kind]
end

-- s_0 at the current lambda. An interrupted piece of work of the same kind is gone on with instead.
local function start(self, kind)
  local handle = handle_of(self, kind)
  if self.unfinished ~= kind then
    self.current = false
    local lambda = ffi.new("hyla_tensor *[?]", math.max(#self.hypers, 1))
    for i, hyper in ipairs(self.hypers) do lambda[i - 1] = hyper.value end
    local status = C.hyla_method_start(handle, lambda)
    if status == C.HYLA_ENOMEM then                    -- memory that only the collector still holds is given back first
      collectgarbage()
      status = C.hyla_method_start(handle, lambda)
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

--- Goes on training for n steps, at most to the last.
-- @tparam number n
function methods:advance(n)
  if not options.count.is(n) then site.fail("advance: expected a whole number of steps >= 1, got %s", tostring(n)) end
  local handle = self.handles.train
  if not handle or self.current ~= handle then handle = start(self, "train") end
  finish(self, "train", C.hyla_method_advance(handle, math.min(n, self.steps - C.hyla_method_step(handle))))
end

local function want_finite(self, f)
  if f == f and math.abs(f) < math.huge then return f end
  site.fail_at(self.definition.outer.site, "the outer objective is %s after %d steps", number.format(f), self.step)
end

--- The outer objective at the current state; an error where it is not finite.
-- @treturn number
function methods:response()
  if not self.definition.outer then site.fail("response: the problem has no outer objective") end
  local f = ffi.new("double[1]")
  check(C.hyla_method_response(want_current(self, "response"), f))
  return want_finite(self, f[0])
end

--- The gradient of the outer objective at the last step by every hyperparameter. After an interrupt, calling it again
-- goes on.
-- @tparam[opt] table values as for set
-- @treturn table name -> number (a scalar hyperparameter's) or tensor
-- @treturn number the outer objective
function methods:hypergradient(values)
  if not self.definition.outer then site.fail("hypergradient: the problem has no outer objective") end
  if #self.hypers == 0 then site.fail("hypergradient: the problem has no hyperparameter") end
  if values then self:set(values) end
  local handle = start(self, self.method.kind)
  local f, g, out = ffi.new("double[1]"), {}, ffi.new("hyla_tensor *[?]", #self.hypers)
  for i, hyper in ipairs(self.hypers) do
    g[i] = tensor.zeros(hyper.shape, self.dtype)
    out[i - 1] = g[i]
  end
  finish(self, self.method.kind, C.hyla_method_hypergradient(handle, f, out))
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

-- Values of expressions at the current state and lambda: one program, kept under `key`.
local function values_of(self, key, roots)
  local program = self.programs[key]
  if not program then
    program = lower.program(roots, self.dtype)
    self.programs[key] = program
  end
  local results = program:run(function(leaf)
    if self.position[leaf] then return state_view(self, leaf) end
    local hyper = self.hypers[leaf.name]
    if hyper and hyper.leaf == leaf then return hyper.value end
    site.fail("evaluate: %s '%s' (%s) does not belong to this problem", leaf.op, leaf.name, leaf.site)
  end)
  for i, value in ipairs(results) do results[i] = value.rank == 0 and value:item() or value end
  return results
end

--- The value of an expression of this problem's weights and hyperparameters, at the current state.
-- @tparam expression e
-- @return number (of a scalar) or tensor
function methods:evaluate(e)
  e = trace.lift("evaluate", e)
  return values_of(self, e, { e })[1]
end

--- The watched values at the current state.
-- @treturn table name -> number (of a scalar) or tensor
function methods:watch()
  local keys, by_name = names.keys(self.definition.watch), {}
  if #keys == 0 then return by_name end
  local values = values_of(self, "watch", watched(self.definition.watch))
  for i, name in ipairs(keys) do by_name[name] = values[i] end
  return by_name
end

--- Copies of the weights at the current state.
-- @treturn table name -> tensor
function methods:weights()
  local by_name = {}
  for _, leaf in ipairs(self.layout.weights) do by_name[leaf.name] = state_view(self, leaf):clone() end
  return by_name
end

--- The hyper-optimizer, at its start.
-- @treturn Improver :step(g), :state(), :restore(state)
function methods:improver()
  if not self.improve then
    site.fail("improver: the problem has no hyper-optimizer; improve = hyla.adam { ... } names it")
  end
  return improver.new(self.improve, self)
end

--- Compares the hypergradient at the current lambda with central differences, in float64: see hyla.differences.
-- @tparam[opt] table given
-- @treturn table report
function methods:check(given)
  local changed = {}
  for key, value in pairs(self.definition) do changed[key] = value end
  changed.dtype = "float64"
  local twin = new(changed)
  for _, hyper in ipairs(self.hypers) do twin:set { [hyper.name] = hyper.value } end
  return differences.check(twin, given)
end

--- Bytes that the work of a kind holds at its largest.
-- @treturn number
function methods:bytes() return C.hyla_method_bytes(want_current(self, "bytes")) end

-- ---- fields that are computed ----

local function program_text(which)
  return function(self)
    return setmetatable({}, { __tostring = function() return ffi.string(C.hyla_problem_print(self.handle, which)) end })
  end
end

local computed = {
  step = function(self) return self.current and C.hyla_method_step(self.current) or 0 end,
  init_program = program_text "init",
  step_program = program_text "step",
  outer_program = program_text "outer",
  adjoint_program = program_text "step.vjp",
}

function Problem:__index(key)
  if methods[key] then return methods[key] end
  if computed[key] then return computed[key](self) end
  local known = names.keys(methods)
  for name in pairs(computed) do known[#known + 1] = name end
  site.fail("a problem has no field or method '%s'%s", tostring(key), names.hint(key, known))
end

function Problem:__tostring()
  local words = {}
  for i, hyper in ipairs(self.hypers) do words[i] = ("%s[%s]"):format(hyper.name, table.concat(hyper.shape, ", ")) end
  local hypers = #words > 0 and table.concat(words, ", ") or "none"
  return ("problem of %d weights, %d steps, hyperparameters: %s"):format(#self.layout.weights, self.steps, hypers)
end

return { new = new, is = function(x) return getmetatable(x) == Problem end }
