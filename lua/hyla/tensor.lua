--- Concrete tensors: arrays of float32, float64 or int32 in the engine's memory.
--
-- A tensor is a cdata handle with fields (shape, size, width, rank, dtype; hyla.tensor.handle) and methods that read
-- and write elements (hyla.tensor.elements), reshape and copy (hyla.tensor.views). Axes and indices count from 1.
-- Arithmetic is hyla.trace's, which adds its operations to `tensor.methods`.
-- @module hyla.tensor
local ffi = require "ffi"

-- A metatype lives as long as the process: see hyla.ffi.
local registry = debug.getregistry()
if registry["hyla.tensor"] then return registry["hyla.tensor"] end

local engine = require "hyla.ffi"
local handle = require "hyla.tensor.handle"
local names = require "hyla.names"
local options = require "hyla.options"
local show = require "hyla.tensor.show"
local site = require "hyla.site"
local C, check = engine.C, engine.check
local made, memory, want_value = handle.made, handle.memory, handle.want_value

local tensor = {}

--- What `t:name()` finds: name -> function(t, ...).
tensor.methods = {}
local methods = tensor.methods

--- Whether a value is a concrete tensor: function(x) -> boolean.
tensor.is = handle.is

--- Takes over one reference that the engine gave: function(hyla_tensor *) -> tensor.
tensor.adopt = handle.adopt

-- ---- constructors ----

--- Zeros.
-- @tparam {number,...}|number shape
-- @tparam[opt="float32"] string dtype
-- @treturn tensor
function tensor.zeros(shape, dtype)
  return handle.new(handle.want_shape("tensor", shape, dtype or "float32"))
end

--- One value everywhere.
-- @tparam {number,...}|number shape
-- @tparam number value
-- @tparam[opt="float32"] string dtype
-- @treturn tensor
function tensor.full(shape, value, dtype)
  local t = tensor.zeros(shape, dtype)
  want_value("full", value, t.dtype)
  local data = memory(t)
  for i = 0, t.size - 1 do data[i] = value end
  return t
end

--- Ones.
-- @tparam {number,...}|number shape
-- @tparam[opt="float32"] string dtype
-- @treturn tensor
function tensor.ones(shape, dtype) return tensor.full(shape, 1, dtype) end

--- first, first + 1, ..., last; arange(n) is 1..n.
-- @tparam number first
-- @tparam[opt] number last
-- @tparam[opt="float32"] string dtype
-- @treturn tensor
function tensor.arange(first, last, dtype)
  if last == nil then first, last = 1, first end
  want_value("arange", first)
  want_value("arange", last)
  local t = tensor.zeros({ math.max(math.floor(last - first) + 1, 0) }, dtype)
  if t.size > 0 then
    want_value("arange", first, t.dtype)
    want_value("arange", first + t.size - 1, t.dtype)
  end
  local data = memory(t)
  for i = 0, t.size - 1 do data[i] = first + i end
  return t
end

