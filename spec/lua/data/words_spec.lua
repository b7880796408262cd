local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "support.lua")
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
    local n, width = 2000, 1000
    local x, y = drawn(n, width, 1)
    local seen, entries, ones, farthest, least = ffi.new("int32_t[?]", width), 0, 0, 0, 0
    for i = 0, n - 1 do
      local square = 0
      for j = 0, width - 1 do
        local value = x[i * width + j]
        square, least = square + value * value, math.min(least, value)
        if value > 0 then entries, seen[j] = entries + 1, seen[j] + 1 end
      end
      farthest, ones = math.max(farthest, math.abs(square - 1)), ones + y[i]
    end
    assert.is_true(farthest < 1e-5)
    assert.equal(0, least)
    assert.is_near(0.04, entries / (n * width), 0.01)
    assert.is_near(1000, ones, 112)                        -- deviation 22.4; five deviations
    assert.is_true(seen[0] > 10 * seen[500])
  end)

  it("tell the kinds apart, by some words and not by others", function()
    local n, width = 2000, 1000
    local x, y = drawn(n, width, 1)
    local count = { [0] = ffi.new("int32_t[?]", width), ffi.new("int32_t[?]", width) }
    for i = 0, n - 1 do
      for j = 0, width - 1 do
        if x[i * width + j] > 0 then count[y[i]][j] = count[y[i]][j] + 1 end
      end
    end
    -- Words 5 and 13 speak for kinds 0 and 1, word 6 for none.
    assert.is_true(count[0][5] > 1.3 * count[1][5])
    assert.is_true(count[1][13] > 1.3 * count[0][13])
    assert.is_near(1, count[0][6] / count[1][6], 0.25)
  end)

  it("are a data set of their own", function()
    local set = data("words", { n = 20, seed = 3 })
    assert.same({ 20, 1000, 2 }, { set.size, set.width, set.classes })
    local x = drawn(20, 1000, 3)
    for j = 1, 1000 do assert.equal(x[j - 1], set.x:get(1, j)) end
  end)
end)

describe("a descriptor", function()
  it("says what an example is: the sides of a picture, or how many features", function()
    local folder = support.folder()
    local restore = support.environment { HYLA_DATASETS = folder }
    local function refused(format, lines)
      support.write(folder .. "/own.yaml", "name: own\nabout: a test\nlicence: MIT\nsource: here\nformat: " .. format
        .. "\nclasses: ['0', '1']\n" .. lines)
      local ok, message = pcall(data, "own", { n = 3 })
      return not ok and message or ""
    end
    local both, none = refused("words", "features: 3\nimage: [1, 3]\n"), refused("words", "")
    local zero = refused("words", "features: 0\n")
    local words_of_image, digits = refused("words", "image: [1, 3]\n"), refused("digits", "features: 3\n")
    local fine = refused("words", "features: 30\n")
    restore()
    support.remove(folder)
    assert.matches("expected either image or features", both)
    assert.matches("expected either image or features", none)
    assert.matches("features: expected at least 1", zero)
    assert.matches("format 'words' needs features", words_of_image)
    assert.matches("format 'digits' needs image", digits)
    assert.equal("", fine)
  end)
end)
