--- Handles of the engine's tensors: their birth, their fields, and the checks of arguments that tensors share.
-- @module hyla.tensor.handle
local ffi = require "ffi"
local engine = require "hyla.ffi"
local site = require "hyla.site"
local C, check = engine.C, engine.check

local handle = {}

-- Lua holds references: LuaJIT compares pointers by address before it looks for __lt, and `a < b` must be an error.
local reference = ffi.typeof "hyla_tensor &"
local code_of = { float32 = C.HYLA_FLOAT32, float64 = C.HYLA_FLOAT64, int32 = C.HYLA_INT32 }
local name_of, pointer_to = {}, {}
for name, code in pairs(code_of) do name_of[tonumber(code)] = name end
for name, c_name in pairs { float32 = "float *", float64 = "double *", int32 = "int32_t *" } do
  pointer_to[name] = ffi.typeof(c_name)
end

--- Whether a value is a concrete tensor.
-- @return boolean
function handle.is(x) return ffi.istype(reference, x) end

--- Takes over one reference that the engine gave: it is dropped when Lua lets go of the tensor.
-- @param t hyla_tensor *
-- @treturn tensor
function handle.adopt(t)
  engine.relieve()
  return ffi.gc(ffi.cast(reference, t), C.hyla_tensor_drop)
end

-- One reference to the tensor that a function of the engine makes. Memory that only Lua's collector still holds is
-- given back before a refusal is final.
local function given(make)
  local out = ffi.new "hyla_tensor *[1]"
  local status = make(out)
  if status == C.HYLA_ENOMEM then
    collectgarbage()
    status = make(out)
  end
  check(status)
  return out[0]
end

--- The tensor that a function of the engine makes.
-- @tparam function make out -> status
-- @treturn tensor
function handle.made(make) return handle.adopt(given(make)) end

--- Zeros.
-- @param shape hyla_shape
-- @treturn tensor
function handle.new(shape) return handle.adopt(handle.raw(shape)) end

--- Zeros that nobody drops yet.
-- @param shape hyla_shape
-- @treturn cdata hyla_tensor *, one reference
function handle.raw(shape)
  return given(function(out) return C.hyla_tensor_new(shape, out) end)
end

--- The type of a tensor.
-- @treturn hyla_shape
function handle.c_shape_of(t)
  local s = ffi.new "hyla_shape"
  C.hyla_tensor_shape(t, s)
  return s
end

--- First element, and how many elements apart neighbours are along each axis. The tensor must outlive both.
-- @treturn cdata pointer
-- @treturn {number,...}
function handle.memory(t)
  local strides = {}
  for axis = 1, t.rank do strides[axis] = check(C.hyla_tensor_stride(t, axis - 1)) end
  return ffi.cast(pointer_to[t.dtype], C.hyla_tensor_data(t)), strides
end

-- ---- checks of arguments; `what` is the function they were given to ----

--- Whether a value is a whole number.
function handle.is_whole(x) return type(x) == "number" and x % 1 == 0 end

function handle.want_tensor(what, x)
  if not handle.is(x) then site.fail("%s: expected a tensor, got a %s", what, type(x)) end
end

function handle.want_dtype(what, dtype)
  if code_of[dtype] then return dtype end
  site.fail("%s: expected a dtype, \"float32\", \"float64\" or \"int32\", got %s", what, tostring(dtype))
end

--- A list of dimensions, or one dimension, as the engine takes it.
-- @treturn hyla_shape
function handle.want_shape(what, shape, dtype)
  if type(shape) == "number" then shape = { shape } end
  if type(shape) ~= "table" then site.fail("%s: expected a shape such as {3, 4}, got a %s", what, type(shape)) end
  if #shape > C.HYLA_MAX_RANK then
    site.fail("%s: expected at most %d dimensions, got %d", what, C.HYLA_MAX_RANK, #shape)
  end
  local s = ffi.new "hyla_shape"
  s.dtype, s.rank = code_of[handle.want_dtype(what, dtype)], #shape
  for i, n in ipairs(shape) do
    if not handle.is_whole(n) or n < 0 or n >= 2 ^ 31 then
      site.fail("%s: expected dimension %d to be a whole number >= 0, got %s", what, i, tostring(n))
    end
    s.dim[i - 1] = n
  end
  return s
end

--- An axis from 1, or from the end as -1, -2 ...; returned from 1.
function handle.want_axis(what, axis, rank)
  if handle.is_whole(axis) and axis ~= 0 and axis >= -rank and axis <= rank then
    return axis > 0 and axis or axis + rank + 1
  end
  site.fail("%s: expected an axis from 1 to %d, got %s", what, rank, tostring(axis))
end

--- A number that the dtype holds: float32 and float64 take any, int32 whole ones in its range.
-- @tparam string what
-- @param value
-- @tparam string dtype
-- @tparam[opt=""] string where words for the message, such as " at [2][3]"
function handle.want_value(what, value, dtype, where)
  if type(value) ~= "number" then site.fail("%s: expected a number%s, got a %s", what, where or "", type(value)) end
  if dtype == "int32" and not (value % 1 == 0 and value >= -2 ^ 31 and value < 2 ^ 31) then
    site.fail("%s: expected a whole number in the range of int32%s, got %.17g", what, where or "", value)
  end
  return value
end

-- ---- fields ----

--- name -> function(t): what t.name computes.
handle.fields = {}
local fields = handle.fields

--- Dimensions, as a new table.
function fields.shape(t)
  local s, shape = handle.c_shape_of(t), {}
  for i = 1, s.rank do shape[i] = s.dim[i - 1] end
  return shape
end

--- Number of dimensions.
function fields.rank(t) return handle.c_shape_of(t).rank end

--- "float32", "float64" or "int32".
function fields.dtype(t) return name_of[handle.c_shape_of(t).dtype] end

--- Number of elements.
function fields.size(t) return C.hyla_tensor_size(t) end

--- Elements in a row: the product of all dimensions but the first.
function fields.width(t)
  local s, width = handle.c_shape_of(t), 1
  for i = 1, s.rank - 1 do width = width * s.dim[i] end
  return width
end

return handle
