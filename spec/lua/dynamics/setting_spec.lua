local hyla = require "hyla"
local lab = require "hyla.run.lab"
local mistake = dofile "spec/lua/mistake.lua"
local reference = dofile "spec/lua/dynamics/reference.lua"

-- How far weights of the given names move in a step of gradient descent whose gradient is 1: their rates.
local function rates(rate, names)
  local inner, moved = 0, {}
  for _, name in ipairs(names) do inner = inner + hyla.weight(name, {}, 0) end
  local p = hyla.problem { inner = inner, train = hyla.gd { rate = rate, steps = 1 }, dtype = "float64" }
  p:train()
  for name, w in pairs(p:weights()) do moved[name] = -w:item() end
  return moved
end

-- Two weights and a training that depends on all of a dynamics' settings.
local function problem(train, more)
  local w, b = hyla.weight("w", { 3 }, { 1, -0.5, 0.25 }), hyla.weight("b", {}, 0.3)
  local p = { inner = ((w - 0.4 * b) ^ 2):sum() + b ^ 2, outer = ((w - 1) ^ 2):sum() + b, train = train,
              dtype = "float64" }
  for key, value in pairs(more or {}) do p[key] = value end
  return hyla.problem(p)
end

describe("a setting", function()
  it("may differ by element", function()
    local w0 = { 1, -0.5, 2 }
    local by_element = hyla.gd { rate = hyla.tensor({ 0.1, 0.1, 0.1 }, "float64") }
    assert.same(reference.trajectory(hyla.gd { rate = 0.1 }, w0, 2), reference.trajectory(by_element, w0, 2))
  end)

  it("by weight is that of its name, of the longest pattern, or the default, in this order", function()
    local moved = rates({ conv1 = 1, ["conv*"] = 2, ["*bias"] = 5, ["conv2.b*"] = 3, default = 4 },
                        { "conv1", "conv2", "conv2.bias", "x.bias", "out" })
    assert.same({ conv1 = 1, conv2 = 2, ["conv2.bias"] = 3, ["x.bias"] = 5, out = 4 }, moved)
  end)

  it("by weight may be a schedule, and a hyperparameter for some weights alone", function()
    local b = hyla.hyper("b_rate", { init = 0.2 })
    local p = problem(hyla.gd { rate = { w = { 0.1, 0.2, 0.1 }, b = b }, steps = 3 })
    assert.are.equal(1, #p.hypers)
    p:check()
  end)

  it("is learned by element, by step and through an expression", function()
    local by_element = hyla.hyper("by_element", { size = 3, init = { 0.1, 0.2, 0.3 } })
    local by_step = hyla.hyper("by_step", { size = 4, init = { 0.4, 0.3, 0.2, 0.1 } })
    local log_rate = hyla.hyper("log_rate", { init = -2 })
    local p = problem(hyla.momentum {
      rate = { w = by_element, b = log_rate:exp() }, momentum = hyla.at_step(by_step), steps = 4,
    })
    assert.are.equal(3, #p.hypers)
    p:check()
  end)
end)

describe("the domain of a learned setting", function()
  local improve = hyla.gd { rate = 1000 }

  it("holds it where it has no set of its own, and the problem says so", function()
    local p = problem(hyla.momentum {
      rate = hyla.hyper("eta", { init = 0.01 }), momentum = hyla.hyper("mu", { init = 0.5 }), steps = 3,
    }, { improve = improve })
    assert.same({
      "mu: kept in box(0, 0.9999999403953552), the domain of a momentum; within = ... sets another",
      "eta: kept in non_negative(), the domain of a learning rate; within = ... sets another",
    }, p.notes)
    p:improver():step { eta = 1, mu = -1 }
    assert.are.equal(0, p.hypers.eta.value:item())
    assert.are.equal(1 - 2 ^ -24, p.hypers.mu.value:item())
    p:improver():step { eta = 0, mu = 1 }
    assert.are.equal(0, p.hypers.mu.value:item())
  end)

  it("gives way to a set of its own", function()
    local eta = hyla.hyper("eta", { init = 0.01, within = hyla.box(-1, 1) })
    local p = problem(hyla.gd { rate = eta, steps = 3 }, { improve = improve })
    assert.same({}, p.notes)
    p:improver():step { eta = 1 }
    assert.are.equal(-1, p.hypers.eta.value:item())
  end)

  it("is none for an expression of it", function()
    local p = problem(hyla.gd { rate = hyla.hyper("eta", { init = -2 }):exp(), steps = 3 }, { improve = improve })
    assert.same({}, p.notes)
    assert.is_false(p.hypers.eta.set)
  end)

  it("holds a setting of each step, of an element, or of a weight", function()
    local steps = hyla.hyper("steps", { size = 3, init = 0.1 })
    local both = hyla.hyper("both", { size = 2, init = 0.1 })
    local p = problem(hyla.gd {
      rate = { w = hyla.at_step(steps), b = both:slice(1, 2, 2):reshape {} }, steps = 3,
    })
    assert.are.equal(2, #p.notes)
    assert.are.equal("non_negative()", tostring(p.hypers.steps.set))
    assert.are.equal("non_negative()", tostring(p.hypers.both.set))
  end)

  it("is the intersection where one is several settings", function()
    local one = hyla.hyper("one", { init = 0.1 })
    local p = problem(hyla.momentum { rate = one, momentum = one, steps = 3 })
    assert.are.equal("box(0, 0.9999999403953552):with(non_negative())", tostring(p.hypers.one.set))
    assert.truthy(p.notes[1]:find("the domain of a momentum and of a learning rate", 1, true), p.notes[1])
  end)

  it("is that of every dynamics of the training", function()
    local a, b = hyla.hyper("a", { init = 0.1 }), hyla.hyper("b", { init = 0.1 })
    local w = hyla.weight("w", {}, 1)
    local p = hyla.problem { inner = w ^ 2, outer = w, train = {
      hyla.gd { rate = a, steps = 1 }, hyla.rprop { rate = 0.1, grow = b + 1, shrink = b, steps = 3 },
    } }
    assert.are.equal("non_negative()", tostring(p.hypers.a.set))
    assert.truthy(tostring(p.hypers.b.set):find "^box%(1.17")
  end)

  it("refuses first values outside of it, frozen ones too", function()
    local function with(more)
      more.init = -0.1
      return function() problem(hyla.gd { rate = hyla.hyper("eta", more), steps = 3 }) end
    end
    assert.error_matches(with {},
      "hyper 'eta': the initial value lies outside of non_negative%(%), the domain of a learning rate; .* is 0.1 away")
    assert.error_matches(with { frozen = true }, "outside of non_negative%(%), the domain of a learning rate")
    local frozen = hyla.hyper("eta", { init = 0.1, frozen = true })
    assert.same({}, problem(hyla.gd { rate = frozen, steps = 3 }).notes)
  end)

  it("is told by the lab, once", function()
    local said = {}
    local l = lab.new {
      state = { stages = {} }, mark = function() end, save = function() end, finished = function() end,
      print = function(text) said[#said + 1] = text end,
      progress = { begin = function() end, update = function() end },
    }
    local function one() return problem(hyla.gd { rate = hyla.hyper("eta", { init = 0.01 }), steps = 3 }) end
    l:train("first", one)
    l:train("second", one)
    assert.same({ "eta: kept in non_negative(), the domain of a learning rate; within = ... sets another\n" }, said)
  end)
end)

describe("a mistake in a setting", function()
  local cases = {
    { function() local _ = hyla.gd { rate = { w = 0.1, b = -1 } } end, "option 'rate': expected a number >= 0" },
    { function() local _ = hyla.gd { rate = { w = { b = 1 } } } end, "option 'rate': expected a number >= 0" },
    { function() local _ = hyla.gd { rate = {} } end, "option 'rate': expected a number >= 0" },
    { function() local _ = hyla.gd { rate = { 0.1, -1 } } end, "option 'rate': expected a number >= 0" },
    { function() local _ = hyla.gd { rate = hyla.tensor { 0.1, -1 } } end, "option 'rate': expected a number >= 0" },
    { function() local _ = hyla.gd { rate = 0 / 0 } end, "option 'rate': expected a number >= 0" },
    { function() local _ = hyla.adam { rate = 1, beta2 = 1 } end, "'beta2': expected a number in [0, 1)" },
    { function() local _ = hyla.rprop { rate = 1, shrink = 0 } end, "'shrink': expected a number in (0, 1)" },
    { function() local _ = hyla.rprop { rate = 1, grow = 0.9 } end, "'grow': expected a number >= 1" },
  }
  for i, case in ipairs(cases) do
    it(("%d is told at its line: %s"):format(i, case[2]:sub(1, 40)), function()
      assert.truthy(mistake(case[1]):find(case[2], 1, true), mistake(case[1]))
    end)
  end

  local tables = {
    { { w = 1 }, "gd: setting 'rate' has no value for 'b', and no default" },
    { { w = 1, B = 2, default = 1 },
      "has a value for 'B', which nothing here is called; there are: w, b; did you mean 'b'" },
    { { ["x*"] = 1, default = 2 }, "has a value for 'x*', which nothing here is called" },
  }
  for _, case in ipairs(tables) do
    it("that is a table by weight: " .. case[2], function()
      local d = hyla.gd { rate = case[1], steps = 1 }
      local ok, message = pcall(problem, d)
      assert.is_false(ok)
      assert.are.equal(d.site, message:match "^(.-): gd: ")
      assert.truthy(message:find(case[2], 1, true), message)
    end)
  end

  it("that is a schedule names the step", function()
    local d = hyla.gd { rate = function(t) return 2 - t end, steps = 4 }
    local ok, message = pcall(problem, d)
    assert.is_false(ok)
    local expected = "gd: setting 'rate': expected a number >= 0 from the schedule, got -1 for t = 3"
    assert.truthy(message:find(expected, 1, true), message)
  end)

  it("of a hyper-optimizer is told there", function()
    local p = problem(hyla.gd { rate = hyla.hyper("eta", { init = 0.1 }), steps = 1 },
                      { improve = hyla.gd { rate = { etta = 1 } } })
    assert.error_matches(function() p:improver() end, "value for 'etta', .* there are: eta; did you mean 'eta'")
  end)
end)
