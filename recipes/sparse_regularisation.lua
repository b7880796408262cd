--- A regulariser for each feature of a sparse logistic regression (Pedregosa 2016, Do et al. 2007): as many
-- hyperparameters as there are features,
--
--     J = (1/n) sum_i log(1 + e^z_i) - y_i z_i + (1/2) sum_j lambda_j w_j^2,   z = X w + b,
--
-- learned on the logarithm of lambda so that the loss on a validation set is least: features that say nothing are
-- regularised away. HOAG solves for the hypergradient where training has converged, more exactly from hyper-iteration
-- to hyper-iteration; Reverse-HG goes back through all steps of training; both take HOAG's adaptive steps. "shared"
-- learns one lambda for all features. data=words draws documents; data=rcv1.svm.gz reads a file of svmlight's format.
local hyla = require "hyla"

local function split(o)
  local sizes = { o.train, o.valid, o.test }
  local all = o.data == "words" and hyla.data("words", { n = o.train + o.valid + o.test }) or hyla.data.svmlight(o.data)
  local train, valid, test = all:split(sizes, o.seed)
  return { train = train, valid = valid, test = test }
end

-- One lambda, or one for each feature; `method` says how its hypergradient is computed.
local function learner(o, parts, method, shared)
  local features = parts.train.width
  local w, b = hyla.weight("w", { features, 1 }, hyla.zeros), hyla.weight("b", { 1 }, hyla.zeros)
  local lambda = hyla.hyper("lambda", { size = not shared and features or nil, init = o.lambda, scale = "log",
    within = hyla.box(o.lowest, o.highest) })
  local function logits(part) return (part.x:matmul(w) + b):reshape { part.size } end
  local function loss(part)
    local z = logits(part)
    return (z:softplus() - part.y:cast("float") * z):mean()
  end
  local function accuracy(part) return logits(part):gt(0):eq(part.y:cast("float")):mean() end
  return hyla.problem {
    inner = loss(parts.train) + (lambda * w:reshape { features } ^ 2):sum() / 2,
    outer = loss(parts.valid),
    train = hyla.momentum { rate = o.rate, momentum = o.momentum, steps = o.steps },
    method = method,
    improve = hyla.hoag { steps = o.hyper_steps, rate = o.hyper_rate },
    watch = { test_accuracy = accuracy(parts.test), strong = lambda:gt(o.lambda):cast("float"):mean() },
  }
end

-- Its tolerance falls from hyper-iteration to hyper-iteration.
local function implicit(o)
  return hyla.implicit { tolerance = function(k) return math.max(o.tolerance * o.decrease ^ k, o.least) end }
end

local count = { 1, integer = true }

return hyla.recipe {
  about = "Sparse logistic regression with a learned regulariser for each feature",
  options = {
    data = "words", train = 1000, valid = 2000, test = 3000, seed = 1,
    lambda = 1e-3, lowest = 3e-5, highest = 0.03,  -- of every feature: at first, and its bounds
    steps = 1000, rate = 10, momentum = 0.9,
    hyper_steps = 25, hyper_rate = 300,
    tolerance = 0.1, decrease = 0.8, least = 1e-4,
  },
  profiles = { quick = { train = 300, valid = 300, test = 1000, steps = 300, hyper_steps = 10 } },
  bounds = {
    train = count, valid = count, test = count, steps = count, hyper_steps = count, seed = { 0, integer = true },
    lambda = { 0 }, lowest = { 0 }, highest = { 0 }, rate = { 0 }, hyper_rate = { 0 }, momentum = { 0, 1 },
    tolerance = { 0 }, decrease = { 0, 1 }, least = { 0 },
  },
  columns = { "method", "seconds", "response", "test_accuracy" },

  build = function(o) return learner(o, split(o), implicit(o)) end,
  problems = { learner = learner },

  run = function(o, lab)
    local parts = split(o)
    local function row(name, method, shared)
      local found = lab:optimise(name, lab:problem("learner", parts, method, shared))
      lab:result { method = name, seconds = found.seconds, response = found.response,
        test_accuracy = found.values.test_accuracy }
    end
    row("shared", implicit(o), true)
    row("HOAG", implicit(o))
    row("Reverse-HG", hyla.reverse())
  end,
}
