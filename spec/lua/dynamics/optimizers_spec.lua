local hyla = require "hyla"
local reference = dofile "spec/lua/dynamics/reference.lua"

local sqrt, abs, max, min = math.sqrt, math.abs, math.max, math.min
local function sign(x) return x > 0 and 1 or x < 0 and -1 or 0 end

-- Each as { words, dynamics, update of one component by plain Lua }.
local cases = {
  { "gd steps down the gradient", hyla.gd { rate = 0.1 }, function(w, _, g) return w - 0.1 * g end },
  { "momentum keeps a velocity", hyla.momentum { rate = 0.1, momentum = 0.9 }, function(w, a, g)
    a.v = 0.9 * a.v + g
    return w - 0.1 * a.v
  end },
  { "nesterov adds the gradient to what is ahead", hyla.nesterov { rate = 0.05, momentum = 0.8 }, function(w, a, g)
    a.v = 0.8 * a.v + g
    return w - 0.05 * (g + 0.8 * a.v)
  end },
  { "adam corrects its moments for their start, with epsilon outside the root",
    hyla.adam { rate = 0.1, beta1 = 0.8, beta2 = 0.95, epsilon = 1e-3 }, function(w, a, g, t)
      a.m, a.v = 0.8 * a.m + 0.2 * g, 0.95 * a.v + 0.05 * g * g
      return w - 0.1 * (a.m / (1 - 0.8 ^ t)) / (sqrt(a.v / (1 - 0.95 ^ t)) + 1e-3)
    end },
  { "adam with amsgrad divides by the largest second moment so far",
    hyla.adam { rate = 0.3, beta1 = 0.5, beta2 = 0.6, amsgrad = true }, function(w, a, g, t)
      a.m, a.v = 0.5 * a.m + 0.5 * g, 0.6 * a.v + 0.4 * g * g
      a.most = max(a.most, a.v)
      return w - 0.3 * (a.m / (1 - 0.5 ^ t)) / (sqrt(a.most / (1 - 0.6 ^ t)) + 1e-8)
    end },
  { "adamw takes the decay beside the step", hyla.adamw { rate = 0.1, beta1 = 0.8 }, function(w, a, g, t)
    a.m, a.v = 0.8 * a.m + 0.2 * g, 0.999 * a.v + 0.001 * g * g
    return w - 0.1 * 0.01 * w - 0.1 * (a.m / (1 - 0.8 ^ t)) / (sqrt(a.v / (1 - 0.999 ^ t)) + 1e-8)
  end },
  { "adamax divides by a fading maximum", hyla.adamax { rate = 0.2, beta1 = 0.7, beta2 = 0.8 }, function(w, a, g, t)
    a.m, a.u = 0.7 * a.m + 0.3 * g, max(0.8 * a.u, abs(g))
    return a.u == 0 and w or w - 0.2 / (1 - 0.7 ^ t) * a.m / a.u
  end },
  { "rmsprop divides by the root of the mean square", hyla.rmsprop { rate = 0.05, decay = 0.9, epsilon = 1e-4 },
    function(w, a, g)
      a.v = 0.9 * a.v + 0.1 * g * g
      return w - 0.05 * g / (sqrt(a.v) + 1e-4)
    end },
  { "rmsprop, centered, takes the squared mean away; its momentum adds quotients",
    hyla.rmsprop { rate = 0.05, decay = 0.7, centered = true, momentum = 0.6, epsilon = 1e-4 }, function(w, a, g)
      a.v, a.mean = 0.7 * a.v + 0.3 * g * g, 0.7 * a.mean + 0.3 * g
      a.move = 0.6 * a.move + g / (sqrt(a.v - a.mean ^ 2) + 1e-4)
      return w - 0.05 * a.move
    end },
  { "adagrad sums squares", hyla.adagrad { rate = 0.4 }, function(w, a, g)
    a.v = a.v + g * g
    return w - 0.4 * g / (sqrt(a.v) + 1e-10)
  end },
  { "adadelta steps in the unit of earlier steps", hyla.adadelta { rate = 2, decay = 0.8, epsilon = 1e-3 },
    function(w, a, g)
      a.v = 0.8 * a.v + 0.2 * g * g
      local d = g * sqrt((a.u + 1e-3) / (a.v + 1e-3))
      a.u = 0.8 * a.u + 0.2 * d * d
      return w - 2 * d
    end },
  -- Three sizes within few steps: growing, held at `largest`, and shrinking after a turn, where the step is left out.
  { "rprop moves by sizes against the sign", hyla.rprop { rate = 0.3, grow = 1.5, shrink = 0.4, largest = 0.5,
    smallest = 0.05 }, function(w, a, g, t)
      if t == 1 then a.size = 0.3 end
      a.size = min(max(a.size * (g * a.g > 0 and 1.5 or g * a.g < 0 and 0.4 or 1), 0.05), 0.5)
      a.g = g * a.g < 0 and 0 or g
      return w - sign(a.g) * a.size
    end },
}

