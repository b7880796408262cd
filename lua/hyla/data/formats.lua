--- How the data sets of descriptors are read, by the descriptor's `format`: which options each takes, and the reader,
-- which returns features (a tensor, or hyla.data.bytes), labels, what messages call their file, and where there is more
-- to say a table of it: source (of features that come from elsewhere: they are checked), groups (of the classes). Or
-- nil and a message. A format of speech has instead `corpus`, which returns parts of frames (hyla.data.speech.corpus),
-- and where its files are many, `missing`: what a copy lacks.
-- @module hyla.data.formats
local ffi = require "ffi"
local bytes_of = require "hyla.data.bytes"
local cache = require "hyla.data.cache"
local cifar = require "hyla.data.cifar"
local descriptor = require "hyla.data.descriptor"
local engine = require "hyla.ffi"
local files = require "hyla.data.files"
local idx = require "hyla.data.idx"
local options = require "hyla.options"
local sources = require "hyla.data.sources"
local tensor = require "hyla.tensor"
local tasks = require "hyla.data.tasks"
local words = require "hyla.data.words"

local formats = {}

local function pointer(kind, t) return ffi.cast(kind, engine.C.hyla_tensor_data(t)) end

local function labels(bytes, first, n)
  local y = tensor.zeros({ n }, "int32")
  local to = pointer("int32_t *", y)
  for k = 0, n - 1 do to[k] = bytes[first + k] end
  return y
end

