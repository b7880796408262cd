--- The generated digits between runs: one file for each (version, seed, n) in the user's cache folder.
-- A cache only saves time, so whatever is wrong with it (no folder, no room, damage) means that the digits are drawn.
-- @module hyla.data.cache
local ffi = require "ffi"
local digits = require "hyla.data.digits"
local engine = require "hyla.ffi"
local folders = require "hyla.data.folders"
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

local function load(path, n, seed, size)
  local file = path and io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  if not text or #text ~= HEADER + size then return nil end
  local payload = ffi.new("uint8_t[?]", size)
  ffi.copy(payload, ffi.cast("const char *", text) + HEADER, size)
  return text:sub(1, HEADER) == header_of(n, seed, payload, size) and payload or nil
end

--- The pictures 0 .. n-1 of a seed, from the cache or drawn and then cached.
-- @tparam number n
-- @tparam number seed
-- @treturn cdata uint8_t[n * 784 + n]: pixels in 255ths, then the labels
local function get(n, seed)
  local size = n * (digits.side * digits.side + 1)
  local path, folder = path_of(n, seed)
  local payload = load(path, n, seed, size)
  if payload then return payload end
  local whole = ffi.new("uint8_t[?]", HEADER + size)
  payload = ffi.new("uint8_t[?]", size)
  digits.generate(n, seed, payload)
  if path and folders.make(folder) then
    ffi.copy(whole, header_of(n, seed, payload, size), HEADER)
    ffi.copy(whole + HEADER, payload, size)
    engine.C.hyla_file_write(path, whole, HEADER + size)     -- its status is of no matter: see above
  end
  return payload
end

return { get = get }
