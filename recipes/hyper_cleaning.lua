--- Data hyper-cleaning (Franceschi et al. 2017, section 5.1). Half of the training labels are wrong. Every training
-- example has a weight lambda_i in the loss that is trained on; the weights are hyperparameters, learned so that what
-- training ends with does well on a clean validation set:
--
--     min over lambda of E_valid(W_T, b_T),  J = (1/N) sum_i lambda_i l_i(W, b),
--     0 <= lambda_i <= 1,  sum_i lambda_i <= R
--
-- The sum bound R drives weights to zero: these examples are discarded. DH-R trains once more, on what is kept and on
-- the validation set. Oracle knows which labels are wrong, Baseline trusts all of them.
local hyla = require "hyla"

-- Softmax regression from zero: the loss of each example of a part of the data, and the share it gets right.
local function softmax_regression(part)
  local W = hyla.weight("W", { part.width, part.classes }, hyla.zeros)
  local b = hyla.weight("b", { part.classes }, hyla.zeros)
  local function logits(on) return on.x:matmul(W) + b end
  return {
    loss = function(on) return hyla.cross_entropy(logits(on), on.y) end,
    accuracy = function(on) return hyla.accuracy(logits(on), on.y) end,
  }
end

local function split(o)
  local train, valid, test = hyla.data(o.data):split({ o.train, o.valid, o.test }, o.seed)
  return { train = train:corrupt_labels(o.corrupted, o.seed), clean = train, valid = valid, test = test }
end

-- Learns the weights of the training examples. What it watches is Figure 1 of the paper.
local function cleaner(o, parts, budget)
  local train = parts.train
  local model = softmax_regression(train)
  local lambda = hyla.hyper("lambda", { size = train.size, init = budget / train.size,
    within = hyla.box(0, 1):with(hyla.l1(budget)) })
  local discarded, corrupted = lambda:lt(o.threshold), train.corrupted:cast("float")
  return hyla.problem {
    inner = (lambda * model.loss(train)):mean(),
    outer = model.loss(parts.valid):mean(),
    train = hyla.gd { rate = o.rate * train.size / budget, steps = o.steps },
    method = hyla.reverse(),
    improve = hyla.adam { rate = o.hyper_rate, steps = o.hyper_steps },
    watch = {
      valid_accuracy = model.accuracy(parts.valid),
      test_accuracy = model.accuracy(parts.test),
      discarded = discarded:sum(),
      true_positives = (discarded * corrupted):sum(),
      false_positives = (discarded * (1 - corrupted)):sum(),
    },
  }
end

-- The last round of every method: plain training on weighted examples. weight: a number, or one for each example.
local function final(o, parts, examples, weight, largest)
  local model = softmax_regression(examples)
  return hyla.problem {
    inner = (weight * model.loss(examples)):mean(),
    train = hyla.gd { rate = o.rate / largest, steps = o.final_steps },
    watch = { test_accuracy = model.accuracy(parts.test) },
  }
end

