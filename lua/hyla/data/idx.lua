--- IDX, the format of MNIST's files: two zero bytes, the type (8: unsigned bytes), the rank, each dimension as a
-- big-endian 32-bit number, then the elements row by row.
-- @module hyla.data.idx
local files = require "hyla.data.files"

local UNSIGNED_BYTE = 8

local function big_endian(bytes, at)
  return ((bytes[at] * 256 + bytes[at + 1]) * 256 + bytes[at + 2]) * 256 + bytes[at + 3]
end

local function shape_text(shape) return "[" .. table.concat(shape, ", ") .. "]" end

--- Reads a file of unsigned bytes.
-- @tparam string path plain or gzip
-- @tparam {number,...} shape the dimensions that it must have
-- @treturn cdata uint8_t *, as of hyla.buffer: the file's contents
-- @treturn number where in it the elements start; or nil and a message
local function read(path, shape)
  local header, size = 4 + 4 * #shape, 1
  for _, n in ipairs(shape) do size = size * n end
  local bytes, problem = files.contents(path, header + size)
  if not bytes then return nil, problem end
  if bytes[0] ~= 0 or bytes[1] ~= 0 or bytes[2] ~= UNSIGNED_BYTE or bytes[3] ~= #shape then
    return nil, ("%s: expected the IDX magic 0x%08x (unsigned bytes, %d axes), got 0x%08x"):format(
      path, UNSIGNED_BYTE * 256 + #shape, #shape, big_endian(bytes, 0))
  end
  local found = {}
  for axis = 1, #shape do found[axis] = big_endian(bytes, 4 * axis) end
  for axis = 1, #shape do
    if found[axis] ~= shape[axis] then
      return nil, ("%s: expected the shape %s, got %s"):format(path, shape_text(shape), shape_text(found))
    end
  end
  return bytes, header
end

return { read = read }
