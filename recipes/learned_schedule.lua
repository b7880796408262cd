--- A learning rate for each step and each layer, learned by gradient (Maclaurin, Duvenaud and Adams 2015, section 3.1):
-- with four layers and 250 steps, a thousand hyperparameters. A small network is trained by momentum on mini-batches;
-- what its schedule is judged by is the loss on validation data at the end.
--
-- Reverse-HG would store weights and velocities of every step. Momentum can be taken back instead: hyla.reversible
-- keeps the bits that the multiplication by the momentum loses, and re-creates every state from the next one.
local hyla = require "hyla"

-- A network of dense layers, tanh between them, as a function of data; and the weights of each layer.
local function network(widths, seed)
  local layers = {}
  for i = 1, #widths - 1 do
    layers[i] = {
      W = hyla.weight("W" .. i, { widths[i], widths[i + 1] }, hyla.xavier { seed = seed + i }),
      b = hyla.weight("b" .. i, { widths[i + 1] }, hyla.zeros),
    }
  end
  local function logits(x)
    for i, layer in ipairs(layers) do
      x = x:matmul(layer.W) + layer.b
      if i < #layers then x = x:tanh() end
    end
    return x
  end
  return logits, layers
end

-- A rate for each step [T, layers], by the names of weights as hyla.momentum wants it.
local function schedule(layers, o)
  local rates = hyla.hyper("rates", { shape = { o.steps, #layers }, init = o.rate, scale = "log",
    within = hyla.box(1e-5, 10) })
  local now, by_weight = hyla.at_step(rates), {}
  for i, layer in ipairs(layers) do
    local rate = now:slice(1, i, i)
    by_weight[layer.W.name], by_weight[layer.b.name] = rate, rate
  end
  return by_weight, rates
end

local function split(o) return hyla.data(o.data):split({ o.train, o.valid, o.test }, o.seed) end

local function learned(o)
  local train, valid, test = split(o)
  local logits, layers = network({ train.width, o.hidden, o.hidden, o.hidden, train.classes }, o.seed)
  local function loss(part) return hyla.cross_entropy(logits(part.x), part.y):mean() end
  local by_weight, rates = schedule(layers, o)
  local watch = {
    valid_accuracy = hyla.accuracy(logits(valid.x), valid.y), test_accuracy = hyla.accuracy(logits(test.x), test.y),
  }
  for i = 1, #layers do watch["mean_rate_" .. i] = rates:slice(2, i, i):mean() end
  return hyla.problem {
    inner = loss(train:batches { size = o.batch, seed = o.seed }), outer = loss(valid),
    train = hyla.momentum { rate = by_weight, momentum = o.momentum, steps = o.steps },
    method = hyla.reversible(),
    improve = hyla.adam { rate = o.hyper_rate, steps = o.hyper_steps },
    watch = watch,
  }
end

-- What the way back takes, beside what storing every state would.
local function memory(problem)
  local reversible = problem:cost().bytes
  local storing = problem:with({ method = hyla.reverse { memory = "1T" } }):cost()
  return { reversible = reversible, storing = storing.bytes, ratio = storing.bytes / reversible }
end

local count = { 1, integer = true }

return hyla.recipe {
  about = "A learning rate for each step and layer, learned through reversible momentum",
  options = {
    data = "digits", train = 1000, valid = 1000, test = 2000, hidden = 32, seed = 1,
    steps = 250, batch = 100, rate = 0.02, momentum = 0.9,
    hyper_steps = 50, hyper_rate = 0.1,   -- steps in the logarithm of the rates
  },
  profiles = { quick = { steps = 100, hyper_steps = 15, train = 500, valid = 500 } },
  bounds = {
    train = count, valid = count, test = count, hidden = count, steps = count, batch = count, hyper_steps = count,
    rate = { 1e-5, 10 }, hyper_rate = { 0 }, momentum = { 0, 1 }, seed = { 0, integer = true },
  },
  columns = { "schedule", "response", "valid_accuracy", "test_accuracy" },

  build = learned,

  run = function(_, lab)
    local build = lab:problem()
    local bytes = memory(build())
    lab:note("kept for the way back: %.3g MiB; storing every step: %.3g MiB, %.0f times that",
             bytes.reversible / 2 ^ 20, bytes.storing / 2 ^ 20, bytes.ratio)
    local best = lab:optimise("schedule", build)
    local first = best.series[1] or best.values
    local function result(name, response, values)
      lab:result { schedule = name, response = response, valid_accuracy = values.valid_accuracy,
        test_accuracy = values.test_accuracy }
    end
    result("constant", first.response or best.response, first)
    result("learned", best.response, best.values)
  end,
}