-- The part of a set that the options name; its first where they name none.
local function chosen_part(d, name)
  if #d.parts == 0 then return nil, ("%s: format '%s' needs parts"):format(d.path, d.format) end
  local known = {}
  for _, part in ipairs(d.parts) do
    if name == nil or part.name == name then return part end
    known[#known + 1] = part.name
  end
  return nil, ("there is no part '%s'; the parts are: %s"):format(name, table.concat(known, ", "))
end

-- The path of a file that is read now; or nil and a message.
local function found(d, name)
  local path, problem = files.find(d, name)
  if path then sources.note(d.name, { path }) end
  return path, problem
end

-- The contents of one file, where its elements start, its shape and path; or nil and a message.
local function read_idx(d, name)
  local file = descriptor.file(d, name)
  local path, problem = found(d, name)
  if not path then return nil, problem end
  local bytes, first = idx.read(path, file.shape)
  return bytes, first, file.shape, path
end

--- Files of MNIST's format; images and labels of one part.
formats.idx = {
  options = { part = { kind = "string" } },
  read = function(d, o)
    local part, problem = chosen_part(d, o.part)
    if not part then return nil, problem end
    local image, image_first, shape = read_idx(d, part.x)
    if not image then return nil, image_first end
    local label, label_first, _, label_path = read_idx(d, part.y)
    if not label then return nil, label_first end
    local x = bytes_of.rows({ { bytes = image, first = image_first, n = shape[1] } }, shape[2] * shape[3])
    return x, labels(label, label_first, shape[1]), label_path
  end,
}

--- The embedded generator.
formats.digits = {
  options = {
    n = options.with(options.count, { default = 20000 }),
    seed = options.with(options.seed, { default = 1 }),
  },
  read = function(d, o)
    if not d.image then return nil, d.path .. ": format 'digits' needs image" end
    local width = d.image[1] * d.image[2]
    local bytes, first = cache.get(o.n, o.seed)
    local x = bytes_of.rows({ { bytes = bytes, first = first, n = o.n } }, width)
    return x, labels(bytes, first + o.n * width, o.n), d.name
  end,
}

--- The embedded generator of text-like features.
formats.words = {
  options = {
    n = options.with(options.count, { default = 6000 }),
    seed = options.with(options.seed, { default = 1 }),
  },
  read = function(d, o)
    if not d.features then return nil, d.path .. ": format 'words' needs features" end
    local x, y = tensor.zeros({ o.n, d.features }, "float32"), tensor.zeros({ o.n }, "int32")
    words.generate(o.n, d.features, o.seed, pointer("float *", x), pointer("int32_t *", y))
    return x, y, d.name
  end,
}

-- ---- speech ----

local normalise = { default = "speaker", expected = "'speaker' or 'utterance'",
                    is = function(v) return v == "speaker" or v == "utterance" end }

-- A corpus from the source that a module makes of descriptor and options; or nil and a message. Each format requires
-- its module when it is asked: those that read audio load a library for it.
local function speech(module, d, o)
  if not d.rate then return nil, ("%s: format '%s' needs rate"):format(d.path, d.format) end
  local source, problem = module.source(d, o)
  if not source then return nil, problem end
  return require("hyla.data.speech.corpus").read(source)
end

--- TIMIT, in its own layout.
formats.timit = {
  options = { normalise = normalise },
  corpus = function(d, o) return speech(require "hyla.data.speech.timit", d, o) end,
  missing = function(d) return require("hyla.data.speech.timit").missing(d) end,
}

--- Recordings of single digits, joined to utterances.
formats.spoken_digits = {
  options = {
    seed = options.with(options.seed, { default = 1 }),
    states = options.with(options.count, { default = 6 }),
    normalise = normalise,
  },
  corpus = function(d, o) return speech(require "hyla.data.speech.spoken_digits", d, o) end,
  missing = function(d) return require("hyla.data.speech.spoken_digits").missing(d) end,
}

--- The embedded generator of speech.
formats.syllables = {
  options = {
    n = options.with(options.count, { default = 300 }),
    seed = options.with(options.seed, { default = 1 }),
    normalise = normalise,
  },
  corpus = function(d, o) return speech(require "hyla.data.speech.syllables", d, o) end,
}

--- The embedded generator of classes in groups.
formats.tasks = {
  options = {
    n = options.with(options.count, { default = 6000 }),
    seed = options.with(options.seed, { default = 1 }),
  },
  read = function(d, o)
    if not (d.features and d.groups) then return nil, d.path .. ": format 'tasks' needs features and groups" end
    local x, y = tasks.generate(o.n, d.features, d.groups, o.seed)
    return x, y, d.name
  end,
}

local function read_npy(d, name)
  local path, problem = found(d, name)
  if not path then return nil, problem end
  local ok, t = pcall(tensor.load, path)
  if not ok then return nil, t end
  return t, path
end

local function shape_text(t) return ("%s [%s]"):format(t.dtype, table.concat(t.shape, ", ")) end

--- Pairs of .npy files: features [n, ...], float16, float32 or float64, and whole-numbered labels [n].
formats.npy = {
  options = { part = { kind = "string" } },
  read = function(d, o)
    local part, problem = chosen_part(d, o.part)
    if not part then return nil, problem end
    if not d.features then return nil, d.path .. ": format 'npy' needs features" end
    local x, x_path = read_npy(d, part.x)
    if not x then return nil, x_path end
    local y, y_path = read_npy(d, part.y)
    if not y then return nil, y_path end
    if x.dtype == "int32" or x.rank < 2 or x.width ~= d.features or x.size == 0 then
      return nil, ("%s: expected real numbers [examples, %d], got %s"):format(x_path, d.features, shape_text(x))
    end
    local n = x.shape[1]
    if y.dtype ~= "int32" or y.rank ~= 1 or y.size ~= n then
      return nil, ("%s: expected whole numbers [%d], a label for each example of %s, got %s"):format(y_path, n, x_path,
        shape_text(y))
    end
    return x:to("float32"):contiguous():reshape { n, x.width }, y:contiguous(), y_path, { source = x_path }
  end,
}

-- The classes' groups, from the group of each example; nil and a message where a class has two.
local function groups_of(group, y, classes, path)
  local of = {}
  for i = 0, y.size - 1 do
    local class = pointer("int32_t *", y)[i] + 1
    if of[class] and of[class] ~= group[i] then
      return nil, ("%s: record %d: class %d was of group %d before, not %d"):format(path, i + 1, class - 1, of[class],
        group[i])
    end
    of[class] = group[i]
  end
  for class = 1, classes do
    if not of[class] then return {} end               -- an archive without all classes says nothing of the others
  end
  return of
end

-- Records as features, labels and, of the layouts that have them, groups.
local function from_records(list, layout)
  local blocks, n, at, record = {}, 0, 0, layout.labels + cifar.width
  for b, member in ipairs(list) do
    blocks[b], n = { bytes = member.bytes, first = layout.labels, n = member.n, step = record }, n + member.n
  end
  local y, group = tensor.zeros({ n }, "int32"), ffi.new("uint8_t[?]", n)
  local label = pointer("int32_t *", y)
  for _, member in ipairs(list) do
    for i = 0, member.n - 1 do
      local from = member.bytes + i * record
      label[at], group[at] = from[layout.class], from[layout.group or 0]
      at = at + 1
    end
  end
  return bytes_of.rows(blocks, cifar.width), y, group
end

-- The reader of one layout of CIFAR's archives.
local function read_cifar(layout)
  return function(d, o)
    if not layout.parts[o.part] then
      return nil, ("there is no part '%s'; the parts are: train, test"):format(o.part)
    end
    if d.features ~= cifar.width or #d.files ~= 1 then
      return nil, ("%s: expected features: %d and one file, the archive"):format(d.path, cifar.width)
    end
    local path, problem = found(d, d.files[1].name)
    if not path then return nil, problem end
    local list
    list, problem = cifar.read(path, layout, o.part)
    if not list then return nil, problem end
    local x, y, group = from_records(list, layout)
    if not layout.group then return x, y, path end
    local groups
    groups, problem = groups_of(group, y, #d.classes, path)
    if not groups then return nil, problem end
    return x, y, path, { groups = #groups > 0 and groups or nil }
  end
end

for name, layout in pairs(cifar.layouts) do
  formats[name] = { options = { part = { kind = "string", default = "train" } }, read = read_cifar(layout) }
end

return formats
