-- Softmax regression learns its weights W; Hyla learns how: the learning rate and the weight decay of each class.
local hyla = require "hyla"

return hyla.recipe {
  about = "First steps: learn a learning rate and weight decays by gradient",
  options = { data = "digits", examples = 500, steps = 100, hyper_steps = 40, seed = 1 },

  build = function(o)
    local train, valid = hyla.data(o.data):split({ o.examples, o.examples }, o.seed)
    -- A weight is what training finds; a hyperparameter is what Hyla finds, within a set.
    local W = hyla.weight("W", { train.width, 10 }, hyla.zeros)
    local rate = hyla.hyper("rate", { init = 0.1, within = hyla.box(0, 1) })
    local decay = hyla.hyper("decay", { size = 10, init = 0, within = hyla.non_negative() })
    local function loss(part) return hyla.cross_entropy(part.x:matmul(W), part.y):mean() end

    return hyla.problem {
      inner = loss(train) + (decay * W ^ 2):sum(),                       -- what the steps of training go down
      outer = loss(valid),                                               -- what the result is judged by
      train = hyla.gd { rate = rate, steps = o.steps },
      method = hyla.reverse(),                                           -- how the hypergradient is computed
      improve = hyla.adam { rate = 0.01, steps = o.hyper_steps },        -- what is done with it
      watch = { valid_accuracy = hyla.accuracy(valid.x:matmul(W), valid.y), learned_rate = rate },
    }
  end,
}
