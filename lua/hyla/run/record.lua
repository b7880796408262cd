--- A run's state as bytes: tables of numbers, strings, booleans and tensors, with every bit kept.
--
-- The first line is "hyla checkpoint <format> <header bytes> <tensor bytes> <CRC-32 of all after this line>". Then
-- comes the header, JSON in which tensor k is {"$tensor": k}, with their types in "tensors"; then the tensors'
-- elements, row-major, one after another. So a file that is cut or changed anywhere is known as such.

local ffi = require "ffi"
local hyla = require "hyla.ffi"
local tensor = require "hyla.tensor"
local json = require "hyla.report.json"
local zlib = require "hyla.lib.zlib"

ffi.cdef [[
size_t fwrite(const void *data, size_t size, size_t count, void *file);
char *strerror(int number);
]]

local record = {}

local FORMAT = 2
local MARK = "$tensor"
local bytes_of = { float32 = 4, float64 = 8, int32 = 4 }

local function take_out_tensors(value, tensors)
  if tensor.is(value) then
    tensors[#tensors + 1] = value:contiguous()
    return { [MARK] = #tensors }
  end
  if type(value) ~= "table" then return value end
  local out = {}
  for key, item in pairs(value) do out[key] = take_out_tensors(item, tensors) end
  return out
end

local function put_tensors_back(value, tensors)
  if type(value) ~= "table" then return value end
  if value[MARK] then return tensors[value[MARK]] end
  for key, item in pairs(value) do value[key] = put_tensors_back(item, tensors) end
  return value
end

local function size_of(t) return t.size * bytes_of[t.dtype] end

-- What comes before the tensors' elements, and the tensors.
local function text_of(value)
  local tensors, types, size = {}, {}, 0
  local plain = take_out_tensors(value, tensors)
  for k, t in ipairs(tensors) do types[k], size = { dtype = t.dtype, shape = json.list(t.shape) }, size + size_of(t) end
  local header = json.encode({ tensors = json.list(types), value = plain }, "checkpoint") .. "\n"
  local sum = zlib.crc32(header, #header)
  for _, t in ipairs(tensors) do sum = zlib.crc32(hyla.C.hyla_tensor_data(t), size_of(t), sum) end
  return ("hyla checkpoint %d %d %d %08x\n"):format(FORMAT, #header, size, sum) .. header, tensors
end

--- Bytes that stand for a value.
-- @tparam table value numbers (finite), strings, booleans, tensors, lists and tables with string keys of these
-- @treturn string
function record.encode(value)
  local text, tensors = text_of(value)
  local pieces = { text }
  for _, t in ipairs(tensors) do pieces[#pieces + 1] = ffi.string(hyla.C.hyla_tensor_data(t), size_of(t)) end
  return table.concat(pieces)
end

-- Writes bytes as they lie: as strings they would stay with the collector for a while, and fill the memory.
local function put(file, data, size)
  if ffi.C.fwrite(data, 1, size, file) == size then return true end
  return nil, ffi.string(ffi.C.strerror(ffi.errno()))
end

--- Writes the bytes that stand for a value into a file: no copy of a large state is made.
-- @tparam string path made anew
-- @tparam table value as for encode
-- @treturn boolean true; or nil and a message, and no file
function record.write(path, value)
  local text, tensors = text_of(value)
  local file, problem = io.open(path, "wb")
  if not file then return nil, problem end
  local ok
  ok, problem = file:write(text)
  for _, t in ipairs(tensors) do
    if ok then ok, problem = put(file, hyla.C.hyla_tensor_data(t), size_of(t)) end
  end
  local closed, refused = file:close()
  if ok and closed then return true end
  os.remove(path)
  return nil, ("%s: %s"):format(path, problem or refused)
end

local function tensors_of(types, bytes, at)
  local tensors = {}
  for k, kind in ipairs(types) do
    local t = tensor.zeros(kind.shape, kind.dtype)
    local size = size_of(t)
    ffi.copy(hyla.C.hyla_tensor_data(t), ffi.cast("const char *", bytes) + at, size)
    tensors[k], at = t, at + size
  end
  return tensors
end

--- The value that bytes stand for.
-- @tparam string bytes
-- @tparam string path of the file they come from, for messages
-- @return the value, or nil and what is wrong with the file
function record.decode(bytes, path)
  local first, format, header_size, tail_size, sum =
    bytes:match("^(hyla checkpoint (%d+) (%d+) (%d+) (%x+)\n)")
  if not first then return nil, path .. ": not a checkpoint, or its first line is damaged" end
  if tonumber(format) ~= FORMAT then
    return nil, ("%s: checkpoint of format %s; this Hyla reads %d"):format(path, format, FORMAT)
  end
  local expected = #first + header_size + tail_size
  if #bytes ~= expected then
    return nil, ("%s: damaged checkpoint: expected %d bytes, got %d"):format(path, expected, #bytes)
  end
  local got = ("%08x"):format(zlib.crc32(ffi.cast("const char *", bytes) + #first, #bytes - #first))
  if got ~= sum then
    return nil, ("%s: damaged checkpoint: expected checksum %s, got %s"):format(path, sum, got)
  end
  local header, message = json.decode(bytes:sub(#first + 1, #first + header_size))
  if not header then return nil, ("%s: damaged checkpoint: %s"):format(path, message) end
  return put_tensors_back(header.value, tensors_of(header.tensors, bytes, #first + header_size))
end

return record
