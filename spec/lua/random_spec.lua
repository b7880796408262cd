-- Random numbers in training: fresh at every step, the same at every replay.
local hyla = require "hyla"
local tensor = require "hyla.tensor"
local mistake = dofile "spec/lua/mistake.lua"
require "hyla.spec"

local function double(values) return tensor.from(values, "float64") end

-- A small net with dropout, noise of a learned size on its inputs and on its step. `more` overrides fields.
local function net(more, seed)
  local x = tensor.normal({ 6, 4 }, { seed = 1, dtype = "float64" })
  local y = tensor.normal({ 6 }, { seed = 2, dtype = "float64" })
  local W = hyla.weight("W", { 4, 5 }, hyla.normal { seed = 3, deviation = 0.5 })
  local v = hyla.weight("v", { 5 }, hyla.normal { seed = 4, deviation = 0.5 })
  local rate, blur = hyla.hyper("rate", { init = 0.1 }), hyla.hyper("blur", { init = 0.2 })
  local jitter = hyla.hyper("jitter", { size = 4, init = 0.1 })
  local function predict(input, hidden) return hidden(input:matmul(W):tanh()):matmul(v) end
  local noisy = x + hyla.noise { like = x, seed = seed or 5, deviation = jitter }
  local function drop(h) return hyla.dropout(h, { rate = 0.4, seed = seed or 5 }) end
  local fields = {
    inner = (predict(noisy, drop) - y):square():mean(),
    outer = (predict(x, function(h) return h end) - y):square():mean(),
    train = hyla.update { settings = { rate = rate, blur = blur }, steps = 6, step = function(w, _, g, s)
      return w - s.rate * (g + s.blur * hyla.random_uniform { like = w, seed = 7, lo = -1 })
    end },
    dtype = "float64",
  }
  for key, value in pairs(more or {}) do fields[key] = value end
  return hyla.problem(fields)
end

-- All elements of a hypergradient, in an order.
local function flat(g)
  return { g.rate, g.blur, unpack(g.jitter:totable()) }
end

-- The values of an expression at steps 1 .. T.
local function values_of(e, T, dtype)
  local w = hyla.weight("w", { 1 }, hyla.zeros)
  local p = hyla.problem { inner = w:sum(), train = hyla.gd { rate = 0, steps = T }, watch = { e = e },
                           dtype = dtype or "float64" }
  local list = {}
  p:start()
  for t = 1, T do
    p:step(1)
    list[t] = p:watch().e
  end
  return list
end

describe("random numbers in training", function()
  it("are replayed: reverse is forward, and both are what differences see", function()
    local g, f = net():hypergradient()
    local h, e = net({ method = hyla.forward() }):hypergradient()
    assert.equal(f, e)
    local a, b = flat(g), flat(h)
    -- Six steps in another order of sums.
    for i = 1, #a do assert.is_near(a[i], b[i], 1e-12 * (1 + math.abs(a[i]))) end
    assert.hypergradient(net())
  end)

  it("are the same bits in every run, on any number of threads", function()
    local before = hyla.threads()
    local first = flat(net():hypergradient())
    hyla.threads(1)
    local one = flat(net():hypergradient())
    hyla.threads(2)
    local two = flat(net():hypergradient())
    hyla.threads(before)
    assert.same(first, one)
    assert.same(first, two)
    assert.not_same(first, flat(net(nil, 6):hypergradient()))
  end)

  it("are fresh at every step, at every place, and one place's wherever it is used", function()
    local a, b = hyla.noise { shape = { 50 }, seed = 1 }, hyla.noise { shape = { 50 }, seed = 1 }
    local list = values_of(hyla.concat { a, b, a }, 3)
    for t = 1, 3 do
      local first, other, again = list[t]:rows(1, 50), list[t]:rows(51, 100), list[t]:rows(101, 150)
      assert.same(first:totable(), again:totable())
      assert.not_same(first:totable(), other:totable())
      if t > 1 then assert.not_same(first:totable(), list[t - 1]:rows(1, 50):totable()) end
    end
  end)

  it("have the distribution that was asked for", function()
    local n = 20000
    local function moments(x) return x:mean():item(), ((x - x:mean()) ^ 2):mean():item() end
    local z = values_of(hyla.noise { shape = { n }, seed = 1, deviation = 3 }, 1)[1]
    local mean, variance = moments(z)
    assert.is_near(0, mean, 5 * 3 / math.sqrt(n))           -- five standard errors
    assert.is_near(9, variance, 5 * 9 * math.sqrt(2 / n))
    local u = values_of(hyla.random_uniform { shape = { n }, seed = 1, lo = -2, hi = 4 }, 1)[1]
    mean, variance = moments(u)
    assert.is_near(1, mean, 5 * math.sqrt(3 / n))
    assert.is_near(3, variance, 5 * 3 * math.sqrt(0.8 / n))
    assert.is_true(u:min():item() >= -2 and u:max():item() < 4)
  end)

  it("take a setting for each element", function()
    local z = values_of(hyla.noise { shape = { 2, 3 }, seed = 1, deviation = double { 0, 1, 0 } }, 1)[1]:totable()
    for i = 1, 2 do
      assert.same({ 0, 0 }, { z[i][1], z[i][3] })
      assert.is_true(z[i][2] ~= 0)
    end
  end)
end)

