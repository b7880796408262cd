-- Checks of hypergradients, and checks of the check: it has to notice what is wrong, and where.
local hyla = require "hyla"
local method = require "hyla.method"
local mistake = require "spec.lua.mistake"
require "hyla.spec"

local T = 6

-- E = w_T^2 after gradient descent on c (w - 1)^2 / 2, and what `more` adds to E.
local function setup(given)
  given = given or {}
  local w = hyla.weight("w", {}, 0.5)
  local c = hyla.hyper("c", { init = given.init or 0.8, size = given.size, scale = given.scale })
  local outer = w ^ 2
  if given.more then outer = outer + given.more(c, w) end
  return hyla.problem {
    inner = c:sum() * (w - 1) ^ 2 / 2, outer = outer, method = given.method,
    train = given.train or hyla.gd { rate = 0.05, steps = given.steps or T },
  }
end

-- A derivative that central differences see and the methods do not.
local function hidden(part) return function(c) return 0.1 * hyla.stop_gradient(part(c)) end end

-- A method with the hypergradient of another problem.
local function impostor(problem)
  return { kind = "impostor", settings = {}, new = function() return method.reverse().new(problem.handle) end }
end

describe("a check", function()
  it("agrees where all is well, says so first, and what each method costs", function()
    local result = setup { size = 3 }:check()
    assert.is_true(result.agrees)
    assert.is_true(result.worst <= 1 and result.component.ratio == result.worst)
    local lines = {}
    for line in tostring(result):gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.matches("^agrees: %d+ methods, central differences %(3 components%); worst c%[%d%] at %S+ of its bound$",
                   lines[1])
    assert.matches("^method +of bound +seconds +x training +memory$", lines[2])
    assert.matches("^reverse .*", lines[3])
    for _, entry in ipairs(result.methods) do
      local fine = entry.left_out or entry.off <= 1 and entry.seconds > 0 and entry.ratio > 0 and entry.bytes > 0
      assert.is_truthy(fine, entry.name)
    end
  end)

  it("compares every exact method", function()
    local result, seen = setup():check { costs = false }, {}
    for _, entry in ipairs(result.methods) do seen[entry.name] = true end
    for _, entry in ipairs(method.exact) do assert.is_true(seen[entry.name], entry.name) end
    assert.is_nil(result.methods[1].seconds)
  end)

  it("takes reversible momentum in where it holds, and tells where it does not", function()
    local function told(momentum)
      local train = hyla.momentum { rate = 0.05, momentum = momentum, steps = T }
      local result = setup({ train = train }):check { costs = false }
      for _, entry in ipairs(result.methods) do
        if entry.name == "reversible" then return entry, tostring(result) end
      end
    end
    assert.is_true(told(0.9).off <= 1)
    local refused, text = told(hyla.at_step(function() return 1.25 end))
    assert.matches("expected a momentum of 'w' in %[0, 1%], got 1.25", refused.left_out)
    assert.matches("reversible is left out: ", text)
    local overwrites = setup():check { costs = false }.methods
    assert.matches("gd overwrites", overwrites[#overwrites].left_out)
  end)

  it("names component, got, expected and ratio where central differences disagree", function()
    local p = setup { size = 3, more = hidden(function(c) return c:slice(1, 2, 2):sum() end) }
    local message = mistake(function() p:check() end)
    local got, expected, ratio = message:match("^check: c%[2%]: the hypergradient is (%S+) by reverse, "
      .. "central differences give (%S+) %(ratio (%S+)%): %S+ times the bound$")
    assert.is_near(0.1, expected - got, 1e-6)
    assert.is_near(got / expected, tonumber(ratio), 1e-5)
  end)

  it("finds the component among many by halving", function()
    local wrong = hidden(function(c) return c:slice(1, 77, 77):sum() end)
    local p = setup { size = 100, init = 0.01, more = wrong }
    assert.matches("^check: c%[77%]: the hypergradient is ", mistake(function() p:check() end))
    local fine = setup { size = 100, init = 0.01 }:check { costs = false, directions = 3 }
    assert.equal(3, #fine.rows)
    assert.matches("central differences %(3 directions%)", fine.verdict)
    assert.matches("forward is left out: 100 tangents", tostring(fine))
  end)

  it("finds a method that disagrees with the others", function()
    local p = setup()
    local other = setup { more = function(c) return 1e-6 * c end }:with { dtype = "float64" }
    local message = mistake(function() p:check { methods = { "reverse", impostor(other) }, costs = false } end)
    assert.matches("^check: c: the hypergradient is %S+ by impostor, reverse gives %S+ %(ratio 1.0000%d+%)", message)
  end)

  it("fails the assertion with the same words", function()
    local ok, message = pcall(function()
      assert.hypergradient(setup { more = hidden(function(c) return c end) })
    end)
    assert.is_false(ok)
    assert.matches("c: the hypergradient is %S+ by reverse, central differences give %S+ %(ratio", tostring(message))
    assert.hypergradient(setup())
  end)

  it("finds a hypergradient of zero where there is one, and notes one that is truly zero", function()
    local p = setup { more = function(c, w) return hyla.stop_gradient(w ^ 2) - w ^ 2 + 0 * c end }
    local message = mistake(function() p:check { methods = { "reverse" } } end)
    assert.matches("the hypergradient is 0 by reverse, central differences give %-?0?%.?%d", message)
    local c = hyla.hyper("c", { init = 0.3 })
    local w = hyla.weight("w", {}, 1)
    local still = hyla.problem { inner = c * w ^ 2, outer = w ^ 2, train = hyla.gd { rate = 0, steps = 3 } }
    assert.matches("note: the hypergradient of c is exactly 0 here", tostring(still:check()))
  end)

  it("steps less far where a kink lies within the step, and says so", function()
    local function kink(c) return 5 * hyla.relu(c - 0.8 - 2 ^ -12) end
    local p = setup { more = kink }
    local result = p:check { costs = false }
    assert.matches("note: 1 of 1 central differences agree at a shorter step than 0.0009766 alone", tostring(result))
  end)

  it("says why where training fails beside the point", function()
    local p = setup { init = 1e-9, more = function(c) return hyla.log(c) * 1e-9 end }
    assert.matches("^check: c: .*; training fails near it: ", mistake(function() p:check() end))
    -- On a log scale the step is a part of the value, and never leaves the domain.
    setup { init = 1e-4, scale = "log", more = function(c) return hyla.log(c) * 1e-3 end }:check()
  end)

  it("trains for fewer steps where asked to, and says so", function()
    local result = setup { train = { hyla.gd { rate = 0.05, steps = 40 }, hyla.gd { rate = 0.02, steps = 10 } } }
      :check { steps = 10, costs = false }
    assert.equal(10, result.steps)
    assert.equal(50, result.of_steps)
    assert.matches("10 of 50 steps", result.verdict)
    assert.equal(T, setup():check { steps = 1000, costs = false }.steps)
  end)

  it("compares a method that approximates, without judging it", function()
    local result = setup { method = hyla.reverse { truncate = 2 } }:check { costs = false }
    assert.matches("note: reverse { truncate = 2 } approximates: it sweeps the last 2 of 6 steps; worst c, %S+ in the "
      .. "place of %S+", tostring(result))
    assert.equal("reverse", result.methods[1].name)
    -- With K = T it is exact, and judged.
    local whole = setup { method = hyla.reverse { truncate = T } }:check { costs = false }
    assert.equal("reverse { truncate = 6 }", whole.methods[1].name)
    assert.is_nil(whole.methods[1].worst)
    -- Alone there is nothing to compare it with but central differences.
    local p = setup()
    assert.matches("by reverse { truncate = 2 }, central differences give",
                   mistake(function() p:check { methods = { hyla.reverse { truncate = 2 } } } end))
  end)

  it("goes on from a warm start", function()
    local p = setup()
    p:start_from { w = hyla.tensor(3) }
    local result = p:check { costs = false }
    local g = p:hypergradient().c
    assert.is_near(g, result.rows[1].expected, 1e-5 * math.abs(g))
  end)

  it("refuses what it does not know, at the caller's line", function()
    local p = setup()
    assert.matches("unknown option 'step_size'", mistake(function() p:check { step_size = 1 } end))
    assert.matches("check: unknown method 'revers'; did you mean 'reverse'",
                   mistake(function() p:check { methods = { "revers" } } end))
  end)
end)

describe("a problem like another one", function()
  it("has the changes, and the same hyperparameters", function()
    local p = setup()
    p:set { c = 1.5 }
    local q = p:with { method = hyla.forward(), dtype = "float64", steps = 3 }
    assert.equal("forward", q.method.kind)
    assert.equal(3, q.steps)
    assert.equal(1.5, q:lambda().c)
    assert.equal(T, p.steps)
    assert.is_near(p:hypergradient().c, p:with { method = hyla.forward() }:hypergradient().c, 1e-6)
    assert.matches("unknown option 'methd'", mistake(function() p:with { methd = 1 } end))
  end)
end)
