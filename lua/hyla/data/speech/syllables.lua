--- The embedded speech: utterances of words of synthetic syllables, so that everything runs with nothing downloaded.
--
-- An utterance is a pure function of (seed, its number): two to four words of a small lexicon with silences around
-- them. A phone is a source - a train of pulses at the speaker's pitch, or noise, or both - through three resonances
-- (formants) that glide from one phone's places to the next one's; the speaker's length of the vocal tract moves all of
-- them. White noise lies over everything. Training, validation and testing have speakers of their own.
-- @module hyla.data.speech.syllables
local ffi = require "ffi"
local draws = require "hyla.data.speech.draws"
local interrupt = require "hyla.interrupt"

local exp, cos, pi, floor = math.exp, math.cos, math.pi, math.floor

local syllables = {}

local VERSION = 1
local STATES = 3
local STREAM = 2 ^ 47 + 2 ^ 45   -- of the random numbers
local GLIDE = 0.3                -- of a phone, in which its resonances come from those of the phone before
local BANDWIDTH = { 80, 110, 160 }
local NOISE = 0.01               -- deviation of what lies over everything
local PAUSE = { 0.04, 0.12 }     -- seconds
local PART = { train = 0.6, valid = 0.2 }      -- shares of utterances; the rest is for testing
local SPEAKERS = 10              -- of training; a third of that for validation and for testing

-- Formants in Hz; how much of the source is voice and how much noise; seconds. Plosives begin with a closure.
local PHONES = {
  a = { 730, 1150, 2450, voice = 1, noise = 0, length = 0.11 },
  e = { 480, 1850, 2500, voice = 1, noise = 0, length = 0.10 },
  i = { 290, 2200, 2900, voice = 1, noise = 0, length = 0.09 },
  o = { 520, 900, 2400, voice = 1, noise = 0, length = 0.11 },
  u = { 320, 780, 2250, voice = 1, noise = 0, length = 0.09 },
  l = { 360, 1250, 2700, voice = 0.5, noise = 0, length = 0.06 },
  m = { 260, 1050, 2200, voice = 0.4, noise = 0, length = 0.07 },
  n = { 270, 1550, 2450, voice = 0.4, noise = 0, length = 0.06 },
  s = { 1800, 3300, 3700, voice = 0, noise = 0.3, length = 0.10 },
  z = { 300, 2900, 3600, voice = 0.25, noise = 0.15, length = 0.08 },
  t = { 500, 2700, 3400, voice = 0, noise = 0.5, length = 0.06, closure = 0.55 },
  k = { 450, 1700, 2300, voice = 0, noise = 0.5, length = 0.07, closure = 0.5 },
}
-- Words of the language: what a phone's neighbours are is no accident.
local LEXICON = {
  "sami", "tuno", "lika", "mazo", "neti", "kulo", "zima", "tase", "noku", "limu", "sota", "mene", "kazi", "luno",
}
syllables.phones = { "a", "e", "i", "o", "u", "l", "m", "n", "s", "z", "t", "k", "silence" }

local number = {}
for i, phone in ipairs(syllables.phones) do number[phone] = i - 1 end

-- Uniform numbers in [0, 1), one call each.
local function numbers(seed, stream, count)
  local list, i = draws.uniform(count, seed, stream), 0
  return function()
    i = i + 1
    return list[i - 1]
  end
end

-- Pitch in Hz and the factor on all formants.
local function speaker_of(seed, speaker)
  local u = numbers(seed, STREAM + 2 ^ 40 + speaker, 2)
  return { pitch = 90 + 130 * u(), tract = 0.88 + 0.26 * u() }
end

