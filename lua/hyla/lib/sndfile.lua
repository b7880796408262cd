--- libsndfile: reading audio files (WAV, NIST SPHERE and what else it knows), and writing the first two.
-- @module hyla.lib.sndfile
local ffi = require "ffi"
local lfs = require "lfs"

ffi.cdef [[
typedef struct { int64_t frames; int samplerate, channels, format, sections, seekable; } SF_INFO;
void *sf_open(const char *path, int mode, SF_INFO *info);
int sf_close(void *file);
const char *sf_strerror(void *file);
int sf_command(void *file, int command, void *data, int size);
int64_t sf_readf_float(void *file, float *to, int64_t frames);
int64_t sf_writef_float(void *file, const float *from, int64_t frames);
]]
local C = require "hyla.lib.load"("libsndfile.so.1", "libsndfile1")

-- Of sndfile.h.
local READ, WRITE, LOG, PCM_16 = 0x10, 0x20, 0x1001, 0x0002
local CONTAINER = { wav = 0x010000, nist = 0x070000 }

local LOG_BYTES = 2 ^ 14
local HEADER = 1024            -- bytes of a SPHERE header

local function words_of(path, handle) return ("%s: %s"):format(path, ffi.string(C.sf_strerror(handle))) end

-- What a SPHERE file's header says of its samples; nil for other files.
local function promised_samples(path)
  local file = io.open(path, "rb")
  local header = file and file:read(HEADER) or ""
  if file then file:close() end
  return header:sub(1, 7) == "NIST_1A" and tonumber(header:match "\nsample_count %-i (%d+)")
end

-- libsndfile takes a file whose header promises more than there is for a shorter one. Of WAV its log tells, of SPHERE
-- nothing does.
local function cut_short(path, handle, info)
  local log = ffi.new("char[?]", LOG_BYTES)
  local text = ffi.string(log, C.sf_command(handle, LOG, log, LOG_BYTES))
  local bytes, there = text:match "data%s*:%s*(%d+)%s*%(should be (%d+)%)"
  if bytes and tonumber(bytes) > tonumber(there) then
    return ("expected %s bytes of samples, got %s"):format(bytes, there)
  end
  local samples = promised_samples(path)
  if samples and samples > tonumber(info.frames) then
    return ("expected %d samples, got %d"):format(samples, tonumber(info.frames))
  end
  return nil
end

-- The samples of an open file, or nil and a message.
local function samples_of(path, handle, info)
  local n = tonumber(info.frames)
  if info.channels ~= 1 then return nil, ("%s: expected one channel, got %d"):format(path, info.channels) end
  local problem = cut_short(path, handle, info)
  if problem then return nil, ("%s: cut short: %s"):format(path, problem) end
  if n == 0 then return nil, path .. ": there is no sample in it" end
  local samples = ffi.new("float[?]", n)
  local count = tonumber(C.sf_readf_float(handle, samples, n))
  if count < n then return nil, ("%s: cut short: expected %d samples, got %d"):format(path, n, count) end
  return samples, n
end

--- Reads a file of one channel.
-- @tparam string path
-- @tparam number rate samples a second that it must have
-- @treturn cdata float[n] in [-1, 1)
-- @treturn number n; or nil and a message: no such file, no audio, another rate, several channels, empty, cut short
local function read(path, rate)
  if lfs.attributes(path, "size") == 0 then return nil, path .. ": the file is empty" end
  local info = ffi.new "SF_INFO"
  local handle = C.sf_open(path, READ, info)
  if handle == nil then return nil, words_of(path, nil) end
  local samples, n
  if info.samplerate ~= rate then
    n = ("%s: expected %d samples a second, got %d"):format(path, rate, info.samplerate)
  else
    samples, n = samples_of(path, handle, info)
  end
  C.sf_close(handle)
  return samples, n
end

--- Writes a file of one channel, 16 bits a sample.
-- @tparam string path
-- @tparam string kind "wav" or "nist" (SPHERE)
-- @tparam cdata samples float[n] in [-1, 1)
-- @tparam number n
-- @tparam number rate samples a second
-- @treturn boolean true; or nil and a message
local function write(path, kind, samples, n, rate)
  local info = ffi.new("SF_INFO", { samplerate = rate, channels = 1, format = CONTAINER[kind] + PCM_16 })
  local handle = C.sf_open(path, WRITE, info)
  if handle == nil then return nil, words_of(path, nil) end
  local count = tonumber(C.sf_writef_float(handle, samples, n))
  local words = words_of(path, handle)
  if C.sf_close(handle) ~= 0 or count < n then return nil, words end
  return true
end

return { read = read, write = write }
