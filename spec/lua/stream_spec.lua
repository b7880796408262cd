-- What differs from step to step: mini-batches, schedules, hyperparameters of each step, the recipe's own dynamics.
local hyla = require "hyla"
local tensor = require "hyla.tensor"
require "hyla.spec"

local function data(n, seed)
  return hyla.data("digits"):split({ n }, seed or 1)
end

local examples, judges = hyla.data("digits"):split({ 40, 30 }, 1)
examples, judges = examples:to "float64", judges:to "float64"

-- Softmax regression on mini-batches, judged on a whole set; more overrides fields of the problem.
local function batched(given, more)
  local batch = examples:batches(given)
  local W = hyla.weight("W", { examples.width, 10 }, hyla.zeros)
  local lambda = hyla.hyper("lambda", { size = examples.size, init = 0.5 })
  local rate = hyla.hyper("rate", { init = 0.3, within = hyla.non_negative() })
  local function loss(part) return hyla.cross_entropy(part.x:matmul(W) * 0.1, part.y) end
  local fields = {
    inner = (lambda:gather(batch.index) * loss(batch)):mean(), outer = loss(judges):mean(),
    train = hyla.momentum { rate = rate, momentum = 0.5, steps = 12 }, dtype = "float64",
  }
  for key, value in pairs(more or {}) do fields[key] = value end
  local p = hyla.problem(fields)
  return p, batch, { W = W, lambda = lambda, rate = rate }
end

local function norm(g)
  local sum = 0
  for _, value in pairs(g) do sum = sum + (type(value) == "number" and value ^ 2 or (value * value):sum():item()) end
  return math.sqrt(sum)
end

-- |a - b| over all hyperparameters
local function apart(a, b)
  local difference = {}
  for name, value in pairs(a) do difference[name] = value - b[name] end
  return norm(difference)
end

local function agree(build)
  local reverse, forward = build(hyla.reverse()), build(hyla.forward())
  local g, f = reverse:hypergradient()
  local h, e = forward:hypergradient()
  assert.equal(f, e)
  assert.is_true(apart(g, h) <= 1e-10 * norm(g), ("apart by %.3g of %.3g"):format(apart(g, h), norm(g)))
  assert.hypergradient(reverse)
  return g
end

