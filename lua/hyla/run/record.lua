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

local record = {}

local FORMAT = 1
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

local function elements(t) return ffi.string(hyla.C.hyla_tensor_data(t), t.size * bytes_of[t.dtype]) end

--- Bytes that stand for a value.
-- @tparam table value numbers (finite), strings, booleans, tensors, lists and tables with string keys of these
-- @treturn string
function record.encode(value)
  local tensors, types, data = {}, {}, {}
  local plain = take_out_tensors(value, tensors)
  for k, t in ipairs(tensors) do
    types[k] = { dtype = t.dtype, shape = json.list(t.shape) }
    data[k] = elements(t)
  end
  local header = json.encode({ tensors = json.list(types), value = plain }, "checkpoint") .. "\n"
  local tail = table.concat(data)
  local body = header .. tail
  return ("hyla checkpoint %d %d %d %08x\n"):format(FORMAT, #header, #tail, zlib.crc32(body, #body)) .. body
end

local function tensors_of(types, bytes, at)
  local tensors = {}
  for k, kind in ipairs(types) do
    local t = tensor.zeros(kind.shape, kind.dtype)
    local size = t.size * bytes_of[kind.dtype]
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
  local body = bytes:sub(#first + 1)
  local got = ("%08x"):format(zlib.crc32(body, #body))
  if got ~= sum then
    return nil, ("%s: damaged checkpoint: expected checksum %s, got %s"):format(path, sum, got)
  end
  local header, message = json.decode(body:sub(1, header_size))
  if not header then return nil, ("%s: damaged checkpoint: %s"):format(path, message) end
  return put_tensors_back(header.value, tensors_of(header.tensors, body, tonumber(header_size)))
end

return record
