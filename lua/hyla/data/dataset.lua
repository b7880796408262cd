--- A data set: examples in rows, one label each. Values never change; every method returns a new set.
--
-- Fields: x (float32 [n, width]; float64 after `to`), y (int32 [n], labels 0 .. classes-1), size (n), width, classes,
-- name, names (of the classes, or nil), groups (a whole number for each class, alike for classes that are known to
-- belong together, or nil), image ({ height, width } of a row seen as a picture, or nil), corrupted (int32 [n], 1 where
-- `corrupt_labels` replaced the label; nil before). Tensors are contiguous. Features that are stored as bytes become x
-- when it is first asked for: parts that are picked before stay bytes.
-- @module hyla.data.dataset
local ffi = require "ffi"
local bytes_of = require "hyla.data.bytes"
local choose = require "hyla.data.choose"
local members = require "hyla.members"
local options = require "hyla.options"
local site = require "hyla.site"
local stream = require "hyla.stream"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"

local pointer = choose.pointer

local Dataset, methods = {}, {}

--- The features, float32 or float64 [n, width].
local function features(set)
  -- Features that are bytes wait under `stored`; x is made of them when it is wanted.
  rawset(set, "x", set.stored:tensor())
  set.stored = nil
  return rawget(set, "x")
end

members.define(Dataset, {
  what = "a data set", methods = methods, computed = { x = features },
  optional = { names = true, groups = true, image = true, corrupted = true },
})

-- The columns that have one row an example and so follow it everywhere.
local COLUMNS = { "x", "y", "corrupted" }

-- What is said of the set as a whole.
local ABOUT = { "name", "classes", "names", "groups", "image" }

-- A column as it is now, the features as a tensor or as bytes.
local function column_of(set, column)
  local stored = column == "x" and rawget(set, "stored")
  return stored and stored:current() or set[column]
end

--- Makes a data set from checked, contiguous tensors.
-- @tparam table fields x (or hyla.data.bytes), y, name, classes; optional: names, groups, image, corrupted
-- @treturn Dataset
local function new(fields)
  local set = {}
  for _, field in ipairs(ABOUT) do set[field] = fields[field] end
  for _, column in ipairs(COLUMNS) do set[column] = fields[column] end
  set.size, set.width = fields.y.size, fields.x.width
  if bytes_of.is(fields.x) then set.x, set.stored = nil, fields.x end
  return setmetatable(set, Dataset)
end

--- Whether a value is a data set.
local function is(value) return getmetatable(value) == Dataset end

-- A set like another with other columns: transform(tensor, bytes or nil, name of the column) gives each.
local function with(set, transform)
  local fields = {}
  for _, field in ipairs(ABOUT) do fields[field] = set[field] end
  for _, column in ipairs(COLUMNS) do fields[column] = transform(column_of(set, column), column) end
  return new(fields)
end

local function row_bytes(t) return t.width * (t.dtype == "float64" and 8 or 4) end

-- A column's tensor, or nil.
local function numbers(t) return bytes_of.is(t) and t:tensor() or t end

-- Zeros of n rows like those of t.
local function rows_like(t, n)
  local shape = t.shape
  shape[1] = n
  return tensor.zeros(shape, t.dtype)
end

-- The examples index[0 .. n-1] (from 0) of a set.
local function pick(set, index, n)
  return with(set, function(t)
    if not t then return nil end
    if bytes_of.is(t) then return t:pick(index, n) end
    local rows, bytes = rows_like(t, n), row_bytes(t)
    local from, to = pointer(t, "const char *"), pointer(rows, "char *")
    for k = 0, n - 1 do ffi.copy(to + k * bytes, from + index[k] * bytes, bytes) end
    return rows
  end)
end

local function whole(v) return type(v) == "number" and v % 1 == 0 end

local function check_seed(what, seed)
  if options.seed.is(seed) then return end
  site.fail("%s: seed: expected %s, got %s", what, options.seed.expected, tostring(seed))
end

local function check_sizes(set, sizes)
  if type(sizes) ~= "table" or #sizes == 0 then site.fail("split: expected a list of sizes, { 5000, 5000 }") end
  local total = 0
  for k, n in ipairs(sizes) do
    if not (whole(n) and n >= 1) then
      site.fail("split: size %d: expected a whole number >= 1, got %s", k, tostring(n))
    end
    total = total + n
  end
  if total > set.size then
    site.fail("split: %s = %d examples asked for, '%s' has %d", table.concat(sizes, " + "), total, set.name, set.size)
  end
