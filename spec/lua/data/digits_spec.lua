local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "support.lua")
local ffi = require "ffi"
local hyla_data = require "hyla.data"
local digits = require "hyla.data.digits"
local raster = require "hyla.data.raster"

local AREA = 28 * 28

local function drawn(n, seed)
  local out = ffi.new("uint8_t[?]", n * (AREA + 1))
  digits.generate(n, seed, out)
  return ffi.string(out, n * AREA), ffi.string(out + n * AREA, n)
end

describe("a pen", function()
  local function curve(points, radius)
    local picture = ffi.new("double[?]", 100)
    raster.curve(picture, 10, ffi.new("double[?]", #points, points), #points / 2, radius, radius)
    return picture
  end

  it("leaves full ink near its path and none beyond its edge", function()
    -- A level line at y = 5 of radius 1.5: rows 4 and 5 (centres half a pixel off) are inside by more than the soft
    -- edge's half, rows 2 and 7 (2.5 off) outside.
    local picture = curve({ 1, 5, 9, 5 }, 1.5)
    for j = 2, 7 do
      assert.equal(1, picture[4 * 10 + j])
      assert.equal(1, picture[5 * 10 + j])
      assert.is_true(picture[3 * 10 + j] > 0 and picture[3 * 10 + j] < 1)
      assert.equal(0, picture[2 * 10 + j])
      assert.equal(0, picture[7 * 10 + j])
    end
  end)

  it("passes through its points and may leave the picture", function()
    local picture = curve({ 2.5, 2.5, 5.5, 7.5, 8.5, 2.5 }, 1.2)
    for _, at in ipairs { 22, 75, 28 } do assert.equal(1, picture[at]) end
    picture = curve({ -5, 5.5, 15, 5.5 }, 1.2)
    assert.equal(1, picture[50])
    assert.equal(1, picture[59])
  end)
end)

describe("digits", function()
  it("are a function of seed and index alone", function()
    local pixels, labels = drawn(50, 1)
    local again, labels_again = drawn(50, 1)
    assert.is_true(pixels == again and labels == labels_again)
    local first, first_labels = drawn(20, 1)
    assert.is_true(first == pixels:sub(1, 20 * AREA) and first_labels == labels:sub(1, 20))
    assert.is_false(drawn(50, 2) == pixels)
  end)

  it("are mostly empty, use the whole range, and have ten classes", function()
    local pixels, labels = drawn(1000, 1)
    local empty, darkest, count = 0, 0, {}
    for k = 1, #pixels do
      local v = pixels:byte(k)
      if v == 0 then empty = empty + 1 end
      darkest = math.max(darkest, v)
    end
    for i = 1, 1000 do count[labels:byte(i)] = (count[labels:byte(i)] or 0) + 1 end
    assert.is_near(.8, empty / #pixels, .02)
    assert.is_true(darkest > 250)
    -- 100 each, deviation 9.5; five deviations.
    for digit = 0, 9 do assert.is_near(100, count[digit], 48) end
  end)

  it("of one class resemble each other more than those of another", function()
    -- The nearest mean picture of 600 names at least 65 of 100 others (ten by chance; about 80 in fact).
    local pixels, labels = drawn(700, 1)
    local mean, count, right = {}, {}, 0
    for digit = 0, 9 do mean[digit], count[digit] = ffi.new("double[?]", AREA), 0 end
    for i = 0, 599 do
      local digit = labels:byte(i + 1)
      count[digit] = count[digit] + 1
      for k = 0, AREA - 1 do mean[digit][k] = mean[digit][k] + pixels:byte(i * AREA + k + 1) end
    end
    for i = 600, 699 do
      local nearest, least = nil, math.huge
      for digit = 0, 9 do
        local distance = 0
        for k = 0, AREA - 1 do
          distance = distance + (mean[digit][k] / count[digit] - pixels:byte(i * AREA + k + 1)) ^ 2
        end
        if distance < least then nearest, least = digit, distance end
      end
      if nearest == labels:byte(i + 1) then right = right + 1 end
    end
    assert.is_true(right >= 65)
  end)

  describe("as a data set", function()
    local folder, restore
    before_each(function()
      folder = support.folder()
      restore = support.environment { XDG_CACHE_HOME = folder .. "/cache" }
    end)
    after_each(function()
      restore()
      support.remove(folder)
    end)

    local function cached() return folder .. "/cache/hyla/digits-1-5-300.bin" end
    local function load() return hyla_data("digits", { n = 300, seed = 5 }) end

    it("have pixels in 255ths and come from the cache a second time", function()
      local set = load()
      assert.same({ 300, 784, 10, "digits" }, { set.size, set.width, set.classes, set.name })
      assert.same({ 28, 28 }, set.image)
      assert.equal("7", set.names[8])
      local pixels, labels = drawn(300, 5)
      local file = support.read(cached())
      assert.is_true(file:sub(65) == pixels .. labels)
      local x, y = set.x:reshape { 300 * AREA }:totable(), set.y:totable()
      for k = 1, 5 * AREA do assert.equal(tonumber(ffi.cast("float", pixels:byte(k) / 255)), x[k]) end
      for i = 1, 300 do assert.equal(labels:byte(i), y[i]) end
      -- Nothing is drawn now: the pictures of a file that claims to be right are taken.
      local generate = digits.generate
      digits.generate = function() error "drawn again" end
      local ok, again = pcall(load)
      digits.generate = generate
      assert.is_true(ok, again)
      assert.same(x, again.x:reshape { 300 * AREA }:totable())
    end)

    it("are drawn again when the cache is damaged", function()
      load()
      local good = support.read(cached())
      for _, bad in ipairs { good:sub(1, -2), good .. "x", good:sub(1, 5000) .. "?" .. good:sub(5002), "" } do
        support.write(cached(), bad)
        load()
        assert.is_true(support.read(cached()) == good)
      end
    end)

    it("need no cache", function()
      support.write(folder .. "/cache", "a file, no folder")
      assert.equal(300, load().size)
      local unset = support.environment { XDG_CACHE_HOME = false, HOME = false }
      assert.equal(300, load().size)
      unset()
    end)

    it("refuse wrong options at the caller's line", function()
      local ok, message = pcall(function() return hyla_data("digits", { n = 0 }) end)
      assert.is_false(ok)
      assert.matches("digits_spec.lua:%d+: data 'digits': option 'n': expected a whole number >= 1, got 0", message)
    end)
  end)
end)
