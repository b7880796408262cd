--- Features that are stored as bytes stay so until they are wanted as numbers: a data set of which a recipe picks some
-- rows never takes four times its size.
--
-- Fields: size (rows), width, dtype ("float32", what `tensor` makes of them).
-- @module hyla.data.bytes
local ffi = require "ffi"
local buffer = require "hyla.buffer"
local engine = require "hyla.ffi"
local tensor = require "hyla.tensor"

local Bytes = {}
Bytes.__index = Bytes

-- The nearest float32 of each quotient: what a byte stands for.
local IN_255THS = ffi.new "float[256]"
for byte = 0, 255 do IN_255THS[byte] = byte / 255 end

-- `row` points at each row's first byte; `owner` keeps the bytes alive.
local function made(row, size, width, owner)
  return setmetatable({ row = row, size = size, width = width, owner = owner, dtype = "float32" }, Bytes)
end

--- Rows that lie at a fixed distance from each other, in blocks one after another.
-- @tparam {table,...} blocks bytes (as of hyla.buffer), first (where in it the first row starts), n (rows), step (bytes
--   from one to the next; width where there is none)
-- @tparam number width bytes of a row
-- @treturn Bytes
local function rows(blocks, width)
  local size, at, owner = 0, 0, {}
  for _, block in ipairs(blocks) do size = size + block.n end
  local row = ffi.new("const uint8_t *[?]", size)
  for b, block in ipairs(blocks) do
    local from, step = block.bytes + block.first, block.step or width
    for i = 0, block.n - 1 do row[at + i] = from + i * step end
    at, owner[b] = at + block.n, block.bytes
  end
  return made(row, size, width, owner)
end

--- Whether a value is of this kind.
local function is(value) return getmetatable(value) == Bytes end

--- Some of the rows, copied, so that the others can go.
-- @tparam cdata index int32_t array, from 0
-- @tparam number n how many
-- @treturn Bytes
function Bytes:pick(index, n)
  local owner, row = buffer(n * self.width), ffi.new("const uint8_t *[?]", n)
  for k = 0, n - 1 do
    row[k] = owner + k * self.width
    ffi.copy(owner + k * self.width, self.row[index[k]], self.width)
  end
  return made(row, n, self.width, owner)
end

--- The first n rows, in the same memory.
-- @tparam number n
-- @treturn Bytes
function Bytes:head(n) return made(self.row, n, self.width, self.owner) end

--- The rows as numbers: the same tensor at every call; the bytes are let go at the first.
-- @treturn tensor float32 [size, width]
function Bytes:tensor()
  if self.whole then return self.whole end
  local x = tensor.zeros({ self.size, self.width }, "float32")
  local to = ffi.cast("float *", engine.C.hyla_tensor_data(x))
  for i = 0, self.size - 1 do
    local from, start = self.row[i], i * self.width
    for k = 0, self.width - 1 do to[start + k] = IN_255THS[from[k]] end
  end
  self.whole, self.row, self.owner = x, nil, nil
  return x
end

--- The rows as they are now: numbers where they were wanted before, bytes otherwise.
-- @treturn Bytes|tensor
function Bytes:current() return self.whole or self end

return { is = is, rows = rows }
