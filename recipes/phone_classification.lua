--- Hyperparameters learned while training goes on (Franceschi et al. 2017, section 5.3): frames of speech are
-- classified into states of phones, and a secondary task, a vector for the frame's context, helps:
--
--     J = J_primary + rho J_secondary,  J_primary the cross-entropy, J_secondary the mean squared error
--
-- in mini-batches of 200 with momentum. Learned are the learning rate eta, the momentum mu and the weight rho:
--   RTHO     in one training, by the partial hypergradient of every 200 steps on a mini-batch of validation data
--   RTHO-NT  the same from eta = mu = rho = 0: nothing is known beforehand ("null teacher")
--   RS       random search, for as long as RTHO took
--   Vanilla  no secondary task, and the eta and mu that RTHO begins with
-- Vanilla and the trials of RS stop early on validation. RTHO and RTHO-NT end by themselves, when eta falls to 0. Each
-- is judged on test data by its weights of the best validation accuracy.
local hyla = require "hyla"

-- The corpus and what of it is looked at on the way: accuracies are those of frames drawn once.
local function speech(o)
  local set = hyla.data(o.data)
  return { train = set.train, test = set.test, classes = set.classes, valid = set.valid,
    seen = set.train:sample(o.watched, o.seed), unseen = set.valid:sample(o.watched, o.seed) }
end

local function dense(name, inputs, outputs, seed)
  local W = hyla.weight(name .. "_W", { inputs, outputs }, hyla.xavier { seed = seed })
  local b = hyla.weight(name .. "_b", { outputs }, hyla.zeros)
  return function(x) return x:matmul(W) + b end
end

-- Layers of ReLU, and two heads on the last: logits of the states, and the context's vector.
local function network(o, train)
  local layers, width = {}, train.width
  for i = 1, o.layers do
    layers[i], width = dense("hidden" .. i, width, o.hidden, o.seed), o.hidden
  end
  local primary = dense("primary", width, train.classes, o.seed)
  local secondary = dense("secondary", width, train.targets, o.seed)
  return function(x)
    for _, layer in ipairs(layers) do x = layer(x):relu() end
    return primary(x), secondary(x)
  end
end

local hyper_start = { eta = 0.075, mu = 0.5, rho = 1.6 }

-- start: values of eta, mu and rho; steps: of training, at most. Returns the problem and its network.
local function classifier(o, data, start, steps)
  local predict = network(o, data.train)
  local eta = hyla.hyper("eta", { init = start.eta, within = hyla.non_negative() })
  local mu = hyla.hyper("mu", { init = start.mu, within = hyla.box(0, 0.999) })      -- [0, 1): open, so no projection
  local rho = hyla.hyper("rho", { init = start.rho, within = hyla.non_negative() })
  local batch = data.train:batches { size = o.batch, seed = o.seed }
  local valid = data.valid:batches { size = o.valid_batch, seed = o.seed + 1 }
  local logits, context = predict(batch.x)
  local function accuracy(frames) return hyla.accuracy(predict(frames.x), frames.y) end
  return hyla.problem {
    inner = hyla.cross_entropy(logits, batch.y):mean() + rho * ((context - batch.target) ^ 2):mean(),
    outer = hyla.cross_entropy(predict(valid.x), valid.y):mean(),
    train = hyla.momentum { rate = eta, momentum = mu, steps = steps },
    method = hyla.rtho { every = o.every, rate = "eta" },
    improve = hyla.adam { rate = o.hyper_rate },
    watch = { train_accuracy = accuracy(data.seen), valid_accuracy = accuracy(data.unseen) },
  }, predict
end

-- The share of a part's frames whose state is found, some thousands at a time.
local function frame_accuracy(o, data, part, weights)
  local p, predict = classifier(o, data, hyper_start, 1)
  local right = 0
  for first = 1, part.size, o.chunk do
    local frames = part:stretch(first, math.min(o.chunk, part.size - first + 1))
    right = right + frames.size * p:apply(hyla.accuracy(predict(frames.x), frames.y), weights)
    collectgarbage()                       -- a program a stretch: the collector sees none of their memory
  end
  return right / part.size
end

-- Accuracy against time: of each look at training, or of the best trial until now, whose times go by their steps.
local function in_time(outcome)
  local rows, total, done, best = {}, 0, 0, 0
  for _, row in ipairs(outcome.series) do total = row.trial and total + (row.steps or 0) or row.step end
  for i, row in ipairs(outcome.series) do
    done = row.trial and done + (row.steps or 0) or row.step
    best = math.max(best, row.valid_accuracy or 0)
    rows[i] = { minutes = outcome.seconds / 60 * done / total,
      valid_accuracy = row.trial and best or row.valid_accuracy }
  end
  return rows
end

local paper = {
  { method = "Vanilla", frame_accuracy = 0.5981, minutes = 12 },
  { method = "RS", frame_accuracy = 0.6036, minutes = 300 },
  { method = "RTHO", frame_accuracy = 0.6197, minutes = 164 },
  { method = "RTHO-NT", frame_accuracy = 0.6138, minutes = 289 },
}