describe("an optimizer", function()
  local w0 = { 1, -0.5, 2, 0.75 }
  for _, case in ipairs(cases) do
    it(case[1], function() reference.near(reference.plainly(case[3], w0, 8), reference.trajectory(case[2], w0, 8)) end)
  end
end)

-- A problem over two weights; the third component of w has a gradient that is always zero.
local function problem(train, method, dtype)
  local w, b = hyla.weight("w", { 3 }, { 1, -0.5, 0.25 }), hyla.weight("b", {}, 0.3)
  local x, y = hyla.tensor({ 1.3, 0.7, 0 }, "float64"), hyla.tensor({ 0.2, 0.9, 0.5 }, "float64")
  local residual = x * w * (1 + 0.2 * b) - y
  return hyla.problem {
    inner = (residual ^ 2):sum() + (b - w:slice(1, 1, 1):sum()) ^ 2, dtype = dtype or "float64", method = method,
    train = train,
    outer = ((w - hyla.tensor({ 0.5, 0.4, 0.1 }, "float64")) ^ 2):sum() + b ^ 2,
  }
end

local function flat(value) return type(value) == "number" and { value } or value:reshape({ value.size }):totable() end

-- Reverse-HG, Forward-HG and central differences of the same training.
local function agree(make, step)
  local reverse, forward = problem(make(), hyla.reverse()), problem(make(), hyla.forward())
  local g, z = reverse:hypergradient(), forward:hypergradient()
  for _, hyper in ipairs(reverse.hypers) do
    local a, b = flat(g[hyper.name]), flat(z[hyper.name])
    for i = 1, #a do
      assert.is_true(a[i] ~= 0, hyper.name)
      assert.is_near(a[i], b[i], 1e-10 * max(1, abs(a[i])), hyper.name)
    end
  end
  reverse:check { step = step }
end

