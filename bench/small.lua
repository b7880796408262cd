--- What a small problem costs, where every operation is short: logistic regression on 500 x 20 with a learned weight
-- decay for each feature, T = 100. One unit is a hypergradient and a step of gradient descent on the 20 logarithms.
-- At examples=500 features=20 it is the smallest of a family that `growth` measures, too.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local hyla = require "hyla"
local tensor = require "hyla.tensor"

local NOISE, RATE, HYPER_RATE = 0.5, 0.1, 0.1

-- Two halves of data that one random vector labels; the labels of the first are noisy.
local function parts_of(o)
  local function normal(stream, ...) return tensor.normal({ ... }, { seed = o.seed, stream = stream }) end
  local w = normal(1, o.features)
  local x, v = normal(2, o.examples, o.features), normal(3, o.examples, o.features)
  local noisy = x:matmul(w) + NOISE * normal(4, o.examples)
  return { x = x, y = noisy:gt(0) }, { x = v, y = v:matmul(w):gt(0) }
end

local function problem(o, method)
  local train, valid = parts_of(o)
  local w = hyla.weight("w", { o.features }, hyla.zeros)
  local decay = hyla.hyper("decay", { size = o.features, init = 0 })
  local function loss(part) return hyla.binary_cross_entropy(part.x:matmul(w), part.y):mean() end
  local p = hyla.problem {
    inner = loss(train) + 0.5 * (decay:exp() * w ^ 2):sum(),
    outer = loss(valid),
    train = hyla.gd { rate = RATE, steps = o.steps },
    method = method or hyla.reverse(),
    improve = hyla.gd { rate = HYPER_RATE },
  }
  return p, train, valid
end

return {
  about = "Logistic regression 500 x 20, T = 100: hypergradient and update of 20 hyperparameters",
  options = { steps = 100, threads = 2, iterations = 1000, repeats = 3, seed = 0, examples = 500, features = 20 },
  problem = problem,

  open = function(o)
    local p, train, valid = problem(o)
    local first, first_response = p:hypergradient()
    local improver, response = p:improver(), first_response
    return {
      inputs = function()
        return { x = train.x, y = train.y:cast "float", valid_x = valid.x, valid_y = valid.y:cast "float",
                 decay = tensor.zeros { o.features }, rate = RATE, hyper_rate = HYPER_RATE, steps = o.steps }
      end,
      outputs = function() return { decay = first.decay, response = first_response } end,
      round = function()
        return { seconds = lib.time(function()
          for _ = 1, o.iterations do
            local g
            g, response = p:hypergradient()
            improver:step(g)
          end
        end) / o.iterations }
      end,
      result = function()
        return { steps = o.steps, response = response, flops = 8 * o.examples * o.features * o.steps }
      end,
    }
  end,
}
