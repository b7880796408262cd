local hyla = require "hyla"
local mistake = dofile "spec/lua/mistake.lua"
local reference = dofile "spec/lua/dynamics/reference.lua"

local w0 = { 1, -0.5, 2, 0.75 }
local sqrt, max, min = math.sqrt, math.max, math.min

-- Plain Lua's steps of whole weights: update(w, g) changes w in place.
local function wholly(update, steps)
  local list, w = {}, { unpack(w0) }
  for t = 1, steps do
    local g = {}
    for i = 1, #w do g[i] = i < #w and 3 * w[i] - 1 or 0 end
    update(w, g, t)
    list[t] = { unpack(w) }
  end
  return list
end

local function norm(g)
  local squares = 0
  for i = 1, #g do squares = squares + g[i] ^ 2 end
  return sqrt(squares)
end

describe("every dynamics", function()
  it("adds an L2 penalty's gradient", function()
    local expected = reference.plainly(function(w, a, g)
      a.v = 0.9 * a.v + g + 0.3 * w
      return w - 0.1 * a.v
    end, w0, 4)
    reference.near(expected, reference.trajectory(hyla.momentum { rate = 0.1, momentum = 0.9, l2 = 0.3 }, w0, 4))
  end)

  it("takes a decoupled decay beside its step", function()
    local expected = reference.plainly(function(w, a, g)
      a.v = 0.9 * a.v + g
      return w - 0.1 * 0.3 * w - 0.1 * a.v
    end, w0, 4)
    local d = hyla.momentum { rate = 0.1, momentum = 0.9, weight_decay = 0.3 }
    reference.near(expected, reference.trajectory(d, w0, 4))
  end)

  for _, name in ipairs { "clip_norm", "clip_global" } do
    it("limits the norm, " .. name .. ", before it adds a penalty, and leaves a shorter gradient to the bit", function()
      local clipped = 0
      local expected = wholly(function(w, g)
        local factor = min(1, 2.5 / norm(g))
        clipped = clipped + (factor < 1 and 1 or 0)
        for i = 1, #w do w[i] = w[i] - 0.1 * (g[i] * factor + 0.3 * w[i]) end
      end, 8)
      assert.is_true(clipped > 0 and clipped < 8)
      local d = hyla.gd { rate = 0.1, l2 = 0.3, [name] = 2.5 }
      reference.near(expected, reference.trajectory(d, w0, 8))
      assert.same(reference.trajectory(hyla.gd { rate = 0.1 }, w0, 8),
                  reference.trajectory(hyla.gd { rate = 0.1, [name] = 100 }, w0, 8))
    end)
  end

  it("limits each component", function()
    local expected = reference.plainly(function(w, _, g) return w - 0.1 * max(min(g, 1.5), -1.5) end, w0, 8)
    reference.near(expected, reference.trajectory(hyla.gd { rate = 0.1, clip_value = 1.5 }, w0, 8))
  end)

  it("limits one norm over all weights", function()
    local a, b = hyla.weight("a", {}, 3), hyla.weight("b", { 1 }, 4)
    local p = hyla.problem { inner = (a ^ 2 + (b ^ 2):sum()) / 2, dtype = "float64",
                             train = hyla.gd { rate = 1, clip_global = 1, steps = 1 } }
    p:train()
    assert.is_near(3 - 3 / 5, p:weights().a:item(), 1e-15)
    assert.is_near(4 - 4 / 5, p:weights().b:totable()[1], 1e-15)
  end)

  it("spares the weights that a table leaves out", function()
    local p = hyla.problem { inner = hyla.weight("a", {}, 3) + hyla.weight("b", {}, 3), dtype = "float64",
                             train = hyla.gd { rate = 1, steps = 1, l2 = { a = 0.5 }, weight_decay = { b = 0.25 } } }
    p:train()
    assert.same({ 3 - 1 - 1.5, 3 - 1 - 0.75 }, { p:weights().a:item(), p:weights().b:item() })
  end)

  it("of the user's own included", function()
    local own = hyla.update {
      settings = { rate = 0.1 }, weight_decay = 0.3, clip_value = 1,
      step = function(w, _, g, s) return w - s.rate * g end,
    }
    assert.same(reference.trajectory(hyla.gd { rate = 0.1, weight_decay = 0.3, clip_value = 1 }, w0, 4),
                reference.trajectory(own, w0, 4))
  end)
end)

