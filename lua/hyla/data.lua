--- Data sets by name, or from tensors of one's own: `hyla.data("mnist", { part = "test" })`, `hyla.data { x = , y = }`.
--
-- By name: what a descriptor in datasets/ (or a folder of HYLA_DATASETS) says. Options of `digits`: n (20,000) and
-- seed (1); of `words`, `tasks10` and `tasks100`: n (6,000) and seed (1); of `mnist`, `cifar10` and `cifar100`: part
-- ("train", or "test"). A descriptor of format `npy` names pairs of .npy files (docs/data.md).
--
-- Speech comes in three parts, train, valid and test, of frames in context (hyla.data.speech.frames). Options of
-- `syllables`: n (300) utterances and seed (1); of `speech_digits`: seed (1) and states (6) of a digit; of all, and of
-- `timit`: normalise ("speaker", or "utterance").
--
-- From tensors: x [n, ...] of float32 or float64, y [n] int32 labels 0, 1, ..., each a tensor, a Lua table or the path
-- of a .npy file; optional: name, classes (the largest label + 1), names (of the classes), image (its sides).
--
-- From a file of svmlight's format: `hyla.data.svmlight("rcv1.svm.gz")` (hyla.data.svmlight).
--
-- Nothing enters unchecked: NaN, infinities and labels out of range are errors with file, row and column.
-- @module hyla.data
local ffi = require "ffi"
local dataset = require "hyla.data.dataset"
local descriptor = require "hyla.data.descriptor"
local engine = require "hyla.ffi"
local formats = require "hyla.data.formats"
local options = require "hyla.options"
local site = require "hyla.site"
local sources = require "hyla.data.sources"
local svmlight = require "hyla.data.svmlight"
local tensor = require "hyla.tensor"

-- Raises an error where x [n, width] has a value that is not finite.
local function check_finite(x, source)
  local where = ffi.new "double[1]"
  if engine.C.hyla_tensor_finite(x, where) == 1 then return end
  local row = math.floor(where[0] / x.width)
  local column = where[0] - row * x.width
  local value = x:get(row + 1, column + 1)
  site.fail("%s in data: %s, row %d, column %d", value ~= value and "NaN" or "infinity", source, row + 1, column + 1)
end

-- Raises an error for a label outside 0 .. classes-1; without classes, returns the largest label + 1.
local function check_labels(y, classes, source)
  local label, largest = ffi.cast("const int32_t *", engine.C.hyla_tensor_data(y)), -1
  for i = 0, y.size - 1 do
    if label[i] < 0 or classes and label[i] >= classes then
      site.fail("a label outside its classes in data: %s, row %d: expected 0 to %s, got %d", source, i + 1,
                classes and tostring(classes - 1) or "the number of classes less one", label[i])
    end
    largest = math.max(largest, label[i])
  end
  return classes or largest + 1
end

local function named(name, given)
  local d, problem = descriptor.read(name)
  if not d then site.fail("data: %s", problem) end
  local format = formats[d.format]
  if not format then site.fail("data: %s: unknown format '%s'", d.path, d.format) end
  local o = options.read(("data '%s'"):format(name), given, format.options)
  sources.note(name)
  if format.corpus then
    local parts, words = format.corpus(d, o)
    return parts or site.fail("data: %s", words)
  end
  local x, y, label_source, more = format.read(d, o)
  if not x then site.fail("data: %s", y) end
  more = more or {}
  if more.source then check_finite(x, more.source) end
  check_labels(y, #d.classes, label_source)
  return dataset.new { x = x, y = y, name = name, classes = #d.classes, names = d.classes, image = d.image,
    groups = more.groups or d.groups }
end

-- A tensor from what a user gave: itself, a Lua table, or a .npy file's path. Also what messages call it.
local function tensor_of(key, given, dtype)
  if tensor.is(given) then return given, key end
  if type(given) == "table" then return tensor(given, dtype), key end
  local ok, loaded = pcall(tensor.load, given)
  if not ok then site.fail("data: %s", loaded) end
  sources.note("data", { given })
  return loaded, given
end

local own_fields = {
  x = { required = true, is = function(v) return tensor.is(v) or type(v) == "table" or type(v) == "string" end,
        expected = "a tensor, a table or the path of a .npy file" },
  name = { kind = "string", default = "data" },
  classes = options.count, names = { kind = "table" }, image = { kind = "table" },
}
own_fields.y = own_fields.x

-- Raises an error where what a user says about rows and classes does not fit them.
local function check_claims(o, width, classes)
  if o.names and #o.names ~= classes then
    site.fail("data: names: expected %d, one a class, got %d", classes, #o.names)
  end
  if o.image and not (#o.image == 2 and o.image[1] * o.image[2] == width) then
    site.fail("data: image: expected height and width whose product is %d, got { %s }", width,
              table.concat(o.image, ", "))
  end
end

local function own(given)
  local o = options.read("data", given, own_fields)
  local x, x_source = tensor_of("x", o.x, "float32")
  local y, y_source = tensor_of("y", o.y, "int32")
  if x.rank < 2 or x.dtype == "int32" or x.size == 0 then
    site.fail("data: x: expected float32 or float64 [n, ...], got %s [%s]", x.dtype, table.concat(x.shape, ", "))
  end
  if y.rank ~= 1 or y.dtype ~= "int32" or y.size ~= x.shape[1] then
    site.fail("data: y: expected int32 [%d], one label for each row of x, got %s [%s]", x.shape[1], y.dtype,
              table.concat(y.shape, ", "))
  end
  x, y = x:contiguous():reshape { x.shape[1], x.width }, y:contiguous()
  check_finite(x, x_source)
  local classes = check_labels(y, o.classes, y_source)
  check_claims(o, x.width, classes)
  return dataset.new { x = x, y = y, name = o.name, classes = classes, names = o.names, image = o.image }
end

--- A data set by name or from tensors (see the top of this page).
-- @tparam string|table what a name, or { x =, y =, ... }
-- @tparam[opt] table given options of the named set
-- @treturn Dataset see hyla.data.dataset; of speech { train =, valid =, test =, phones =, classes = }. An error for
--   what is missing, damaged, unknown or not finite
local function data(_, what, given)
  if type(what) == "string" then return named(what, given) end
  if type(what) == "table" and given == nil then return own(what) end
  return site.fail("data: expected a name or a table { x =, y = }, got a %s", type(what))
end

return setmetatable({ is = dataset.is, svmlight = svmlight }, { __call = data })
