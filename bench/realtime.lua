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
local INIT = { rate = 0.001, momentum = 0.5, rho = 1.6 }   -- noise is not learned: a larger rate diverges

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

-- Tangents for the first o.tangents of the three hyperparameters; the others are numbers.
local function problem(o)
  local train, valid, predict = batch(o, 1), batch(o, 3), network(o.seed)
  local function setting(i, name)
    return i <= o.tangents and hyla.hyper(name, { init = INIT[name] }) or INIT[name]
  end
  local rate, momentum, rho = setting(1, "rate"), setting(2, "momentum"), setting(3, "rho")
  local logits, embedding = predict(train.x)
  local p = hyla.problem {
    inner = hyla.cross_entropy(logits, train.label):mean()
            + rho * 0.5 * hyla.squared_error(embedding, train.embedding):mean(),
    outer = hyla.cross_entropy(predict(valid.x), valid.label):mean(),
    train = hyla.momentum { rate = rate, momentum = momentum, steps = o.steps + 1 },
    method = hyla.forward(),
  }
  return p, train, valid
end

local function started(p, made)
  local handle, lambda = made.new(p.handle), ffi.new("hyla_tensor *[?]", math.max(#p.hypers, 1))
  for i, hyper in ipairs(p.hypers) do lambda[i - 1] = hyper.value end
  check(C.hyla_method_start(handle, lambda))
  return handle
end

-- Drops a method now, not when the collector comes by.
local function drop(handle) C.hyla_method_drop(ffi.gc(handle, nil)) end

-- Seconds a step by a method, the least of a training of its own.
local function seconds_of(p, made, o)
  local handle = started(p, made)
  check(C.hyla_method_advance(handle, 1))
  local best = lib.best(o.steps, function() check(C.hyla_method_advance(handle, 1)) end)
  drop(handle)
  return best
end

-- The partial hypergradient after o.steps steps.
local function partial(p, o)
  local handle, f = started(p, p.method), ffi.new "double[1]"
  local g, out = {}, ffi.new("hyla_tensor *[?]", #p.hypers)
  for i in ipairs(p.hypers) do
    g[i] = tensor.zeros {}
    out[i - 1] = g[i]
  end
  check(C.hyla_method_advance(handle, o.steps))
  check(C.hyla_method_partial(handle, f, out))
  drop(handle)
  local outputs = { response = f[0] }
  for i, hyper in ipairs(p.hypers) do outputs[hyper.name] = g[i]:item() end
  return outputs
end

-- The initial weights are copied from a training that is dropped again, so that they do not count as held by a step.
local function inputs_of(p, o, train, valid)
  local handle, inputs = started(p, method.train()), {}
  for i, leaf in ipairs(p.layout.states) do
    local view = ffi.new "hyla_tensor *[1]"
    check(C.hyla_method_state(handle, i - 1, view))
    if leaf.op == "weight" then inputs[leaf.name] = tensor.adopt(view[0]):clone() else tensor.adopt(view[0]) end
  end
  drop(handle)
  inputs.steps, inputs.rate, inputs.momentum, inputs.rho = o.steps, INIT.rate, INIT.momentum, INIT.rho
  for name, part in pairs { train = train, valid = valid } do
    for key, value in pairs(part) do inputs[name .. "_" .. key] = value end
  end
  return inputs
end

-- Multiply-adds of all layers for one example, and of the first layer alone.
local function sizes()
  local first = INPUTS * HIDDEN
  return first + (LAYERS - 1) * HIDDEN * HIDDEN + HIDDEN * (CLASSES + EMBEDDING), first
end

-- Products of a step: each layer's forward, its weights' gradient and its input's, but for the first one's. A tangent
-- moves both factors of each: twice the products, but for those by the first layer's input, which has no tangent.
local function flops_of(o)
  local all, first = sizes()
  local plain = 2 * o.batch * (3 * all - first)
  return plain, plain + o.tangents * 2 * o.batch * (6 * all - 4 * first)
end

return {
  about = "One step of Forward-HG with 3 hyperparameters on 15.7 million weights",
  options = { batch = 200, steps = 3, threads = 2, repeats = 2, seed = 1, tangents = 3 },
  bounds = { batch = { 1, integer = true }, steps = { 1, integer = true }, tangents = { 1, 3, integer = true } },
  ratio = function(result) return result.seconds / result.plain_seconds end,

  problem = problem,
  seconds_of = seconds_of,

  open = function(o)
    local p, train, valid = problem(o)
    return {
      inputs = function() return inputs_of(p, o, train, valid) end,
      outputs = function() return partial(p, o) end,
      round = function()
        return { plain_seconds = seconds_of(p, method.train(), o), seconds = seconds_of(p, p.method, o) }
      end,
      result = function()
        local plain, forward = flops_of(o)
        return { batch = o.batch, steps = o.steps, kernels = lib.kernels(), flops = forward, plain_flops = plain }
      end,
    }
  end,
}
