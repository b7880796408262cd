--- Methods of tensors that give the same elements in another shape, without a copy where that can be, and copies.
-- @module hyla.tensor.views
local ffi = require "ffi"
local engine = require "hyla.ffi"
local handle = require "hyla.tensor.handle"
local site = require "hyla.site"
local C, check = engine.C, engine.check
local made = handle.made

local views = {}

-- start, stop and step of a slice: whole numbers, within 1..n; stop = start - 1 is an empty one.
local function want_range(what, n, start, stop, step)
  local function position(i, name)
    if not handle.is_whole(i) then site.fail("%s: expected a whole number for %s, got %s", what, name, tostring(i)) end
    return i < 0 and n + i + 1 or i
  end
  start, stop = position(start or 1, "start"), position(stop or n, "stop")
  step = step or 1
  if not handle.is_whole(step) or step < 1 then
    site.fail("%s: expected a whole number >= 1 for step, got %s", what, tostring(step))
  end
  if start < 1 or stop > n or stop < start - 1 then
    site.fail("%s: expected a range within 1..%d, got %d..%d", what, n, start, stop)
  end
  return start, stop, step
end

local function cut(t, axis, start, stop)
  return made(function(out) return C.hyla_tensor_slice(t, axis - 1, start - 1, stop, out) end)
end

-- Views have no steps: a stepped slice is a copy.
local function stepped(t, axis, start, stop, step)
  local shape = handle.c_shape_of(t)
  local n = math.floor((stop - start) / step) + 1
  shape.dim[axis - 1] = n
  local result = handle.new(shape)
  for i = 1, n do
    local at = start + (i - 1) * step
    check(C.hyla_tensor_copy(cut(result, axis, i, i), cut(t, axis, at, at)))
  end
  return result
end

--- Elements start..stop along an axis: a view.
-- @tparam number axis from 1, or from the end as -1, -2 ...
-- @tparam[opt=1] number start from 1, or from the end as -1
-- @tparam[opt=-1] number stop included
-- @tparam[opt=1] number step every step-th; a copy when above 1
-- @treturn tensor
function views.slice(t, axis, start, stop, step)
  axis = handle.want_axis("slice", axis, t.rank)
  start, stop, step = want_range("slice", t.shape[axis], start, stop, step)
  if step > 1 then return stepped(t, axis, start, stop, step) end
  return cut(t, axis, start, stop)
end

--- Rows start..stop: slice along the first axis.
-- @treturn tensor
function views.rows(t, start, stop)
  if t.rank == 0 then site.fail("rows: expected a tensor of rank 1 or more, got one of rank 0") end
  start, stop = want_range("rows", t.shape[1], start, stop)
  return cut(t, 1, start, stop)
end

--- The same elements in row-major order under other dimensions; one may be -1, for what is left.
-- @tparam {number,...} shape
-- @treturn tensor a view, or a copy when strides cannot say it
function views.reshape(t, shape)
  local dims, known, open = {}, 1, nil
  if type(shape) ~= "table" then site.fail("reshape: expected a shape such as {3, 4}, got a %s", type(shape)) end
  for i, n in ipairs(shape) do
    dims[i] = n
    if n == -1 and not open then open = i else known = known * (tonumber(n) or 1) end
  end
  if open then dims[open] = known > 0 and math.floor(t.size / known) or 0 end
  local wanted = handle.want_shape("reshape", dims, t.dtype)
  return made(function(out) return C.hyla_tensor_reshape(t, wanted, out) end)
end

--- Axes permuted: axis i of the result is axis order[i] of the tensor; reversed without an order.
-- @tparam[opt] {number,...} order
-- @treturn tensor a view
function views.transpose(t, order)
  local rank = t.rank
  if order and #order ~= rank then site.fail("transpose: expected %d axes, got %d", rank, #order) end
  local perm = ffi.new("int[?]", math.max(rank, 1))
  for i = 1, rank do perm[i - 1] = order and handle.want_axis("transpose", order[i], rank) - 1 or rank - i end
  return made(function(out) return C.hyla_tensor_transpose(t, perm, out) end)
end

--- The transpose of a matrix: a view.
-- @treturn tensor
function views.t(t)
  if t.rank ~= 2 then site.fail("t: expected a matrix, got a tensor of rank %d", t.rank) end
  return views.transpose(t)
end

--- Axes of size 1 repeated, and new ones put in front, as numpy's broadcast_to: a view.
-- @tparam {number,...} shape
-- @treturn tensor
function views.expand(t, shape)
  local wanted = handle.want_shape("expand", shape, t.dtype)
  local own, aligned = t.shape, {}
  if wanted.rank > #own then
    for axis = 1, wanted.rank do aligned[axis] = own[axis - wanted.rank + #own] or 1 end
    t = views.reshape(t, aligned)
  end
  return made(function(out) return C.hyla_tensor_expand(t, wanted, out) end)
end

--- A copy that shares nothing.
-- @tparam[opt] string dtype another one; int32 cuts fractions off, and refuses what it cannot hold
-- @treturn tensor
function views.clone(t, dtype)
  local copy = handle.new(handle.want_shape("clone", t.shape, dtype or t.dtype))
  check(C.hyla_tensor_copy(copy, t))
  return copy
end

--- The tensor itself where its rows lie one after another, a copy that does otherwise.
-- @treturn tensor
function views.contiguous(t)
  return C.hyla_tensor_contiguous(t) == 1 and t or views.clone(t)
end

--- The elements in another dtype: the tensor itself where it is the same.
-- @tparam string dtype; "float" is float32 unless the tensor is real already
-- @treturn tensor
function views.to(t, dtype)
  if dtype == "float" then dtype = t.dtype == "int32" and "float32" or t.dtype end
  return handle.want_dtype("to", dtype) == t.dtype and t or views.clone(t, dtype)
end

return views