describe("dropout", function()
  local x = tensor.full({ 20000 }, 3, "float64")

  it("drops at its rate and keeps the expected value", function()
    local y = values_of(hyla.dropout(x, { rate = 0.25, seed = 1 }), 1)[1]
    local dropped = y:eq(0):mean():item()
    assert.is_near(0.25, dropped, 5 * math.sqrt(0.25 * 0.75 / 20000))
    assert.is_near(0, (y * (y - 4)):abs():max():item(), 1e-14)      -- 0 or 3 / 0.75
  end)

  it("keeps the same elements in float32", function()
    local e = hyla.dropout(x, { rate = 0.25, seed = 1 })
    assert.same(values_of(e, 1)[1]:totable(), values_of(e, 1, "float32")[1]:totable())
  end)

  it("of rate 0 is nothing", function()
    local w = hyla.weight("w", { 2 }, hyla.ones)
    assert.is_true(rawequal(w, hyla.dropout(w, { rate = 0, seed = 1 })))
    assert.same({ 3, 3 }, hyla.dropout(x, { rate = 0, seed = 1 }):rows(1, 2):totable())
  end)

  it("in an outer objective is that of the last step", function()
    local w, c = hyla.weight("w", { 40 }, hyla.ones), hyla.hyper("c", { init = 1 })
    local d = hyla.dropout(w * c, { rate = 0.5, seed = 1 })
    local p = hyla.problem { inner = (d * w):sum(), outer = d:sum(), train = hyla.gd { rate = 0, steps = 3 },
                             watch = { d = d }, dtype = "float64" }
    local g, f = p:hypergradient()
    assert.equal(f, p:watch().d:sum():item())
    assert.is_near(f, g.c, 1e-12 * f)
    assert.hypergradient(p)
  end)
end)

describe("a mistake with random numbers is told:", function()
  local w, labels = hyla.weight("w", { 3 }, hyla.ones), tensor.from({ 0, 1, 2 }, "int32")
  local cases = {
    { function() hyla.noise { shape = { 3 } } end, "noise: option 'seed' is missing" },
    { function() hyla.noise { seed = 1 } end, "noise: expected either shape = { ... } or like =" },
    { function() hyla.noise { seed = 1, shape = { 3 }, like = w } end, "noise: expected either shape" },
    { function() hyla.noise { seed = 1, shape = { 0 } } end, "noise: option 'shape': expected a shape" },
    { function() hyla.noise { seed = 1, shape = { n = 3 } } end, "noise: option 'shape': expected a shape" },
    { function() hyla.noise { seed = 1, like = 3 } end, "noise: option 'like': expected an expression" },
    { function() hyla.noise { seed = 1, shape = { 2 }, deviation = w } end,
      "noise: option 'deviation': expected real numbers that broadcast to float[2], got float[3]" },
    { function() hyla.noise { seed = 1, like = w, deviation = labels } end,
      "option 'deviation': expected real numbers" },
    { function() hyla.noise { seed = 1, shape = {}, deviation = w } end, "option 'deviation': expected real numbers" },
    { function() hyla.random_uniform { seed = 1, like = w, lo = 1 } end,
      "random_uniform: expected lo < hi, got 1 and 1" },
    { function() hyla.dropout(w, { rate = 1, seed = 1 }) end, "dropout: option 'rate': expected a number in [0, 1)" },
    { function() hyla.dropout(w, { rate = 0.5 }) end, "dropout: option 'seed' is missing" },
    { function() hyla.dropout(labels, { rate = 0.5, seed = 1 }) end, "dropout: expected real numbers, got int32[3]" },
    { function() hyla.dropout("x", { rate = 0.5, seed = 1 }) end, "dropout: expected an expression, a tensor" },
  }
  for i, case in ipairs(cases) do
    it(("%d: %s"):format(i, case[2]:sub(1, 60)), function()
      local message = mistake(case[1])
      assert.is_truthy(message:find(case[2], 1, true), message)
    end)
  end

  it("no initial value is random at every step", function()
    local v = hyla.weight("v", { 3 }, hyla.noise { shape = { 3 }, seed = 1 })
    assert.matches("the initial value of 'v' may depend on hyperparameters alone, not on the stream 'noise'",
                   select(2, pcall(hyla.problem, { inner = v:sum(), train = hyla.gd { rate = 1, steps = 1 } })))
  end)

  it("and no rule of a custom function sees them", function()
    local f = hyla.custom { name = "f", forward = function(x) return x + hyla.noise { like = x, seed = 1 } end,
                            vjp = function(z_bar) return z_bar * hyla.noise { like = z_bar, seed = 1 } end }
    assert.matches("f: the vjp uses the stream 'noise'", mistake(function() f(w) end))
  end)
end)
