local ffi = require "ffi"
local data = require "hyla.data"
local words = require "hyla.data.words"

local function drawn(n, width, seed)
  local x, y = ffi.new("float[?]", n * width), ffi.new("int32_t[?]", n)
  words.generate(n, width, seed, x, y)
  return x, y
end

describe("words", function()
  it("are a function of seed and index alone", function()
    local n, width = 30, 200
    local x, y = drawn(n, width, 1)
    local first, first_y = drawn(10, width, 1)
    local other, changed = drawn(n, width, 2), 0
    for k = 0, 10 * width - 1 do
      assert.equal(x[k], first[k])
      if x[k] ~= other[k] then changed = changed + 1 end
    end
    for i = 0, 9 do assert.equal(y[i], first_y[i]) end
    assert.is_true(changed > 200)
  end)

  it("are sparse, of norm 1, some far more frequent than others, in two kinds of documents", function()
    local set = data("words", { n = 2000 })
    assert.equal(1000, set.width)
    local rows, seen, entries, ones = set.x:totable(), {}, 0, 0
    for i, row in ipairs(rows) do
      local square = 0
      for j, value in ipairs(row) do
        square = square + value ^ 2
        if value > 0 then entries, seen[j] = entries + 1, (seen[j] or 0) + 1 end
        assert.is_true(value >= 0)
      end
      assert.is_near(1, square, 1e-5)
      ones = ones + set.y:get(i)
    end
    assert.is_near(0.04, entries / (2000 * 1000), 0.01)
    assert.is_near(1000, ones, 112)                        -- deviation 22.4; five deviations
    assert.is_true(seen[1] > 10 * (seen[500] or 0))
  end)

  it("tell the kinds apart, by some words and not by others", function()
    local set = data("words", { n = 2000 })
    local count = { [0] = {}, {} }
    for i, row in ipairs(set.x:totable()) do
      local of = count[set.y:get(i)]
      for j = 1, 100 do of[j] = (of[j] or 0) + (row[j] > 0 and 1 or 0) end
    end
    -- Words 6 and 14 (ranks 5 and 13 from 0) speak for kinds 0 and 1, word 7 for none.
    assert.is_true(count[0][6] > 1.3 * count[1][6])
    assert.is_true(count[1][14] > 1.3 * count[0][14])
    assert.is_near(1, count[0][7] / count[1][7], 0.25)
  end)
end)
