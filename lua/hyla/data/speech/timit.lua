--- TIMIT as it comes from the LDC: TRAIN and TEST, in each the dialect regions DR1 to DR8, in these a folder a speaker,
-- and for each sentence the audio (SX123.WAV, NIST SPHERE) and its phones (SX123.PHN: first sample, end, phone). Names
-- may be of capitals or small letters; the folders may lie in timit/ or timit/TIMIT/.
--
-- The sentences SA1 and SA2, which all speakers read, are left out. Training has the speakers of TRAIN, testing the 24
-- of the core test set, validation the others of TEST. Each of the 61 phones has three states.
-- @module hyla.data.speech.timit
local lfs = require "lfs"
local places = require "hyla.data.speech.places"
local sndfile = require "hyla.lib.sndfile"
local sources = require "hyla.data.sources"
local store = require "hyla.data.speech.store"

local timit = {}

local PLACES = { "timit/TIMIT", "timit" }
local STATES = 3
local SENTENCES = 8              -- of a speaker, without SA1 and SA2
-- Speakers of the regions DR1 to DR8 in a whole copy.
local SPEAKERS = { TRAIN = { 38, 76, 76, 68, 70, 35, 77, 22 }, TEST = { 11, 26, 26, 32, 28, 11, 23, 11 } }

local core = {}
for speaker in ([[MDAB0 MWBT0 FELC0 MTAS1 MWEW0 FPAS0 MJMP0 MLNT0 FPKT0 MLLL0 MTLS0 FJLM0
                  MBPM0 MKLT0 FNLP0 MCMJ0 MJDH0 FMGD0 MGRT0 MNJM0 FDHC0 MJLN0 MPAM0 FMLD0]]):gmatch "%S+" do
  core[speaker] = true
end

-- The folder that holds TRAIN and TEST; or nil and a message.
local function corpus_folder(d)
  local folder, problem = places.find(d.name, PLACES)
  if not folder then return nil, problem end
  if places.entry(folder, "TRAIN") or places.entry(folder, "TEST") then return folder end
  return nil, folder .. ": expected the folders TRAIN and TEST in it"
end

-- Calls visit(speaker, folder, region) for the speakers of TRAIN or TEST.
local function each_speaker(folder, half, visit)
  local top = places.entry(folder, half)
  for region = 1, #SPEAKERS[half] do
    local at = top and places.entry(top, "DR" .. region)
    for _, speaker in ipairs(at and places.entries(at) or {}) do
      if lfs.attributes(at .. "/" .. speaker, "mode") == "directory" then
        visit(speaker:upper(), at .. "/" .. speaker, region)
      end
    end
  end
end

-- The sentences of a speaker's folder: name -> { wav =, phn = } paths.
local function sentences_in(folder)
  local names, by_name = {}, {}
  for _, entry in ipairs(places.entries(folder)) do
    local name, ending = entry:upper():match "^(S[IX]%d+)%.(%u+)$"
    if name and (ending == "WAV" or ending == "PHN") then
      if not by_name[name] then
        by_name[name] = {}
        names[#names + 1] = name
      end
      by_name[name][ending:lower()] = folder .. "/" .. entry
    end
  end
  return names, by_name
end

-- The segments of a file of phones; or nil and a message.
local function read_phones(path, number)
  local file, problem = io.open(path, "r")
  if not file then return nil, problem end
  local segments, line = {}, 0
  for text in file:lines() do
    line = line + 1
    local first, stop, phone = text:match "^%s*(%d+)%s+(%d+)%s+(%S+)%s*$"
    if not first then problem = ("expected two sample numbers and a phone, got '%s'"):format(text) end
    if first and not number[phone] then problem = ("unknown phone '%s'"):format(phone) end
    if problem then break end
    segments[line] = { first = tonumber(first), stop = tonumber(stop), phone = number[phone], line = line }
  end
  file:close()
  if problem then return nil, ("%s:%d: %s"):format(path, line, problem) end
  return segments
end

local function reader(sentence, rate, number)
  return function()
    local segments, problem = read_phones(sentence.phn, number)
    if not segments then return nil, problem end
    local samples, n = sndfile.read(sentence.wav, rate)
    if not samples then return nil, n end
    return samples, n, segments
  end
end

-- The utterances of TRAIN or TEST, added to a list with their files' paths; nil, or what is wrong.
local function add_utterances(list, paths, folder, half, d, number)
  local problem
  each_speaker(folder, half, function(speaker, at)
    local names, by_name = sentences_in(at)
    for _, name in ipairs(names) do
      local sentence = by_name[name]
      if not (sentence.wav and sentence.phn) then
        problem = problem or ("%s/%s has no .%s"):format(at, name, sentence.wav and "PHN" or "WAV")
      else
        list[#list + 1] = { part = half == "TRAIN" and "train" or core[speaker] and "test" or "valid",
          speaker = speaker, name = sentence.wav, transcript = sentence.phn, read = reader(sentence, d.rate, number) }
        paths[#paths + 1], paths[#paths + 2] = sentence.wav, sentence.phn
      end
    end
  end)
  return problem
end

--- The corpus as hyla.data.speech.corpus reads it.
-- @tparam table d descriptor: name, rate, classes (the phones)
-- @tparam table o normalise
-- @treturn table; or nil and a message
function timit.source(d, o)
  local folder, problem = corpus_folder(d)
  if not folder then return nil, problem end
  local number, states, list, paths = {}, {}, {}, {}
  for i, phone in ipairs(d.classes) do number[phone], states[i] = i - 1, STATES end
  for _, half in ipairs { "TRAIN", "TEST" } do
    problem = add_utterances(list, paths, folder, half, d, number)
    if problem then return nil, problem end
  end
  sources.note(d.name, paths)
  return { name = d.name, rate = d.rate, phones = d.classes, states = states, normalise = o.normalise,
    utterances = list,
    why_empty = "training has the speakers of TRAIN, testing the 24 of the core test set, validation the rest of TEST",
    about = store.identity(paths) }
end

--- What is missing of a whole copy.
-- @tparam table d descriptor
-- @treturn string the folder; or nil and a message
-- @treturn {string,...} a line for each region with too few speakers, and for each speaker with too few sentences
function timit.missing(d)
  local folder, problem = corpus_folder(d)
  if not folder then return nil, problem end
  local lines = {}
  for _, half in ipairs { "TRAIN", "TEST" } do
    local found = {}
    each_speaker(folder, half, function(_, at, region)
      found[region] = (found[region] or 0) + 1
      local names, by_name = sentences_in(at)
      local whole, without = 0, {}
      for _, name in ipairs(names) do
        local sentence = by_name[name]
        if sentence.wav and sentence.phn then whole = whole + 1 else without[#without + 1] = name end
      end
      if whole < SENTENCES then
        lines[#lines + 1] = ("%s: expected %d sentences besides SA1 and SA2, got %d%s"):format(at, SENTENCES, whole,
          #without > 0 and "; without their .WAV or .PHN: " .. table.concat(without, ", ") or "")
      end
    end)
    for region, count in ipairs(SPEAKERS[half]) do
      if (found[region] or 0) < count then
        lines[#lines + 1] = ("%s/%s/DR%d: expected %d speakers, got %d"):format(folder, half, region, count,
          found[region] or 0)
      end
    end
  end
  return folder, lines
end

return timit
