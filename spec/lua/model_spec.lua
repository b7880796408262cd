local hyla = require "hyla"
local model = require "hyla.model"
local lower = require "hyla.lower"
local mistake = dofile "spec/lua/mistake.lua"

local function first(leaf) return lower.program({ model.initial(leaf, "float64") }, "float64"):run()[1] end

describe("a weight", function()
  it("starts at what it is told", function()
    assert.same({ 0, 0 }, first(hyla.weight("w", { 2 }, hyla.zeros)):totable())
    assert.same({ 1, 1 }, first(hyla.weight("w", { 2 }, hyla.ones)):totable())
    assert.same({ 3, 3 }, first(hyla.weight("w", { 2 }, hyla.constant(3))):totable())
    assert.same({ 3, 3 }, first(hyla.weight("w", { 2 }, 3)):totable())
    assert.same({ { 1, 2 } }, first(hyla.weight("w", { 1, 2 }, { { 1, 2 } })):totable())
    assert.same({ 1, 2 }, first(hyla.weight("w", { 2 }, hyla.tensor { 1, 2 })):totable())
    assert.same({ 5 }, first(hyla.weight("w", { 1 }, function() return 5 end)):totable())
  end)

  it("draws numbers that depend on seed and name alone", function()
    local function draw(name, seed) return first(hyla.weight(name, { 3 }, hyla.normal { seed = seed })):totable() end
    assert.same(draw("a", 1), draw("a", 1))
    assert.are_not.same(draw("a", 1), draw("b", 1))
    assert.are_not.same(draw("a", 1), draw("a", 2))
  end)

  it("draws with the spread that the initialiser says", function()
    local function square(init) return first(hyla.weight("W", { 300, 100 }, init)):square():mean():item() end
    -- Means of 30,000 squares: relative deviation .8 % (normal) and .5 % (uniform); five of them are allowed.
    assert.is_near(0.04, square(hyla.normal { seed = 1, deviation = 0.2 }), 0.04 * 0.041)
    assert.is_near(2 / 300, square(hyla.he { seed = 1 }), 2 / 300 * 0.041)
    assert.is_near(2 / 400, square(hyla.xavier { seed = 1 }), 2 / 400 * 0.026)
    assert.is_near(1 / 3, square(hyla.uniform { seed = 1, lo = -1, hi = 1 }), 1 / 3 * 0.026)
  end)
end)

describe("a hyperparameter", function()
  it("is a scalar unless size or shape is given", function()
    assert.same({}, hyla.hyper("eta", { init = 0.1 }).shape)
    assert.same({ 5 }, hyla.hyper("lambda", { size = 5, init = 0.1 }).shape)
    assert.same({ 2, 3 }, hyla.hyper("C", { shape = { 2, 3 }, init = hyla.zeros }).shape)
  end)
end)

describe("a mistake in a declaration", function()
  local eta = hyla.hyper("eta", { init = 1 })
  local nan = 0 / 0
  local cases = {
    { function() local _ = hyla.weight("W", { 2 }) end, "weight 'W': an initial value is required" },
    { function() local _ = hyla.weight({ 2 }, "W") end, "weight: expected a name" },
    { function() local _ = hyla.weight("W", 2, hyla.zeros) end, "weight 'W': expected a shape such as { 784, 10 }" },
    { function() local _ = hyla.weight("W", { 2, 0 }, hyla.zeros) end, "weight 'W': expected a shape" },
    { function() local _ = hyla.weight("W", { 2 }, { 1, 2, 3 }) end,
      "expected an initial value of shape [2], got [3]" },
    { function() local _ = hyla.weight("W", { 2 }, "zeros") end, "weight 'W': expected an initial value" },
    { function() local _ = hyla.weight("W", { 2 }, { 1, nan }) end, "weight 'W': the initial value has NaN" },
    { function() local _ = hyla.hyper("eta", {}) end, "hyper 'eta': option 'init' is missing" },
    { function() local _ = hyla.hyper("eta", { init = 1, withn = 3 }) end,
      "unknown option 'withn'; did you mean 'within'" },
    { function() local _ = hyla.hyper("eta", { init = 1, within = 3 }) end,
      "expected a constraint such as hyla.box(0, 1)" },
    { function() local _ = hyla.hyper("eta", { init = eta }) end, "expected an initial value, got the expression" },
    { function() local _ = hyla.hyper("eta", { init = 1, size = 2, shape = { 2 } }) end,
      "expected size or shape, got both" },
    { function() local _ = hyla.hyper("eta", { init = 1, size = 0 }) end,
      "option 'size': expected a whole number >= 1, got 0" },
    { function() local _ = hyla.normal { deviation = 1 } end, "normal: option 'seed' is missing" },
    { function() local _ = hyla.xavier { seed = -1 } end,
      "xavier: option 'seed': expected a whole number >= 0, got -1" },
    { function() local _ = hyla.constant "1" end, "constant: expected a number" },
  }
  for i, case in ipairs(cases) do
    it(("%d is told at its line: %s"):format(i, case[2]:sub(1, 40)), function()
      assert.truthy(mistake(case[1]):find(case[2], 1, true), mistake(case[1]))
    end)
  end
end)
