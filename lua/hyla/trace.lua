--- Traced expressions: what a recipe's arithmetic builds.
--
-- An expression is an immutable table { op, attr, inputs, shape, dtype, site }; the inputs are expressions, so a trace
-- is a graph of Lua objects that nothing global holds. Making one asks the engine for its type at once: a wrong shape
-- is an error at the recipe's line. The dtype is "float" (the width is the problem's) or "int32".
--
-- Operands may be expressions, tensors and numbers. Without a weight or hyperparameter among them the operation is
-- evaluated at once: tensors in, a tensor out (float64 where one of them is); numbers in, a number out.
-- @module hyla.trace
local ffi = require "ffi"

-- Expressions live as long as the process, modules only as long as package.loaded has them: see hyla.ffi.
local registry = debug.getregistry()
if registry["hyla.trace"] then return registry["hyla.trace"] end

local engine = require "hyla.ffi"
local lower = require "hyla.lower"
local names = require "hyla.names"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local C, check = engine.C, engine.check

local trace = {}

--- Operations as methods of expressions and tensors, and as functions of `hyla`: name -> function.
trace.methods = {}
local methods = trace.methods

local Expression = {}

--- Whether a value is a traced expression.
-- @return boolean
function trace.is(x) return getmetatable(x) == Expression end

local function show_type(dtype, shape) return dtype .. "[" .. table.concat(shape, ", ") .. "]" end

--- The type of an expression, tensor or number, as messages show it: "float[5000, 10]".
-- @return string
function trace.show(x)
  if trace.is(x) or tensor.is(x) then return show_type(x.dtype, x.shape) end
  return type(x) == "number" and ("the number %.9g"):format(x) or "a " .. type(x)
end

local function product(shape)
  local size = 1
  for _, n in ipairs(shape) do size = size * n end
  return size
end

-- Every field an expression may have is set here, since reading an absent one is an error that hints at methods.
local function expression(fields)
  fields.rank, fields.size = #fields.shape, product(fields.shape)
  fields.width = fields.rank > 0 and fields.size / fields.shape[1] or 1
  for _, name in ipairs { "leaf", "name", "tensor", "free", "numeric", "init", "within", "scale", "source" } do
    if fields[name] == nil then fields[name] = false end
  end
  fields.site = fields.site or site.here()
  return setmetatable(fields, Expression)
end

--- A leaf: something that gets its value later.
-- @tparam string kind "weight", "state", "hyperparameter", "accessory", "hypergradient", "stream"
-- @tparam string name
-- @tparam {number,...} shape
-- @tparam table more further fields: init, within, scale, source, dtype, site
-- @treturn expression
function trace.leaf(kind, name, shape, more)
  local fields = { op = kind, leaf = true, name = name, shape = shape, dtype = "float", inputs = {}, attr = {} }
  for key, value in pairs(more or {}) do fields[key] = value end
  return expression(fields)
end

local function infer(op, attr, inputs, where)
  local n = #inputs
  local c_attr, types, out = ffi.new("hyla_attr"), ffi.new("hyla_shape[?]", math.max(n, 1)), ffi.new("hyla_shape[1]")
  lower.write_attr(c_attr, attr, "float32")
  for i, e in ipairs(inputs) do lower.write_shape(types[i - 1], e.shape, e.dtype, "float32") end
  check(C.hyla_infer(lower.op(op), c_attr, n, types, where, out))
  local shape = {}
  for i = 1, out[0].rank do shape[i] = out[0].dim[i - 1] end
  return shape, out[0].dtype == C.HYLA_INT32 and "int32" or "float"
end

--- An operation of the engine on operands of the shapes it demands (no broadcasting).
-- @tparam string op a name of ops.def
-- @tparam {expression,...} inputs
-- @tparam[opt] table attr { v = {integers}, f = {numbers} }
-- @treturn expression never evaluated here
function trace.apply(op, inputs, attr)
  local where = site.here()
  attr = attr or {}
  local free, numeric = true, true
  for _, e in ipairs(inputs) do
    free, numeric = free and e.free, numeric and e.numeric
  end
  local shape, dtype = infer(op, attr, inputs, where)
  return expression {
    op = op, attr = attr, inputs = inputs, shape = shape, dtype = dtype, site = where,
    free = free, numeric = numeric,
  }
