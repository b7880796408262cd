-- Truncated Reverse-HG: dE/dlambda and the terms of the last K steps.
local hyla = require "hyla"
local engine = require "hyla.ffi"
local unrolled = require "spec.hypergrad.unrolled"
local budget, run = unrolled.budget, unrolled.run

-- w' = r w + b and E = w_T^2 / 2 + c b, so the terms of the last K steps are w_T (1 + r + ... + r^(K-1)) + c.
local function linear(T, method)
  local w, b = hyla.weight("w", {}, 1.5), hyla.hyper("b", { init = 0.25 })
  local train = hyla.update { steps = T, accessories = {}, step = function(v) return v * 0.875 + b end }
  return hyla.problem { inner = w, outer = w ^ 2 / 2 + 3 * b, train = train, method = method, dtype = "float64" }
end

describe("truncated Reverse-HG", function()
  it("has the closed form of scalar linear dynamics, for every number of steps", function()
    local T, r, b = 30, 0.875, 0.25
    local last = 1.5 * r ^ T + b * (1 - r ^ T) / (1 - r)
    for K = 1, T + 2 do
      local steps = math.min(K, T)
      local expected = last * (1 - r ^ steps) / (1 - r) + 3
      -- Rounding: 2 T steps of two roundings; a step more or less is r^T w_T = .03 and more.
      assert.is_near(expected, linear(T, hyla.reverse { truncate = K }):hypergradient().b, 8 * T * 2 ^ -53 * expected)
    end
  end)

  -- The same sum another way: hyperparameters that are there in the last K steps alone.
  it("equals the whole hypergradient where hyperparameters enter K steps before the end", function()
    local T = 24
    local function problem(K, method)
      local eta, mu = hyla.hyper("eta", { init = 0.05 }), hyla.hyper("mu", { init = 0.6 })
      local w = hyla.weight("w", { 2 }, hyla.tensor({ 1.25, -0.5 }, "float64"))
      local function train(rate, momentum, steps)
        return hyla.momentum { rate = rate, momentum = momentum, steps = steps }
      end
      local stretches = K < T and { train(0.05, 0.6, T - K), train(eta, mu, K) } or train(eta, mu, T)
      return hyla.problem { inner = (w ^ 2 * hyla.tensor({ 1, 3 }, "float64")):sum() + w:exp():sum(), dtype = "float64",
        outer = ((w - 1) ^ 2):sum() * mu, train = stretches, method = method }
    end
    for _, K in ipairs { 1, 2, 7, 23 } do
      local expected = problem(K):hypergradient()
      local got = problem(T, hyla.reverse { truncate = K }):hypergradient()
      for _, name in ipairs { "eta", "mu" } do
        assert.is_near(expected[name], got[name], 64 * T * 2 ^ -53 * (1 + math.abs(expected[name])))
      end
    end
  end)

  for name, make in pairs(unrolled.problems) do
    it("has the bits of the whole hypergradient from K = T on: " .. name, function()
      local p = hyla.problem(make(12))
      local whole, cost = run(p, hyla.reverse())
      for _, K in ipairs { 12, 13, 1e6 } do
        local g, same = run(p, hyla.reverse { truncate = K })
        assert.same(whole, g)
        assert.same(cost, same)
      end
      assert.are_not.same(whole, (run(p, hyla.reverse { truncate = 11 })))
    end)

    it("has the same bits from checkpoints within the last steps: " .. name, function()
      local T, K = 40, 27
      local p = hyla.problem(make(T))
      local stored = run(p, hyla.reverse { truncate = K })
      -- s_13 takes a slot: with c of them the last 27 steps go back in r K - C(c + r, c + 1) + 1, r as below.
      for c, r in pairs { [1] = 26, [2] = 6, [3] = 4, [5] = 3 } do
        local binomial = 1
        for i = 1, r - 1 do binomial = binomial * (c + 1 + i) / i end
        local g, cost = run(p, hyla.reverse { truncate = K, memory = budget(p, c) })
        assert.same(stored, g)
        local most = r * K - binomial + 1 - K
        if unrolled.whole_states[name] then assert.same({ c, most }, { cost.checkpoints, cost.extra }) end
        assert.is_true(cost.extra <= most)   -- records take less than states
        assert.same({ T + cost.extra, T + cost.extra }, { cost.steps, cost.taken })
      end
    end)
  end

  it("leaves out how the initial state depends on hyperparameters", function()
    local start = hyla.hyper("start", { init = 0.5 })
    local w = hyla.weight("w", {}, 3 * start)
    local function problem(K)
      return hyla.problem { inner = w ^ 2 / 2, outer = w ^ 2 + 5 * start, dtype = "float64",
        train = hyla.gd { rate = 0.25, steps = 6 }, method = hyla.reverse { truncate = K } }
    end
    assert.equal(5, problem(5):hypergradient().start)
    assert.is_near(5 + 18 * 0.5 * 0.75 ^ 12, problem(6):hypergradient().start, 1e-12)
  end)

  it("stores the last K steps alone", function()
    local p = hyla.problem(unrolled.problems["momentum from a learned start"](5000))
    local _, cost = run(p, hyla.reverse { truncate = 50 })
    local _, whole = run(p, hyla.reverse())
    assert.equal(whole.bytes, 100 * cost.bytes)
    assert.same({ 5000, 0, 0 }, { cost.steps, cost.extra, cost.checkpoints })
  end)

  it("goes on after an interrupt at any step", function()
    local C = engine.C
    local p = hyla.problem(unrolled.problems["gradient descent"](9))
    local method = hyla.reverse { truncate = 6, memory = budget(p, 2) }
    local whole = run(p, method)
    finally(function()
      C.hyla_interrupt_at(0)
      C.hyla_interrupt_clear()
    end)
    for at = 1, 9 + 6 do                             -- steps forward, and back
      local handle = unrolled.start(p, method)
      C.hyla_interrupt_at(at)
      assert.is_nil(unrolled.finish(p, handle))
      C.hyla_interrupt_clear()
      assert.same(whole, unrolled.finish(p, handle))
    end
  end)

  it("wants a whole number of steps", function()
    for _, K in ipairs { 0, -3, 2.5, math.huge, "7" } do
      assert.error_matches(function() hyla.reverse { truncate = K } end,
        "reverse: option 'truncate': expected a whole number >= 1, got")
    end
  end)
end)