-- Gradients of w: of different sizes, the third always 0. b is clipped in some steps and not in others.
local function problem(train, method, more)
  local w, b = hyla.weight("w", { 3 }, { 1, -0.5, 0.25 }), hyla.weight("b", {}, 2)
  local x = hyla.tensor({ 1.3, 0.7, 0 }, "float64")
  local p = {
    inner = ((x * w * (1 + 0.1 * b) - 0.4) ^ 2):sum() + (b - 0.5) ^ 2, dtype = "float64", method = method,
    outer = ((w - 0.1) ^ 2):sum() + (b - 0.2) ^ 2, train = train,
  }
  for key, value in pairs(more or {}) do p[key] = value end
  return hyla.problem(p)
end

describe("the hypergradient by", function()
  local function agree(make)
    local g, z = problem(make(), hyla.reverse()):hypergradient(), problem(make(), hyla.forward()):hypergradient()
    for name, value in pairs(g) do
      assert.is_true(value ~= 0, name)
      assert.is_near(value, z[name], 1e-10 * max(1, math.abs(value)), name)
    end
    problem(make()):check { step = 2 ^ -14 }
  end

  for name, init in pairs { clip_global = 0.7, clip_norm = 0.6, clip_value = 0.5, l2 = 0.2, weight_decay = 0.2 } do
    it(name .. " agrees by all methods", function()
      agree(function()
        local rate, one = hyla.hyper("rate", { init = 0.1 }), hyla.hyper(name, { init = init })
        return hyla.momentum { momentum = 0.5, steps = 6, rate = rate, [name] = one }
      end)
    end)
  end

  it("settings of an average agrees by all methods", function()
    agree(function()
      return hyla.adam { rate = hyla.hyper("rate", { init = 0.1 }), beta1 = hyla.hyper("beta1", { init = 0.7 }),
                         average_from = 2, steps = 6 }
    end)
  end)

  -- The norm's root is at 0 in every step: w starts where its gradient is 0, and stays.
  for _, name in ipairs { "clip_norm", "clip_global" } do
    it("a clipped gradient of zero is finite, and that of the bound zero: " .. name, function()
      local w, c = hyla.weight("w", { 2 }, 0), hyla.hyper("c", { init = 0.5 })
      local start = hyla.hyper("start", { init = 0 })
      local p = hyla.problem {
        inner = ((w - start) ^ 2):sum() + 0 * start, outer = ((w - 1) ^ 2):sum(), dtype = "float64",
        train = hyla.gd { rate = 0.1, [name] = c, steps = 3 },
      }
      local g = p:hypergradient()
      assert.are.equal(0, g.c)
      -- dw_T/dstart = 1 - 0.8^3 in each of two components, dE/dw = -2.
      assert.is_near(-4 * (1 - 0.8 ^ 3), g.start, 1e-14)
      p:check()
    end)
  end

  it("a bound that clips no step is exactly zero", function()
    local p = problem(hyla.gd { rate = 0.1, clip_norm = hyla.hyper("c", { init = 1e3 }), steps = 3 })
    assert.are.equal(0, p:hypergradient().c)
  end)
end)

