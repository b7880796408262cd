--- Spoken digits, as the Free Spoken Digit Dataset has them: recordings DIGIT_SPEAKER_TAKE.wav of a digit each, joined
-- to utterances so that a digit's context varies. An utterance has three to seven recordings of one speaker, each used
-- once, and short silences around them: white noise as loud as the quietest 10 ms of its recordings. Which recordings,
-- and how long the silences are, is drawn from the seed.
--
-- Takes 0 to 4 are for testing, 5 to 9 for validation, the others for training: no take is in two parts. A recording's
-- silence at both ends is cut off; a digit's states are equal pieces of what remains.
-- @module hyla.data.speech.spoken_digits
local ffi = require "ffi"
local draws = require "hyla.data.speech.draws"
local places = require "hyla.data.speech.places"
local sndfile = require "hyla.lib.sndfile"
local sources = require "hyla.data.sources"
local store = require "hyla.data.speech.store"
local tensor = require "hyla.tensor"

local floor, max, min, sqrt = math.floor, math.max, math.min, math.sqrt

local spoken_digits = {}

local VERSION = 1                -- of what is made of the recordings: part of the cache's key
local PLACES = { "fsdd/recordings", "free-spoken-digit-dataset/recordings" }
local SILENCE = 10               -- the phone after the ten digits
local TAKES = 50                 -- of each digit and speaker, in a whole copy
local FEWEST, MOST = 3, 7        -- recordings of an utterance
local PAUSE = { 0.05, 0.2 }      -- seconds of silence
local QUIET = 10 ^ (-30 / 20)    -- of the loudest 10 ms: below it at the ends is silence
local LEAST = 2 ^ -15            -- of the noise's amplitude: one step of 16 bits
local STREAM = 2 ^ 47            -- of the random numbers

local PARTS = { "train", "valid", "test" }
local function part_of(take) return take < 5 and "test" or take < 10 and "valid" or "train" end