end

--- Disjoint random parts.
-- @tparam {number,...} sizes examples of each part; their sum is at most what there is (an error otherwise)
-- @tparam number seed whole, >= 0
-- @tparam[opt] table given stratified = true: every part has the classes in the proportions of the whole (false)
-- @treturn Dataset one value for each size
function methods:split(sizes, seed, given)
  check_sizes(self, sizes)
  check_seed("split", seed)
  local o = options.read("split", given, { stratified = { kind = "boolean", default = false } })
  local order = choose.order(self.size, seed)
  local strata = o.stratified
    and choose.strata(pointer(self.y, "const int32_t *"), self.size, self.classes, sizes, order)
  local parts, start = {}, 0
  for p, n in ipairs(sizes) do
    parts[p] = pick(self, strata and strata[p] or order + start, n)
    start = start + n
  end
  return unpack(parts)
end

local function check_counts(counts)
  if type(counts) ~= "table" or #counts == 0 then
    site.fail("split_by_class: expected a list of examples a class, { 5, 5 }, got %s", tostring(counts))
  end
  for k, n in ipairs(counts) do
    if not (whole(n) and n >= 1) then
      site.fail("split_by_class: count %d: expected a whole number >= 1, got %s", k, tostring(n))
    end
  end
end

--- What a message calls a class.
-- @tparam number class from 0
-- @treturn string
function methods:class_text(class)
  return self.names and ("class %d (%s)"):format(class, self.names[class + 1]) or ("class %d"):format(class)
end

