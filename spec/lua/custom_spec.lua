local hyla = require "hyla"
local tensor = require "hyla.tensor"
local mistake = dofile "spec/lua/mistake.lua"
require "hyla.spec"

local function double(values) return tensor.from(values, "float64") end

-- Training through `f` of the weights: inner and outer objective see it, so its second derivative counts.
local function problem(f, method, given)
  local w = hyla.weight("w", { 3 }, double { 0.5, -0.3, 0.8 })
  local rate = hyla.hyper("rate", { init = 0.1 })
  local pull = hyla.hyper("pull", { init = double { 0.2, 0.1, -0.4 }, size = 3 })
  return hyla.problem {
    inner = (f(w, pull) ^ 2):sum() + ((w - 1) ^ 2 * pull:exp()):sum(), outer = (f(w, pull) - w):square():sum(),
    train = hyla.gd { rate = rate, steps = 5 }, method = method or hyla.reverse(),
    dtype = (given or {}).dtype or "float64",
  }
end

-- x e^y by the rules named: a true derivative, so all methods agree with differences.
local function true_rules(which, factor)
  return hyla.custom {
    name = "x_exp_y", forward = function(x, y) return x * y:exp() end,
    vjp = which:find "vjp" and function(z_bar, z, _, y) return z_bar * y:exp() * (factor or 1), z_bar * z end or nil,
    jvp = which:find "jvp" and function(x_dot, y_dot, z, _, y)
      return y:exp() * x_dot * (factor or 1) + z * y_dot
    end or nil,
  }
end

local function near(expected, got, relative)
  for name, value in pairs(expected) do
    local a, b = double(type(value) == "number" and { value } or value:totable()),
      double(type(got[name]) == "number" and { got[name] } or got[name]:totable())
    assert.is_true((a - b):abs():max():item() <= relative * a:abs():max():item(), name)
  end
end

describe("a custom function in training", function()
  for _, which in ipairs { "vjp", "jvp", "vjp and jvp", "none" } do
    for _, name in ipairs { "reverse", "forward" } do
      it(("with rules %s has the hypergradient that differences see, by %s"):format(which, name), function()
        assert.hypergradient(problem(true_rules(which), hyla[name]()), { relative = 1e-7 })
      end)
    end
  end

  it("gives reverse what it gives forward, where its rules are no derivative", function()
    local leaky = hyla.custom {   -- clipped, but a tenth of the adjoint passes outside
      name = "leaky_clip", forward = function(x) return x:clip(-0.4, 0.4) end,
      vjp = function(z_bar, _, x) return z_bar * hyla.where(x:abs():le(0.4), 1, 0.1) end,
    }
    local function f(w, pull) return leaky(w * pull:exp()) end
    local reverse, forward = problem(f):hypergradient(), problem(f, hyla.forward()):hypergradient()
    near(reverse, forward, 1e-12)   -- rounding of five steps
    assert.is_false(pcall(function() problem(f):check() end))
  end)

  it("is found by check() where its rule is wrong by .05 %", function()
    for _, which in ipairs { "vjp", "jvp" } do
      problem(true_rules(which)):check()
      assert.matches("check: .* the hypergradient is", select(2, pcall(function()
        problem(true_rules(which, 1.0005)):check()
      end)))
    end
  end)

  it("runs in float32, and at a width of its own in each problem", function()
    local f = true_rules "vjp"
    local wide, narrow = problem(f):hypergradient(), problem(f, nil, { dtype = "float32" }):hypergradient()
    near(wide, narrow, 1e-5)        -- rounding at 2^-24 of five steps
  end)

  it("keeps the bits of its forward", function()
    local plain, ruled = problem(true_rules "none"), problem(true_rules "vjp")
    plain:train()
    ruled:train()
    assert.equal(plain:response(), ruled:response())
  end)

  it("has no path through what its rule leaves out", function()
    local w, c = hyla.weight("w", { 2 }, hyla.ones), hyla.hyper("c", { init = 2 })
    local function product(vjp)
      return hyla.custom { name = "f", forward = function(x, y) return x * y end, vjp = vjp }
    end
    local function build(inner)
      return hyla.problem { inner = inner, outer = w:sum(), train = hyla.gd { rate = 0.1, steps = 2 } }
    end
    local some = product(function(z_bar, _, _, y) return z_bar * y end)
    assert.is_near(-0.4, build(some(w, c):sum()):hypergradient().c, 1e-6)   -- by the gradient, which is c
    local none = product(function(z_bar) return z_bar end)
    assert.matches("hyperparameter 'c': no path leads from it", select(2, pcall(build, none(w, c):sum())))
    local slope = hyla.gradient(none(w, c):sum(), c)
    assert.matches("gradient: no path from hyperparameter 'c'", select(2, pcall(build, slope * w:sum())))
  end)
end)

