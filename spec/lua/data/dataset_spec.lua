local hyla_data = require "hyla.data"
local tensor = require "hyla.tensor"

-- 10 n examples of width 2: row i has i and -i, labels go 0, 1, ... classes-1 round and round.
local function counted(n, classes)
  local x, y = {}, {}
  for i = 1, n do x[i], y[i] = { i, -i }, (i - 1) % classes end
  return hyla_data { name = "counted", x = x, y = y, classes = classes }
end

-- Which of the original examples a set has, in its order.
local function rows_of(set)
  local list = {}
  for i, row in ipairs(set.x:totable()) do
    assert.equal(-row[1], row[2])
    list[i] = row[1]
  end
  return list
end

local function failure(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

-- f(...) fails with these words in its message.
local function refuses(words, f, ...) assert.matches(words, failure(f, ...), 1, true) end

describe("a data set", function()
  it("has fields that say what it is", function()
    local set = counted(12, 3)
    assert.same({ 12, 2, 3, "counted" }, { set.size, set.width, set.classes, set.name })
    assert.same({ "float32", "int32" }, { set.x.dtype, set.y.dtype })
    assert.equal("data 'counted': 12 examples of width 2, 3 classes", tostring(set))
    assert.is_true(hyla_data.is(set))
  end)

  it("flattens examples of more axes", function()
    local set = hyla_data { x = tensor.zeros { 4, 2, 3 }, y = { 0, 1, 0, 1 }, image = { 2, 3 } }
    assert.same({ 4, 6 }, set.x.shape)
    assert.equal(2, set.classes)
  end)

  describe("split", function()
    it("gives disjoint parts that together are the whole, shuffled", function()
      local a, b, c = counted(100, 5):split({ 50, 30, 20 }, 1)
      assert.same({ 50, 30, 20 }, { a.size, b.size, c.size })
      local seen, in_order = {}, true
      for _, part in ipairs { a, b, c } do
        local labels = part.y:totable()
        for k, row in ipairs(rows_of(part)) do
          assert.is_nil(seen[row])
          assert.equal((row - 1) % 5, labels[k])
          in_order = in_order and row == #seen + 1
          seen[row] = true
        end
      end
      assert.equal(100, #seen)
      assert.is_false(in_order)
    end)

    it("is a function of the seed", function()
      local set = counted(100, 5)
      assert.same(rows_of((set:split({ 50 }, 7))), rows_of((set:split({ 50 }, 7))))
      assert.not_same(rows_of((set:split({ 50 }, 7))), rows_of((set:split({ 50 }, 8))))
    end)

    it("keeps the proportions of the classes when stratified", function()
      -- 40, 30, 20 and 10 of four classes.
      local x, y = {}, {}
      for i = 1, 100 do x[i], y[i] = { i, -i }, i <= 40 and 0 or i <= 70 and 1 or i <= 90 and 2 or 3 end
      local a, b, c = hyla_data { x = x, y = y }:split({ 10, 50, 40 }, 3, { stratified = true })
      local function counts(part)
        local n = { [0] = 0, 0, 0, 0 }
        for _, label in ipairs(part.y:totable()) do n[label] = n[label] + 1 end
        return n
      end
      assert.same({ [0] = 4, 3, 2, 1 }, counts(a))
      assert.same({ [0] = 20, 15, 10, 5 }, counts(b))
      assert.same({ [0] = 16, 12, 8, 4 }, counts(c))
      local seen = {}
      for _, part in ipairs { a, b, c } do
        for _, row in ipairs(rows_of(part)) do seen[row] = true end
      end
      assert.equal(100, #seen)
    end)

    it("gives rounded shares exactly the size asked for", function()
      for size = 1, 29 do
        local part = counted(29, 7):split({ size }, 1, { stratified = true })
        assert.equal(size, part.size)
        local n = {}
        for _, label in ipairs(part.y:totable()) do n[label] = (n[label] or 0) + 1 end
        for label = 0, 6 do assert.is_true(math.abs((n[label] or 0) - size * (label == 0 and 5 or 4) / 29) < 1) end
        -- Of 7, class 0 is due 7 * 5 / 29 = 1.21 and the others .97: the largest remainders make it one each.
        if size == 7 then assert.same({ [0] = 1, 1, 1, 1, 1, 1, 1 }, n) end
      end
    end)

    it("refuses more than there is, at the caller's line", function()
      local set = counted(10, 2)
      local line = debug.getinfo(1, "l").currentline + 1
      local message = failure(function() set:split({ 5, 6 }, 1) end)
      assert.matches("dataset_spec.lua:" .. line .. ": split: 5 + 6 = 11 examples asked for, 'counted' has 10",
                     message, 1, true)
      refuses("size 2: expected a whole number >= 1, got 0", set.split, set, { 1, 0 }, 1)
      refuses("expected a list of sizes", set.split, set, {}, 1)
      refuses("split: seed: expected a whole number >= 0, got nil", set.split, set, { 1 })
      refuses("unknown option 'stratify'", set.split, set, { 1 }, 1, { stratify = true })
    end)
  end)

  describe("corrupt_labels", function()
    it("replaces exactly the fraction, always by another class", function()
      local clean = counted(2000, 10)
      local dirty = clean:corrupt_labels(.25, 1)
      local before, after, marks = clean.y:totable(), dirty.y:totable(), dirty.corrupted:totable()
      local changed, shift = 0, {}
      for i = 1, 2000 do
        assert.equal(before[i] ~= after[i] and 1 or 0, marks[i])
        assert.is_true(after[i] >= 0 and after[i] <= 9)
        changed = changed + marks[i]
        local by = (after[i] - before[i]) % 10
        shift[by] = (shift[by] or 0) + 1
      end
      assert.equal(500, changed)
      -- Uniform over nine classes: 55.6 each, deviation 7; five deviations.
      for by = 1, 9 do assert.is_near(500 / 9, shift[by], 35) end
      assert.is_nil(clean.corrupted)
    end)

    it("rounds, keeps x, and is a function of the seed", function()
      local set = counted(10, 2)
      local function marks(fraction, seed) return set:corrupt_labels(fraction, seed).corrupted:totable() end
      local function count(list) local n = 0 for _, v in ipairs(list) do n = n + v end return n end
      assert.same({ 0, 3, 10 }, { count(marks(.04, 1)), count(marks(.25, 1)), count(marks(1, 1)) })
      assert.same(marks(.5, 3), marks(.5, 3))
      assert.not_same(marks(.5, 3), marks(.5, 4))
      assert.same(rows_of(set), rows_of(set:corrupt_labels(.5, 1)))
    end)

    it("refuses what makes no sense", function()
      local set = counted(10, 2)
      refuses("fraction: expected a number from 0 to 1, got 1.5", set.corrupt_labels, set, 1.5, 1)
      local dirty = set:corrupt_labels(.5, 1)
      refuses("are corrupted already", dirty.corrupt_labels, dirty, .5, 1)
      local one = counted(3, 1)
      refuses("expected two classes or more, got 1", one.corrupt_labels, one, .5, 1)
    end)
  end)

  describe("take", function()
    it("takes indices and masks, of tables and of tensors", function()
      local set = counted(5, 5)
      assert.same({ 3, 1, 3 }, rows_of(set:take { 3, 1, 3 }))
      assert.same({ 3, 1 }, rows_of(set:take(tensor({ 3, 1 }, "int32"))))
      assert.same({ 2, 5 }, rows_of(set:take { false, true, false, false, true }))
      assert.same({ 2, 5 }, rows_of(set:take(tensor({ 0, 1, 0, 0, 1 }, "int32"))))
      assert.same({ 1, 1, 1, 1, 1 }, rows_of(set:take { 1, 1, 1, 1, 1 }))
      assert.same({ 2, 0, 2 }, set:take({ 3, 1, 3 }).y:totable())
    end)

    it("carries the marks of corruption", function()
      local dirty = counted(20, 4):corrupt_labels(.5, 1)
      local bad = dirty:take(dirty.corrupted)
      assert.equal(10, bad.size)
      for _, mark in ipairs(bad.corrupted:totable()) do assert.equal(1, mark) end
    end)

    it("refuses rows that are not there", function()
      local set = counted(5, 5)
      refuses("index 2: expected 1 to 5, got 6", set.take, set, { 1, 6 })
      refuses("index 1: expected 1 to 5, got 0", set.take, set, { 0 })
      refuses("expected a mask of 5 values, one an example, got 2", set.take, set, { true, false })
      refuses("mask, value 2: expected true or false, got 3", set.take, set, { true, 3, true, true, true })
      refuses("no example is left", set.take, set, { false, false, false, false, false })
      refuses("expected indices or a mask, got a number", set.take, set, 3)
    end)
  end)

  describe("concat, head and to", function()
    it("put sets one after another", function()
      local set = counted(4, 2)
      local both = set:take({ 1, 2 }):corrupt_labels(1, 1):concat(set:take { 4 })
      assert.same({ 1, 2, 4 }, rows_of(both))
      assert.same({ 1, 0, 1 }, both.y:totable())
      assert.same({ 1, 1, 0 }, both.corrupted:totable())
    end)

    it("refuse sets that do not fit", function()
      local set = counted(4, 2)
      refuses("concat: classes of 'counted' is 2, of 'counted' 3", set.concat, set, counted(4, 3))
      refuses("is float32, 'counted' is float64", set.concat, set, set:to "float64")
      refuses("expected a data set", set.concat, set, {})
    end)

    it("give the first examples and other dtypes", function()
      local set = counted(4, 2)
      assert.same({ 1, 2, 3 }, rows_of(set:head(3)))
      assert.same({ 4, 3, 2, 1 }, rows_of(set:head(4):take { 4, 3, 2, 1 }))
      refuses("expected 1 to 4 examples, got 5", set.head, set, 5)
      assert.equal("float64", set:to("float64").x.dtype)
      assert.same(rows_of(set), rows_of(set:to "float64"))
      refuses("expected \"float32\" or \"float64\", got int32", set.to, set, "int32")
    end)
  end)
end)

describe("data of one's own", function()
  it("never has NaN or infinity in it", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local message = failure(function() hyla_data { x = { { 1, 2 }, { 3, 0 / 0 } }, y = { 0, 1 } } end)
    assert.matches("dataset_spec.lua:" .. line .. ": NaN in data: x, row 2, column 2", message, 1, true)
    refuses("infinity in data: x, row 1, column 1", hyla_data, { x = { { 1 / 0 } }, y = { 0 } })
  end)

  it("names the file that NaN comes from", function()
    local path = os.tmpname() .. ".npy"
    tensor({ { 1, 2, 3 }, { 4, 0 / 0, 6 } }):save(path)
    local message = failure(hyla_data, { x = path, y = { 0, 1 } })
    os.remove(path)
    assert.matches("NaN in data: " .. path .. ", row 2, column 2", message, 1, true)
    message = failure(hyla_data, { x = path, y = { 0 } })
    assert.matches("^%S*dataset_spec.lua:%d+: data: ", message)
    assert.matches(path, message, 1, true)
  end)

  it("has labels within its classes", function()
    local x = { { 1 }, { 2 } }
    refuses("data: y, row 2: expected 0 to 1, got 2", hyla_data, { x = x, y = { 0, 2 }, classes = 2 })
    refuses("data: y, row 1: expected 0 to the number of classes less one, got -1", hyla_data, { x = x, y = { -1, 2 } })
  end)

  it("has tensors that fit, and true claims", function()
    local x = { { 1 }, { 2 } }
    refuses("y: expected int32 [2], one label for each row of x, got int32 [1]", hyla_data, { x = x, y = { 0 } })
    refuses("y: expected int32", hyla_data, { x = x, y = tensor { 0, 1 } })
    refuses("x: expected float32 or float64 [n, ...], got float32 [2]", hyla_data, { x = { 1, 2 }, y = { 0, 1 } })
    refuses("names: expected 2, one a class, got 1", hyla_data, { x = x, y = { 0, 1 }, names = { "a" } })
    refuses("image: expected height and width whose product is 1, got { 2, 2 }",
            hyla_data, { x = x, y = { 0, 1 }, image = { 2, 2 } })
    refuses("option 'y' is missing", hyla_data, { x = x })
    refuses("expected a name or a table { x =, y = }, got a number", hyla_data, 3)
  end)
end)
