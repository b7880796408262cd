--- The generated digits between runs: one file for each (version, seed, n) in the user's cache folder.
-- A cache only saves time, so whatever is wrong with it (no folder, no room, damage) means that the digits are drawn.
-- @module hyla.data.cache
local ffi = require "ffi"
local buffer = require "hyla.buffer"
local digits = require "hyla.data.digits"
local engine = require "hyla.ffi"
local files = require "hyla.data.files"
local folders = require "hyla.folders"
local zlib = require "hyla.lib.zlib"

local HEADER = 64     -- bytes: words that name the contents and their CRC-32, padded with blanks

local function header_of(n, seed, payload, size)
  local words = ("hyla digits version %d seed %.0f n %d crc %08x"):format(digits.version, seed, n,
    zlib.crc32(payload, size))
  return words .. (" "):rep(HEADER - #words)
end

local function path_of(n, seed)
  local folder = folders.cache()
  return folder and ("%s/digits-%d-%.0f-%d.bin"):format(folder, digits.version, seed, n), folder
end

-- The whole file when it is what it should be, or nil.
local function load(path, n, seed, size)
  local whole = path and files.contents(path, HEADER + size)
  if whole and ffi.string(whole, HEADER) == header_of(n, seed, whole + HEADER, size) then return whole end
  return nil
end

--- The pictures 0 .. n-1 of a seed, from the cache or drawn and then cached.
-- @tparam number n
-- @tparam number seed
-- @treturn cdata uint8_t *, as of hyla.buffer
-- @treturn number where in it they start: n * 784 pixels in 255ths, then n labels
local function get(n, seed)
  local size = n * (digits.side * digits.side + 1)
  local path, folder = path_of(n, seed)
  local cached = load(path, n, seed, size)
  if cached then return cached, HEADER end
  local whole = buffer(HEADER + size)
  digits.generate(n, seed, whole + HEADER)
  ffi.copy(whole, header_of(n, seed, whole + HEADER, size), HEADER)
  if path and folders.make(folder) then
    engine.C.hyla_file_write(path, whole, HEADER + size)     -- its status is of no matter: see above
  end
  return whole, HEADER
end

return { get = get }