describe("mini-batches", function()
  it("without replacement take every example at most once an epoch, anew in each", function()
    local p, batch = batched { size = 15, seed = 3 }          -- 40 examples: two batches an epoch, ten left out
    local epochs = {}
    p:start()
    for t = 1, 12 do
      p:step(1)
      local epoch = math.ceil(t / 2)
      epochs[epoch] = epochs[epoch] or {}
      for _, i in ipairs(p:evaluate(batch.index):totable()) do
        assert.is_nil(epochs[epoch][i], "twice in one epoch")
        epochs[epoch][i] = true
        assert.is_true(i >= 0 and i < 40)
      end
    end
    assert.not_same(epochs[1], epochs[2])
  end)

  it("are a pure function of seed and step", function()
    local function first(seed)
      local p, batch = batched { size = 10, seed = seed }
      p:start()
      p:step(7)
      return p:evaluate(batch.index):totable()
    end
    assert.same(first(3), first(3))
    assert.not_same(first(3), first(4))
  end)

  it("with replacement draw from all examples, alike often", function()
    local p, batch = batched({ size = 20, seed = 5, replace = true })
    local count = {}
    p:start()
    for _ = 1, 12 do
      p:step(1)
      for _, i in ipairs(p:evaluate(batch.index):totable()) do count[i] = (count[i] or 0) + 1 end
    end
    local kinds, most = 0, 0
    for i, n in pairs(count) do
      kinds, most = kinds + 1, math.max(most, n)
      assert.is_true(i >= 0 and i < 40)
    end
    assert.is_true(kinds > 35 and most > 8)                  -- 240 draws of 40
  end)

  it("take the user's own sampler, as a function and as positions", function()
    local function sampler(t) return { t, t + 1, 40 } end
    local rows = {}
    for t = 1, 12 do rows[t] = { t - 1, t, 39 } end
    local p = batched { size = 3, sampler = sampler }
    local q = batched { size = 3, sampler = tensor(rows, "int32") }
    local g, h = p:hypergradient(), q:hypergradient()
    assert.same(g.lambda:totable(), h.lambda:totable())
    assert.equal(0, g.lambda:totable()[20])                  -- never drawn
    assert.is_true(g.lambda:totable()[40] ~= 0)
  end)

  it("are replayed backwards: reverse, forward and differences agree", function()
    for _, given in ipairs { { size = 15, seed = 3 }, { size = 8, seed = 4, replace = true } } do
      agree(function(method) return (batched(given, { method = method })) end)
    end
  end)

  it("may come from several sets in one step, and in the outer objective", function()
    agree(function(method)
      local train, other, valid = hyla.data("digits"):split({ 40, 30, 30 }, 2)
      train, other, valid = train:to "float64", other:to "float64", valid:to "float64"
      local W = hyla.weight("W", { train.width, 10 }, hyla.zeros)
      local rho = hyla.hyper("rho", { init = 0.7 })
      local function loss(part) return hyla.cross_entropy(part.x:matmul(W) * 0.1, part.y):mean() end
      local a, b = train:batches { size = 10, seed = 1 }, other:batches { size = 7, seed = 9 }
      local problem = hyla.problem {
        inner = loss(a) + rho * loss(b), outer = loss(valid:batches { size = 11, seed = 2 }), method = method,
        train = hyla.gd { rate = 0.2, steps = 7 }, dtype = "float64",
      }
      return problem
    end)
  end)

  it("agree with plain Lua, one scalar step each", function()
    -- w' = w - rate (w - x_i), i as the sampler says; dw_T/drate by hand.
    local x = { 1, -2, 5, 0.5 }
    local order = { 3, 1, 4, 4, 2 }
    local set = tensor(x, "float64")
    local w, rate = hyla.weight("w", {}, 0.25), hyla.hyper("rate", { init = 0.3 })
    local picked = hyla.at_step(tensor({ 5, -5, 0.5, 0.5, -2 }, "float64"))
    local p = hyla.problem {
      inner = 0.5 * (w - picked) ^ 2, outer = w * 1, train = hyla.gd { rate = rate, steps = 5 }, dtype = "float64",
    }
    local value, slope = 0.25, 0
    for t, target in ipairs { 5, -5, 0.5, 0.5, -2 } do
      slope = slope * (1 - 0.3) - (value - target)
      value = value - 0.3 * (value - target)
      assert.is_true(t <= #order and set.size == 4)
    end
    local g, f = p:hypergradient()
    assert.is_near(value, f, 1e-14)
    assert.is_near(slope, g.rate, 1e-13)
  end)

  it("refuse what cannot be", function()
    local set = data(20)
    assert.error_matches(function() set:batches { size = 21, seed = 1 } end,
      "batches: expected batches of at most 20 examples, which 'digits' has, got 21")
    assert.error_matches(function() set:batches { size = 5 } end, "option 'seed' is missing")
    assert.error_matches(function() set:batches { seed = 5 } end, "option 'size' is missing")
    assert.error_matches(function() set:batches { size = 2, sampler = function() end, seed = 1 } end, "takes no seed")
    assert.error_matches(function() set:batches { size = 2, sampler = tensor({ { 1 } }, "int32") } end,
      "positions of shape %[steps, 2%]")
    assert.error_matches(function() batched { size = 2, sampler = function() return { 1, 41 } end } end,
      "positions from 1 to 40 from the sampler, got 41 for t = 1")
    assert.error_matches(function() batched { size = 2, sampler = function() return { 1 } end } end,
      "a list of 2 positions for t = 1, got 1 elements")
    assert.error_matches(function() batched { size = 1, sampler = tensor({ { 1 }, { 2 } }, "int32") } end,
      "has 2 rows, one for each step from 1, and step 12 needs one")
  end)
end)

describe("a schedule", function()
  local function scalar(rate, more)
    local w, c = hyla.weight("w", {}, 1), hyla.hyper("c", { init = 0.5 })
    local fields = {
      inner = 0.5 * c * w ^ 2, outer = w ^ 2, train = hyla.gd { rate = rate, steps = 4 }, dtype = "float64",
    }
    for key, value in pairs(more or {}) do fields[key] = value end
    local p = hyla.problem(fields)
    return p
  end

  it("sets an optimizer's setting for each step, by function or list", function()
    local by_function = scalar(function(t) return 0.1 * t end)
    local by_list = scalar { 0.1, 0.2, 0.1 * 3, 0.4 }
    by_function:train()
    by_list:train()
    local w = 1
    for t = 1, 4 do w = w - 0.1 * t * 0.5 * w end
    assert.is_near(w, by_function:weights().w:item(), 1e-15)
    assert.equal(by_function:weights().w:item(), by_list:weights().w:item())
    assert.hypergradient(by_list)
  end)

  it("counts the steps of its own stretch of training", function()
    local p = scalar(0, { train = { hyla.gd { rate = 0.1, steps = 3 }, hyla.gd { rate = { 0.2, 0.3 }, steps = 2 } } })
    p:train()
    assert.is_near((1 - 0.05) ^ 3 * (1 - 0.1) * (1 - 0.15), p:weights().w:item(), 1e-15)
    assert.hypergradient(p)
  end)

  it("is refused where a step has no value, or none that is a number", function()
    assert.error_matches(function() scalar { 0.1, 0.2 } end, "schedule has 2 values, and step 3 needs one")
    assert.error_matches(function() scalar(function(t) return t < 3 and 0.1 or nil end) end,
      "expected a finite number for t = 3, got a nil")
    assert.error_matches(function() scalar(function() return 0 / 0 end) end, "expected a finite number for t = 1")
  end)

  it("goes by hyper-iterations in a hyper-optimizer, and goes on where a checkpoint left it", function()
    local p = scalar(0.1, { improve = hyla.gd { rate = function(k) return 1 / k end } })
    local improver = p:improver()
    improver:step { c = 1 }
    assert.is_near(-0.5, p.hypers.c.value:item(), 1e-15)
    local kept = improver:state()
    improver:step { c = 1 }
    assert.is_near(-1, p.hypers.c.value:item(), 1e-15)
    local again = p:improver()
    again:restore(kept)
    again:step { c = 1 }
    assert.is_near(-1.5, p.hypers.c.value:item(), 1e-15)
  end)
end)

describe("hyperparameters of each step", function()
  local T = 6
  -- One rate a step, or one a step and layer, in a two-layer network.
  local function network(method, layers)
    local train, valid = hyla.data("digits"):split({ 20, 20 }, 3)
    train, valid = train:to "float64", valid:to "float64"
    local W = hyla.weight("W", { train.width, 6 }, hyla.normal { seed = 1, deviation = 0.05 })
    local V = hyla.weight("V", { 6, 10 }, hyla.normal { seed = 2, deviation = 0.3 })
    local rates = hyla.hyper("rates", { shape = layers and { T, 2 } or { T }, init = 0.2 })
    local now = hyla.at_step(rates)
    local rate = layers and { W = now:slice(1, 1, 1):sum(), V = now:slice(1, 2, 2):sum() } or now
    local mu = hyla.hyper("mu", { init = 0.4 })
    local function loss(part) return hyla.cross_entropy(part.x:matmul(W):tanh():matmul(V), part.y):mean() end
    local p = hyla.problem {
      inner = loss(train), outer = loss(valid), method = method, dtype = "float64",
      train = hyla.momentum { rate = rate, momentum = mu, steps = T },
    }
    return p
  end

  it("have the hypergradient of the steps they act in", function()
    local g = agree(function(method) return network(method, false) end)
    local h = agree(function(method) return network(method, true) end)
    local step, both = g.rates:totable(), h.rates:totable()
    for t = 1, T do assert.is_near(step[t], both[t][1] + both[t][2], 1e-12) end
  end)

  it("follow the closed form of a scalar", function()
    -- w_T = w_0 prod (1 - c r_t): d(w_T)/d(r_t) = -c w_T / (1 - c r_t)
    local w, r = hyla.weight("w", {}, 2), hyla.hyper("r", { size = 3, init = { 0.1, 0.2, 0.4 } })
    local p = hyla.problem {
      inner = 0.25 * w ^ 2, outer = w * 1, train = hyla.gd { rate = hyla.at_step(r), steps = 3 }, dtype = "float64",
    }
    local g, f = p:hypergradient()
    assert.is_near(2 * 0.95 * 0.9 * 0.8, f, 1e-15)
    for t, rate in ipairs { 0.1, 0.2, 0.4 } do
      assert.is_near(-0.5 * f / (1 - 0.5 * rate), g.r:totable()[t], 1e-14)
    end
  end)

  it("cycle when asked, and too few are refused", function()
    local function cycled(given)
      local w, r = hyla.weight("w", {}, 2), hyla.hyper("r", { size = 2, init = { 0.1, 0.2 } })
      local p = hyla.problem {
        inner = 0.25 * w ^ 2, outer = w * 1, dtype = "float64",
        train = hyla.gd { rate = hyla.at_step(r, given), steps = 5 },
      }
      return p
    end
    local g, f = cycled({ cycle = true }):hypergradient()
    assert.is_near(2 * 0.95 ^ 3 * 0.9 ^ 2, f, 1e-15)
    assert.is_near(-3 * 0.5 * f / 0.95, g.r:totable()[1], 1e-14)
    assert.error_matches(function() cycled() end, "'r at a step' has 2 rows, one for each step from 1, and step 5")
    assert.error_matches(function() hyla.at_step(hyla.hyper("s", { init = 1 })) end, "expected rows, one for each step")
    assert.error_matches(function() hyla.at_step "x" end, "at_step: expected a tensor, a hyperparameter, a function")
  end)

  it("may be used whole in the outer objective and in s_0 as well", function()
    agree(function(method)
      local r = hyla.hyper("r", { size = 4, init = { 0.1, 0.2, 0.3, 0.2 } })
      local w = hyla.weight("w", { 4 }, r * 2)
      local p = hyla.problem {
        inner = (w ^ 2):sum() * 0.5 + (r * w):sum(), outer = (w ^ 2):sum() + (r ^ 2):sum(), dtype = "float64",
        train = hyla.gd { rate = hyla.at_step(r), steps = 4 }, method = method,
      }
      return p
    end)
  end)
end)

describe("the recipe's own dynamics", function()
  -- An RNN: the state is its hidden state, the hyperparameters its weights; its cost is summed over time.
  local function rnn(method, more)
    local T, n = 5, 3
    local x = tensor.normal({ T, 2 }, { seed = 1, dtype = "float64" })
    local y = tensor.normal({ T }, { seed = 2, dtype = "float64" })
    local U = hyla.hyper("U", { shape = { 2, n }, init = hyla.normal { seed = 3 } })
    local V = hyla.hyper("V", { shape = { n, n }, init = hyla.normal { seed = 4, deviation = 0.5 } })
    local o = hyla.hyper("o", { size = n, init = hyla.normal { seed = 5 } })
    local h = hyla.state("h", { n }, hyla.zeros)
    local fields = {
      train = hyla.transition { steps = T, next = { h = (hyla.at_step(x):matmul(U) + h:matmul(V)):tanh() } },
      cost = (h:matmul(o) - hyla.at_step(y)) ^ 2, method = method, dtype = "float64",
    }
    for key, value in pairs(more or {}) do fields[key] = value end
    local p = hyla.problem(fields)
    return p, x, y, h
  end

  it("back-propagates through time and forwards alike", function() agree(function(m) return (rnn(m)) end) end)

  it("sums the cost at s_t over the steps, and adds the outer objective", function()
    local p, x, y = rnn(hyla.reverse())
    local _, f = p:hypergradient()
    local function list(name) return p.hypers[name].value:totable() end
    local U, V, o, h, sum = list "U", list "V", list "o", { 0, 0, 0 }, 0
    for t = 1, 5 do
      local new, out = {}, 0
      for j = 1, 3 do
        local z = 0
        for i = 1, 2 do z = z + x:totable()[t][i] * U[i][j] end
        for i = 1, 3 do z = z + h[i] * V[i][j] end
        new[j] = math.tanh(z)
        out = out + new[j] * o[j]
      end
      h = new
      sum = sum + (out - y:totable()[t]) ^ 2
    end
    assert.is_near(sum, f, 1e-13)
    local h_leaf = hyla.state("h", { 2 }, hyla.ones)
    local a = hyla.hyper("a", { init = 0.5 })
    local both = hyla.problem {
      train = hyla.transition { steps = 2, next = { h = a * h_leaf } }, cost = h_leaf:sum(), outer = h_leaf:sum() * 10,
      dtype = "float64",
    }
    local g, e = both:hypergradient()
    assert.is_near(2 * (0.5 + 0.25) + 10 * 2 * 0.25, e, 1e-15)
    assert.is_near(2 * (1 + 2 * 0.5) + 10 * 2 * 2 * 0.5, g.a, 1e-14)
  end)

  it("may take turns with an optimizer", function()
    agree(function(method)
      local w = hyla.weight("w", { 2 }, { 1, 2 })
      local s = hyla.state("s", { 2 }, { 3, 4 })
      local a, r = hyla.hyper("a", { init = 0.5 }), hyla.hyper("r", { init = 0.1 })
      local p = hyla.problem {
        inner = (w ^ 2):sum() * 0.5 - (s * w):sum(), outer = (w * s):sum() + (s ^ 2):sum(), dtype = "float64",
        method = method,
        train = { hyla.gd { rate = r, steps = 3 }, hyla.transition { steps = 2, next = { s = a * s + w } },
          hyla.momentum { rate = r, momentum = 0.5, steps = 2 } },
      }
      return p
    end)
  end)

  it("is refused where a state is unknown or a value has another shape", function()
    local function moving(after)
      return function() rnn(nil, { train = hyla.transition { steps = 2, next = after } }) end
    end
    assert.error_matches(moving { g = hyla.ones { 3 } }, "transition: nothing reaches a state or weight named 'g'")
    assert.error_matches(moving { h = hyla.ones { 4 } }, "expected the next value of 'h' as float%[3%], got float")
    assert.error_matches(function() rnn(nil, { train = hyla.gd { rate = 0.1, steps = 2 } }) end, "inner = ...")
    assert.error_matches(function() hyla.transition { steps = 2, next = {} } end, "next names no state")
  end)
end)

describe("a warm start", function()
  it("goes on from the states given, which depend on nothing", function()
    local function build(method, steps)
      local r = hyla.hyper("r", { init = 0.1 })
      local w = hyla.weight("w", { 3 }, 10 * r * hyla.ones { 3 })
      local p = hyla.problem {
        inner = (w ^ 4):sum() / 4, outer = (w ^ 2):sum(), dtype = "float64", method = method,
        train = hyla.momentum { rate = r, momentum = 0.6, steps = steps },
      }
      return p
    end
    local whole, first, second = build(hyla.reverse(), 7), build(hyla.reverse(), 3), build(hyla.reverse(), 4)
    whole:train()
    first:train()
    second:start_from(first:states())
    local g, f = second:hypergradient()
    assert.equal(whole:response(), f)
    assert.same(whole:weights().w:totable(), second:weights().w:totable())
    local forward = build(hyla.forward(), 4)
    forward:start_from(first:states())
    local h = forward:hypergradient()
    assert.is_near(g.r, h.r, 1e-12)
    local function at(rate)
      second:train { r = rate }
      return second:response()
    end
    assert.is_near((at(0.1 + 1e-5) - at(0.1 - 1e-5)) / 2e-5, g.r, 1e-6)
    second:start_from(nil)
    second:train { r = 0.1 }
    assert.not_equal(f, second:response())
    assert.error_matches(function() second:start_from { v = tensor { 1 } } end, "expected 'v' as one of w, w.v")
    assert.error_matches(function() second:start_from { w = tensor { 1 } } end, "expected 'w' as float64%[3%]")
  end)
end)

describe("a hyperparameter", function()
  local function scalar(given, more)
    local w, c = hyla.weight("w", {}, 1), hyla.hyper("c", given)
    local r = hyla.hyper("r", { init = 0.1 })
    local fields = {
      inner = 0.5 * c * w ^ 2, outer = w ^ 2, train = hyla.gd { rate = r, steps = 4 }, dtype = "float64",
    }
    for key, value in pairs(more or {}) do fields[key] = value end
    local p = hyla.problem(fields)
    return p, c
  end

  it("that is frozen is not learned, can be set and looked at", function()
    local p, c = scalar { init = 0.5, frozen = true }
    local g = p:hypergradient()
    assert.is_nil(g.c)
    local learned = scalar { init = 0.5 }
    assert.equal(learned:hypergradient().r, g.r)
    learned:set { c = 2 }
    p:set { c = 2 }
    assert.equal(learned:hypergradient().r, p:hypergradient().r)
    assert.equal(2, p:evaluate(c))
    assert.error_matches(function() p:set { d = 1 } end, "unknown hyperparameter 'd'")
    p:check()
  end)

  it("that is tied is the other one", function()
    local a = hyla.hyper("a", { init = 0.2 })
    local b = hyla.hyper("b", { tied = a })
    local w = hyla.weight("w", {}, 1)
    local p = hyla.problem {
      inner = 0.5 * a * w ^ 2, outer = w ^ 2 + b, train = hyla.gd { rate = b, steps = 3 }, dtype = "float64",
    }
    assert.equal(1, #p.hypers)
    assert.is_near(6 * (1 - 0.04) ^ 5 * -2 * 0.2 + 1, p:hypergradient().a, 1e-13)
    assert.error_matches(function() hyla.hyper("c", { tied = a, init = 2 }) end, "takes no option 'init'")
    assert.error_matches(function() hyla.hyper("c", { tied = w }) end, "expected the hyperparameter it is tied to")
  end)

  it("on a log or logit scale is moved there, and seen as itself", function()
    local p = scalar({ init = 0.5, scale = "log" }, { improve = hyla.gd { rate = 0.3 } })
    p:improver():step { c = 2, r = 0 }
    assert.is_near(0.5 * math.exp(-0.3 * 2 * 0.5), p.hypers.c.value:item(), 1e-15)
    local q = scalar({ init = 0.5, scale = "logit", within = hyla.box(0, 2) }, { improve = hyla.gd { rate = 0.3 } })
    q:improver():step { c = 2, r = 0 }
    local u = math.log(0.5 / 1.5) - 0.3 * 2 * (0.5 * 1.5 / 2)
    assert.is_near(2 / (1 + math.exp(-u)), q.hypers.c.value:item(), 1e-14)
    local adam = scalar({ init = 0.5, scale = "log" }, { improve = hyla.adam { rate = 0.1 } })
    adam:improver():step { c = 2, r = 0 }
    assert.is_near(0.5 * math.exp(-0.1), adam.hypers.c.value:item(), 1e-8)
    assert.error_matches(function() scalar { init = 0, scale = "log" } end, "needs a positive initial value, got 0")
    assert.error_matches(function() hyla.hyper("x", { init = 1, scale = "logit" }) end, "two finite ends")
    assert.error_matches(function() hyla.hyper("x", { init = 1, scale = "ln" }) end, "\"log\" or \"logit\"")
  end)
end)
