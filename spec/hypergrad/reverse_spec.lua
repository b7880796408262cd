-- Scalar dynamics with a closed form, in float64: J = a w^2 / 2 under gradient descent, so w_T = w0 (1 - eta a)^T.
-- Tolerances are rounding alone: 2T steps, there and back, of at most four roundings each.
local hyla = require "hyla"
require "hyla.spec"

local a, w0, T, eta = 3, 1.5, 20, 0.05
local r = 1 - eta * a
local rounding = 8 * T * 2 ^ -53

local function near(expected, got, scale)
  assert.is_near(expected, got, rounding * math.max(math.abs(expected), scale or 0))
end

-- given: train; outer = function(w) -> expression; init of w; a of J
local function quadratic(given)
  local w = hyla.weight("w", {}, given.init or w0)
  return hyla.problem {
    inner = (given.a or a) * w ^ 2 / 2, outer = given.outer and given.outer(w) or w ^ 2 / 2,
    train = given.train or hyla.gd { rate = eta, steps = T }, method = hyla.reverse(), dtype = "float64",
  }
end

local function hyper(name, value) return hyla.hyper(name, { init = value }) end

describe("Reverse-HG", function()
  it("gives the hypergradient of a learning rate", function()
    local p = quadratic { train = hyla.gd { rate = hyper("eta", eta), steps = T } }
    local g, f = p:hypergradient()
    near(w0 ^ 2 * r ^ (2 * T) / 2, f)
    near(-T * a * w0 ^ 2 * r ^ (2 * T - 1), g.eta)
    assert.hypergradient(p)
  end)

  it("gives the hypergradient of a hyperparameter inside the inner objective", function()
    local p = quadratic { a = hyper("a", a) }
    near(-T * eta * w0 ^ 2 * r ^ (2 * T - 1), p:hypergradient().a)
  end)

  it("has the term of the first step", function()
    local p = quadratic { train = hyla.gd { rate = hyper("eta", eta), steps = 1 } }
    near(w0 * r * -a * w0, p:hypergradient().eta)
  end)

  it("has the direct term of the outer objective", function()
    local c = hyper("c", 0.75)
    local p = quadratic { outer = function(w) return c * w ^ 2 / 2 + c ^ 3 end }
    near(w0 ^ 2 * r ^ (2 * T) / 2 + 3 * 0.75 ^ 2, p:hypergradient().c)
  end)

  it("adds the direct term to that through training", function()
    local rate = hyper("eta", eta)
    local p = quadratic {
      train = hyla.gd { rate = rate, steps = T }, outer = function(w) return w ^ 2 / 2 + 5 * rate end,
    }
    near(-T * a * w0 ^ 2 * r ^ (2 * T - 1) + 5, p:hypergradient().eta)
  end)

  it("has the term of an initial state that depends on a hyperparameter", function()
    local start = hyper("start", 0.5)
    local p = quadratic { init = 3 * start }
    near(9 * 0.5 * r ^ (2 * T), p:hypergradient().start)
    assert.hypergradient(p)
  end)

  it("has it for accessories, too", function()
    -- v_0 = s and momentum mu, T = 2: w_1 = w0 - eta (mu s + a w0), and v_1 goes on into w_2.
    local s, mu = hyper("s", 0.5), 0.9
    local train = hyla.update {
      steps = 2, accessories = { v = s },
      step = function(w, acc, g)
        local v = mu * acc.v + g
        return w - eta * v, { v = v }
      end,
    }
    local p = quadratic { train = train }
    local v1 = mu * 0.5 + a * w0
    local w1 = w0 - eta * v1
    local w2 = w1 - eta * (mu * v1 + a * w1)
    local dw1 = -eta * mu
    local dw2 = dw1 - eta * (mu * mu + a * dw1)
    near(w2 * dw2, p:hypergradient().s, 1)
  end)

  it("is a true zero where the derivative vanishes", function()
    local p = quadratic { train = hyla.gd { rate = hyper("eta", eta), steps = T }, init = 0 }
    assert.are.equal(0, p:hypergradient().eta)
  end)

  it("goes through momentum and Adam as they step", function()
    local momentum = hyla.momentum { rate = hyper("eta", eta), momentum = hyper("mu", 0.5), steps = T }
    -- w_T is near 0 here, so h = 2^-10 would truncate at 1e-5 of the derivative; h^4 makes that 2e-10 at 2^-14.
    assert.hypergradient(quadratic { train = momentum }, { step = 2 ^ -14 })
    local adam = hyla.adam {
      rate = hyper("eta", eta), beta1 = hyper("beta1", 0.8), beta2 = hyper("beta2", 0.9),
      epsilon = hyper("epsilon", 1e-2), steps = T,
    }
    assert.hypergradient(quadratic { train = adam }, { step = 2 ^ -14 })
  end)

  it("is finite through Adam where a second moment is zero", function()
    local w = hyla.weight("w", { 2 }, { 1.5, 0 })
    local p = hyla.problem {
      inner = (w ^ 2):sum(), outer = (w ^ 2):sum(), dtype = "float64",
      train = hyla.adam { rate = hyper("eta", eta), steps = T },
    }
    assert.hypergradient(p)
  end)

  it("goes through stretches of different training over one state", function()
    local e1, e2 = hyper("e1", 0.02), hyper("e2", 0.03)
    local p = quadratic { train = {
      hyla.gd { rate = e1, steps = 7 }, hyla.momentum { rate = e2, momentum = 0.9, steps = 5 },
      hyla.gd { rate = e1, steps = 3 },
    } }
    assert.are.equal(15, p.steps)
    assert.hypergradient(p)
  end)

  it("differentiates an inner objective that has gradients in it", function()
    -- J = w^4/4 + c |J0'|^2 / 2 with J0 = w^4/4, so dJ/dw = w^3 + 3 c w^5.
    local w, c = hyla.weight("w", {}, 0.8), hyper("c", 0.3)
    local base = w ^ 2 * w ^ 2 / 4
    local inner = base + c * hyla.gradient(base, w) ^ 2 / 2
    local p = hyla.problem {
      inner = inner, outer = w ^ 2, train = hyla.gd { rate = 0.1, steps = 1 }, dtype = "float64",
    }
    local w1 = 0.8 - 0.1 * (0.8 ^ 3 + 3 * 0.3 * 0.8 ^ 5)
    near(2 * w1 * -0.1 * 3 * 0.8 ^ 5, p:hypergradient().c)
  end)

  it("obeys stop_gradient", function()
    local w, c = hyla.weight("w", {}, 0.8), hyper("c", 0.3)
    local p = hyla.problem {
      inner = c * w, outer = w ^ 2, train = hyla.gd { rate = hyla.stop_gradient(c), steps = 1 }, dtype = "float64",
    }
    local w1 = 0.8 - 0.3 * 0.3
    near(2 * w1 * -0.3, p:hypergradient().c)
  end)
end)

