--- The operations of the language, each as a method `x:exp()` and a function `hyla.exp(x)`, on traced expressions and
-- tensors alike. Element-wise ones broadcast as numpy does. Axes count from 1, negative ones from the end; positions
-- that are stored in int32 tensors (labels, indices, argmax) count from 0, as in files.
-- @module hyla.functions
local options = require "hyla.options"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
local apply, broadcast, define, lift, map = trace.apply, trace.broadcast, trace.define, trace.lift, trace.map

-- Expressions and tensors live as long as the process, modules only as long as package.loaded has them: see hyla.ffi.
local registry = debug.getregistry()
if registry["hyla.functions"] then return registry["hyla.functions"] end

local elementwise = require "hyla.functions.elementwise"
local cast, square = elementwise.cast, elementwise.square

-- ---- axes ----

-- An axis from 1, or from -1 at the end, as one from 1.
local function axis_of(what, x, axis)
  if type(axis) ~= "number" or axis % 1 ~= 0 or axis == 0 or math.abs(axis) > x.rank then
    site.fail("%s: expected an axis of %s, got %s", what, trace.show(x), tostring(axis))
  end
  return axis < 0 and axis + x.rank + 1 or axis
end

-- Axes as the engine takes them (from 0, ascending): nil stands for all.
local function axes_of(what, x, axes)
  local list, seen = {}, {}
  if axes == nil then
    for axis = 1, x.rank do list[axis] = axis - 1 end
    return list
  end
  if type(axes) ~= "table" then axes = { axes } end
  for i, axis in ipairs(axes) do
    list[i] = axis_of(what, x, axis) - 1
    if seen[list[i]] then site.fail("%s: axis %d is named twice", what, axis) end
    seen[list[i]] = true
  end
  if #list == 0 then site.fail("%s: expected at least one axis", what) end
  table.sort(list)
  return list
end

local function reshape(x, shape) return apply("reshape", { x }, { v = shape }) end

