--- Features between runs: one file for each corpus and its settings in the user's cache folder, written whole or not at
-- all. Its key says all that the features depend on: settings, versions, and each file's path, size and time of change.
--
-- The contents: a line of words, padded with blanks; then int32 frames of each utterance, int32 state of each frame,
-- float32 energies of each frame. A cache only saves time: one that is missing or damaged is made anew.
-- @module hyla.data.speech.store
local ffi = require "ffi"
local lfs = require "lfs"
local buffer = require "hyla.buffer"
local interrupt = require "hyla.interrupt"
local crypto = require "hyla.lib.crypto"
local engine = require "hyla.ffi"
local files = require "hyla.data.files"
local folders = require "hyla.folders"
local zlib = require "hyla.lib.zlib"

local store = {}

local HEADER = 256
local VERSION = 1

local function digest_of(text)
  local digest = crypto.sha256()
  digest:add(text, #text)
  return digest:hex()
end

local function bytes_of(utterances, frames, width) return 4 * (utterances + frames * (1 + width)) end

local function header_of(key, utterances, frames, payload, size)
  local words = ("hyla speech %d key %s utterances %d frames %d crc %08x"):format(VERSION, key, utterances, frames,
    zlib.crc32(payload, size))
  return words .. (" "):rep(HEADER - #words)
end

-- What is in a buffer [header, payload].
local function contents(whole, utterances, frames)
  local lengths = ffi.cast("int32_t *", whole + HEADER)
  return { whole = whole, utterances = utterances, frames = frames, lengths = lengths, state = lengths + utterances,
    energies = ffi.cast("float *", lengths + utterances + frames) }
end

--- An identity of files for a key: path, size and time of change of each.
-- @tparam {string,...} paths
-- @treturn string
function store.identity(paths)
  local lines = {}
  for i, path in ipairs(paths) do
    interrupt.look()
    local about = lfs.attributes(path)
    lines[i] = ("%s %s %s"):format(path, about and about.size or "-", about and about.modification or "-")
  end
  return table.concat(lines, "\n")
end

local function load(path, key, utterances, width)
  local size = lfs.attributes(path, "size")
  local frames = size and (size - HEADER - 4 * utterances) / (4 * (1 + width))
  if not frames or frames < 0 or frames % 1 ~= 0 then return nil end
  local whole = files.contents(path, size)
  if not whole then return nil end
  local fits = ffi.string(whole, HEADER) == header_of(key, utterances, frames, whole + HEADER, size - HEADER)
  return fits and contents(whole, utterances, frames) or nil
end

-- One buffer with what was computed for each utterance.
local function joined(list, key, width)
  local frames = 0
  for _, each in ipairs(list) do frames = frames + each.frames end
  local size = bytes_of(#list, frames, width)
  local whole = buffer(HEADER + size)
  local all, at = contents(whole, #list, frames), 0
  for i, each in ipairs(list) do
    all.lengths[i - 1] = each.frames
    ffi.copy(all.state + at, each.state, 4 * each.frames)
    ffi.copy(all.energies + at * width, each.energies, 4 * width * each.frames)
    at = at + each.frames
  end
  ffi.copy(whole, header_of(key, #list, frames, whole + HEADER, size), HEADER)
  return all, HEADER + size
end

-- The reason why a file could not be written, or nil.
local function written(path, folder, whole, size)
  local made, problem = folders.make(folder)
  if not made then return problem end
  return engine.C.hyla_file_write(path, whole, size) < 0 and ffi.string(engine.C.hyla_error()) or nil
end

--- Features from the cache, or computed and then kept. Where they cannot be kept, that is said, and no harm.
-- @tparam string name of the corpus
-- @tparam string about all that the features depend on
-- @tparam number utterances
-- @tparam number width values of a frame
-- @tparam function compute () -> list of { frames =, state = int32_t array, energies = float array }, one an utterance;
--   or nil and a message
-- @treturn table utterances, frames; lengths (int32_t *, of each utterance), state (int32_t *), energies (float *),
--   which live as long as the table; or nil and a message
function store.get(name, about, utterances, width, compute)
  local folder, key = folders.cache(), digest_of(about)
  local path = folder and ("%s/%s-%s.frames"):format(folder, name, key:sub(1, 16))
  local cached = path and load(path, key, utterances, width)
  if cached then return cached end
  local list, problem = compute()
  if not list then return nil, problem end
  local all, size = joined(list, key, width)
  local refused = path and written(path, folder, all.whole, size)
  if refused then
    io.stderr:write(("hyla: data '%s': the features are computed anew each time, for they cannot be kept: %s\n"):format(
      name, refused))
  end
  return all
end

return store