describe("a readout", function()
  local function average_of(p, from)
    local sum, n
    p:start()
    for t = 1, p.steps do
      p:step(1)
      local raw = p:weights { raw = true }
      if t > from then
        n = (n or 0) + 1
        for name, w in pairs(raw) do raw[name] = sum and sum[name] + w or w:clone() end
        sum = raw
      end
      for name, w in pairs(p:weights()) do
        local expected = sum and sum[name] / n or raw[name]
        assert.is_true((w - expected):abs():max():item() <= 1e-14, name .. " at step " .. t)
      end
    end
    return sum, n
  end

  it("of asgd is the mean of all weights so far; the steps go on from the weights", function()
    local p = problem(hyla.asgd { rate = 0.1, steps = 5 })
    average_of(p, 0)
    local plain = problem(hyla.gd { rate = 0.1, steps = 5 })
    plain:train()
    p:train()
    assert.same(plain:weights().w:totable(), p:weights({ raw = true }).w:totable())
  end)

  it("of an average begins after its step, and is what outer, watch and evaluate see", function()
    local b = hyla.weight("b", {}, 2)
    local p = hyla.problem {
      inner = (b - 0.5) ^ 2, outer = (b - 0.2) ^ 2, watch = { b = b }, dtype = "float64",
      train = hyla.momentum { rate = 0.1, momentum = 0.5, average_from = 2, steps = 6 },
    }
    local sum, n = average_of(p, 2)
    local mean = sum.b:item() / n
    assert.are.equal(4, n)
    assert.is_near((mean - 0.2) ^ 2, p:response(), 1e-14)
    assert.is_near(mean, p:watch().b, 1e-14)
    assert.is_near(2 * mean, p:evaluate(2 * b), 1e-14)
    assert.is_true(math.abs(mean - p:weights({ raw = true }).b:item()) > 0.1)
  end)

  it("shows the weights before the first step", function()
    local p = problem(hyla.asgd { rate = 0.1, steps = 5 })
    p:start()
    assert.same({ 1, -0.5, 0.25 }, p:weights().w:totable())
  end)

  it("counts where it is the last stretch's", function()
    local first, last = hyla.gd { rate = 0.1, steps = 2 }, hyla.asgd { rate = 0.1, steps = 3 }
    local p = problem { first, last }
    p:train()
    local raw = {}
    local again = problem { first, last }
    again:start()
    again:step(2)
    for t = 1, 3 do
      again:step(1)
      raw[t] = again:weights({ raw = true }).b:item()
    end
    assert.is_near((raw[1] + raw[2] + raw[3]) / 3, p:weights().b:item(), 1e-14)
    local other_way = problem { last, first }
    other_way:train()
    assert.same(other_way:weights({ raw = true }).w:totable(), other_way:weights().w:totable())
  end)

  it("of the user's own sees accessories and settings, and so does a gradient in the outer objective", function()
    local b, scale = hyla.weight("b", {}, 2), hyla.hyper("scale", { init = 0.7 })
    local train = hyla.update {
      settings = { rate = 0.1, scale = scale }, accessories = { last = function(w) return w.init end }, steps = 3,
      step = function(w, _, g, s) return w - s.rate * g, { last = w } end,
      readout = function(w, a, s) return s.scale * w + (1 - s.scale) * a.last end,
    }
    local p = hyla.problem { inner = (b - 0.5) ^ 2, outer = hyla.gradient(b ^ 3, b), train = train, dtype = "float64" }
    p:train()
    local now, before = 0.5 + 1.5 * 0.8 ^ 3, 0.5 + 1.5 * 0.8 ^ 2
    local seen = 0.7 * now + 0.3 * before
    assert.is_near(seen, p:weights().b:item(), 1e-14)
    assert.is_near(3 * seen ^ 2, p:response(), 1e-14)
    assert.is_near(6 * seen * (now - before), p:hypergradient().scale, 1e-13)
    p:check()
  end)

  it("is what a running cost sees", function()
    local b = hyla.weight("b", {}, 2)
    local p = hyla.problem { inner = (b - 0.5) ^ 2, cost = b, train = hyla.asgd { rate = 0.1, steps = 3 },
                             dtype = "float64" }
    p:train()
    local sum, total = 0, 0
    for t = 1, 3 do
      sum = sum + 0.5 + 1.5 * 0.8 ^ t
      total = total + sum / t
    end
    assert.is_near(total, p:response(), 1e-14)
  end)
end)