local function without_axes(x, axes)
  local gone, shape = {}, {}
  for _, axis in ipairs(axes) do gone[axis + 1] = true end
  for axis, n in ipairs(x.shape) do
    if not gone[axis] then shape[#shape + 1] = n end
  end
  return reshape(x, shape)
end

-- ---- reductions: x:sum() over all, x:sum(2), x:sum{1, -1}; { keep = true } keeps reduced axes with size 1 ----

local keep_option = { keep = { kind = "boolean", default = false } }

local function reduce(op, x, axes, given)
  local keep = options.read(op, given, keep_option).keep
  x = lift(op, x)
  if x.rank == 0 then return x end
  axes = axes_of(op, x, axes)
  local reduced = apply(op, { x }, { v = axes })
  return keep and reduced or without_axes(reduced, axes)
end

--- The sum over axes, all of them unless told.
-- @function sum
-- @param x
-- @tparam[opt] number|{number,...} axes
-- @tparam[opt] table given { keep = true: the axes stay, with size 1 }

--- The maximum over axes, all of them unless told; among equals the derivative is shared evenly.
-- @function max
-- @param x
-- @tparam[opt] number|{number,...} axes
-- @tparam[opt] table given as for sum

--- The log of the sum of e^x over axes, all of them unless told, without overflow.
-- @function logsumexp
-- @param x
-- @tparam[opt] number|{number,...} axes
-- @tparam[opt] table given as for sum

for _, op in ipairs { "sum", "max", "logsumexp" } do
  define(op, function(x, axes, given) return reduce(op, x, axes, given) end)
end

--- The minimum over axes, all of them unless told.
-- @param x
-- @tparam[opt] number|{number,...} axes
-- @tparam[opt] table given as for sum
define("min", function(x, axes, given) return map("neg", reduce("max", map("neg", x), axes, given)) end)

local function mean(x, axes, given)
  x = lift("mean", x)
  local total = reduce("sum", x, axes, given)
  return map("div", total, x.size / total.size)
end
--- The mean over axes, all of them unless told.
-- @param x
-- @tparam[opt] number|{number,...} axes
-- @tparam[opt] table given as for sum
define("mean", mean)

--- e^x / sum e^x along an axis (the last, unless told).
-- @param x
-- @tparam[opt=-1] number axes
define("softmax", function(x, axes)
  x = lift("softmax", x)
  return apply("softmax", { x }, { v = axes_of("softmax", x, axes or -1) })
end)

--- log softmax along an axis (the last, unless told): x - logsumexp(x).
-- @param x
-- @tparam[opt=-1] number axes
define("log_softmax", function(x, axes) return map("sub", x, reduce("logsumexp", x, axes or -1, { keep = true })) end)

local function argmax(x, axis)
  x = lift("argmax", x)
  local axes = { axis_of("argmax", x, axis or -1) - 1 }
  return without_axes(apply("argmax", { x }, { v = axes }), axes)
end
--- The position, from 0, of the first maximum along an axis (the last, unless told); int32.
-- @param x
-- @tparam[opt=-1] number axis
define("argmax", argmax)

--- The Euclidean norm sqrt(sum x^2) over axes, all of them unless told.
-- @param x
-- @tparam[opt] number|{number,...} axes
-- @tparam[opt] table given as for sum
define("norm", function(x, axes, given) return apply("sqrt", { reduce("sum", square(x), axes, given) }) end)
--- sum |x| over axes, all of them unless told.
-- @param x
-- @tparam[opt] number|{number,...} axes
-- @tparam[opt] table given as for sum
define("norm1", function(x, axes, given) return reduce("sum", apply("abs", { lift("norm1", x) }), axes, given) end)
--- sum x^2 over axes, all of them unless told.
-- @param x
-- @tparam[opt] number|{number,...} axes
-- @tparam[opt] table given as for sum
define("squared_norm", function(x, axes, given) return reduce("sum", square(x), axes, given) end)

-- ---- movement ----

--- The same elements in another shape; one dimension may be -1.
define("reshape", function(x, shape)
  x = lift("reshape", x)
  local dims, known, open = {}, 1, nil
  for i, n in ipairs(shape) do
    dims[i] = n
    if n == -1 then open = i else known = known * n end
  end
  if open then dims[open] = math.floor(x.size / known) end
  return reshape(x, dims)
end)

--- Axes repeated, and new ones put in front, as numpy's broadcast_to.
define("expand", function(x, shape) return trace.broadcast_to(lift("expand", x), shape) end)

local function transpose(x, order)
  x = lift("transpose", x)
  local v = {}
  for i = 1, x.rank do v[i] = order and order[i] and axis_of("transpose", x, order[i]) - 1 or x.rank - i end
  if order and #order ~= x.rank then site.fail("transpose: expected %d axes, got %d", x.rank, #order) end
  return apply("transpose", { x }, { v = v })
end
--- Axes permuted: axis i of the result is axis order[i] of x; reversed without an order.
-- @param x
-- @tparam[opt] {number,...} order
define("transpose", transpose)

--- The transpose of a matrix.
define("t", function(x)
  x = lift("t", x)
  if x.rank ~= 2 then site.fail("t: expected a matrix, got %s; :transpose{...} permutes any axes", trace.show(x)) end
  return transpose(x)
end)

local function slice(x, axis, start, stop, step)
  x = lift("slice", x)
  axis = axis_of("slice", x, axis)
  local n, starts, stops, steps = x.shape[axis], {}, {}, {}
  local function position(i, name)
    if type(i) ~= "number" or i % 1 ~= 0 then
      site.fail("slice: expected a whole number for %s, got %s", name, tostring(i))
    end
    return i < 0 and n + i + 1 or i
  end
  for k = 1, x.rank do starts[k], stops[k], steps[k] = 0, x.shape[k], 1 end
  starts[axis], stops[axis] = position(start or 1, "start") - 1, position(stop or n, "stop")
  steps[axis] = position(step or 1, "step")
  local v = {}
  for _, part in ipairs { starts, stops, steps } do
    for _, i in ipairs(part) do v[#v + 1] = i end
  end
  return apply("slice", { x }, { v = v })
end

--- Elements start..stop along an axis, from 1, both included, negative from the end; every step-th.
-- @param x
-- @tparam number axis
-- @tparam[opt=1] number start
-- @tparam[opt=-1] number stop
-- @tparam[opt=1] number step
define("slice", slice)

--- Rows start..stop: slice along the first axis.
define("rows", function(x, start, stop) return slice(x, 1, start, stop) end)

--- Zeros around x: counts before and after, one each an axis.
define("pad", function(x, before, after)
  x = lift("pad", x)
  if type(before) ~= "table" or type(after) ~= "table" or #before ~= x.rank or #after ~= x.rank then
    site.fail("pad: expected two lists of %d counts, before and after, for %s", x.rank, trace.show(x))
  end
  local v = {}
  for i = 1, x.rank do v[i], v[x.rank + i], v[2 * x.rank + i] = before[i], after[i], 0 end
  return apply("pad", { x }, { v = v })
end)

--- Joined along an axis: hyla.concat { a, b, axis = 2 }; along the first unless told.
define("concat", function(list)
  local given = {}
  if type(list) ~= "table" or trace.is(list) then site.fail("concat: expected a list { a, b, axis = 1 }") end
  for key, value in pairs(list) do
    if type(key) ~= "number" then given[key] = value end
  end
  local axis = options.read("concat", given, { axis = { kind = "number", default = 1 } }).axis
  local parts = {}
  for i, x in ipairs(list) do parts[i] = lift("concat", x) end
  if #parts == 0 then site.fail("concat: expected at least one operand") end
  return apply("concat", parts, { v = { axis_of("concat", parts[1], axis) - 1 } })
end)

-- ---- products ----

-- Gives both the same leading axes.
local function align_batches(x, y)
  local rank = math.max(x.rank, y.rank)
  local function leading(a, b)
    local shape = {}
    for axis = 1, rank - 2 do
      local n, m = a.shape[axis - rank + a.rank] or 1, b.shape[axis - rank + b.rank] or 1
      if n ~= m and n ~= 1 and m ~= 1 then
        site.fail("matmul: expected leading axes that broadcast, got %s and %s", trace.show(x), trace.show(y))
      end
      shape[axis] = math.max(n, m)
    end
    shape[rank - 1], shape[rank] = a.shape[a.rank - 1], a.shape[a.rank]
    return trace.broadcast_to(a, shape)
  end
  return leading(x, y), leading(y, x)
end

--- The matrix product over the last axis of x and the last but one of y. Vectors and leading axes as numpy's matmul.
define("matmul", function(x, y)
  x, y = lift("matmul", x), lift("matmul", y)
  if x.rank == 0 or y.rank == 0 then
    site.fail("matmul: expected vectors or matrices, got %s and %s", trace.show(x), trace.show(y))
  end
  local row, column = x.rank == 1, y.rank == 1
  local a = row and reshape(x, { 1, x.size }) or x
  local b = column and reshape(y, { y.size, 1 }) or y
  if a.shape[a.rank] ~= b.shape[b.rank - 1] then
    site.fail("matmul: expected [..., n, k] by [..., k, m], got %s by %s", trace.show(x), trace.show(y))
  end
  if a.rank > 2 or b.rank > 2 then a, b = align_batches(a, b) end
  local z = apply("matmul", { a, b }, { v = { 0, 0 } })
  local gone = {}
  if row then gone[1] = z.rank - 2 end
  if column then gone[#gone + 1] = z.rank - 1 end
  return #gone > 0 and without_axes(z, gone) or z
end)

-- ---- indices: int32, from 0 ----

local function gather(x, index) return apply("gather", { lift("gather", x), lift("gather", index) }) end

--- Rows of x by position: x[index[...], ...].
-- @param x
-- @param index int32, from 0
define("gather", gather)

--- The same as gather.
-- @param x
-- @param index int32, from 0
define("take", gather)

local function take_along(x, index) return apply("take_along", { lift("take_along", x), lift("take_along", index) }) end

--- x[..., index[...]]: one entry of the last axis, which goes.
-- @param x
-- @param index int32, from 0
define("take_along", take_along)

--- Zeros with a new last axis of size k, and x[...] at index[...] of it.
define("put_along", function(x, index, k)
  return apply("put_along", { lift("put_along", x), lift("put_along", index) }, { v = { k } })
end)

--- Zeros [n, ...] with row x[j] added to row index[j].
define("scatter_add", function(x, index, n)
  return apply("scatter_add", { lift("scatter_add", index), lift("scatter_add", x) }, { v = { n } })
end)

--- 1 at the index along a new last axis of size k, 0 elsewhere.
define("one_hot", function(index, k) return apply("one_hot", { lift("one_hot", index) }, { v = { k, "float" } }) end)

-- ---- losses: one number an example ----

local function want_labels(what, logits, labels)
  if labels.dtype ~= "int32" or logits.rank ~= labels.rank + 1 then
    site.fail("%s: expected logits [n, classes] and int32 labels [n], got %s and %s", what, trace.show(logits),
              trace.show(labels))
  end
end

-- Predictions and targets of a loss. They do not broadcast, which would make every example's target that of all others:
-- [n] and [n, 1] give [n, n].
local function paired(what, a, b)
  local list = broadcast(what, a, b)
  local shape = table.concat(list[1].shape, ",")
  for _, each in ipairs { a, b } do
    local fits = type(each) == "number" or #each.shape == 0 or table.concat(each.shape, ",") == shape
    if not fits then
      site.fail("%s: expected two of one shape, or a number, got %s and %s", what, trace.show(a), trace.show(b))
    end
  end
  return list
end

--- Cross-entropy from logits: -log softmax(logits)[label].
-- logits [n, k]; labels int32 [n], from 0; result [n], in nats.
define("cross_entropy", function(logits, labels)
  logits, labels = lift("cross_entropy", logits), lift("cross_entropy", labels)
  want_labels("cross_entropy", logits, labels)
  return map("sub", reduce("logsumexp", logits, -1), take_along(logits, labels))
end)

--- Binary cross-entropy from logits z and targets y in [0, 1], of one shape: log(1 + e^z) - y z, in nats.
define("binary_cross_entropy", function(z, y)
  local list = paired("binary_cross_entropy", z, y)
  return map("sub", apply("softplus", { list[1] }), map("mul", list[2], list[1]))
end)

--- (a - b)^2, of one shape, summed over all axes but the first: one number an example.
define("squared_error", function(a, b)
  local squares = square(apply("sub", paired("squared_error", a, b)))
  if squares.rank < 2 then return squares end
  local axes = {}
  for axis = 2, squares.rank do axes[axis - 1] = axis end
  return reduce("sum", squares, axes)
end)

--- The share of examples whose largest logit is the label's: a fraction in [0, 1].
define("accuracy", function(logits, labels)
  logits, labels = lift("accuracy", logits), lift("accuracy", labels)
  want_labels("accuracy", logits, labels)
  return mean(cast(map("eq", argmax(logits), labels), "float"))
end)

-- Tensors get them, too, where they have none of their own (views do).
for name, method in pairs(trace.methods) do
  if tensor.methods[name] == nil then tensor.methods[name] = method end
end

local functions = { all = trace.methods }
registry["hyla.functions"] = functions
return functions