-- Softmax regression on 200 digits of which half have a wrong label; one weight an example.
describe("Reverse-HG on data with wrong labels", function()
  local n, classes = 200, 10
  local train, valid = hyla.data("digits", { n = 2 * n }):split({ n, n }, 11)
  train = train:corrupt_labels(0.5, 12)
  local x, y, valid_x, valid_y, width = train.x, train.y, valid.x, valid.y, train.width

  local function cleaning()
    local W, b = hyla.weight("W", { width, classes }, hyla.zeros), hyla.weight("b", { classes }, hyla.zeros)
    local lambda = hyla.hyper("lambda", { size = n, init = hyla.uniform { seed = 13, lo = 0.1, hi = 0.9 } })
    local function loss(on, of) return hyla.cross_entropy(on:matmul(W) + b, of) end
    return hyla.problem {
      inner = (lambda * loss(x, y)):mean(), outer = loss(valid_x, valid_y):mean(), dtype = "float64",
      train = hyla.gd { rate = 0.5, steps = 50 },
    }
  end

  it("agrees with central differences in every component, to 1e-6", function()
    -- h = 2^-10 truncates at h^4, about 1e-12 of f; a lost step would cost 1/50.
    assert.hypergradient(cleaning(), { components = n, relative = 1e-6 })
  end)

  it("agrees with them along random directions, to 1e-8", function()
    assert.hypergradient(cleaning(), { components = 1, directions = 4, relative = 1e-8 })
  end)

  it("has the same bits twice, and on one, two and three threads", function()
    local threads = hyla.threads()
    local function bits(count)
      hyla.threads(count)
      local p = cleaning()
      local g, f = p:hypergradient()
      local again = p:hypergradient()
      assert.same(g.lambda:totable(), again.lambda:totable())
      return { f, g.lambda:totable() }
    end
    local one, two, three = bits(1), bits(2), bits(3)
    hyla.threads(threads)
    assert.same(one, two)
    assert.same(one, three)
  end)
end)