-- The methods that were asked for, as a set.
local function methods_of(o)
  local known, wanted = { Vanilla = true, RS = true, RTHO = true, ["RTHO-NT"] = true }, {}
  for name in o.methods:gmatch "[^,]+" do
    if not known[name] then
      error(("methods: expected some of Vanilla,RS,RTHO,RTHO-NT, got '%s'"):format(name), 0)
    end
    wanted[name] = true
  end
  if wanted.RS and not wanted.RTHO and o.search_seconds == 0 then
    error("methods: RS takes the time that RTHO took; without RTHO, search_seconds says how long", 0)
  end
  return wanted
end

local count = { 1, integer = true }
local of = hyla.distribution

return hyla.recipe {
  about = "Phone classification: learning rate, momentum and a secondary task's weight, learned while training goes on",
  options = {
    data = "syllables", seed = 1, layers = 4, hidden = 256,
    methods = "Vanilla,RS,RTHO,RTHO-NT",
    steps = 12000,                         -- of RTHO and RTHO-NT, at most
    trial_steps = 6000,                    -- of Vanilla and of each trial of RS, at most
    batch = 200, valid_batch = 200, every = 200, hyper_rate = 5e-3,
    patience = 5,                          -- looks, one each `every` steps, without a better validation accuracy
    search_seconds = 0,                    -- of RS; 0: as long as RTHO took
    watched = 4000, chunk = 2000,          -- frames: whose accuracy is watched; that are tested at a time
  },
  profiles = {
    quick = { hidden = 64, steps = 3000, trial_steps = 1500, watched = 1000, hyper_rate = 1e-2 },
    full = { hidden = 2000, steps = 50000, trial_steps = 20000, watched = 1000, chunk = 1000 },
  },
  bounds = {
    seed = { 0, integer = true }, layers = count, hidden = count, steps = count, trial_steps = count, batch = count,
    valid_batch = count, every = count, hyper_rate = { 0 }, patience = { 0, integer = true }, search_seconds = { 0 },
    watched = count, chunk = count,
  },
  columns = { "method", "frame_accuracy", "minutes", "eta", "mu", "rho", "steps" },
  charts = { ["in-time"] = { title = "Accuracy on validation data in time", x = "minutes", unit = "frame accuracy",
    left = { "valid_accuracy" } } },

  build = function(o) return classifier(o, speech(o), hyper_start, o.steps) end,
  problems = { classifier = classifier },

  run = function(o, lab)
    local wanted = methods_of(o)
    local data = speech(o)
    local stop = { watch = "valid_accuracy", patience = o.patience }
    local function along(name, start)
      local outcome = lab:optimise(name, lab:problem("classifier", data, start, o.steps),
        { early_stop = { watch = "valid_accuracy" }, weights = true })
      local last = outcome.series[#outcome.series] or start
      lab:note("%s ended by '%s' after %d steps", name, outcome.stopped, outcome.step)
      return outcome, last, outcome.step
    end
    local learned
    local stages = {
      Vanilla = function(name)
        local vanilla = { eta = hyper_start.eta, mu = hyper_start.mu, rho = 0 }
        local outcome = lab:train(name, lab:problem("classifier", data, vanilla, o.trial_steps),
          { early_stop = stop, every = o.every, weights = true })
        return outcome, vanilla, outcome.steps
      end,
      RTHO = function(name)
        local outcome, last, steps = along(name, hyper_start)
        learned = outcome
        return outcome, last, steps
      end,
      ["RTHO-NT"] = function(name) return along(name, { eta = 0, mu = 0, rho = 0 }) end,
      RS = function(name)
        local outcome = lab:search(name, lab:problem("classifier", data, hyper_start, o.trial_steps), {
          seconds = o.search_seconds > 0 and o.search_seconds or learned.seconds, seed = o.seed,
          watch = "valid_accuracy", early_stop = stop, every = o.every, weights = true,
          draw = { eta = of.exponential(0.1), mu = of.uniform(0, 0.999), rho = of.uniform(0, 4) },
        })
        lab:note("%s made %d trials, of which %d diverged", name, outcome.trials, #outcome.failed)
        return outcome, outcome.hypers
      end,
    }
    for _, name in ipairs { "Vanilla", "RTHO", "RTHO-NT", "RS" } do      -- RS is last: it takes RTHO's time
      if wanted[name] then
        local outcome, hypers, steps = stages[name](name)
        lab:series(name .. " in time", in_time(outcome))
        lab:result { method = name, frame_accuracy = frame_accuracy(o, data, data.test, outcome.weights),
          minutes = outcome.seconds / 60, eta = hypers.eta, mu = hypers.mu, rho = hypers.rho, steps = steps }
      end
    end
    if o.data == "timit" then lab:compare("paper", paper) end
  end,
}
