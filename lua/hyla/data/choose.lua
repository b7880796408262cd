--- Which examples go where: random orders, shares of classes, masks. Row indices here count from 0.
-- @module hyla.data.choose
local ffi = require "ffi"
local engine = require "hyla.ffi"
local tensor = require "hyla.tensor"

local C, check = engine.C, engine.check

local choose = {}

-- Streams of the random numbers drawn here; one seed may serve a split and a corruption of the same data.
local STREAM = { split = 2 ^ 45, victims = 2 ^ 45 + 1, labels = 2 ^ 45 + 2 }

--- A pointer to a tensor's elements; the caller keeps the tensor.
-- @tparam tensor t contiguous
-- @tparam string kind C type ("int32_t *")
function choose.pointer(t, kind) return ffi.cast(kind, C.hyla_tensor_data(t)) end

-- An array of its own with the elements of t: nothing to keep alive.
local function copied(t, kind)
  local array = ffi.new(kind .. "[?]", t.size)
  ffi.copy(array, C.hyla_tensor_data(t), ffi.sizeof(array))
  return array
end

local function permutation(n, seed, stream)
  local order = tensor.zeros({ n }, "int32")
  check(C.hyla_random_permutation(order, seed, stream))
  return copied(order, "int32_t")
end

--- A random order of n examples, from which the parts of a split are cut one after another.
-- @treturn cdata int32_t[n]
function choose.order(n, seed) return permutation(n, seed, STREAM.split) end

--- What a corruption draws: which examples come first, and for each example a number in [0, 1) for its new label.
-- @treturn cdata int32_t[n]
-- @treturn cdata double[n]
function choose.corruption(n, seed)
  local draws = tensor.zeros({ n }, "float64")
  check(C.hyla_random_uniform(draws, seed, STREAM.labels, 0, 1))
  return permutation(n, seed, STREAM.victims), copied(draws, "double")
end

-- How many of n examples each class gives when left[class] of them are there, `total` in all: in proportion, rounded by
-- the largest remainders (ties: the lower label). Never more than there are, since n <= total.
local function shares(n, left, total)
  local share, rest, order, given = {}, {}, {}, 0
  for class = 0, #left do
    local exact = n * left[class] / total
    share[class] = math.floor(exact)
    rest[class] = exact - share[class]
    given = given + share[class]
    order[#order + 1] = class
  end
  table.sort(order, function(a, b)
    if rest[a] ~= rest[b] then return rest[a] > rest[b] end
    return a < b
  end)
  for k = 1, n - given do share[order[k]] = share[order[k]] + 1 end
  return share
end

--- Parts in which the classes are as in the whole, up to rounding.
-- @tparam cdata label int32_t[n]
-- @tparam number n examples
-- @tparam number classes
-- @tparam {number,...} sizes of the parts, n at most in all
-- @tparam cdata order int32_t[n]; examples of one class are dealt out, and stand in a part, in this order
-- @treturn {cdata,...} int32_t[size] for each part
function choose.strata(label, n, classes, sizes, order)
  local left, total = {}, n
  for class = 0, classes - 1 do left[class] = 0 end
  for i = 0, n - 1 do left[label[i]] = left[label[i]] + 1 end
  local taken, parts = ffi.new("uint8_t[?]", n), {}
  for p, size in ipairs(sizes) do
    local want, index, count = shares(size, left, total), ffi.new("int32_t[?]", size), 0
    for k = 0, n - 1 do
      local i = order[k]
      local class = label[i]
      if taken[i] == 0 and want[class] > 0 then
        taken[i], want[class], left[class] = 1, want[class] - 1, left[class] - 1
        index[count], count = i, count + 1
      end
    end
    total = total - size
    parts[p] = index
  end
  return parts
end

--- Parts with the same number of examples of every class, and what is left of the whole.
-- @tparam cdata label int32_t[n]
-- @tparam number n examples
-- @tparam number classes
-- @tparam {number,...} counts examples a class of each part
-- @tparam cdata order int32_t[n]; examples of one class are dealt out, and stand in a part, in this order
-- @treturn {table,...} { index = int32_t array, n = } for each part, the rest last; or nil, the first class (from 0)
--   that has too few, and how many it has
function choose.by_class(label, n, classes, counts, order)
  local parts, have, total = {}, {}, 0
  for p, count in ipairs(counts) do
    parts[p], total = { index = ffi.new("int32_t[?]", count * classes), n = 0 }, total + count
  end
  local rest = { index = ffi.new("int32_t[?]", n), n = 0 }
  for class = 0, classes - 1 do have[class] = 0 end
  for k = 0, n - 1 do
    local i = order[k]
    local nth, to = have[label[i]], rest
    have[label[i]] = nth + 1
    for p, count in ipairs(counts) do
      if nth < count then
        to = parts[p]
        break
      end
      nth = nth - count
    end
    to.index[to.n], to.n = i, to.n + 1
  end
  for class = 0, classes - 1 do
    if have[class] < total then return nil, class, have[class] end
  end
  parts[#parts + 1] = rest
  return parts
end

local function is_mask(values, n, from_tensor)
  if type(values[1]) == "boolean" then return true end
  if not from_tensor or #values ~= n then return false end
  for _, v in ipairs(values) do
    if v ~= 0 and v ~= 1 then return false end
  end
  return true
end

local function masked(values, n)
  if #values ~= n then return nil, ("expected a mask of %d values, one an example, got %d"):format(n, #values) end
  local index, count = ffi.new("int32_t[?]", n), 0
  for i, v in ipairs(values) do
    if v == true or v == 1 then
      index[count], count = i - 1, count + 1
    elseif v ~= false and v ~= 0 then
      return nil, ("mask, value %d: expected true or false, got %s"):format(i, tostring(v))
    end
  end
  return index, count
end

--- The rows that a user's selection means. A tensor has no booleans: one of n values that are all 0 or 1 is a mask
-- (indices start at 1, so only "row 1, n times" could be meant otherwise; a table says that).
-- @param rows indices from 1, or a mask: a table or a tensor
-- @tparam number n examples there are
-- @treturn cdata int32_t array
-- @treturn number how many; or nil and a message
function choose.rows(rows, n)
  local from_tensor = tensor.is(rows)
  if not from_tensor and type(rows) ~= "table" then
    return nil, ("expected indices or a mask, got a %s"):format(type(rows))
  end
  local values = from_tensor and rows:totable() or rows
  if is_mask(values, n, from_tensor) then return masked(values, n) end
  local index = ffi.new("int32_t[?]", #values)
  for k, v in ipairs(values) do
    if not (type(v) == "number" and v % 1 == 0 and v >= 1 and v <= n) then
      return nil, ("index %d: expected 1 to %d, got %s"):format(k, n, tostring(v))
    end
    index[k - 1] = v - 1
  end
  return index, #values
end

return choose