describe("a hyper-optimizer", function()
  local function stepped(improve, g, more)
    local a, b = hyla.hyper("a", { init = 0.5 }), hyla.hyper("b", { size = 2, init = 1 })
    local w = hyla.weight("w", {}, 1)
    local p = hyla.problem { inner = a * w ^ 2 + b:sum() * w, outer = w, train = hyla.gd { rate = 0.1, steps = 1 },
                             improve = improve, dtype = "float64" }
    local improver = p:improver()
    for _ = 1, more or 1 do improver:step(g) end
    return p.hypers.a.value:item(), p.hypers.b.value:totable()
  end
  local g = { a = 3, b = hyla.tensor({ 0, 4 }, "float64") }

  it("may be any of the optimizers, which all take the last component's zero", function()
    for _, name in ipairs(require("hyla.dynamics").names) do
      if name ~= "asgd" then
        local settings = { rate = 0.1, momentum = (name == "momentum" or name == "nesterov") and 0.9 or nil }
        local a, b = stepped(hyla[name](settings), g, 3)
        assert.is_true(a < 0.5 and b[2] < 1, name)
        if name ~= "adamw" then assert.are.equal(1, b[1], name) end
      end
    end
  end)

  it("clips all hypergradients together, has rates by name and a decay", function()
    local a, b = stepped(hyla.gd { rate = { a = 0.1, default = 0.2 }, clip_global = 1, weight_decay = 0.5 }, g)
    assert.is_near(0.5 - 0.1 * 0.5 * 0.5 - 0.1 * 3 / 5, a, 1e-15)
    assert.is_near(1 - 0.2 * 0.5, b[1], 1e-15)
    assert.is_near(1 - 0.2 * 0.5 - 0.2 * 4 / 5, b[2], 1e-15)
  end)

  it("keeps accessories of the scale on which it moves", function()
    local a = hyla.hyper("a", { init = 0.5, scale = "log" })
    local w = hyla.weight("w", {}, 1)
    local p = hyla.problem { inner = a * w ^ 2, outer = w, train = hyla.gd { rate = 0.1, steps = 1 }, dtype = "float64",
                             improve = hyla.momentum { rate = 0.1, momentum = 0.5 } }
    local improver = p:improver()
    improver:step { a = 4 }                              -- by log a: 4 * 0.5
    assert.is_near(2, improver:state()["a.v"]:item(), 1e-15)
  end)

  it("clips on the scales on which it moves", function()
    local a = hyla.hyper("a", { init = 0.5, scale = "log" })
    local b = hyla.hyper("b", { init = 1 })
    local w = hyla.weight("w", {}, 1)
    local p = hyla.problem { inner = a * w ^ 2 + b * w, outer = w, train = hyla.gd { rate = 0.1, steps = 1 },
                             improve = hyla.gd { rate = 0.1, clip_global = 1 }, dtype = "float64" }
    p:improver():step { a = 6, b = 4 }                   -- by log a: 3
    assert.is_near(0.5 * math.exp(-0.1 * 3 / 5), p.hypers.a.value:item(), 1e-15)
    assert.is_near(1 - 0.1 * 4 / 5, p.hypers.b.value:item(), 1e-15)
  end)

  it("refuses a readout in words", function()
    assert.error_matches(function() stepped(hyla.asgd { rate = 0.1 }, g) end, "improve: asgd has a readout")
    assert.error_matches(function() stepped(hyla.adam { rate = 0.1, average_from = 3 }, g) end, "adam has a readout")
  end)
end)

describe("a mistake in what every dynamics takes", function()
  local function step(w) return w end
  local cases = {
    { function() local _ = hyla.gd { rate = 1, clip_norm = 0 } end, "'clip_norm': expected a number > 0" },
    { function() local _ = hyla.gd { rate = 1, clip_value = { w = -1 } } end, "'clip_value': expected a number > 0" },
    { function() local _ = hyla.gd { rate = 1, clip_global = { w = 1 } } end,
      "'clip_global': expected a number > 0, a schedule or an expression, got a table" },
    { function() local _ = hyla.gd { rate = 1, l2 = -1 } end, "'l2': expected a number >= 0" },
    { function() local _ = hyla.gd { rate = 1, average_from = -1 } end, "expected a whole number >= 0, got -1" },
    { function() local _ = hyla.update { step = step, weight_decay = 1 } end, "expected a setting 'rate' beside it" },
    { function() local _ = hyla.update { step = step, settings = { l2 = 1 } } end,
      "setting 'l2' belongs to every dynamics" },
    { function() local _ = hyla.update { step = step, accessories = { average = 1 }, average_from = 0 } end,
      "average_from keeps 'average' itself" },
    { function() local _ = hyla.update { step = step, readout = step, average_from = 0 } end,
      "expected readout or average_from, got both" },
  }
  for i, case in ipairs(cases) do
    it(("%d is told at its line: %s"):format(i, case[2]:sub(1, 40)), function()
      assert.truthy(mistake(case[1]):find(case[2], 1, true), mistake(case[1]))
    end)
  end

  it("is a readout of another type, told with the dynamics' line", function()
    local d = hyla.update { step = step, readout = function() return hyla.zeros { 7 } end, steps = 1 }
    local ok, message = pcall(problem, d)
    assert.is_false(ok)
    assert.are.equal(d.site, message:match "^(.-): update: expected the readout of 'w' as float%[3%], got")
  end)
end)