-- The phones of an utterance with their lengths in samples: a list of { phone, n, loudness }.
local function plan(u, rate)
  local list = {}
  local function add(phone, seconds, loudness) list[#list + 1] = { phone, floor(seconds * rate), loudness } end
  local function pause() add("silence", PAUSE[1] + (PAUSE[2] - PAUSE[1]) * u(), 0) end
  pause()
  for _ = 1, 2 + floor(3 * u()) do
    local tempo, loudness = exp(0.4 * (u() - .5)), exp(u() - .5)
    for phone in LEXICON[1 + floor(#LEXICON * u())]:gmatch "." do
      add(phone, PHONES[phone].length * tempo * exp(0.5 * (u() - .5)), loudness)
    end
    if u() < .4 then pause() end
  end
  if list[#list][1] ~= "silence" then pause() end
  return list
end

-- Three resonances in parallel, as a function of (input, three places in Hz) that keeps its state.
local function resonances(rate)
  local before, twice = ffi.new "double[3]", ffi.new "double[3]"
  return function(x, place)
    local sum = 0
    for f = 0, 2 do
      local r = exp(-pi * BANDWIDTH[f + 1] / rate)
      local c = 2 * r * cos(2 * pi * math.min(place[f], 0.48 * rate) / rate)
      local y = (1 - r) * x + c * before[f] - r * r * twice[f]
      before[f], twice[f] = y, before[f]
      sum = sum + y / (f + 1)
    end
    return sum
  end
end

-- Adds the sound of the planned phones; returns their segments.
local function speak(list, speaker, rate, grain, samples)
  local resonate, place, from = resonances(rate), ffi.new "double[3]", ffi.new "double[3]"
  local segments, at, phase = {}, 0, 0
  for _, each in ipairs(list) do
    local phone, n, loudness = PHONES[each[1]], each[2], each[3]
    local target = phone or { place[0], place[1], place[2], voice = 0, noise = 0 }
    for f = 0, 2 do from[f] = place[f] end
    for i = 0, n - 1 do
      local done = math.min(1, i / (GLIDE * n))
      for f = 0, 2 do
        local to = phone and target[f + 1] * speaker.tract or target[f + 1]
        place[f] = from[f] == 0 and to or from[f] + done * (to - from[f])
      end
      phase = phase + speaker.pitch / rate
      local pulse = phase >= 1 and 1 or 0
      phase = phase - pulse
      local open = i < (target.closure or 0) * n and 0 or 1
      local source = open * loudness * (8 * target.voice * pulse + target.noise * grain[at + i])
      samples[at + i] = 0.2 * resonate(source, place) + NOISE * grain[at + i + 1]
    end
    segments[#segments + 1] = { first = at, stop = at + n, phone = number[each[1]] }
    at = at + n
  end
  return segments
end

-- Samples, how many, segments.
local function utterance(seed, index, speaker, rate)
  local list, total = plan(numbers(seed, STREAM + 2 * index, 64), rate), 0
  for _, each in ipairs(list) do total = total + each[2] end
  local grain = draws.normal(total + 1, seed, STREAM + 2 * index + 1)
  local samples = ffi.new("float[?]", total)
  local segments = speak(list, speaker_of(seed, speaker), rate, grain, samples)
  return samples, total, segments
end

-- The part of utterance i of n, and its speaker's number.
local function place_of(i, n)
  local share, few = i / n, math.ceil(SPEAKERS / 3)
  if share < PART.train then return "train", i % SPEAKERS end
  if share < PART.train + PART.valid then return "valid", SPEAKERS + i % few end
  return "test", SPEAKERS + few + i % few
end

--- The corpus as hyla.data.speech.corpus reads it.
-- @tparam table d descriptor: name, rate, classes (the phones)
-- @tparam table o n: utterances, 5 at least; seed; normalise
-- @treturn table; or nil and a message
function syllables.source(d, o)
  if table.concat(d.classes, " ") ~= table.concat(syllables.phones, " ") then
    return nil, ("%s: expected the classes %s"):format(d.path, table.concat(syllables.phones, ", "))
  end
  local list, states = {}, {}
  for phone = 1, #d.classes do states[phone] = d.classes[phone] == "silence" and 1 or STATES end
  for i = 0, o.n - 1 do
    interrupt.look()
    local part, speaker = place_of(i, o.n)
    local name = "utterance " .. i
    list[i + 1] = { part = part, speaker = speaker, name = name, transcript = name,
      read = function() return utterance(o.seed, i, speaker, d.rate) end }
  end
  return { name = d.name, rate = d.rate, phones = d.classes, states = states, normalise = o.normalise,
    utterances = list, why_empty = "there are too few utterances",
    about = ("syllables %d seed %.0f n %d"):format(VERSION, o.seed, o.n) }
end

return syllables
