--- Methods of tensors that read and write elements from Lua. For single numbers and small tables: work on many
-- elements is arithmetic, which the engine does.
-- @module hyla.tensor.elements
local ffi = require "ffi"
local engine = require "hyla.ffi"
local handle = require "hyla.tensor.handle"
local site = require "hyla.site"
local C, check = engine.C, engine.check
local memory = handle.memory

local elements = {}

local function offset_of(what, t, strides, ...)
  local shape = t.shape
  if select("#", ...) ~= #shape then
    site.fail("%s: expected %d indices, got %d", what, #shape, select("#", ...))
  end
  local offset = 0
  for axis = 1, #shape do
    local i = select(axis, ...)
    if not handle.is_whole(i) or i < 1 or i > shape[axis] then
      site.fail("%s: expected index %d from 1 to %d, got %s", what, axis, shape[axis], tostring(i))
    end
    offset = offset + (i - 1) * strides[axis]
  end
  return offset
end

--- One element.
-- @param ... its indices, from 1
-- @treturn number
function elements.get(t, ...)
  local data, strides = memory(t)
  return data[offset_of("get", t, strides, ...)]
end

--- Changes one element; views that share it see the change.
-- @tparam number value
-- @param ... its indices, from 1
function elements.set(t, value, ...)
  local data, strides = memory(t)
  local offset = offset_of("set", t, strides, ...)
  data[offset] = handle.want_value("set", value, t.dtype)
end

--- The element of a tensor that has one.
-- @treturn number
function elements.item(t)
  if t.size ~= 1 then site.fail("item: expected one element, got a tensor of %d", t.size) end
  return (memory(t))[0]
end

--- Nested tables of the elements; a number for rank 0.
-- @treturn table|number
function elements.totable(t)
  local data, strides = memory(t)
  local shape = t.shape
  local function part(axis, offset)
    if axis > #shape then return data[offset] end
    local list = {}
    for i = 1, shape[axis] do list[i] = part(axis + 1, offset + (i - 1) * strides[axis]) end
    return list
  end
  local list = part(1, 0)
  return t and list                          -- a pointer does not keep the tensor: until here, this does
end

--- Whether no element is NaN or infinite.
-- @treturn boolean
-- @treturn number|nil where not: the position of the first such element in row-major order, from 1
function elements.is_finite(t)
  local where = ffi.new "double[1]"
  if C.hyla_tensor_finite(t, where) == 1 then return true end
  return false, where[0] + 1
end

--- Takes over the elements of another tensor of the same shape, converted to this one's dtype.
-- @tparam tensor from
-- @treturn tensor itself
function elements.copy_from(t, from)
  handle.want_tensor("copy_from", from)
  check(C.hyla_tensor_copy(t, from))
  return t
end

--- Writes a .npy file, whole or not at all.
-- @tparam string path
function elements.save(t, path)
  check(C.hyla_npy_save(t, path))
end

return elements
