-- Features that are stored as bytes: the same values as numbers, and no memory for rows that are not taken.
local hyla_data = require "hyla.data"
local bytes = require "hyla.data.bytes"
local ffi = require "ffi"
local C = require("hyla.ffi").C

local N, WIDTH, FLOAT = 60, 784, 4

local function digits() return hyla_data("digits", { n = N }) end

-- The same examples, their features numbers from the start.
local function numbers()
  local set = digits()
  return hyla_data { x = set.x, y = set.y, name = "digits", classes = set.classes, image = set.image }
end

-- What a call leaves in the engine's memory, and its result.
local function held(work)
  collectgarbage()
  local before = C.hyla_memory_current()
  local result = work()
  collectgarbage()
  return C.hyla_memory_current() - before, result
end

describe("features stored as bytes", function()
  local one = { 1 }

  -- Everything that makes a set of another, by name: function(set) -> sets.
  local ways = {
    ["the whole"] = function(set) return set end,
    split = function(set) return set:split({ 20, 10 }, 1) end,
    ["split, stratified"] = function(set) return set:split({ 20, 20 }, 1, { stratified = true }) end,
    split_by_class = function(set) return set:split_by_class(one, 1) end,
    take = function(set) return set:take { 3, 1, 3, N } end,
    head = function(set) return set:head(7) end,
    ["take of a head of a part"] = function(set) return (set:split({ 30 }, 1)):head(9):take { 9, 2 } end,
    ["concat of parts"] = function(set)
      local a, b = set:split({ 20, 10 }, 1)
      return a:concat(b), b:concat(a)
    end,
    ["to float64"] = function(set) return set:to "float64" end,
    corrupt_labels = function(set) return set:corrupt_labels(.5, 1) end,
    ["parts of numbers"] = function(set)
      local corrupted = set:corrupt_labels(.5, 1)
      assert.equal(WIDTH, set.x.width)
      return corrupted:head(5), corrupted:take { 4 }
    end,
  }

  for name, way in pairs(ways) do
    it("are the numbers that they stand for: " .. name, function()
      local from_bytes, from_numbers = { way(digits()) }, { way(numbers()) }
      assert.equal(#from_numbers, #from_bytes)
      for i, set in ipairs(from_bytes) do
        local other = from_numbers[i]
        assert.same({ other.size, other.width, other.x.dtype, other.y:totable() },
          { set.size, set.width, set.x.dtype, set.y:totable() })
        assert.same(other.x:totable(), set.x:totable())
        assert.same(other.corrupted and other.corrupted:totable(), set.corrupted and set.corrupted:totable())
      end
    end)
  end

  it("become numbers of their part alone, when it is asked for", function()
    local whole, set = held(digits)
    assert.is_near(N * WIDTH, whole, 2048)
    local picked, part = held(function() return (set:split({ 20, 10 }, 1)) end)
    assert.is_near(20 * WIDTH, picked, 1024)
    assert.is_near(20 * WIDTH * (FLOAT - 1), held(function() return part.x end), 1024)      -- the bytes are let go
    assert.equal(0, (held(function() return part.x end)))
    assert.equal(set.size, N)
  end)

  it("are shared as numbers by sets of the same examples, and let go for both", function()
    local part = digits():split({ 20 }, 1)
    local corrupted = part:corrupt_labels(.5, 1)
    assert.is_near(20 * WIDTH * (FLOAT - 1), held(function() return part.x end), 1024)
    assert.equal(part.x, corrupted.x)
  end)

  it("are rows anywhere, in several blocks", function()
    local block = ffi.new("uint8_t[9]", { 9, 0, 51, 9, 102, 255, 9, 1, 2 })
    local b = bytes.rows({ { bytes = block, first = 1, n = 2, step = 3 }, { bytes = block, first = 7, n = 1 } }, 2)
    local fifths, last = { { 0, 51 / 255 }, { 102 / 255, 1 } }, { 1 / 255, 2 / 255 }
    local expected = require "hyla.tensor"({ fifths[1], fifths[2], last }):totable()
    local picked = b:pick(ffi.new("int32_t[2]", { 2, 0 }), 2)
    assert.same({ 3, 2, "float32" }, { b.size, b.width, b.dtype })
    assert.is_true(bytes.is(b:current()))
    assert.same(expected, b:tensor():totable())
    assert.equal(b:tensor(), b:current())
    assert.same({ expected[3], expected[1] }, picked:tensor():totable())
  end)
end)
