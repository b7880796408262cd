--- One step of Forward-HG, the work of real-time training between updates: a network of 15.7 million weights (phone
-- classification with a secondary task: 1353 inputs, four hidden layers of 2000 ReLU, 183 classes and 300 embeddings),
-- momentum, and tangents for the learning rate, the momentum and the weight of the secondary loss. The mini-batch is
-- fixed; making the problem and the first step, which warms memory, are outside the clock.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local ffi = require "ffi"
local engine = require "hyla.ffi"
local hyla = require "hyla"
local method = require "hyla.method"
local tensor = require "hyla.tensor"
local C, check = engine.C, engine.check

local INPUTS, HIDDEN, LAYERS, CLASSES, EMBEDDING = 1353, 2000, 4, 183, 300
local HEAD_DEVIATION = 0.03

local function layer(name, inputs, outputs, deviation, seed)
  local W = hyla.weight(name .. "_W", { inputs, outputs }, hyla.normal { seed = seed, deviation = deviation })
  local b = hyla.weight(name .. "_b", { outputs }, hyla.zeros)
  return function(x) return x:matmul(W) + b end
end

-- The logits of the classes, and the embedding, of rows x.
local function network(seed)
  local hidden, width = {}, INPUTS
  for i = 1, LAYERS do
    hidden[i] = layer("hidden" .. i, width, HIDDEN, math.sqrt(2 / (width + HIDDEN)), seed)
    width = HIDDEN
  end
  local primary = layer("primary", HIDDEN, CLASSES, HEAD_DEVIATION, seed)
  local secondary = layer("secondary", HIDDEN, EMBEDDING, HEAD_DEVIATION, seed)
  return function(x)
    for _, each in ipairs(hidden) do x = each(x):relu() end
    return primary(x), secondary(x)
  end
end

-- Rows of noise: the time does not depend on what is learned.
local function batch(o, stream)
  local label = {}
  for i = 1, o.batch do label[i] = (i - 1) % CLASSES end
  return {
    x = tensor.normal({ o.batch, INPUTS }, { seed = o.seed, stream = stream }),
    label = tensor.from(label, "int32"),
    embedding = tensor.normal({ o.batch, EMBEDDING }, { seed = o.seed, stream = stream + 1 }),
  }
end

local function problem(o)
  local train, valid, predict = batch(o, 1), batch(o, 3), network(o.seed)
  local rate = hyla.hyper("rate", { init = 0.001 })    -- noise is not learned: a larger one diverges
  local momentum = hyla.hyper("momentum", { init = 0.5 })
  local rho = hyla.hyper("rho", { init = 1.6 })
  local logits, embedding = predict(train.x)
  return hyla.problem {
    inner = hyla.cross_entropy(logits, train.label):mean()
            + rho * 0.5 * hyla.squared_error(embedding, train.embedding):mean(),
    outer = hyla.cross_entropy(predict(valid.x), valid.label):mean(),
    train = hyla.momentum { rate = rate, momentum = momentum, steps = o.steps + 1 },
    method = hyla.forward(),
  }
end

-- Seconds a step by a method, the least of `repeats` trainings.
local function seconds_of(p, made, o)
  local handle, lambda = made.new(p.handle), ffi.new("hyla_tensor *[?]", #p.hypers)
  for i, hyper in ipairs(p.hypers) do lambda[i - 1] = hyper.value end
  local best = math.huge
  for _ = 1, o.repeats do
    check(C.hyla_method_start(handle, lambda))
    check(C.hyla_method_advance(handle, 1))
    best = math.min(best, lib.best(o.steps, function() check(C.hyla_method_advance(handle, 1)) end))
  end
  C.hyla_method_drop(ffi.gc(handle, nil))              -- now, not when the collector comes by
  return best
end

return {
  about = "One step of Forward-HG with 3 hyperparameters on 15.7 million weights",
  options = { batch = 200, steps = 3, threads = 2, repeats = 2, seed = 1 },

  run = function(o)
    C.hyla_threads(o.threads)
    local p = problem(o)
    collectgarbage()
    local plain = seconds_of(p, method.train(), o)
    local forward = seconds_of(p, p.method, o)
    return { workload = "realtime", batch = o.batch, steps = o.steps, threads = o.threads, seconds = forward,
             plain_seconds = plain, ratio = forward / plain, peak_bytes = lib.peak_bytes(),
             kernels = ffi.string(C.hyla_kernel_variant()) }
  end,
}
