-- HOAG's hyper-optimizer against its formulas, step by step, and through runs.
local hyla = require "hyla"
local optimise = require "hyla.run.optimise"
local record = require "hyla.run.record"

-- J = (w - l)^2 / 2, so w* = l; E is the recipe's.
local function problem(given)
  local w = hyla.weight("w", { 2 }, hyla.zeros)
  local l = hyla.hyper("l", { size = 2, init = given.init or 1, scale = given.scale, within = given.within })
  return hyla.problem {
    inner = ((w - l) ^ 2):sum() / 2, dtype = "float64",
    outer = (given.outer or function(v) return (v ^ 2):sum() end)(w),
    train = hyla.gd { rate = 0.5, steps = 200 }, method = given.method or hyla.implicit { tolerance = 1e-12 },
    improve = hyla.hoag { steps = 20, rate = given.rate, tolerance = given.tolerance },
  }
end

local function tensor(...) return hyla.tensor({ ... }, "float64") end
local function value(p) return p:lambda().l:totable() end

describe("hyla.hoag", function()
  it("takes gradient steps, longer where the response falls as it should, shorter where it falls less", function()
    local p = problem { rate = 0.1, tolerance = 0 }
    local improver = p:improver()
    improver:step({ l = tensor(1, 2) }, 10)
    assert.same({ 1 - 0.1, 1 - 0.2 }, value(p))
    -- D^2 / (2 rate) = 0.05 / 0.2 = 0.25
    improver:step({ l = tensor(1, 0) }, 9.75)
    local rate = 0.1 / 0.95
    assert.is_near(0.9 - rate, value(p)[1], 1e-15)
    assert.is_near(0.8, value(p)[2], 1e-15)
    -- D = rate now, so that the response should fall by rate / 2
    improver:step({ l = tensor(0, 1) }, 9.75 - rate / 2 + 1e-6)
    assert.is_near(0.8 - rate / 1.05, value(p)[2], 1e-15)
  end)

  it("takes a step back that made the response a fifth worse, and goes half as far from there", function()
    local p = problem { rate = 0.1, tolerance = 0 }
    local improver = p:improver()
    improver:step({ l = tensor(1, 2) }, 10)
    improver:step({ l = tensor(-50, 70) }, 12.01)
    assert.is_near(1 - 0.05, value(p)[1], 1e-15)
    assert.is_near(1 - 0.1, value(p)[2], 1e-15)
    improver:step({ l = tensor(-50, 70) }, 12.01)           -- and again
    assert.is_near(1 - 0.025, value(p)[1], 1e-15)
    improver:step({ l = tensor(-50, 70) }, 11.99)           -- bad, but not that bad
    assert.is_near(1 - 0.025 + 50 * 0.025 / 1.05, value(p)[1], 1e-13)
  end)

  it("allows for what tolerances make of response and hypergradient", function()
    local slack = 0.25 * 0.01 * 10 + 1.25 * 0.1 * math.sqrt(5) * 0.1 * math.sqrt(5)
    for excess, factor in pairs { [-1e-9] = 1 / 0.95, [1e-9] = 1 / 1.05 } do
      local p = problem { rate = 0.1, tolerance = function(k) return 0.1 ^ k end }
      local improver = p:improver()
      improver:step({ l = tensor(1, 2) }, 10)
      local before = value(p)[1]
      improver:step({ l = tensor(1, 0) }, 10 - 0.25 + slack + excess)
      assert.is_near(before - 0.1 * factor, value(p)[1], 1e-14)
    end
  end)

  it("begins with a unit a component, on the scale", function()
    local p = problem { scale = "log", init = { 2, 3 } }
    p:improver():step({ l = tensor(0.5, 1) }, 1)            -- slopes 1 and 3
    local rate = math.sqrt(2) / math.sqrt(10)
    assert.is_near(2 * math.exp(-rate), value(p)[1], 1e-14)
    assert.is_near(3 * math.exp(-3 * rate), value(p)[2], 1e-14)
  end)

  it("projects, and counts the way that was left", function()
    local p = problem { rate = 0.1, tolerance = 0, within = hyla.box(0.95, 2) }
    local improver = p:improver()
    improver:step({ l = tensor(1, 1) }, 10)
    assert.same({ 0.95, 0.95 }, value(p))
    improver:step({ l = tensor(-1, -1) }, 10 - 2 * 0.05 ^ 2 / 0.2)
    assert.is_near(0.95 + 0.1 / 0.95, value(p)[1], 1e-14)
  end)

  it("takes its tolerance from an implicit method, and none from others", function()
    local function schedule() return 1e-3 end
    assert.equal(schedule, problem({ rate = 1, method = hyla.implicit { tolerance = schedule } }):improver().tolerance)
    assert.equal(0, problem({ rate = 1, method = hyla.implicit { tolerance = false } }):improver().tolerance)
    assert.equal(0, problem({ rate = 1, method = hyla.reverse() }):improver().tolerance)
  end)

  for name, method in pairs { implicit = hyla.implicit(), reverse = hyla.reverse(), forward = hyla.forward() } do
    it("minimises with " .. name, function()
      local function outer(w) return ((w - tensor(0.5, 2)) ^ 2):sum() end
      local p = problem { scale = "log", method = method, outer = outer }
      local result = optimise(p, { steps = 80 }, nil, { save = function() end, progress = function() end })
      assert.is_true(result.response < 1e-4, "response " .. result.response)
      assert.is_true(result.seconds > 0)
    end)
  end

  it("resumes to the same bits, with what the method carries", function()
    local function outer(w) return ((w - tensor(0.3, 4)) ^ 2 * tensor(1, 10)):sum() end
    local function fresh()
      return problem { scale = "log", outer = outer,
        method = hyla.implicit { tolerance = function(k) return 0.1 * 0.7 ^ k end } }
    end
    local function quiet(save) return { save = save, progress = function() end } end
    local kept
    local whole = optimise(fresh(), { steps = 12 }, nil, quiet(function(state)
      if state.iteration == 5 then kept = record.encode(state) end
    end))
    local resumed = optimise(fresh(), { steps = 12 }, record.decode(kept, "here"), quiet(function() end))
    assert.same(whole.series, resumed.series)
    assert.same(whole.hypers.l:totable(), resumed.hypers.l:totable())
  end)

  it("goes back to a state, and refuses what is none", function()
    local p = problem { rate = 0.1 }
    local improver = p:improver()
    assert.same({ iteration = 0 }, improver:state())
    improver:restore { iteration = 0 }
    improver:step({ l = tensor(1, 2) }, 10)
    for _, change in ipairs { { iteration = -1 }, { rate = 0 }, { last = false } } do
      local state = improver:state()
      for key, wrong in pairs(change) do state[key] = wrong end
      local ok, message = pcall(improver.restore, improver, state)
      assert.is_false(ok)
      assert.matches("hoag: this is no state of it", message)
    end
    local state = improver:state()
    state.last.gradients[1] = tensor(1)
    assert.is_false((pcall(improver.restore, improver, state)))
  end)

  for words, call in pairs {
    ["hoag: option 'rate': expected a number > 0"] = function() hyla.hoag { rate = 0 } end,
    ["hoag: option 'tolerance': expected a number >= 0"] = function() hyla.hoag { tolerance = -1 } end,
    ["hoag: expected the response"] = function() problem({ rate = 1 }):improver():step({ l = tensor(1, 2) }) end,
    ["a finite number, got"] = function() problem({ rate = 1 }):improver():step({ l = tensor(1, 2) }, 0 / 0) end,
    ["expected a hypergradient of the shape"] = function() problem({ rate = 1 }):improver():step({ l = 1 }, 1) end,
    ["train: expected a dynamics"] = function()
      hyla.problem { inner = hyla.weight("w", {}, 0), train = { hyla.hoag { steps = 3 } } } end,
  } do
    it("tells a mistake at its line: " .. words, function()
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.truthy(message:find(words, 1, true), message)
      assert.matches("^spec/lua/hoag_spec.lua:%d+: ", (message:gsub("^.*(spec/lua/hoag)", "%1")))
    end)
  end

  it("needs a first rate where a hyperparameter has no scale", function()
    local p = problem {}
    assert.matches("hoag_spec.lua:%d+: hoag: option 'rate' is missing", select(2, pcall(p.improver, p)))
  end)

  it("wants a tolerance from its schedule", function()
    local p = problem { rate = 1, tolerance = function() return "small" end }
    local improver = p:improver()
    assert.matches("expected a tolerance >= 0 for hyper%-iteration 1",
                   select(2, pcall(improver.step, improver, { l = tensor(1, 2) }, 1)))
  end)
end)
