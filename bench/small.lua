--- What a small problem costs, where every operation is short: logistic regression on 500 x 20 with a learned weight
-- decay for each feature, T = 100. One unit is a hypergradient and a step of gradient descent on the 20 logarithms.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local C = require("hyla.ffi").C
local hyla = require "hyla"
local tensor = require "hyla.tensor"

local EXAMPLES, FEATURES, NOISE = 500, 20, 0.5

-- Two halves of data that one random vector labels; the labels of the first are noisy.
local function parts(seed)
  local function normal(stream, ...) return tensor.normal({ ... }, { seed = seed, stream = stream }) end
  local w, x, v = normal(1, FEATURES), normal(2, EXAMPLES, FEATURES), normal(3, EXAMPLES, FEATURES)
  local noisy = x:matmul(w) + NOISE * normal(4, EXAMPLES)
  return { x = x, y = noisy:gt(0) }, { x = v, y = v:matmul(w):gt(0) }
end

local function problem(o)
  local train, valid = parts(o.seed)
  local w = hyla.weight("w", { FEATURES }, hyla.zeros)
  local decay = hyla.hyper("decay", { size = FEATURES, init = 0 })
  local function loss(part) return hyla.binary_cross_entropy(part.x:matmul(w), part.y):mean() end
  local made = hyla.problem {
    inner = loss(train) + 0.5 * (decay:exp() * w ^ 2):sum(),
    outer = loss(valid),
    train = hyla.gd { rate = 0.1, steps = o.steps },
    method = hyla.reverse(),
    improve = hyla.gd { rate = 0.1 },
  }
  return made
end

return {
  about = "Logistic regression 500 x 20, T = 100: hypergradient and update of 20 hyperparameters",
  options = { steps = 100, threads = 1, iterations = 200, repeats = 3, seed = 0 },

  run = function(o)
    C.hyla_threads(o.threads)
    local p = problem(o)
    local improver, response = p:improver(), nil
    local seconds = lib.best(o.repeats, function()
      for _ = 1, o.iterations do
        local g
        g, response = p:hypergradient()
        improver:step(g)
      end
    end)
    return { workload = "small", steps = o.steps, threads = o.threads, seconds = seconds / o.iterations,
             peak_bytes = lib.peak_bytes(), response = response }
  end,
}
