-- Forward-HG: the same hypergradient as Reverse-HG, from tangents; and what is its own: groups, and memory flat in T.
local hyla = require "hyla"
require "hyla.spec"

local function hyper(name, value, size)
  return hyla.hyper(name, { init = value, size = size or type(value) ~= "number" and value.size or nil })
end

local function tensor(...) return hyla.tensor({ ... }, "float64") end

-- Problems that between them have: every setting of an optimizer, accessories, the direct term, a start that depends on
-- hyperparameters, stretches, vectors of hyperparameters. Each is made anew for its method.
local problems = {
  ["gradient descent on a quadratic"] = function(method)
    local w = hyla.weight("w", { 3 }, tensor(1, -2, 0.5))
    local a, eta = hyper("a", tensor(0.5, 1, 2)), hyper("eta", 0.1)
    return { inner = (a * w ^ 2):sum(), outer = (w ^ 2):sum() + 2 * eta, method = method, dtype = "float64",
      train = hyla.gd { rate = eta, steps = 12 } }
  end,
  ["momentum from a learned start"] = function(method)
    local start = hyper("start", tensor(0.3, -0.6))
    local w = hyla.weight("w", { 2 }, start:tanh() * 2)
    local eta, mu = hyper("eta", 0.05), hyper("mu", 0.6)
    return { inner = (w ^ 2 * tensor(1, 3)):sum() + w:exp():sum(), outer = (w - 1):abs():sum() * mu, method = method,
      dtype = "float64", train = hyla.momentum { rate = eta, momentum = mu, steps = 15 } }
  end,
  ["adam, all of whose settings are learned"] = function(method)
    local w = hyla.weight("w", { 2 }, tensor(1.5, -1))
    local rate, b1, b2, eps = hyper("rate", 0.1), hyper("b1", 0.8), hyper("b2", 0.95), hyper("eps", 1e-3)
    return { inner = (w ^ 2 * w ^ 2):sum() + (w * tensor(1, 2)):sum(), outer = (w ^ 2):sum(), method = method,
      dtype = "float64",
      train = hyla.adam { rate = rate, beta1 = b1, beta2 = b2, epsilon = eps, steps = 9 } }
  end,
  ["stretches over one state"] = function(method)
    local w = hyla.weight("w", { 2 }, tensor(1, 2))
    local c, eta = hyper("c", tensor(0.2, 0.4)), hyper("eta", 0.07)
    return { inner = (w ^ 2 * c):sum() + w:cos():sum(), outer = (w * c):sum(), method = method, dtype = "float64",
      train = { hyla.gd { rate = eta, steps = 5 }, hyla.gd { rate = eta * c, steps = 4 } } }
  end,
  ["softmax regression with a weight an example"] = function(method)
    local x = hyla.normal { seed = 1 } ({ 40, 6 }, "float64", 1)
    local y = x:matmul(hyla.normal { seed = 2 } ({ 6, 3 }, "float64", 1)):argmax()
    local W = hyla.weight("W", { 6, 3 }, hyla.zeros)
    local weight = hyper("weight", 0.5, 40)
    local function loss(z) return hyla.cross_entropy(z:matmul(W), y) end
    return { inner = (weight * loss(x)):mean(), outer = loss(x + 0.1):mean(), method = method, dtype = "float64",
      train = hyla.gd { rate = 0.8, steps = 10 } }
  end,
}

local function flat(g)
  local list, names = {}, {}
  for name in pairs(g) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = g[name]
    if type(value) == "number" then list[#list + 1] = value
    else for _, v in ipairs(value:totable()) do list[#list + 1] = v end end
  end
  return list
end

local function distance(a, b)
  local x, y, difference, norm = flat(a), flat(b), 0, 0
  assert.equal(#x, #y)
  for i = 1, #x do difference, norm = difference + (x[i] - y[i]) ^ 2, norm + x[i] ^ 2 end
  return math.sqrt(difference / norm)
end

describe("Forward-HG", function()
  for name, definition in pairs(problems) do
    it("equals Reverse-HG to 1e-12: " .. name, function()
      local reverse, f = hyla.problem(definition(hyla.reverse())):hypergradient()
      local forward, same = hyla.problem(definition(hyla.forward())):hypergradient()
      assert.is_near(f, same, 1e-14 * math.abs(f))
      assert.is_true(distance(reverse, forward) <= 1e-12)
    end)
  end

  it("equals the closed form of a learning rate", function()
    local a, w0, T, eta = 3, 1.5, 20, 0.05
    local w = hyla.weight("w", {}, w0)
    local p = hyla.problem { inner = a * w ^ 2 / 2, outer = w ^ 2 / 2, dtype = "float64", method = hyla.forward(),
      train = hyla.gd { rate = hyper("eta", eta), steps = T } }
    local exact = -T * a * w0 ^ 2 * (1 - eta * a) ^ (2 * T - 1)
    assert.is_near(exact, p:hypergradient().eta, 8 * T * 2 ^ -53 * math.abs(exact))
  end)

  it("gives the same bits in groups of any size", function()
    local definition = problems["softmax regression with a weight an example"]
    local expected = flat(hyla.problem(definition(hyla.forward())):hypergradient())
    for _, memory in ipairs { 1200, 3000, 9000 } do
      assert.same(expected, flat(hyla.problem(definition(hyla.forward { memory = memory })):hypergradient()))
    end
  end)

  it("takes as much memory for a thousand steps as for ten", function()
    local function bytes(T)
      local w, eta = hyla.weight("w", { 50 }, hyla.ones), hyper("eta", 0.01)
      local p = hyla.problem { inner = (w ^ 2):sum(), outer = (w ^ 2):sum(), method = hyla.forward(),
        train = hyla.gd { rate = eta, steps = T } }
      p:hypergradient()
      return p:bytes()
    end
    assert.equal(bytes(10), bytes(1000))
  end)

  it("refuses a budget that holds no tangent, with both figures", function()
    local p = hyla.problem(problems["gradient descent on a quadratic"](hyla.forward { memory = 8 }))
    local ok, message = pcall(p.hypergradient, p)
    assert.is_false(ok)
    assert.matches("a tangent needs %d+ bytes, and 8 are allowed", message)
  end)

  it("names op, line and step where training or a tangent diverges", function()
    local w, eta = hyla.weight("w", {}, 1), hyper("eta", 1e30)
    local p = hyla.problem { inner = w ^ 2, outer = w ^ 2, method = hyla.forward(),
      train = hyla.gd { rate = eta, steps = 50 } }
    local ok, message = pcall(p.hypergradient, p)
    assert.is_false(ok)
    assert.matches("diverged at step %d of 50 .*not finite", message)
  end)
end)
