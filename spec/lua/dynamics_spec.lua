local hyla = require "hyla"
local dynamics = require "hyla.dynamics"
local lower = require "hyla.lower"
local model = require "hyla.model"
local trace = require "hyla.trace"
local mistake = dofile "spec/lua/mistake.lua"

-- Values of w after each of `steps` steps of a dynamics, the gradient being 3 w - 1 in each component.
local function trajectory(d, w0, steps)
  local w = hyla.weight("w", { #w0 }, w0)
  local accessories = dynamics.accessories_of(d, w, {})
  local after, kept = dynamics.step(d, w, accessories, 3 * w - 1)
  local leaves, roots, inits = { w, unpack(accessories) }, { after, unpack(kept) }, {}
  for i, leaf in ipairs(leaves) do inits[i] = model.initial(leaf, "float64") end
  local values, list = lower.program(inits, "float64"):run(), {}
  local program = lower.program(roots, "float64")
  for t = 1, steps do
    values = program:run(function(leaf)
      for i, each in ipairs(leaves) do
        if each == leaf then return values[i] end
      end
    end)
    list[t] = values[1]:totable()
  end
  return list
end

local function near(expected, got)
  for t = 1, #expected do
    for i = 1, #expected[t] do assert.is_near(expected[t][i], got[t][i], 1e-14) end
  end
  assert.are.equal(#expected, #got)
end

-- The same by plain Lua: update(w_i, memory, gradient, t) -> w_i', for each component on its own.
local function plainly(update, w0, steps)
  local list, w, memory = {}, { unpack(w0) }, {}
  for i = 1, #w do memory[i] = { m = 0, v = 0 } end
  for t = 1, steps do
    for i = 1, #w do w[i] = update(w[i], memory[i], 3 * w[i] - 1, t) end
    list[t] = { unpack(w) }
  end
  return list
end

describe("a dynamics", function()
  local w0 = { 1, -0.5, 2 }

  it("gd steps down the gradient", function()
    near(plainly(function(w, _, g) return w - 0.1 * g end, w0, 3), trajectory(hyla.gd { rate = 0.1 }, w0, 3))
  end)

  it("momentum keeps a velocity", function()
    near(plainly(function(w, a, g)
      a.v = 0.9 * a.v + g
      return w - 0.1 * a.v
    end, w0, 4), trajectory(hyla.momentum { rate = 0.1, momentum = 0.9 }, w0, 4))
  end)

  it("adam corrects its moments for their start, with epsilon outside the root", function()
    near(plainly(function(w, a, g, t)
      a.m = 0.8 * a.m + 0.2 * g
      a.v = 0.95 * a.v + 0.05 * g * g
      return w - 0.1 * (a.m / (1 - 0.8 ^ t)) / (math.sqrt(a.v / (1 - 0.95 ^ t)) + 1e-3)
    end, w0, 5), trajectory(hyla.adam { rate = 0.1, beta1 = 0.8, beta2 = 0.95, epsilon = 1e-3 }, w0, 5))
  end)

  it("of the user's own equals the built-in one to the bit", function()
    local own = hyla.update {
      settings = { rate = 0.1, momentum = 0.9 }, accessories = { v = hyla.zeros_like },
      step = function(w, a, g, s)
        local v = s.momentum * a.v + g
        return w - s.rate * v, { v = v }
      end,
    }
    assert.same(trajectory(hyla.momentum { rate = 0.1, momentum = 0.9 }, w0, 4), trajectory(own, w0, 4))
  end)

  it("takes settings by weight, by element and as expressions", function()
    local by_weight = hyla.gd { rate = { w = 0.1, other = 7 } }
    local by_element = hyla.gd { rate = hyla.tensor({ 0.1, 0.1, 0.1 }, "float64") }
    local expected = trajectory(hyla.gd { rate = 0.1 }, w0, 2)
    assert.same(expected, trajectory(by_weight, w0, 2))
    assert.same(expected, trajectory(by_element, w0, 2))
    local eta = hyla.hyper("eta", { init = 0.1 })
    assert.is_true(trace.is(hyla.gd { rate = 2 * eta }.settings.rate))
  end)
end)

describe("a mistake in a dynamics", function()
  local function d(step) return hyla.update { steps = 1, accessories = { v = 0 }, step = step } end
  local function problem(own) hyla.problem { inner = hyla.weight("w", { 2 }, 1):square():sum(), train = own } end
  local cases = {
    { function() local _ = hyla.gd { steps = 5 } end, "gd: option 'rate' is missing" },
    { function() local _ = hyla.gd { rate = -0.1 } end, "gd: option 'rate': expected a number >= 0" },
    { function() local _ = hyla.gd { rate = 0.1, step = 5 } end, "unknown option 'step'; did you mean 'steps'" },
    { function() local _ = hyla.gd { rate = 0.1, steps = 1.5 } end, "expected a whole number >= 1, got 1.5" },
    { function() local _ = hyla.momentum { rate = 1, momentum = 1 } end, "expected a number in [0, 1)" },
    { function() local _ = hyla.adam { rate = 1, epsilon = 0 } end, "option 'epsilon': expected a number > 0" },
    { function() local _ = hyla.update { steps = 1 } end, "update: option 'step' is missing" },
    { function() local _ = hyla.update { step = print, settings = { a = "x" } } end, "update: setting 'a': expected" },
    { function() local _ = hyla.update { step = print, accessories = { a = "x" } } end, "update: accessory 'a'" },
  }
  for i, case in ipairs(cases) do
    it(("%d is told at its line: %s"):format(i, case[2]:sub(1, 40)), function()
      assert.truthy(mistake(case[1]):find(case[2], 1, true), mistake(case[1]))
    end)
  end

  local returned = {
    { function() return nil end, "expected the step to return the weight 'w', got a nil" },
    { function(w) return w end, "expected the step to return the accessory 'w.v', got a nil" },
    { function(w) return w, { v = 1, u = 2 } end, "the step returned an accessory 'u' that is not declared" },
    { function(w) return w, { v = w } end, "expected the step to return 'w.v' as float[], got float[2]" },
    { function(w) return hyla.concat { w, w }, { v = 0 } end, "return 'w' as float[2], got float[4]" },
  }
  for i, case in ipairs(returned) do
    it(("in what a step returns (%d) is told with the dynamics' line"):format(i), function()
      local own = d(case[1])
      local ok, message = pcall(problem, own)
      assert.is_false(ok)
      assert.matches("^" .. own.site:gsub("%p", "%%%0") .. ": update: ", message)
      assert.truthy(message:find(case[2], 1, true), message)
    end)
  end

  it("is a setting that lacks a weight", function()
    local ok, message = pcall(problem, hyla.gd { rate = { W = 1 }, steps = 1 })
    assert.is_false(ok)
    assert.truthy(message:find("gd: setting 'rate' has no value for 'w'", 1, true), message)
  end)
end)