-- The recordings of a folder: { digit =, speaker =, take =, path = } by speaker; the speakers; or nil and a message.
local function recordings_in(folder)
  local by_speaker, speakers = {}, {}
  for _, name in ipairs(places.entries(folder)) do
    if name:match "%.wav$" then
      local digit, speaker, take = name:match "^(%d)_([%w-]+)_(%d+)%.wav$"
      if not digit then return nil, ("%s/%s: expected a name like 7_speaker_12.wav"):format(folder, name) end
      if not by_speaker[speaker] then
        by_speaker[speaker] = {}
        speakers[#speakers + 1] = speaker
      end
      table.insert(by_speaker[speaker], { digit = tonumber(digit), speaker = speaker, take = tonumber(take),
        path = folder .. "/" .. name })
    end
  end
  if #speakers == 0 then return nil, folder .. ": there is no recording in it" end
  table.sort(speakers)
  return by_speaker, speakers
end

-- Recordings in a random order, cut into groups of three to seven; fewer only where there are fewer.
local function groups_of(pool, seed, stream)
  table.sort(pool, function(a, b)
    if a.digit ~= b.digit then return a.digit < b.digit end
    return a.take < b.take
  end)
  local order = tensor.permutation(#pool, { seed = seed, stream = stream }):totable()
  local u = draws.uniform(#pool, seed, stream + 1)
  local groups, at = {}, 0
  while at < #pool do
    local left = #pool - at
    local n = min(FEWEST + floor(u[#groups] * (MOST - FEWEST + 1)), left)
    if left > n and left - n < FEWEST then n = left <= MOST and left or left - FEWEST end
    local group = {}
    for i = 1, n do group[i] = pool[order[at + i] + 1] end
    groups[#groups + 1], at = group, at + n
  end
  return groups
end

-- The loudness of every 10 ms.
local function loudness(samples, n, step)
  local level, count = {}, floor(n / step)
  for i = 0, count - 1 do
    local sum = 0
    for k = i * step, (i + 1) * step - 1 do sum = sum + samples[k] * samples[k] end
    level[i + 1] = sqrt(sum / step)
  end
  return level
end

-- Reads a recording and finds where it sounds: { samples, first, stop }, its quietest level; or nil and a message.
local function trimmed(recording, rate)
  local samples, n = sndfile.read(recording.path, rate)
  if not samples then return nil, n end
  local step = floor(rate / 100)
  local level, loudest, quietest = loudness(samples, n, step), 0, 1
  for _, l in ipairs(level) do loudest, quietest = max(loudest, l), min(quietest, l) end
  if loudest == 0 then return nil, recording.path .. ": nothing sounds in it" end
  local first, last = 1, #level
  while level[first] < QUIET * loudest do first = first + 1 end
  while level[last] < QUIET * loudest do last = last - 1 end
  return { samples = samples, first = (first - 1) * step, stop = last * step, digit = recording.digit }, quietest
end

-- Recordings one after another with noise around them: samples, how many, segments; or nil and a message.
local function joined(group, rate, seed, stream)
  local parts, noise, total = {}, 1, 0
  for i, recording in ipairs(group) do
    local part, quietest = trimmed(recording, rate)
    if not part then return nil, quietest end
    parts[i], noise, total = part, min(noise, quietest), total + part.stop - part.first
  end
  local pauses, seconds = {}, draws.uniform(#group + 1, seed, stream, PAUSE[1], PAUSE[2])
  for i = 0, #group do
    pauses[i] = floor(seconds[i] * rate)
    total = total + pauses[i]
  end
  local grain, samples, segments, at = draws.normal(total, seed, stream + 1), ffi.new("float[?]", total), {}, 0
  local function add(phone, count)
    segments[#segments + 1] = { first = at, stop = at + count, phone = phone }
    at = at + count
  end
  for k = 0, total - 1 do samples[k] = max(noise, LEAST) * grain[k] end
  add(SILENCE, pauses[0])
  for i, part in ipairs(parts) do
    ffi.copy(samples + at, part.samples + part.first, 4 * (part.stop - part.first))
    add(part.digit, part.stop - part.first)
    add(SILENCE, pauses[i])
  end
  return samples, total, segments
end

-- The utterances of all speakers and parts, and the recordings' paths.
local function utterances_of(by_speaker, speakers, rate, seed)
  local list, paths, stream = {}, {}, STREAM
  for _, speaker in ipairs(speakers) do
    for _, part in ipairs(PARTS) do
      local pool = {}
      for _, recording in ipairs(by_speaker[speaker]) do
        if part_of(recording.take) == part then
          pool[#pool + 1] = recording
          paths[#paths + 1] = recording.path
        end
      end
      for i, group in ipairs(#pool > 0 and groups_of(pool, seed, stream) or {}) do
        local name, own = ("%s, %s, utterance %d"):format(speaker, part, i), stream + 2 * i
        list[#list + 1] = { part = part, speaker = speaker, name = name, transcript = name,
          read = function() return joined(group, rate, seed, own) end }
      end
      stream = stream + 2 ^ 20
    end
  end
  return list, paths
end

--- The corpus as hyla.data.speech.corpus reads it.
-- @tparam table d descriptor: name, rate, classes (the ten digits and silence)
-- @tparam table o seed; states of a digit; normalise
-- @treturn table; or nil and a message
function spoken_digits.source(d, o)
  local folder, problem = places.find(d.name, PLACES)
  if not folder then return nil, problem end
  local by_speaker, speakers = recordings_in(folder)
  if not by_speaker then return nil, speakers end
  local utterances, paths = utterances_of(by_speaker, speakers, d.rate, o.seed)
  sources.note(d.name, paths)
  local states = {}
  for phone = 1, #d.classes do states[phone] = phone - 1 == SILENCE and 1 or o.states end
  return { name = d.name, rate = d.rate, phones = d.classes, states = states, normalise = o.normalise,
    utterances = utterances,
    why_empty = "testing has takes 0 to 4 of each speaker, validation 5 to 9, training the others",
    about = ("digits %d seed %.0f\n%s"):format(VERSION, o.seed, store.identity(paths)) }
end

--- What is missing of a whole copy: 50 takes of each digit by each speaker.
-- @tparam table d descriptor
-- @treturn string the folder; or nil and a message
-- @treturn {string,...} a line for what is missing
function spoken_digits.missing(d)
  local folder, problem = places.find(d.name, PLACES)
  if not folder then return nil, problem end
  local by_speaker, speakers = recordings_in(folder)
  if not by_speaker then return nil, speakers end
  local lines = {}
  for _, speaker in ipairs(speakers) do
    local there, missing = {}, {}
    for _, recording in ipairs(by_speaker[speaker]) do there[recording.digit .. "_" .. recording.take] = true end
    for digit = 0, 9 do
      for take = 0, TAKES - 1 do
        if not there[digit .. "_" .. take] then
          missing[#missing + 1] = ("%d_%s_%d.wav"):format(digit, speaker, take)
        end
      end
    end
    if #missing > 0 then
      lines[#lines + 1] = ("%s: %d of %d recordings are missing, the first of them %s"):format(speaker, #missing,
        10 * TAKES, missing[1])
    end
  end
  return folder, lines
end

return spoken_digits