end

--- A value everywhere.
-- @tparam number value
-- @tparam {number,...} shape
-- @tparam[opt="float"] string dtype
-- @treturn expression
function trace.fill(value, shape, dtype)
  dtype = dtype or "float"
  if dtype == "int32" and value % 1 ~= 0 then
    site.fail("expected a whole number beside int32 operands, got %.9g; :to(\"float\") makes them real", value)
  end
  local v = { dtype }
  for i, n in ipairs(shape) do v[i + 1] = n end
  return expression {
    op = "fill", attr = { v = v, f = { value } }, inputs = {}, shape = shape, dtype = dtype,
    free = true, numeric = true,
  }
end

--- Whether a value can be an operand.
-- @return boolean
function trace.is_operand(x) return type(x) == "number" or trace.is(x) or tensor.is(x) end

local function want_operand(what, x)
  if trace.is_operand(x) then return end
  site.fail("%s: expected an expression, a tensor or a number, got %s", what, trace.show(x))
end

--- An operand as an expression: tensors become constants, numbers scalars.
-- @tparam string what the operation, for messages
-- @param x
-- @treturn expression
function trace.lift(what, x)
  if trace.is(x) then return x end
  want_operand(what, x)
  if type(x) == "number" then return trace.fill(x, {}) end
  local dtype = x.dtype == "int32" and "int32" or "float"
  return expression { op = "constant", tensor = x, shape = x.shape, dtype = dtype, inputs = {}, attr = {}, free = true }
end

-- numpy's rule: axes are aligned at the end, and an axis of size 1 (or none) repeats.
local function common_shape(what, list)
  local shape, rank = {}, 0
  for _, e in ipairs(list) do rank = math.max(rank, e.rank) end
  for axis = 1, rank do
    shape[axis] = 1
    for _, e in ipairs(list) do
      local n = e.shape[axis - rank + e.rank] or 1
      if n ~= 1 and shape[axis] ~= 1 and n ~= shape[axis] then
        local shown = {}
        for i, each in ipairs(list) do shown[i] = trace.show(each) end
        site.fail("%s: expected shapes that broadcast to one, got %s", what, table.concat(shown, " and "))
      end
      if n ~= 1 then shape[axis] = n end
    end
  end
  return shape
end

local function same(a, b)
  if #a ~= #b then return false end
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return true
end

--- Repeats an expression to a shape, by numpy's rule.
-- @tparam expression e
-- @tparam {number,...} shape
-- @treturn expression
function trace.broadcast_to(e, shape)
  if same(e.shape, shape) then return e end
  if e.op == "fill" then return trace.fill(e.attr.f[1], shape, e.dtype) end
  if e.rank < #shape then
    local aligned = {}
    for axis = 1, #shape do aligned[axis] = e.shape[axis - #shape + e.rank] or 1 end
    e = trace.apply("reshape", { e }, { v = aligned })
  end
  return same(e.shape, shape) and e or trace.apply("expand", { e }, { v = shape })
end

--- Operands as expressions of one shape; numbers take the dtype of the others.
-- @tparam string what the operation, for messages
-- @param ... operands
-- @treturn {expression,...}
function trace.broadcast(what, ...)
  local list, dtype = { ... }, nil
  for i = 1, select("#", ...) do
    want_operand(what, list[i])
    if type(list[i]) ~= "number" then
      list[i] = trace.lift(what, list[i])
      dtype = dtype or list[i].dtype
    end
  end
  for i, x in ipairs(list) do
    if type(x) == "number" then list[i] = trace.fill(x, {}, dtype) end
  end
  local shape = common_shape(what, list)
  for i, e in ipairs(list) do list[i] = trace.broadcast_to(e, shape) end
  return list
end

--- An element-wise operation on operands that broadcast.
-- @tparam string op
-- @param ... operands
-- @treturn expression
function trace.map(op, ...) return trace.apply(op, trace.broadcast(op, ...)) end