describe("a custom function", function()
  local w = hyla.weight("w", { 3 }, hyla.ones)
  local function double_vjp(z_bar) return 2 * z_bar end

  it("is its forward for tensors and numbers", function()
    local f = hyla.custom { name = "f", forward = function(x, y) return x * y end, vjp = double_vjp }
    assert.same({ 2, 4, 6 }, f(double { 1, 2, 3 }, 2):totable())
    assert.equal(6, f(2, 3))
    assert.same({ 3 }, f(w, 2).shape)
    assert.matches("^float%[3%] custom 'f' at ", tostring(f(w, 2)))
  end)

  it("takes labels, which have no derivative", function()
    local seen
    local f = hyla.custom {
      name = "loss", forward = function(x, y) return hyla.cross_entropy(x, y) end,
      vjp = function(z_bar, _, x, y)
        return z_bar:reshape { -1, 1 } * (x:softmax() - y:one_hot(3)), nil
      end,
      jvp = function(x_dot, y_dot, _, x, y)
        seen = y_dot == nil
        return ((x:softmax() - y:one_hot(3)) * x_dot):sum(2)
      end,
    }
    local labels = tensor.from({ 2, 0 }, "int32")
    local x = double { { 1, 2, 3 }, { 0, 1, -1 } }
    local W, c = hyla.weight("W", { 2, 3 }, x), hyla.hyper("c", { init = 0.3 })
    for _, method in ipairs { "reverse", "forward" } do
      assert.hypergradient(hyla.problem {
        inner = (f(W * c, labels)):mean(), outer = f(W, labels):sum(), train = hyla.gd { rate = 0.5, steps = 4 },
        method = hyla[method](), dtype = "float64",
      })
    end
    assert.is_true(seen)
  end)

  it("may apply itself in its rule, and use what its forward left", function()
    local sine
    sine = hyla.custom { name = "sine", forward = function(x) return x:sin() end,
                         vjp = function(z_bar, _, x) return z_bar * sine(x + math.pi / 2) end }
    local kept
    local swish = hyla.custom {
      name = "swish", forward = function(x)
        kept = x:sigmoid()
        return x * kept
      end,
      vjp = function(z_bar, z) return z_bar * (kept + z * (1 - kept)) end,
    }
    assert.hypergradient(problem(function(x, y) return sine(x * y) end))
    assert.hypergradient(problem(function(x, y) return swish(x * 2) + swish(y) end))
  end)

  it("may differentiate in its rule", function()
    local f = hyla.custom { name = "f", forward = function(x) return x:sin() * x end, vjp = function(z_bar, _, x)
      return hyla.gradient((z_bar * x:sin() * x):sum(), x)
    end }
    assert.hypergradient(problem(function(x, y) return f(x * y) end, hyla.forward()))
  end)

  it("is traced once for operands of one type", function()
    local count = 0
    local f = hyla.custom { name = "f", forward = function(x) return x * 2 end, vjp = function(z_bar)
      count = count + 1
      return z_bar * 2
    end }
    local _ = f(w) + f(w * 2) + f(f(w))
    assert.equal(1, count)
    _ = f(w:sum())
    assert.equal(2, count)
  end)

  it("sees data of each step, and hyperparameters of each step as operands alone", function()
    local at = hyla.at_step(double { { 1, 2, 3 }, { 4, 5, 6 } })
    local c = hyla.hyper("c", { init = double { { 1, -1, 2 }, { 0.5, 1, 2 } }, shape = { 2, 3 } })
    local f = hyla.custom {
      name = "f", forward = function(x, y) return x * y * at end,
      vjp = function(z_bar, _, x, y, a) return z_bar * y * a, z_bar * x * a end,
    }
    local v = hyla.weight("v", { 3 }, hyla.ones)
    for _, method in ipairs { "reverse", "forward" } do
      assert.hypergradient(hyla.problem {
        inner = f(v, hyla.at_step(c), at):square():mean(), outer = v:square():sum(), method = hyla[method](),
        train = hyla.gd { rate = 0.01, steps = 2 }, dtype = "float64",
      })
    end
    local g = hyla.custom { name = "g", forward = function(x) return x * hyla.at_step(c) end, vjp = double_vjp }
    assert.matches("g: the forward uses the stream 'c at a step'", mistake(function() g(w) end))
  end)

  it("goes with a running cost, whose expressions are rewritten", function()
    local s, c = hyla.state("s", { 3 }, double { 1, 2, 3 }), hyla.hyper("c", { init = 0.9 })
    local f = true_rules "vjp"
    assert.hypergradient(hyla.problem {
      cost = f(s, c * s):sum(), train = hyla.transition { steps = 3, next = { s = f(s, -c * s) } }, dtype = "float64",
    })
  end)
end)

