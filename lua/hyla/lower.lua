--- From traced expressions to the engine: a graph, or a program ready to run.
--
-- An expression (hyla.trace) is a table of op, attr, inputs, shape, dtype and site. Real numbers in it have no fixed
-- width: the dtype "float" becomes that of the program here, and constants are cast to it. Equal objects become one
-- node. The gradients that are asked of one objective are derived together.
-- @module hyla.lower
local ffi = require "ffi"
local engine = require "hyla.ffi"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local C, check = engine.C, engine.check

local lower = {}

local codes = { float32 = C.HYLA_FLOAT32, float64 = C.HYLA_FLOAT64, int32 = C.HYLA_INT32 }

local op_index = {}
--- The number of an op.
-- @tparam string name
-- @treturn number
function lower.op(name)
  local index = op_index[name]
  if not index then
    index = check(C.hyla_op_find(name))
    op_index[name] = index
  end
  return index
end

--- Fills a hyla_shape.
-- @param to hyla_shape, written
-- @tparam {number,...} shape
-- @tparam string dtype "float" stands for `real`
-- @tparam string real "float32" or "float64"
function lower.write_shape(to, shape, dtype, real)
  to.dtype = codes[dtype == "float" and real or dtype]
  to.rank = #shape
  for i = 1, #shape do to.dim[i - 1] = shape[i] end
end

--- Fills a hyla_attr.
-- @param to hyla_attr, written
-- @tparam table attr { v = integers, f = numbers }; "float" in v stands for the code of `real`
-- @tparam string real
function lower.write_attr(to, attr, real)
  local v, f = attr.v or {}, attr.f or {}
  to.n = #v
  for i = 1, #v do to.v[i - 1] = type(v[i]) == "string" and codes[v[i] == "float" and real or v[i]] or v[i] end
  to.f[0], to.f[1] = f[1] or 0, f[2] or 0
end

