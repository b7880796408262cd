local hyla = require "hyla"
local mistake = dofile "spec/lua/mistake.lua"

local of = hyla.distribution
local N = 4000

local function draws(d, n, name)
  local list = {}
  for trial = 1, n do list[trial] = d:draw(7, trial, name or "x") end
  return list
end

-- The share of draws at most x.
local function share(list, x)
  local below = 0
  for _, value in ipairs(list) do below = below + (value <= x and 1 or 0) end
  return below / #list
end

describe("a distribution", function()
  it("draws what its name says", function()
    -- At each x: the distribution function, from its formula. Of N draws the share deviates by sqrt(p (1-p) / N) <=
    -- .0079; five of these are allowed.
    local cases = {
      { of.uniform(-1, 3), { [0] = 0.25, [2] = 0.75, [3] = 1 } },
      { of.log_uniform(0.001, 1), { [0.01] = 1 / 3, [0.1] = 2 / 3, [1] = 1 } },
      { of.normal(2, 3), { [2] = 0.5, [5] = 0.841345, [-4] = 0.022750 } },
      { of.exponential(0.5), { [0.5] = 1 - math.exp(-1), [1] = 1 - math.exp(-2), [0] = 0 } },
      { of.integer(-1, 2), { [-1] = 0.25, [0] = 0.5, [1] = 0.75, [2] = 1 } },
      { of.choice { 3, 5, 9 }, { [3] = 1 / 3, [5] = 2 / 3, [9] = 1 } },
    }
    for _, case in ipairs(cases) do
      local list = draws(case[1], N)
      for x, p in pairs(case[2]) do assert.is_near(p, share(list, x), 0.04, tostring(case[1])) end
    end
  end)

  it("stays in its ends, whole where it promises whole numbers", function()
    for _, x in ipairs(draws(of.log_uniform(0.3, 0.30000001), N)) do assert.is_true(x >= 0.3 and x <= 0.30000001) end
    for _, x in ipairs(draws(of.integer(1, 6), N)) do assert.is_true(x % 1 == 0 and x >= 1 and x <= 6) end
    assert.equal(4, of.integer(4, 4):draw(1, 1, "x"))
  end)

  it("is a function of seed, trial and name alone", function()
    local d = of.uniform(0, 1)
    assert.same(draws(d, 5), draws(of.uniform(0, 1), 5))
    local seen = {}
    for _, at in ipairs { { 7, 1, "x" }, { 8, 1, "x" }, { 7, 2, "x" }, { 7, 1, "y" } } do
      local value = d:draw(unpack(at))
      assert.is_nil(seen[value])
      seen[value] = true
    end
  end)

  it("chooses among words and switches, too", function()
    local seen = {}
    for _, value in ipairs(draws(of.choice { "relu", false }, 50)) do seen[value] = true end
    assert.same({ relu = true, [false] = true }, seen)
  end)

  it("is shown as it was written", function()
    assert.equal("log_uniform(0.0001, 1)", tostring(of.log_uniform(1e-4, 1)))
    assert.equal("choice { 3, \"a\", true }", tostring(of.choice { 3, "a", true }))
    assert.equal("normal(0, 0.5)", tostring(of.normal(0, 0.5)))
  end)
end)

describe("a mistake in a distribution", function()
  local cases = {
    { function() of.uniform(1, 1) end, "uniform: expected finite numbers lo < hi, got 1 and 1" },
    { function() of.uniform(0, math.huge) end, "got 0 and inf" },
    { function() of.uniform(0) end, "got 0 and nil" },
    { function() of.log_uniform(0, 1) end, "log_uniform: expected finite numbers 0 < lo < hi, got 0 and 1" },
    { function() of.normal(0, 0) end, "normal: expected a finite mean and a deviation > 0, got 0 and 0" },
    { function() of.exponential(-1) end, "exponential: expected a mean > 0, got -1" },
    { function() of.integer(0.5, 2) end, "integer: expected whole numbers lo <= hi, got 0.5 and 2" },
    { function() of.choice {} end, "choice: expected a list of at least one value" },
    { function() of.choice { 1, {} } end, "got a table as value 2" },
    { function() of.choice { 0 / 0 } end, "got nan as value 1" },
    { function() of.loguniform(1, 2) end, "no distribution 'loguniform'; did you mean 'log_uniform'" },
    { function() of.uniform(0, 1):draw(1, 2 ^ 20, "x") end, "expected a trial below 1048576" },
  }
  for i, case in ipairs(cases) do
    it(("%d is told at its line: %s"):format(i, case[2]:sub(1, 40)), function()
      assert.truthy(mistake(case[1]):find(case[2], 1, true), mistake(case[1]))
    end)
  end
end)