-- Every setting that has a derivative, at a value that training is sensitive to.
local learned = {
  gd = { rate = 0.1 },
  momentum = { rate = 0.1, momentum = 0.6 },
  nesterov = { rate = 0.1, momentum = 0.6 },
  adam = { rate = 0.1, beta1 = 0.7, beta2 = 0.8, epsilon = 0.05 },
  adamw = { rate = 0.1, beta1 = 0.7, beta2 = 0.8, epsilon = 0.05, weight_decay = 0.3 },
  adamax = { rate = 0.1, beta1 = 0.7, beta2 = 0.8 },
  rmsprop = { rate = 0.1, decay = 0.8, epsilon = 0.05, momentum = 0.3 },
  adagrad = { rate = 0.2, epsilon = 0.05 },
  adadelta = { rate = 1.5, decay = 0.8, epsilon = 0.01 },
  rprop = { rate = 0.06, shrink = 0.3, grow = 1.5, smallest = 0.02, largest = 0.11 },
  asgd = { rate = 0.1 },
}
local variants = {
  { "adam", { amsgrad = true } }, { "rmsprop", { centered = true } },
}
for name in pairs(learned) do variants[#variants + 1] = { name, {} } end
table.sort(variants, function(a, b) return a[1] .. (next(a[2]) or "") < b[1] .. (next(b[2]) or "") end)

describe("the hypergradient by the settings of", function()
  for _, variant in ipairs(variants) do
    local name, more = variant[1], variant[2]
    it(name .. (next(more) and " with " .. next(more) or ""), function()
      agree(function()
        local settings = { steps = 12 }
        for key, value in pairs(learned[name]) do settings[key] = hyla.hyper(key, { init = value }) end
        for key, value in pairs(more) do settings[key] = value end
        return hyla[name](settings)
      end, 2 ^ -14)
    end)
  end

  -- With the defaults of all but the rate, which are harder: an epsilon of 1e-10 divides what is always zero.
  it("every optimizer is right in float32, too", function()
    for name, settings in pairs(learned) do
      local g = {}
      for _, dtype in ipairs { "float32", "float64" } do
        local rate = hyla.hyper("rate", { init = settings.rate })
        g[dtype] = problem(hyla[name] { rate = rate, momentum = settings.momentum, steps = 12 }, nil, dtype)
          :hypergradient().rate
      end
      -- Twelve steps of a few roundings of 2^-24, through divisions by differences of moments.
      assert.is_near(g.float64, g.float32, 1e-3 * abs(g.float64), name)
    end
  end)

  it("adam is finite where decays begin at 0", function()
    local p = problem(hyla.adam {
      rate = 0.1, beta1 = hyla.hyper("beta1", { init = 0 }), beta2 = hyla.hyper("beta2", { init = 0 }), steps = 5,
    })
    p:check { step = 2 ^ -14 }
  end)

  it("rprop by a rate of each step is refused: the rate is the first size", function()
    local ok, message = pcall(problem, hyla.rprop { rate = { 0.1, 0.2 }, steps = 2 })
    assert.is_false(ok)
    local expected = "initial value of 'w.size' may depend on hyperparameters alone, not on the stream"
    assert.truthy(message:find(expected, 1, true), message)
  end)

  it("rprop has no path from the objective, which is an error", function()
    local w, l = hyla.weight("w", { 2 }, { 1, 2 }), hyla.hyper("l", { init = 0.1 })
    local ok, message = pcall(hyla.problem, {
      inner = l * (w ^ 2):sum(), outer = (w ^ 2):sum(), train = hyla.rprop { rate = 0.1, steps = 3 },
    })
    assert.is_false(ok)
    assert.truthy(message:find("'l'", 1, true), message)
  end)
end)

describe("training in stretches", function()
  local function two(first, second)
    local w = hyla.weight("w", { 2 }, { 1, 2 })
    local p = hyla.problem { inner = (w ^ 2):sum(), train = { first, second }, dtype = "float64" }
    p:train()
    return p:weights().w:totable(), p
  end

  it("goes on with the accessories of its family", function()
    local once = two(hyla.momentum { rate = 0.1, momentum = 0.5, steps = 3 },
                     hyla.momentum { rate = 0.1, momentum = 0.5, steps = 4 })
    local w = hyla.weight("w", { 2 }, { 1, 2 })
    local p = hyla.problem { inner = (w ^ 2):sum(), dtype = "float64",
                             train = hyla.momentum { rate = 0.1, momentum = 0.5, steps = 7 } }
    p:train()
    assert.same(p:weights().w:totable(), once)
    local _, mixed = two(hyla.adam { rate = 0.1, steps = 3 }, hyla.adamw { rate = 0.1, steps = 3 })
    assert.are.equal(4, #mixed.layout.states)
    _, mixed = two(hyla.momentum { rate = 0.1, momentum = 0.5, steps = 3 },
                   hyla.nesterov { rate = 0.1, momentum = 0.5, steps = 3 })
    assert.are.equal(2, #mixed.layout.states)
  end)

  it("starts with fresh ones after another family, of the same name or not", function()
    local moved = two(hyla.momentum { rate = 0.1, momentum = 0.5, steps = 3 }, hyla.adagrad { rate = 0.1, steps = 1 })
    local w, v = { 1, 2 }, { 0, 0 }
    for i = 1, 2 do
      for _ = 1, 3 do
        v[i] = 0.5 * v[i] + 2 * w[i]
        w[i] = w[i] - 0.1 * v[i]
      end
      assert.is_near(w[i] - 0.1 * 2 * w[i] / (2 * abs(w[i]) + 1e-10), moved[i], 1e-14)
    end
  end)
end)