--- Disjoint random parts that have the same number of examples of every class.
-- @tparam {number,...} counts examples a class of each part
-- @tparam number seed whole, >= 0
-- @treturn Dataset one value for each count, then one with all other examples, or nil where none is left; a class with
--   too few examples is an error
function methods:split_by_class(counts, seed)
  check_counts(counts)
  check_seed("split_by_class", seed)
  local chosen, class, have = choose.by_class(pointer(self.y, "const int32_t *"), self.size, self.classes, counts,
    choose.order(self.size, seed))
  if not chosen then
    site.fail("split_by_class: expected %s examples of every class, %s of '%s' has %d", table.concat(counts, " + "),
      self:class_text(class), self.name, have)
  end
  local parts = {}
  for p, part in ipairs(chosen) do parts[p] = part.n > 0 and pick(self, part.index, part.n) or nil end
  return unpack(parts, 1, #chosen)
end

--- A copy whose features are other ones, such as normalised features.
-- @tparam tensor x [n, width'], float32 or float64, finite
-- @treturn Dataset without `image` where the width differs
function methods:with_features(x)
  if not tensor.is(x) or x.rank ~= 2 or x.dtype == "int32" or x.shape[1] ~= self.size then
    site.fail("with_features: expected real numbers [%d, width], got %s", self.size,
      tensor.is(x) and ("%s [%s]"):format(x.dtype, table.concat(x.shape, ", ")) or "a " .. type(x))
  end
  local finite, at = x:is_finite()
  if not finite then
    site.fail("with_features: row %d of '%s' is not finite", math.ceil(at / x.width), self.name)
  end
  local set = with(self, function(t, column) return column == "x" and x:contiguous() or t end)
  if x.width ~= self.width then set.image = nil end
  return set
end

--- A copy in which exactly round(fraction * n) labels are replaced, each by one of the other classes, uniformly.
-- @tparam number fraction 0 to 1
-- @tparam number seed whole, >= 0
-- @treturn Dataset `corrupted` marks the replaced labels
function methods:corrupt_labels(fraction, seed)
  if not (type(fraction) == "number" and fraction >= 0 and fraction <= 1) then
    site.fail("corrupt_labels: fraction: expected a number from 0 to 1, got %s", tostring(fraction))
  end
  check_seed("corrupt_labels", seed)
  if self.corrupted then site.fail("corrupt_labels: labels of '%s' are corrupted already", self.name) end
  if self.classes < 2 then site.fail("corrupt_labels: expected two classes or more, got %d", self.classes) end
  local victims, draws = choose.corruption(self.size, seed)
  local columns = { x = column_of(self, "x"), y = self.y:clone(), corrupted = tensor.zeros({ self.size }, "int32") }
  local label, mark = pointer(columns.y, "int32_t *"), pointer(columns.corrupted, "int32_t *")
  for k = 0, math.floor(fraction * self.size + .5) - 1 do
    local i = victims[k]
    label[i] = (label[i] + 1 + math.floor(draws[i] * (self.classes - 1))) % self.classes
    mark[i] = 1
  end
  return with(self, function(_, column) return columns[column] end)
end

--- Some examples.
-- @param rows indices from 1 (a table or an int32 tensor; repetitions allowed), or a mask: a table of booleans, or a
--   tensor of n values that are all 0 or 1
-- @treturn Dataset an error when it would be empty
function methods:take(rows)
  local index, n = choose.rows(rows, self.size)
  if not index then site.fail("take from '%s': %s", self.name, n) end
  if n == 0 then site.fail("take from '%s': no example is left", self.name) end
  return pick(self, index, n)
end

--- The first n examples.
-- @tparam number n 1 to size
-- @treturn Dataset shares memory with this one
function methods:head(n)
  if not (whole(n) and n >= 1 and n <= self.size) then
    site.fail("head: expected 1 to %d examples, got %s", self.size, tostring(n))
  end
  return with(self, function(t)
    if bytes_of.is(t) then return t:head(n) end
    return t and t:rows(1, n)
  end)
end

local function check_alike(a, b)
  if not is(b) then site.fail("concat: expected a data set, got a %s", type(b)) end
  for _, field in ipairs { "width", "classes" } do
    if a[field] ~= b[field] then
      site.fail("concat: %s of '%s' is %d, of '%s' %d", field, a.name, a[field], b.name, b[field])
    end
  end
  local ours, theirs = column_of(a, "x").dtype, column_of(b, "x").dtype
  if ours ~= theirs then site.fail("concat: '%s' is %s, '%s' is %s", a.name, ours, b.name, theirs) end
end

--- The examples of this set, then those of another.
-- @tparam Dataset other of the same width, classes and dtype
-- @treturn Dataset `corrupted` is 0 for examples of a set whose labels never were
function methods:concat(other)
  check_alike(self, other)
  return with(self, function(above, column)
    local below = other[column]
    if not above and not below then return nil end
    above = numbers(above)
    local both = rows_like(above or below, self.size + other.size)
    local bytes, to = row_bytes(both), pointer(both, "char *")
    if above then ffi.copy(to, pointer(above, "const char *"), self.size * bytes) end
    if below then ffi.copy(to + self.size * bytes, pointer(below, "const char *"), other.size * bytes) end
    return both
  end)
end

--- The same examples with x in another dtype.
-- @tparam string dtype "float32" or "float64"
-- @treturn Dataset
function methods:to(dtype)
  if dtype ~= "float32" and dtype ~= "float64" then
    site.fail("to: expected \"float32\" or \"float64\", got %s", tostring(dtype))
  end
  return with(self, function(t, column)
    if column == "x" then return numbers(t):to(dtype) end
    return t
  end)
end

--- A mini-batch that changes from step to step of training: expressions to use where those of a whole set are. Batch t
-- is a pure function of (seed, t), so every replay sees it again.
-- @tparam table given { size =, seed =, replace = false, sampler = }: see hyla.stream.batch_index
-- @treturn table x [size, width], y [size], corrupted where the set has it, index (int32 [size], positions from 0:
--   lambda:gather(batch.index) are the hyperparameters of the batch's examples), size, width, classes, name
function methods:batches(given)
  local index = stream.batch_index(self.name, self.size, given)
  local batch = { index = index, size = index.size, width = self.width, classes = self.classes, name = self.name }
  for _, column in ipairs(COLUMNS) do
    if self[column] then batch[column] = trace.apply("gather", { trace.lift("batches", self[column]), index }) end
  end
  return batch
end

function Dataset:__tostring()
  return ("data '%s': %d examples of width %d, %d classes"):format(self.name, self.size, self.width, self.classes)
end

return { new = new, is = is }
