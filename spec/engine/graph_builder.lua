--- Graphs written straight against the engine, for specs of its layers: no tracing, axes from 0.
local ffi = require "ffi"
local engine = require "hyla.ffi"
local tensor = require "hyla.tensor"
local C, check = engine.C, engine.check

local Graph = {}
Graph.__index = Graph

local dtypes = { float32 = C.HYLA_FLOAT32, float64 = C.HYLA_FLOAT64, int32 = C.HYLA_INT32 }

local function shape_of(dims, dtype)
  local shape = ffi.new("hyla_shape", { dtype = dtypes[dtype or "float64"], rank = #dims })
  for i, d in ipairs(dims) do shape.dim[i - 1] = d end
  return shape
end

local function refs(list) return ffi.new("int[?]", math.max(#list, 1), list) end

local function new()
  local out = ffi.new "hyla_graph *[1]"
  check(C.hyla_graph_new(out))
  return setmetatable({ handle = ffi.gc(out[0], C.hyla_graph_drop), inputs = {}, values = {} }, Graph)
end

--- An input, with the tensor that runs will bind to it.
function Graph:input(value, name)
  local ref = check(C.hyla_graph_input(self.handle, name or "x", shape_of(value.shape, value.dtype), "spec.lua:1"))
  self.inputs[#self.inputs + 1], self.values[#self.values + 1] = ref, value
  return ref
end

function Graph:constant(value) return check(C.hyla_graph_constant(self.handle, value, "spec.lua:2")) end

--- apply("sum", { v = {0} }, x)
function Graph:apply(op, attr, ...)
  local a = ffi.new "hyla_attr"
  local v, f = attr and attr.v or {}, attr and attr.f or {}
  a.n = #v
  for i, value in ipairs(v) do a.v[i - 1] = value end
  a.f[0], a.f[1] = f[1] or 0, f[2] or 0
  local index = type(op) == "number" and op or check(C.hyla_op_find(op))
  return check(C.hyla_graph_apply(self.handle, index, a, select("#", ...), refs { ... }, "spec.lua:3"))
end

function Graph:dims(ref)
  local shape = ffi.new "hyla_shape"
  check(C.hyla_graph_shape(self.handle, ref, shape))
  local dims = {}
  for i = 1, shape.rank do dims[i] = shape.dim[i - 1] end
  return dims, shape.dtype
end

function Graph:fill(dims, value, dtype)
  local v = { dtypes[dtype or "float64"], unpack(dims) }
  return self:apply("fill", { v = v, f = { value } })
end

--- An input that stands for something in a rule; no run binds it.
function Graph:stand_in(dims, dtype)
  return check(C.hyla_graph_input(self.handle, "stand-in", shape_of(dims, dtype), "spec.lua:4"))
end

--- Declares a custom function of operands and a result of these dimensions.
-- @treturn table { f = its index, x = stand-ins of operands, z = of the result }
function Graph:custom(name, x_dims, z_dims)
  local c = { x = {}, z = self:stand_in(z_dims) }
  for i, dims in ipairs(x_dims) do c.x[i] = self:stand_in(dims) end
  c.f = check(C.hyla_graph_custom(self.handle, name, #c.x, refs(c.x), c.z, "spec.lua:5"))
  return c
end

--- Gives it rules: vjp(z_bar, z, x...) -> adjoints (-1: none), jvp(tangents..., z, x...) -> tangent.
function Graph:rules(c, vjp, jvp)
  local z_bar, x_bar, x_dot, z_dot = -1, {}, {}, -1
  if vjp then
    z_bar = self:stand_in((self:dims(c.z)))
    x_bar = { vjp(z_bar, c.z, unpack(c.x)) }
  end
  if jvp then
    local arguments = {}
    for i, x in ipairs(c.x) do
      x_dot[i] = self:stand_in((self:dims(x)))
      arguments[i], arguments[#c.x + 1 + i] = x_dot[i], x
    end
    arguments[#c.x + 1] = c.z
    z_dot = jvp(unpack(arguments))
  end
  return check(C.hyla_graph_custom_rules(self.handle, c.f, z_bar, vjp and refs(x_bar) or nil,
                                         jvp and refs(x_dot) or nil, z_dot))
end

--- Adjoints of xs for the adjoint bar of y (nil: one); -1 where no path leads.
function Graph:vjp(y, bar, xs)
  local out = ffi.new("int[?]", #xs)
  check(C.hyla_graph_vjp(self.handle, y, bar or -1, #xs, refs(xs), out))
  local list = {}
  for i = 1, #xs do list[i] = out[i - 1] end
  return unpack(list)
end

function Graph:jvp(xs, dots, ys)
  local out = ffi.new("int[?]", #ys)
  check(C.hyla_graph_jvp(self.handle, #xs, refs(xs), refs(dots), #ys, refs(ys), out))
  local list = {}
  for i = 1, #ys do list[i] = out[i - 1] end
  return unpack(list)
end

--- A program of these outputs over all inputs; calling it gives their values, with `values` in place of those declared.
function Graph:program(outputs)
  local handle = ffi.new "hyla_program *[1]"
  check(C.hyla_program_new(self.handle, #self.inputs, refs(self.inputs), #outputs, refs(outputs), handle))
  local program = ffi.gc(handle[0], C.hyla_program_drop)
  return function(values)
    values = values or self.values
    local n_in = #self.inputs
    local into, out = ffi.new("hyla_tensor *[?]", n_in + 1), ffi.new("hyla_tensor *[?]", #outputs)
    for i = 1, n_in do into[i - 1] = values[i] end
    check(C.hyla_program_run(program, into, out))
    local list = {}
    for i = 1, #outputs do list[i] = ffi.gc(out[i - 1], C.hyla_tensor_drop) end
    return unpack(list)
  end, program
end

function Graph:print(outputs) return ffi.string(C.hyla_graph_print(self.handle, #outputs, refs(outputs))) end

--- A float64 tensor of these dimensions with values draw(i).
local function make(dims, draw, dtype)
  local t = tensor.zeros(dims, dtype or "float64")
  local kind = (dtype or "float64") == "float64" and "double *" or dtype == "int32" and "int32_t *" or "float *"
  local data = ffi.cast(kind, C.hyla_tensor_data(t))
  for i = 0, tonumber(C.hyla_tensor_size(t)) - 1 do data[i] = draw(i) end
  return t
end

--- The elements of a contiguous float64 tensor, as a pointer that indexes from 0 (the tensor must be kept), and their
-- number.
local function elements(t) return ffi.cast("double *", C.hyla_tensor_data(t)), tonumber(C.hyla_tensor_size(t)) end

local function dot(a, b)
  local x, n = elements(a)
  local y = elements(b)
  local sum = 0
  for i = 0, n - 1 do sum = sum + x[i] * y[i] end
  return sum
end

--- x + h d
local function moved(x, d, h)
  local a = elements(x)
  local b = elements(d)
  return make(x.shape, function(i) return a[i] + h * b[i] end)
end

return { new = new, make = make, elements = elements, dot = dot, moved = moved, shape = shape_of }
