-- Every method on every dynamics: the same hypergradient, with mini-batches, learned settings of each step and layer,
-- a start that depends on hyperparameters, and hyperparameters in the outer objective itself.
local hyla = require "hyla"
local tensor = require "hyla.tensor"
require "hyla.spec"

local T = 5

-- What is learned beside the rate, and settings without which nothing is to be seen. `rate` is the size of steps.
local dynamics = {
  gd = { rate = 0.2 }, asgd = { rate = 0.2 },
  momentum = { rate = 0.1, momentum = 0.6 }, nesterov = { rate = 0.1, momentum = 0.6 },
  adam = { rate = 0.03, beta1 = 0.8, beta2 = 0.9, epsilon = 1e-3 },
  amsgrad = { kind = "adam", rate = 0.03, beta1 = 0.8, beta2 = 0.9, epsilon = 1e-3, fixed = { amsgrad = true } },
  adamw = { rate = 0.03, beta1 = 0.8, epsilon = 1e-3, weight_decay = 0.05 },
  adamax = { rate = 0.03, beta1 = 0.8, beta2 = 0.9 },
  rmsprop = { rate = 0.02, decay = 0.8, epsilon = 1e-2 },
  centered = { kind = "rmsprop", rate = 0.02, decay = 0.8, epsilon = 0.1, fixed = { centered = true } },
  adagrad = { rate = 0.05, epsilon = 1e-2 },
  adadelta = { rate = 1, decay = 0.8, epsilon = 1e-2 },
  rprop = { shrink = 0.6, grow = 1.1, fixed = { rate = 0.01 } },   -- its sizes alone have a derivative
  clipped = { kind = "momentum", rate = 0.1, momentum = 0.6, fixed = { clip_global = 0.5, l2 = 0.01 } },
}

local train, valid = hyla.data("digits"):split({ 30, 20 }, 1)
train, valid = train:to "float64", valid:to "float64"

-- A network of two layers on mini-batches. `learned` are hyperparameters by setting; the rate has one for each step and
-- layer.
local function network(case, name, method)
  local batch = train:batches { size = 8, seed = 3 }
  local scale = hyla.hyper("scale", { init = 0.7 })
  local function start(seed, shape, deviation)
    return scale * tensor.normal(shape, { seed = seed, deviation = deviation, dtype = "float64" })
  end
  local V = hyla.weight("V", { train.width, 4 }, start(1, { train.width, 4 }, 0.1))
  local W = hyla.weight("W", { 4, 10 }, start(2, { 4, 10 }, 0.5))
  local function loss(part) return hyla.cross_entropy(part.x:matmul(V):tanh():matmul(W), part.y):mean() end
  local decay = hyla.hyper("decay", { size = 2, init = 0.02 })
  local settings = { steps = T }
  for key, value in pairs(case.fixed or {}) do settings[key] = value end
  for key, value in pairs(case) do
    if key == "rate" then
      local rates = hyla.hyper("rates", { shape = { T, 2 }, init = value })
      local now = hyla.at_step(rates)
      settings.rate = { V = now:rows(1, 1):sum(), W = now:rows(2, 2):sum() }
    elseif type(value) == "number" then
      settings[key] = { V = hyla.hyper(key .. ".V", { init = value }), W = hyla.hyper(key .. ".W", { init = value }) }
    end
  end
  local p = hyla.problem {
    inner = loss(batch) + (decay * (W ^ 2):reshape({ 2, 20 }):sum(2)):sum(),
    outer = loss(valid) + 0.1 * (decay ^ 2):sum() + scale ^ 2,
    train = hyla[case.kind or name](settings), method = method, dtype = "float64",
  }
  return p
end

local function flat(p, g)
  local list = {}
  for _, hyper in ipairs(p.hypers) do
    local value = g[hyper.name]
    if type(value) == "number" then value = tensor(value, "float64") end
    for _, v in ipairs(value:reshape({ value.size }):totable()) do list[#list + 1] = v end
  end
  return list
end

local function distance(a, b)
  local apart, norm = 0, 0
  for i = 1, #a do apart, norm = apart + (a[i] - b[i]) ^ 2, norm + a[i] ^ 2 end
  return math.sqrt(apart), math.sqrt(norm)
end

-- A budget for three whole states.
local function three_states(p)
  local bytes = 0
  for _, leaf in ipairs(p.layout.states) do bytes = bytes + math.ceil(leaf.size * 8 / 64) * 64 end
  return 3 * bytes
end

describe("on every dynamics", function()
  for name, case in pairs(dynamics) do
    it("the methods agree to 1e-10, and with differences: " .. name, function()
      local reverse = network(case, name, hyla.reverse())
      local g, f = reverse:hypergradient()
      local expected = flat(reverse, g)
      local methods = {
        forward = hyla.forward(), rtho = hyla.rtho(), groups = hyla.forward { memory = 2 * three_states(reverse) },
        checkpointed = hyla.reverse { memory = 2 / 3 * three_states(reverse) },
        truncated = hyla.reverse { truncate = T },
      }
      for which, method in pairs(methods) do
        local p = network(case, name, method)
        local h, e = p:hypergradient()
        local got = flat(p, h)
        assert.equal(f, e, which)
        if which == "checkpointed" or which == "truncated" then assert.same(expected, got) end
        local apart, norm = distance(expected, got)
        assert.is_true(apart <= 1e-10 * norm, ("%s: apart by %.3g of %.3g"):format(which, apart, norm))
        if which == "groups" then assert.is_true(p:cost().extra > 0) end
        -- Of gradient descent what the adjoint reads of all steps takes less than two states.
        if which == "checkpointed" and not name:find "gd$" then assert.is_true(p:cost().extra > 0) end
      end
      assert.hypergradient(reverse)
    end)

    if (case.kind or name) == "momentum" then
      -- Momentum is rounded to 2^-32 there, relative to 0.6 by 2e-10; eight steps make that a few times as much.
      it("reversible momentum agrees to 1e-8: " .. name, function()
        local reverse, p = network(case, name, hyla.reverse()), network(case, name, hyla.reversible())
        local expected, got = flat(reverse, (reverse:hypergradient())), flat(p, (p:hypergradient()))
        local apart, norm = distance(expected, got)
        assert.is_true(apart <= 1e-8 * norm, ("apart by %.3g of %.3g"):format(apart, norm))
      end)
    end
  end

  it("none is left out", function()
    local seen = {}
    for name, case in pairs(dynamics) do seen[case.kind or name] = true end
    for _, name in ipairs(require("hyla.dynamics").names) do assert.is_true(seen[name], name) end
  end)
end)
