--- zlib: reading files that may or may not be gzip-compressed, compressing, and its CRC-32.
-- @module hyla.lib.zlib
local ffi = require "ffi"

ffi.cdef [[
void *gzopen(const char *path, const char *mode);
int gzread(void *file, void *buffer, unsigned size);
const char *gzerror(void *file, int *status);
int gzclose_r(void *file);
unsigned long crc32(unsigned long crc, const uint8_t *data, unsigned size);
unsigned long compressBound(unsigned long size);
int compress2(uint8_t *out, unsigned long *out_size, const uint8_t *data, unsigned long size, int level);
char *strerror(int number);
]]
local C = require "hyla.lib.load"("libz.so.1", "zlib1g")

local Reader = {}
Reader.__index = Reader

--- Opens a file for reading; one without gzip's header is read as it is.
-- @tparam string path
-- @treturn Reader or nil and a message
local function open(path)
  local handle = C.gzopen(path, "rb")
  if handle == nil then return nil, ("%s: %s"):format(path, ffi.string(ffi.C.strerror(ffi.errno()))) end
  return setmetatable({ path = path, handle = ffi.gc(handle, C.gzclose_r) }, Reader)
end

local status = ffi.new "int[1]"

--- Reads up to `size` unpacked bytes; fewer only at the end of the file.
-- @tparam cdata buffer room for `size` bytes
-- @tparam number size below 2^31
-- @treturn number bytes read; or nil and a message (truncated or damaged data, an unreadable file)
function Reader:read(buffer, size)
  local count = C.gzread(self.handle, buffer, size)
  local words = C.gzerror(self.handle, status)
  if status[0] == 0 then return count end
  -- zlib's words start with the path it was given; Z_ERRNO (-1) has the system's.
  return nil, status[0] == -1 and ("%s: %s"):format(self.path, ffi.string(ffi.C.strerror(ffi.errno())))
    or ffi.string(words)
end

--- Releases the file.
function Reader:close()
  C.gzclose_r(ffi.gc(self.handle, nil))
  self.handle = nil
end

--- CRC-32 of `size` bytes, or of them after others.
-- @tparam cdata|string data
-- @tparam number size
-- @tparam[opt] number before the CRC-32 of what comes before them
-- @treturn number
local function crc32(data, size, before)
  return tonumber(C.crc32(before or 0, ffi.cast("const uint8_t *", data), size))
end

--- Compresses bytes, as a zlib stream.
-- @tparam string data
-- @treturn string
local function compress(data)
  local size = ffi.new("unsigned long[1]", C.compressBound(#data))
  local out = ffi.new("uint8_t[?]", size[0])
  local code = C.compress2(out, size, ffi.cast("const uint8_t *", data), #data, 9)
  if code ~= 0 then error(("zlib: cannot compress %d bytes (%d)"):format(#data, code), 0) end
  return ffi.string(out, size[0])
end

return { open = open, crc32 = crc32, compress = compress }