describe("straight_through", function()
  it("rounds forwards and lets adjoints and tangents pass", function()
    local round = hyla.straight_through(hyla.round)
    local w = hyla.weight("w", { 2 }, double { 1.4, -2.6 })
    local c = hyla.hyper("c", { init = 2 })
    for _, method in ipairs { "reverse", "forward" } do
      local p = hyla.problem {
        inner = (w * 0):sum(), outer = (round(w * c) ^ 2):sum(), train = hyla.gd { rate = 1, steps = 1 },
        method = hyla[method](), dtype = "float64",
      }
      local g, f = p:hypergradient()
      assert.equal(3 ^ 2 + 5 ^ 2, f)
      assert.is_near(2 * 3 * 1.4 + 2 * -5 * -2.6, g.c, 1e-14)
    end
  end)
end)

describe("a mistake in a custom function", function()
  local w = hyla.weight("w", { 3 }, hyla.ones)
  local labels = tensor.from({ 0, 1, 2 }, "int32")
  local function with(rules)
    local forward = rules.forward or function(x) return x end
    return hyla.custom { name = "f", forward = forward, vjp = rules.vjp, jvp = rules.jvp }
  end
  local same = function(z_bar) return z_bar end
  local cases = {
    { function() hyla.custom { name = "f" } end, "custom: option 'forward' is missing" },
    { function() hyla.custom { name = "f g", forward = same } end,
      "custom: option 'name': expected a name of letters" },
    { function() hyla.custom { name = "f", forward = same, vjp = 3 } end, "custom: option 'vjp': expected a function" },
    { function() with { vjp = same } () end, "f: expected 1 to 15 operands, got 0" },
    { function() with { vjp = same } (w, "x") end, "f: operand 2: expected an expression, a tensor or a number" },
    { function() with { forward = function() end } (w) end,
      "f: expected the forward to return an expression, got a nil" },
    { function() with { forward = function() return labels end } (w) end,
      "f: expected the forward to return real numbers" },
    { function() with { forward = function() return w:exp() end, vjp = same } (w * 2) end,
      "f: the forward uses the weight 'w' (" },
    { function() with { vjp = function(b) return b * w end } (w * 2) end, "f: the vjp uses the weight 'w'" },
    { function() with { jvp = function(b) return b * w end } (w) end, "f: the jvp uses the weight 'w'" },
    { function() with { vjp = function(b) return b:sum() end } (w) end,
      "f: expected the vjp (result 1) to return float[3], got float[]" },
    { function() with { jvp = function(b) return b:sum() end } (w) end,
      "f: expected the jvp to return float[3], got float[]" },
    { function() with { jvp = function() end } (w) end, "f: expected the jvp to return an expression, got a nil" },
    { function() with { vjp = function() return "x" end } (w) end,
      "f: expected the vjp (result 1) to return an expression, got a string" },
    { function() with { vjp = function(b) return b, b end } (w) end, "f: the vjp returned 2 results for 1 operands" },
    { function() with { vjp = function(b) return b, b end } (w, labels) end,
      "f: expected the vjp (result 2) to be nil, for the operand is int32" },
  }
  for i, case in ipairs(cases) do
    it(("%d is told: %s"):format(i, case[2]:sub(1, 60)), function()
      local message = mistake(case[1])
      assert.is_truthy(message:find(case[2], 1, true), message)
    end)
  end

  it("in a forward that never ends is told", function()
    local f
    f = hyla.custom { name = "f", forward = function(x) return f(x) end, vjp = same }
    for _ = 1, 2 do assert.matches("f: the forward applies f itself, without end", mistake(function() f(w) end)) end
    assert.is_false(pcall(f, 3))
  end)

  it("in a rule is told again at the next application", function()
    local f = with { vjp = function(b) return b:sum() end }
    for _ = 1, 2 do assert.matches("f: expected the vjp", mistake(function() f(w) end)) end
  end)

  it("that only the engine sees names the rule's line and what to do", function()
    local function gradient(vjp)
      return select(2, pcall(problem, with { vjp = vjp }))
    end
    local line = debug.getinfo(1, "l").currentline + 2
    assert.matches(("custom_spec.lua:%d: vjp of 'f': mul is not linear in what the rule is given"):format(line),
                   gradient(function(z_bar) return z_bar ^ 2 end))
    assert.matches("vjp of 'f': maximum is not linear", gradient(function(z_bar) return z_bar:clip(-1, 1) end))
    assert.matches("custom_spec.lua:%d+: vjp of 'f': what it returns for operand 1 does not depend",
                   gradient(function(_, z) return z end))
    assert.matches("custom_spec.lua:%d+: vjp of 'f': add adds something",
                   gradient(function(z_bar, z) return z_bar + z end))
  end)
end)
