local hyla = require "hyla"
local mistake = dofile "spec/lua/mistake.lua"
local reference = dofile "spec/lua/dynamics/reference.lua"

local trajectory = reference.trajectory

describe("a dynamics", function()
  local w0 = { 1, -0.5, 2 }

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
end)
