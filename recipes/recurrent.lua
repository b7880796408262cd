--- What the methods correspond to (Franceschi et al. 2017, section 3.3). Let training be a recurrent network that reads
-- a sequence: its hidden state h_t is the state, its weights are the hyperparameters, its error is summed over time,
--
--     h_t = tanh(x_t U + h_{t-1} W + b),   f = sum_t E(h_t V + c, y_t)
--
-- Then Reverse-HG is back-propagation through time, Forward-HG is real-time recurrent learning, and RTHO is the latter
-- as it was meant: one endless sequence, the weights improved on the way. The first two give the same gradient.
--
-- The task: x_t is +1 or -1, and the network has to say the product of the two before it, x_{t-1} x_{t-2}: half of its
-- answers are wrong without a memory.
local hyla = require "hyla"

-- Sequences as rows, time first: x and y are [steps, sequences, 1]; y is 0 where there are no two before it.
local function product_of_two(sequences, steps, seed)
  local x = hyla.normal { seed = seed } ({ steps, sequences, 1 }):sign()
  local y = x:slice(1, 2, steps - 1) * x:slice(1, 1, steps - 2)
  return { x = x, y = y:pad({ 2, 0, 0 }, { 0, 0, 0 }), size = sequences, steps = steps }
end

-- The network over some sequences. start: values of the weights by name; random ones without it.
local function network(o, data, method, start)
  local function weight(name, shape, deviation)
    local random = hyla.normal { seed = o.seed, deviation = deviation }
    return hyla.hyper(name, { shape = shape, init = start and start[name] or random })
  end
  local U, W = weight("U", { 1, o.units }, 1), weight("W", { o.units, o.units }, 1 / math.sqrt(o.units))
  local b, V, c = weight("b", { o.units }, 0.1), weight("V", { o.units, 1 }, 0.1), weight("c", { 1 }, 0.1)

  local h = hyla.state("h", { data.size, o.units }, hyla.zeros)
  local wrong = hyla.state("wrong", {}, 0)                              -- answers so far: a count, not learned from
  local x, y = hyla.at_step(data.x), hyla.at_step(data.y)
  local next_h = (x:matmul(U) + h:matmul(W) + b):tanh()
  local function margin(state) return y * (state:matmul(V) + c) end
  local answers = data.size * (data.steps - 2)
  return hyla.problem {
    train = hyla.transition { steps = data.steps, next = {
      h = next_h, wrong = wrong + hyla.stop_gradient(margin(next_h)):lt(0):sum(),
    } },
    cost = (hyla.softplus(-margin(h)) * y ^ 2):sum() / answers,         -- of h_t; y^2 is 0 where there is no answer
    method = method,
    improve = hyla.adam { rate = o.hyper_rate, steps = o.hyper_steps },
    watch = { wrong = wrong / answers },
  }
end

-- The largest difference between two hypergradients, beside the largest component of the first.
local function difference(a, b)
  local largest, apart = 0, 0
  for name, g in pairs(a) do
    largest = math.max(largest, g:abs():max():item())
    apart = math.max(apart, (g - b[name]):abs():max():item())
  end
  return apart / largest
end

local count = { 1, integer = true }

return hyla.recipe {
  about = "A recurrent network: Reverse-HG is back-propagation through time, Forward-HG real-time recurrent learning",
  options = {
    sequences = 32, steps = 20, units = 8, seed = 1, hyper_rate = 0.03,
    hyper_steps = 300,
    every = 5,                             -- steps between updates in real time
  },
  profiles = { quick = { hyper_steps = 150 } },
  bounds = {
    sequences = count, steps = { 3, integer = true }, units = count, seed = { 0, integer = true }, hyper_rate = { 0 },
    hyper_steps = count, every = count,
  },
  columns = { "method", "updates", "steps", "wrong_before", "wrong_after" },

  build = function(o) return network(o, product_of_two(o.sequences, o.steps, o.seed), hyla.reverse()) end,
  problems = { network = network },

  run = function(o, lab)
    local data = product_of_two(o.sequences, o.steps, o.seed)
    local stream = product_of_two(o.sequences, o.every * (o.hyper_steps + 1), o.seed + 1)
    local test = product_of_two(10 * o.sequences, o.steps, o.seed + 2)
    local function wrong(stage, weights)
      return lab:train(stage, lab:problem("network", test, hyla.reverse(), weights)).values.wrong
    end
    local before = wrong("before")

    local function learn(name, on, method)
      local learned = lab:optimise(name, lab:problem("network", on, method))
      local after = wrong(name .. ", test", learned.hypers)
      lab:result { method = name, updates = learned.iterations, wrong_before = before, wrong_after = after,
        steps = learned.step or learned.iterations * on.steps }   -- of the network, one update after another
    end
    local reverse, forward = network(o, data, hyla.reverse()), network(o, data, hyla.forward())
    lab:note("largest difference of the gradients by Reverse-HG and Forward-HG: %.2g of the largest component",
             difference(reverse:hypergradient(), forward:hypergradient()))
    learn("Reverse-HG", data, hyla.reverse())
    learn("Forward-HG", data, hyla.forward())
    learn("RTHO", stream, hyla.rtho { every = o.every })
  end,
}
