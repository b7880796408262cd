--- Utterances to frames: what every corpus of speech has in common. A corpus names its utterances, says how one is
-- read, and which part (train, valid, test) and speaker it is of; here they become features and states of frames.
--
-- A transcript is a list of segments { first, stop, phone }: samples first .. stop - 1, from 0, and the phone's number
-- from 0. Each phone has a number of states; a segment is cut into that many equal pieces. A frame belongs to where its
-- middle is. Audio before the first segment belongs to it; what comes after the last is left out.
-- @module hyla.data.speech.corpus
local ffi = require "ffi"
local engine = require "hyla.ffi"
local filterbank = require "hyla.data.speech.filterbank"
local frames = require "hyla.data.speech.frames"
local store = require "hyla.data.speech.store"
local tensor = require "hyla.tensor"

local floor = math.floor

local corpus = {}

local PARTS = { "train", "valid", "test" }
local TIMES = 3                    -- energies, first and second differences

-- ---- states ----

-- The number of the first state of each phone, and how many there are.
local function offsets_of(states)
  local offset, total = {}, 0
  for phone = 0, #states - 1 do
    offset[phone] = total
    total = total + states[phone + 1]
  end
  return offset, total
end

-- What is wrong with a transcript of n samples: a message, or nil.
local function mistake(utterance, segments, n)
  if #segments == 0 then return ("%s: the transcript is empty"):format(utterance.transcript) end
  local last = 0
  for i, s in ipairs(segments) do
    local where = ("%s:%d"):format(utterance.transcript, s.line or i)
    if s.stop > n then
      return ("%s: the segment ends at sample %d, beyond the audio's end (%s has %d samples)"):format(where, s.stop,
        utterance.name, n)
    end
    if s.stop <= s.first or s.first < last then
      return ("%s: expected segments one after another, got samples %d to %d after %d"):format(where, s.first, s.stop,
        last)
    end
    last = s.stop
  end
  return nil
end

-- The state of every frame.
local function states_of(segments, bank, count, source)
  local state, i = ffi.new("int32_t[?]", count), 1
  for t = 0, count - 1 do
    local middle = t * bank.shift + bank.length / 2
    while segments[i + 1] and segments[i + 1].first <= middle do i = i + 1 end
    local s = segments[i]
    local pieces = source.states[s.phone + 1]
    local piece = floor((middle - s.first) / (s.stop - s.first) * pieces)
    state[t] = source.offset[s.phone] + math.min(math.max(piece, 0), pieces - 1)
  end
  return state
end

-- ---- features ----

local function features_of(utterance, bank, source)
  local samples, n, segments = utterance.read()
  if not samples then return nil, n end
  local problem = mistake(utterance, segments, n)
  if problem then return nil, problem end
  local count = bank.frames(segments[#segments].stop)
  if count == 0 then
    return nil, ("%s: expected %d samples or more, a frame's, got %d"):format(utterance.name, bank.length,
      segments[#segments].stop)
  end
  local energies = ffi.new("float[?]", count * filterbank.width)
  bank.compute(samples, segments[#segments].stop, energies)
  return { frames = count, energies = energies, state = states_of(segments, bank, count, source) }
end

local function all_features(source)
  local bank, problem = filterbank.new(source.rate)
  if not bank then return nil, problem end
  local list = {}
  for i, utterance in ipairs(source.utterances) do
    list[i], problem = features_of(utterance, bank, source)
    if not list[i] then return nil, problem end
  end
  return list
end

-- ---- parts ----

-- Where the utterances of a part are among all frames: a list of { utterance, first frame, frames }.
local function members(source, raw, part)
  local list, first = {}, 0
  for i, utterance in ipairs(source.utterances) do
    local count = raw.lengths[i - 1]
    if utterance.part == part then list[#list + 1] = { utterance = utterance, first = first, count = count } end
    first = first + count
  end
  return list
end

-- Frames of a part with their differences, normalised: [size, 123].
local function widened(raw, list, spans, size, normalise)
  local narrow = filterbank.width
  local x = tensor.zeros({ size, TIMES * narrow }, "float32")
  local to = ffi.cast("float *", engine.C.hyla_tensor_data(x))
  local together = {}
  for i, member in ipairs(list) do
    local out = to + spans[i][1] * TIMES * narrow
    for t = 0, member.count - 1 do
      ffi.copy(out + t * TIMES * narrow, raw.energies + (member.first + t) * narrow, 4 * narrow)
    end
    filterbank.differences(out, member.count, TIMES * narrow, narrow, out + narrow)
    filterbank.differences(out + narrow, member.count, TIMES * narrow, narrow, out + 2 * narrow)
    local key = normalise == "speaker" and member.utterance.speaker or i
    together[key] = together[key] or {}
    table.insert(together[key], spans[i])
  end
  for _, group in pairs(together) do filterbank.normalise(to, group, TIMES * narrow) end
  return x
end

local function part_of(source, raw, part, vectors)
  local list, spans, size = members(source, raw, part), {}, 0
  if #list == 0 then
    return nil, ("%s: no utterance is left for the part '%s'%s"):format(source.name, part,
      source.why_empty and ": " .. source.why_empty or "")
  end
  for i, member in ipairs(list) do
    spans[i] = { size, member.count }
    size = size + member.count
  end
  local y = tensor.zeros({ size }, "int32")
  local label = ffi.cast("int32_t *", engine.C.hyla_tensor_data(y))
  for i, member in ipairs(list) do ffi.copy(label + spans[i][1], raw.state + member.first, 4 * member.count) end
  return frames.new { name = ("%s, %s"):format(source.name, part), y = y, spans = spans, classes = source.total,
    vectors = vectors, frames = widened(raw, list, spans, size, source.normalise) }
end

--- Reads a corpus.
-- @tparam table source name; rate; phones: names; states: how many of each phone; normalise: "speaker" (of one part) or
--   "utterance"; utterances: list of { part =, speaker =, name = (its file), transcript = (its file), read = function()
--   -> float samples, how many, segments; or nil and a message }; about: text that says all that the utterances depend
--   on (files: store.identity); why_empty: words for a part without utterances
-- @treturn table train, valid, test (hyla.data.speech.frames); phones, classes, name; or nil and a message
function corpus.read(source)
  source.offset, source.total = offsets_of(source.states)
  local about = table.concat({ source.name, source.about, "rate " .. source.rate, filterbank.key(),
    "states " .. table.concat(source.states, " ") }, "\n")
  local raw, problem = store.get(source.name, about, #source.utterances, filterbank.width,
    function() return all_features(source) end)
  if not raw then return nil, problem end
  local set = { name = source.name, phones = source.phones, classes = source.total }
  for _, part in ipairs(PARTS) do
    set[part], problem = part_of(source, raw, part, set.train and set.train.vectors)
    if not set[part] then return nil, problem end
  end
  return set
end

return corpus