-- The value of an expression of constants.
local function evaluate(e)
  local dtype = e.numeric and "float64" or "float32"
  for _, input in ipairs(lower.order { e }) do
    if input.tensor and input.tensor.dtype == "float64" then dtype = "float64" end
  end
  local result = lower.program({ e }, dtype):run()[1]
  return e.numeric and e.rank == 0 and result:item() or result
end

--- What the caller of an operation gets: a value when nothing in the expression is left open, the expression otherwise.
-- @tparam expression e
-- @return expression, tensor or number
function trace.settle(e)
  if e.free then return evaluate(e) end
  return e
end

--- Adds an operation to the language: a method of expressions and tensors. `build` makes expressions from operands;
-- callers get them settled.
-- @tparam string name
-- @tparam function build
function trace.define(name, build)
  assert(not methods[name], name)
  methods[name] = function(...) return trace.settle(build(...)) end
end

--- Derivatives of a scalar expression: dy/dx, to be used like any other expression, differentiated again too.
-- "No path" from x to y is an error, raised when the problem is built.
-- @tparam expression y of one element
-- @param x expression (a weight, say), or a list of them
-- @tparam[opt] string objective what y is, for messages
-- @return an expression of the shape of x, or a list
function trace.gradient(y, x, objective)
  if not trace.is(y) or y.dtype ~= "float" then
    site.fail("gradient: expected a traced expression of weights or hyperparameters, got %s", trace.show(y))
  end
  if y.size ~= 1 then
    site.fail("gradient: expected an expression of one element, got %s; :sum() or :mean() makes it one", trace.show(y))
  end
  if type(x) == "table" and not trace.is(x) then
    local list = {}
    for i, each in ipairs(x) do list[i] = trace.gradient(y, each, objective) end
    return list
  end
  if not trace.is(x) or x.dtype ~= "float" then
    site.fail("gradient: expected a weight or another traced expression to differentiate by, got %s", trace.show(x))
  end
  return expression {
    op = "gradient", attr = { objective = objective or "the expression" }, inputs = { y, x },
    shape = x.shape, dtype = "float",
  }
end

--- An expression with other expressions in the place of some of its leaves.
-- @tparam expression e
-- @tparam table map leaf -> expression of its shape
-- @treturn expression e itself where it reaches none of them
function trace.substitute(e, map)
  local made = {}
  for _, old in ipairs(lower.order { e }) do
    local changed, inputs = false, {}
    for i, input in ipairs(old.inputs) do
      inputs[i] = made[input]
      changed = changed or inputs[i] ~= input
    end
    local new = map[old] or old
    if changed then
      new = expression {
        op = old.op, attr = old.attr, inputs = inputs, shape = old.shape, dtype = old.dtype, site = old.site,
        tensor = old.tensor, free = old.free, numeric = old.numeric,
      }
    end
    made[old] = new
  end
  return made[e]
end

-- ---- the metatable ----

local function operator(name)
  return function(a, b) return methods[name](a, b) end
end

Expression.members = {
  what = "an expression", methods = methods, computed = {}, optional = {}, source = debug.getinfo(1, "S").source,
}
trace.members = Expression.members

Expression.__add, Expression.__sub, Expression.__mul = operator "add", operator "sub", operator "mul"
Expression.__div, Expression.__pow = operator "div", operator "pow"
function Expression.__unm(a) return methods.neg(a) end

local function no_order(a, b)
  site.fail("%s and %s cannot be ordered while tracing; :lt(), :le(), :gt(), :ge() give 1 and 0 for each element",
            trace.show(a), trace.show(b))
end
Expression.__lt, Expression.__le = no_order, no_order

function Expression.__index(e, key)
  local method = methods[key]
  if method then return method end
  site.fail("%s has no method or field '%s'%s", trace.show(e), tostring(key), names.hint(key, names.keys(methods)))
end

function Expression.__newindex(_, key)
  site.fail("a traced expression cannot be changed (field '%s')", tostring(key))
end

function Expression.__tostring(e)
  local name = e.leaf and e.name or e.attr.rule and e.attr.rule.name
  local what = name and ("%s '%s'"):format(e.op, name) or e.op
  return ("%s %s at %s"):format(trace.show(e), what, e.site)
end

registry["hyla.trace"] = trace
return trace