-- The dimensions of nested lists, from the first list on each level.
local function nested_shape(value)
  local shape = {}
  while type(value) == "table" do
    shape[#shape + 1] = #value
    value = value[1]
  end
  return shape
end

-- Writes lists into data from `at` on; returns where the next element goes.
local function fill_nested(list, shape, axis, dtype, data, at, path)
  if type(list) ~= "table" or #list ~= shape[axis] then
    site.fail("tensor: expected %d elements in %s, as in the first list of its level, got %s", shape[axis],
              path == "" and "the list" or path, type(list) == "table" and #list or "a " .. type(list))
  end
  if axis < #shape then
    for i = 1, #list do at = fill_nested(list[i], shape, axis + 1, dtype, data, at, path .. "[" .. i .. "]") end
    return at
  end
  for i = 1, #list do
    local value = list[i]
    if type(value) ~= "number" or dtype == "int32" then
      want_value("tensor", value, dtype, " at " .. path .. "[" .. i .. "]")
    end
    data[at + i - 1] = value
  end
  return at + #list
end

--- A tensor of nested lists of numbers, or of one number (rank 0). Also as tensor(values, dtype). A tensor is copied.
-- @tparam table|number|tensor values
-- @tparam[opt] string dtype "float32", or that of a tensor
-- @treturn tensor
function tensor.from(values, dtype)
  if tensor.is(values) then return values:clone(dtype) end
  if type(values) == "number" then return tensor.full({}, values, dtype) end
  if type(values) ~= "table" then
    site.fail("tensor: expected a number or nested lists of numbers, got a %s", type(values))
  end
  local shape = nested_shape(values)
  local t = tensor.zeros(shape, dtype)
  fill_nested(values, shape, 1, t.dtype, memory(t), 0, "")
  return t
end
setmetatable(tensor, { __call = function(_, ...) return tensor.from(...) end })

--- Reads a .npy file: f2 and f4 become float32, f8 float64, integers and bool int32.
-- @tparam string path
-- @treturn tensor
function tensor.load(path)
  return made(function(out) return C.hyla_npy_load(path, out) end)
end

local random_options = {
  seed = options.with(options.seed, { required = true }),
  stream = options.with(options.seed, { default = 0 }),
}

local function with_random_options(more)
  return options.with(random_options, more)
end

local uniform_options = with_random_options {
  lo = { kind = "number", default = 0 }, hi = { kind = "number", default = 1 },
  dtype = { kind = "string", default = "float32" },
}
local normal_options = with_random_options {
  mean = { kind = "number", default = 0 }, deviation = { kind = "number", default = 1 },
  dtype = { kind = "string", default = "float32" },
}

--- Uniform numbers in [lo, hi): a pure function of seed, stream and position.
-- @tparam {number,...}|number shape
-- @tparam table given seed (required), stream = 0, lo = 0, hi = 1, dtype = "float32"
-- @treturn tensor
function tensor.uniform(shape, given)
  local o = options.read("uniform", given, uniform_options)
  local t = tensor.zeros(shape, o.dtype)
  check(C.hyla_random_uniform(t, o.seed, o.stream, o.lo, o.hi))
  return t
end

--- Normal numbers: a pure function of seed, stream and position.
-- @tparam {number,...}|number shape
-- @tparam table given seed (required), stream = 0, mean = 0, deviation = 1, dtype = "float32"
-- @treturn tensor
function tensor.normal(shape, given)
  local o = options.read("normal", given, normal_options)
  local t = tensor.zeros(shape, o.dtype)
  check(C.hyla_random_normal(t, o.seed, o.stream, o.mean, o.deviation))
  return t
end

--- The whole numbers 0..n-1 in random order: positions that are stored in int32 tensors count from 0.
-- @tparam number n
-- @tparam table given seed (required), stream = 0
-- @treturn tensor int32
function tensor.permutation(n, given)
  local o = options.read("permutation", given, random_options)
  local t = tensor.zeros({ n }, "int32")
  check(C.hyla_random_permutation(t, o.seed, o.stream))
  return t
end

-- ---- what cdata of this type answers to ----

for _, part in ipairs { require "hyla.tensor.elements", require "hyla.tensor.views" } do
  for name, method in pairs(part) do methods[name] = method end
end

tensor.members = {
  what = "a tensor", methods = methods, computed = handle.fields, optional = {},
  source = debug.getinfo(1, "S").source,
}

local function unknown(name)
  local known = names.keys(methods)
  for _, field in ipairs(names.keys(handle.fields)) do known[#known + 1] = field end
  site.fail("a tensor has no field or method '%s'%s", tostring(name), names.hint(name, known))
end

-- The operation that hyla.trace registered.
local function operation(name)
  return function(a, b)
    local method = methods[name]
    if not method then site.fail("arithmetic with tensors comes with require \"hyla\": there is no '%s' yet", name) end
    return method(a, b)
  end
end

local function no_order()
  site.fail("tensors are not ordered as a whole by < and <=: use :lt(), :le() for a tensor of comparisons")
end

local function address(t) return ffi.cast("void *", t) end

ffi.metatype("hyla_tensor", {
  __index = function(t, name)
    local field = handle.fields[name]
    if field then return field(t) end
    return methods[name] or unknown(name)
  end,
  __newindex = function(_, name)
    site.fail("a tensor's field '%s' cannot be set; :set(value, i, j) changes an element", tostring(name))
  end,
  __add = operation "add", __sub = operation "sub", __mul = operation "mul", __div = operation "div",
  __pow = operation "pow", __unm = operation "neg",
  __lt = no_order, __le = no_order,
  __eq = function(a, b) return tensor.is(a) and tensor.is(b) and address(a) == address(b) end,
  __len = function(t) return t.shape[1] or site.fail("a tensor of rank 0 has no length") end,
  __tostring = function(t) return show.text(t) end,
})

registry["hyla.tensor"] = tensor
return tensor
