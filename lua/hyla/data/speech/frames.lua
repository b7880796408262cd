--- Frames of speech: a part of a corpus (training, validation, test). A frame is classified from its context of 11
-- frames; the frames are stored once, and a context is gathered from them where it is used, in the traced program.
--
-- Fields: size (frames), width (1353 = 11 * 123), classes (states), targets (300), utterances, name; and tensors, as
-- they are stored: frames float32 [size, 123], y int32 [size], context int32 [size, 11], neighbours int32 [size, 6],
-- vectors float32 [classes + 1, 50] (hyla.data.speech.embedding).
-- @module hyla.data.speech.frames
local ffi = require "ffi"
local engine = require "hyla.ffi"
local embedding = require "hyla.data.speech.embedding"
local options = require "hyla.options"
local site = require "hyla.site"
local stream = require "hyla.stream"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
require "hyla.functions"

local Frames = {}
Frames.__index = Frames

local REACH = 5                    -- frames of context to each side
local SAMPLE_STREAM = 2 ^ 45 + 3   -- of the random numbers; those below it are hyla.data.choose's

local function ints(t) return ffi.cast("int32_t *", engine.C.hyla_tensor_data(t)) end

-- Which frames the context of each has: those around it, the first and last of its utterance for those beyond.
local function context_of(spans, size)
  local context = tensor.zeros({ size, 2 * REACH + 1 }, "int32")
  local to = ints(context)
  for _, span in ipairs(spans) do
    local first, last = span[1], span[1] + span[2] - 1
    for t = first, last do
      for k = -REACH, REACH do to[t * (2 * REACH + 1) + k + REACH] = math.min(math.max(t + k, first), last) end
    end
  end
  return context
end

--- A part from its frames.
-- @tparam table fields name, frames (tensor [size, values]), y (tensor int32 [size]), spans (of its utterances),
--   classes, vectors: tensor, or nil for training, which computes them
-- @treturn Frames
local function new(fields)
  local size, classes = fields.frames.shape[1], fields.classes
  local neighbours = tensor.zeros({ size, embedding.offsets }, "int32")
  embedding.neighbours(ints(fields.y), fields.spans, classes, ints(neighbours))
  return setmetatable({
    name = fields.name, frames = fields.frames, y = fields.y, context = context_of(fields.spans, size),
    neighbours = neighbours,
    vectors = fields.vectors or embedding.vectors(ints(fields.y), fields.spans, ints(neighbours), size, classes),
    size = size, width = (2 * REACH + 1) * fields.frames.shape[2], classes = classes, targets = embedding.width,
    utterances = #fields.spans,
  }, Frames)
end

-- Expressions of the frames at positions `index`, int32 [n] from 0.
local function at(self, index, n)
  local function rows(t, of) return trace.apply("gather", { trace.lift("frames", t), of }) end
  local function flat(x, width) return trace.apply("reshape", { x }, { v = { n, width } }) end
  return {
    x = flat(rows(self.frames, rows(self.context, index)), self.width),
    y = rows(self.y, index),
    target = flat(rows(self.vectors, rows(self.neighbours, index)), self.targets),
    index = index, size = n, width = self.width, classes = self.classes, targets = self.targets, name = self.name,
  }
end

--- A mini-batch that changes from step to step of training, as of any data set: see hyla.data.dataset.
-- @tparam table given { size =, seed =, replace = false, sampler = }: see hyla.stream.batch_index
-- @treturn table expressions x float [size, 1353], y int32 [size], target float [size, 300] (the context's vector),
--   index int32 [size]; and size, width, classes, targets, name
function Frames:batches(given)
  local index = stream.batch_index(self.name, self.size, given)
  return at(self, index, index.size)
end

--- The frames first .. first + n - 1, from 1.
-- @tparam number first
-- @tparam number n
-- @treturn table as for batches
function Frames:stretch(first, n)
  if not (options.count.is(first) and options.count.is(n) and first + n - 1 <= self.size) then
    site.fail("stretch: expected frames among 1 to %d, got %s from %s on", self.size, tostring(n), tostring(first))
  end
  local index = tensor.zeros({ n }, "int32")
  for i = 0, n - 1 do ints(index)[i] = first - 1 + i end
  return at(self, trace.lift("stretch", index), n)
end

--- n frames drawn once, all of them different; all that there are when n is larger.
-- @tparam number n
-- @tparam number seed
-- @treturn table as for batches
function Frames:sample(n, seed)
  if not options.count.is(n) then site.fail("sample: expected a whole number >= 1, got %s", tostring(n)) end
  n = math.min(n, self.size)
  local order = tensor.permutation(self.size, { seed = seed, stream = SAMPLE_STREAM })
  return at(self, trace.lift("sample", order:rows(1, n):clone()), n)
end

function Frames:__tostring()
  return ("frames '%s': %d of %d utterances, contexts of width %d, %d states"):format(self.name, self.size,
    self.utterances, self.width, self.classes)
end

return { new = new, is = function(value) return getmetatable(value) == Frames end }