-- The kept training examples with their weights, then the validation set with the largest of these.
local function cleaned(o, parts, lambda)
  local kept, weight, largest = {}, {}, lambda:max():item()
  local discarded = lambda:lt(o.threshold):totable()
  for i, value in ipairs(lambda:totable()) do
    if discarded[i] == 0 then kept[#kept + 1], weight[#weight + 1] = i, value end
  end
  for _ = 1, parts.valid.size do weight[#weight + 1] = largest end
  return parts.train:take(kept):concat(parts.valid), hyla.tensor(weight), largest
end

-- F1 of "discarded" as a detector of wrong labels.
local function f1(values, corrupted) return 2 * values.true_positives / (values.discarded + corrupted) end

local SUSPECTS = 40   -- pictures of them

-- The training examples that are trusted least, as pictures: what each is labelled, and whether that is wrong.
local function show_suspects(lab, name, parts, lambda)
  local train, order, weight = parts.train, {}, lambda:totable()
  if not train.image then return end
  for i = 1, train.size do order[i] = i end
  table.sort(order, function(i, j)
    if weight[i] ~= weight[j] then return weight[i] < weight[j] end
    return i < j
  end)
  local some, captions, marks = {}, {}, {}
  for k = 1, math.min(SUSPECTS, train.size) do
    local i = order[k]
    some[k], marks[k] = i, train.corrupted:get(i) == 1 and "wrong label" or "right label"
    captions[k] = ("%d, is %d"):format(train.y:get(i), parts.clean.y:get(i))
  end
  local height, width = train.image[1], train.image[2]
  lab:images(name, train:take(some).x:reshape { #some, height, width }, { captions = captions, marks = marks,
    title = name .. ": the training examples of the smallest weights" })
end

local paper = {
  { method = "Oracle", test_accuracy = 0.9046, f1 = 1 },
  { method = "Baseline", test_accuracy = 0.8774 },
  { method = "DH-1000", test_accuracy = 0.9007, f1 = 0.9137 },
  { method = "DH-1500", test_accuracy = 0.9006, f1 = 0.9244 },
  { method = "DH-2000", test_accuracy = 0.9000, f1 = 0.9211 },
  { method = "DH-2500", test_accuracy = 0.9009, f1 = 0.9217 },
}

local count = { 1, integer = true }

return hyla.recipe {
  about = "Data hyper-cleaning: one learned weight per training example",
  options = {
    data = "digits", train = 5000, valid = 5000, test = 10000, corrupted = 0.5, seed = 1,
    budget = { 1000, 1500, 2000, 2500 },   -- R, one cleaner each
    steps = 2000, rate = 0.1,              -- T, and the learning rate for weights whose mean (largest, at last) is 1
    hyper_steps = 500, hyper_rate = 0.005,
    patience = 0,                          -- hyper-iterations without better validation accuracy; 0: all are done
    threshold = 1e-3,                      -- below it an example counts as discarded
    final_steps = 4000,
  },
  profiles = { quick = { steps = 500, hyper_steps = 30, hyper_rate = 0.01, budget = { 1000 } } },
  bounds = {
    train = count, valid = count, test = count, steps = count, hyper_steps = count, final_steps = count,
    corrupted = { 0, 1 }, rate = { 0 }, hyper_rate = { 0 }, threshold = { 0 }, seed = { 0, integer = true },
    patience = { 0, integer = true },
  },
  columns = { "method", "test_accuracy", "f1", "discarded" },
  charts = { ["figure-1"] = { title = "Discarded examples", unit = "examples", right_unit = "accuracy",
    stacked = { "true_positives", "false_positives" }, right = { "valid_accuracy", "test_accuracy" } } },

  build = function(o) return cleaner(o, split(o), o.budget[1]) end,
  problems = { cleaner = cleaner, final = final },

  run = function(o, lab)
    local parts = split(o)
    local train, valid = parts.train, parts.valid
    local corrupted = train.corrupted:cast("float"):sum():item()
    local function test_accuracy(stage, ...)
      return lab:train(stage, lab:problem("final", parts, ...)).values.test_accuracy
    end
    local correct = train:take(train.corrupted:eq(0))
    lab:result { method = "Oracle", test_accuracy = test_accuracy("Oracle", correct:concat(valid), 1, 1) }
    lab:result { method = "Baseline", test_accuracy = test_accuracy("Baseline", train:concat(valid), 1, 1) }
    for _, budget in ipairs(o.budget) do
      local name = "DH-" .. budget
      local best = lab:optimise(name, lab:problem("cleaner", parts, budget),
        { early_stop = { watch = "valid_accuracy", patience = o.patience } })
      show_suspects(lab, name, parts, best.hypers.lambda)
      lab:result { method = name, f1 = f1(best.values, corrupted), discarded = best.values.discarded,
        test_accuracy = test_accuracy(name .. ", last round", cleaned(o, parts, best.hypers.lambda)) }
    end
    if o.data == "mnist" then lab:compare("paper", paper) end
  end,
}