--- Expressions that the roots need, each once, inputs before their users. No recursion: a trace may be deep.
-- @tparam {expression,...} roots
-- @treturn {expression,...}
function lower.order(roots)
  local list, state, stack = {}, {}, {}
  for r = #roots, 1, -1 do stack[#stack + 1] = roots[r] end
  while #stack > 0 do
    local e = stack[#stack]
    if state[e] == nil then
      state[e] = "open"
      for i = #e.inputs, 1, -1 do
        if state[e.inputs[i]] == nil then stack[#stack + 1] = e.inputs[i] end
      end
    else
      stack[#stack] = nil
      if state[e] == "open" then
        state[e] = "done"
        list[#list + 1] = e
      end
    end
  end
  return list
end

local Lowering = {}
Lowering.__index = Lowering

--- A graph under construction.
-- @tparam string dtype of its real numbers: "float32" or "float64"
-- @treturn Lowering with `graph`, `leaves` (list, in order of appearance)
function lower.new(dtype)
  local out = ffi.new("hyla_graph *[1]")
  check(C.hyla_graph_new(out))
  return setmetatable({
    graph = ffi.gc(out[0], C.hyla_graph_drop), dtype = dtype, leaves = {}, refs = {}, constants = {}, adjoints = {},
    rules = {},
  }, Lowering)
end

function Lowering:constant(e)
  local ref = self.constants[e.tensor]
  if ref then return ref end
  local t = e.tensor
  if e.dtype == "float" and t.dtype ~= self.dtype then t = t:to(self.dtype) end
  ref = check(C.hyla_graph_constant(self.graph, t, e.site))
  self.constants[e.tensor] = ref
  return ref
end

function Lowering:leaf(e)
  local shape = ffi.new("hyla_shape")
  lower.write_shape(shape, e.shape, e.dtype, self.dtype)
  self.leaves[#self.leaves + 1] = e
  return check(C.hyla_graph_input(self.graph, e.name, shape, e.site))
end

-- All adjoints asked of one objective, at its first. A variable without a node yet is no ancestor of the objective.
function Lowering:gradient(e, wanted)
  local objective = e.inputs[1]
  local adjoints = self.adjoints[objective]
  if not adjoints then
    local variables = {}
    for _, x in ipairs(wanted[objective]) do
      if self.refs[x] then variables[#variables + 1] = x end
    end
    local x = ffi.new("int[?]", #variables)
    local x_bar = ffi.new("int[?]", #variables)
    for i = 1, #variables do x[i - 1] = self.refs[variables[i]] end
    check(C.hyla_graph_vjp(self.graph, self.refs[objective], -1, #variables, x, x_bar))
    adjoints = {}
    for i = 1, #variables do adjoints[variables[i]] = x_bar[i - 1] end
    self.adjoints[objective] = adjoints
  end
  local variable = e.inputs[2]
  local ref = adjoints[variable]
  if not ref or ref < 0 then
    local who = variable.leaf and ("%s '%s' (declared at %s)"):format(variable.op, variable.name, variable.site)
      or ("the %s of %s"):format(variable.op, variable.site)
    site.fail_at(e.site, "gradient: no path from %s to %s at %s", who, e.attr.objective, objective.site)
  end
  return ref
end

-- An input that stands for something in a rule; no program binds it.
function Lowering:stand_in(e)
  if not e then return -1 end
  if not self.refs[e] then
    local shape = ffi.new("hyla_shape")
    lower.write_shape(shape, e.shape, e.dtype, self.dtype)
    self.refs[e] = check(C.hyla_graph_input(self.graph, e.name, shape, e.site))
  end
  return self.refs[e]
end

-- The rule of a custom function (hyla.custom), known to the graph before its body is made, which may apply it.
function Lowering:rule(rule)
  if self.rules[rule] then return self.rules[rule] end
  local n = #rule.x
  local x, x_bar, x_dot = ffi.new("int[?]", n), ffi.new("int[?]", n), ffi.new("int[?]", n)
  for i = 1, n do x[i - 1] = self:stand_in(rule.x[i]) end
  local f = check(C.hyla_graph_custom(self.graph, rule.name, n, x, self:stand_in(rule.z), rule.site))
  self.rules[rule] = f
  local z_bar = self:stand_in(rule.z_bar)
  for i = 1, n do x_dot[i - 1] = rule.z_dot and self:stand_in(rule.x_dot[i]) or -1 end
  for i = 1, n do x_bar[i - 1] = rule.x_bar and rule.x_bar[i] and self:refer({ rule.x_bar[i] })[1] or -1 end
  local z_dot = rule.z_dot and self:refer({ rule.z_dot })[1] or -1
  check(C.hyla_graph_custom_rules(self.graph, f, z_bar, x_bar, x_dot, z_dot))
  return f
end

function Lowering:apply(e)
  local attr, n = ffi.new("hyla_attr"), #e.inputs
  local inputs = ffi.new("int[?]", math.max(n, 1))
  lower.write_attr(attr, e.attr, self.dtype)
  if e.attr.rule then attr.v[0] = self:rule(e.attr.rule) end
  for i = 1, n do inputs[i - 1] = self.refs[e.inputs[i]] end
  return check(C.hyla_graph_apply(self.graph, lower.op(e.op), attr, n, inputs, e.site))
end

--- Makes the nodes of expressions, where they are not there yet.
-- @tparam {expression,...} roots
-- @treturn {number,...} the references of the roots
function Lowering:refer(roots)
  local list, wanted = lower.order(roots), {}
  for _, e in ipairs(list) do
    if e.op == "gradient" and not self.refs[e] then
      local variables = wanted[e.inputs[1]] or {}
      variables[#variables + 1] = e.inputs[2]
      wanted[e.inputs[1]] = variables
    end
  end
  -- Variables of an objective that an earlier call derived need a derivation of their own.
  for objective in pairs(wanted) do self.adjoints[objective] = nil end
  for _, e in ipairs(list) do
    if not self.refs[e] then
      local ref
      if e.op == "constant" then ref = self:constant(e)
      elseif e.op == "gradient" then ref = self:gradient(e, wanted)
      elseif e.leaf then ref = self:leaf(e)
      else ref = self:apply(e) end
      self.refs[e] = ref
    end
  end
  local refs = {}
  for i, e in ipairs(roots) do refs[i] = self.refs[e] end
  return refs
end

--- The graph as text: what the given expressions need.
-- @tparam {expression,...} roots
-- @treturn string
function Lowering:print(roots)
  local refs = self:refer(roots)
  return ffi.string(C.hyla_graph_print(self.graph, #refs, ffi.new("int[?]", math.max(#refs, 1), refs)))
end

local Program = {}
Program.__index = Program

--- A program that computes expressions from the values of the leaves they reach.
-- @tparam {expression,...} roots
-- @tparam string dtype of its real numbers
-- @treturn Program with `leaves`, the list of leaves whose values `run` wants
function lower.program(roots, dtype)
  local lowering = lower.new(dtype)
  local refs = lowering:refer(roots)
  local leaves = lowering.leaves
  local inputs = ffi.new("int[?]", math.max(#leaves, 1))
  for i, leaf in ipairs(leaves) do inputs[i - 1] = lowering.refs[leaf] end
  local outputs = ffi.new("int[?]", math.max(#refs, 1), refs)
  local out = ffi.new("hyla_program *[1]")
  check(C.hyla_program_new(lowering.graph, #leaves, inputs, #refs, outputs, out))
  return setmetatable({
    handle = ffi.gc(out[0], C.hyla_program_drop), graph = lowering.graph, leaves = leaves, n_out = #refs,
  }, Program)
end

--- Runs the program.
-- @tparam function value leaf -> tensor of its shape, of the program's dtype
-- @treturn {tensor,...} one a root
function Program:run(value)
  local values = {}                                    -- anchors the tensors while C uses them
  local inputs = ffi.new("hyla_tensor *[?]", math.max(#self.leaves, 1))
  for i, leaf in ipairs(self.leaves) do
    values[i] = value(leaf)
    inputs[i - 1] = values[i]
  end
  local outputs = ffi.new("hyla_tensor *[?]", math.max(self.n_out, 1))
  check(C.hyla_program_run(self.handle, inputs, outputs))
  local results = {}
  for i = 1, self.n_out do results[i] = tensor.adopt(outputs[i - 1]) end
  return results
end

function Program:__tostring() return ffi.string(C.hyla_program_print(self.handle)) end

return lower
