--- Grey pictures as PNG.
-- @module hyla.report.png
local bit = require "bit"
local zlib = require "hyla.lib.zlib"

local png = {}

local function big_endian(n)
  local function byte(shift) return bit.band(bit.rshift(n, shift), 255) end
  return string.char(byte(24), byte(16), byte(8), byte(0))
end

local function chunk(kind, data)
  local body = kind .. data
  return big_endian(#data) .. body .. big_endian(zlib.crc32(body, #body))
end

--- The PNG of a grey picture.
-- @tparam {{number,...},...} rows of values
-- @tparam number black the value that is black; those below are, too
-- @tparam number white the value that is white, above black; those above are, too
-- @treturn string bytes
function png.grey(rows, black, white)
  local lines = {}
  for i, row in ipairs(rows) do
    local bytes = {}
    for k, x in ipairs(row) do
      bytes[k] = string.char(math.floor(255 * math.min(1, math.max(0, (x - black) / (white - black))) + 0.5))
    end
    lines[i] = "\0" .. table.concat(bytes)                             -- each line says that it is not filtered
  end
  return "\137PNG\r\n\26\n" .. chunk("IHDR", big_endian(#rows[1]) .. big_endian(#rows) .. "\8\0\0\0\0")
    .. chunk("IDAT", zlib.compress(table.concat(lines))) .. chunk("IEND", "")
end

return png
