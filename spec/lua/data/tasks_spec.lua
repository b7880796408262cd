local hyla = require "hyla"
local hyla_data = require "hyla.data"

local function squared_distance(a, b) return ((a - b) ^ 2):sum():item() end

describe("the generated tasks", function()
  it("are a function of the seed", function()
    local a, b = hyla_data("tasks10", { n = 20, seed = 3 }), hyla_data("tasks10", { n = 30, seed = 3 })
    local other = hyla_data("tasks10", { n = 20, seed = 4 })
    assert.equal(0, squared_distance(a.x, b:head(20).x))
    assert.is_true(squared_distance(a.x, other.x) > 1000)
    assert.same({ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0 }, { unpack(a.y:totable(), 1, 11) })
  end)

  it("have classes whose means are nearer to one another within a group", function()
    for name, groups in pairs { tasks10 = 4, tasks100 = 20 } do
      local set = hyla_data(name, { n = 6000 })
      assert.equal(set.classes, #set.groups)
      local most, means = 0, {}
      for class, group in ipairs(set.groups) do
        most = math.max(most, group)
        local label = class - 1
        means[class] = set:take(set.y:eq(label)).x:mean(1)
      end
      assert.equal(groups - 1, most)
      local farthest, nearest = 0, math.huge
      for j = 1, math.min(set.classes, 15) do
        for k = 1, j - 1 do
          local d = squared_distance(means[j], means[k])
          local same = set.groups[j] == set.groups[k]
          farthest, nearest = math.max(farthest, same and d or 0), math.min(nearest, same and math.huge or d)
        end
      end
      -- 2 OFFSET against 2 (CENTRE + OFFSET), and twice NOISE / 600 or / 60 to both.
      assert.is_true(farthest < nearest, ("%s: %g, %g"):format(name, farthest, nearest))
    end
  end)
end)

describe("splits by class", function()
  local function set_of(labels, names)
    local x = {}
    for i = 1, #labels do x[i] = { i } end
    return hyla_data { name = "few", x = x, y = labels, names = names }
  end

  it("give as many examples of every class, and the rest", function()
    local labels = {}
    for i = 1, 40 do labels[i] = i <= 20 and 0 or i <= 32 and 1 or 2 end
    local a, b, rest = set_of(labels):split_by_class({ 3, 4 }, 1)
    local seen, counts = {}, {}
    for p, part in ipairs { a, b, rest } do
      counts[p] = { 0, 0, 0 }
      for i, row in ipairs(part.x:totable()) do
        assert.is_nil(seen[row[1]])
        seen[row[1]] = true
        local label = part.y:get(i)
        assert.equal(labels[row[1]], label)
        counts[p][label + 1] = counts[p][label + 1] + 1
      end
    end
    assert.same({ { 3, 3, 3 }, { 4, 4, 4 }, { 13, 5, 1 } }, counts)
    local again, other = set_of(labels):split_by_class({ 3, 4 }, 1), set_of(labels):split_by_class({ 3, 4 }, 2)
    assert.same(a.x:totable(), again.x:totable())
    assert.not_same(a.x:totable(), other.x:totable())
  end)

  it("leave no rest where every example is taken", function()
    local a, rest = set_of({ 0, 1, 0, 1 }):split_by_class({ 2 }, 1)
    assert.equal(4, a.size)
    assert.is_nil(rest)
  end)

  it("refuse classes with too few examples, by name", function()
    for words, given in pairs {
      ["expected 2 + 1 examples of every class, class 1 (cat) of 'few' has 2"] = { { 2, 1 }, 1 },
      ["count 2: expected a whole number >= 1, got 0"] = { { 1, 0 }, 1 },
      ["expected a list of examples a class"] = { {}, 1 },
      ["seed: expected"] = { { 1 }, -1 },
    } do
      local set = set_of({ 0, 0, 0, 1, 1 }, { "dog", "cat" })
      local ok, message = pcall(set.split_by_class, set, given[1], given[2])
      assert.is_false(ok)
      assert.matches(words, message, 1, true)
    end
  end)
end)

describe("other features", function()
  it("take the place of a set's own", function()
    local set = hyla_data { x = { { 1, 2 }, { 3, 4 } }, y = { 0, 1 }, names = { "a", "b" }, image = { 1, 2 } }
    local twice, one = set:with_features(2 * set.x), set:with_features(hyla.tensor { { 1 }, { 2 } })
    assert.same({ { 2, 4 }, { 6, 8 } }, twice.x:totable())
    assert.same({ { 0, 1 }, { "a", "b" }, { 1, 2 } }, { twice.y:totable(), twice.names, twice.image })
    assert.same({ 1, false }, { one.width, one.image or false })
    for words, x in pairs { ["expected real numbers [2, width], got float32 [1, 2]"] = hyla.tensor { { 1, 2 } },
      ["row 2 of 'data' is not finite"] = hyla.tensor { { 1 }, { 1 / 0 } } } do
      local ok, message = pcall(set.with_features, set, x)
      assert.is_false(ok)
      assert.matches(words, message, 1, true)
    end
  end)
end)
