--- Learning task interactions (Franceschi et al. 2017, section 5.2). A linear model of K classes on fixed features,
-- with few examples of each. Every class is a task, and the weights of tasks that have something in common are tied:
--
--     J = mean cross-entropy + Omega,  Omega(W) = sum_jk C_jk |w_j - w_k|^2 + rho sum_k |w_k|^2.
--
-- The symmetric matrix C >= 0 of interactions and rho are hyperparameters, learned so that what training ends with does
-- well on a validation set. SLT knows no interactions (C = 0), NMTL has the same one for all pairs, HMTL learns all of
-- C, and HMTL-S bounds their sum by R. Each trains once more, on training and validation set, with the hyperparameters
-- of the best validation accuracy. All are compared on the same random splits.
local hyla = require "hyla"

local METHODS = { "SLT", "NMTL", "HMTL", "HMTL-S" }

-- ---- data ----

local function generated(name) return name == "tasks10" or name == "tasks100" end

-- Features with the mean of the training set taken off, in a unit in which its examples have the mean square `norm`^2;
-- as they are where norm = 0.
local function normaliser(train, norm)
  if norm == 0 then return function(part) return part end end
  local mean = train.x:mean(1)
  local scale = norm / ((train.x - mean) ^ 2):sum(2):mean():item() ^ 0.5
  return function(part) return part:with_features((part.x - mean) * scale) end
end

-- The k-th split. A generated set is drawn anew for each.
local function split(o, k)
  local seed = o.seed + k - 1
  local data = generated(o.data) and hyla.data(o.data, { seed = seed }) or hyla.data(o.data)
  local train, valid, test = data:split_by_class({ o.train, o.valid }, seed)
  if not test then error(("data '%s': no example is left to test on"):format(o.data), 0) end
  local normal = normaliser(train, o.norm)
  return { train = normal(train), valid = normal(valid), test = normal(test) }
end

-- ---- problems ----

local function identity(n)
  local t = hyla.tensor.zeros { n, n }
  for i = 1, n do t:set(1, i, i) end
  return t
end

-- With the Laplacian L = diag(A 1) - A of the symmetric part A of C, sum_jk C_jk |w_j - w_k|^2 = 2 tr(W L W').
local function regulariser(W, C, rho)
  local A = 0.5 * (C + C:t())
  local laplacian = identity(W.shape[2]) * A:sum(2, { keep = true }) - A
  return 2 * (W:matmul(laplacian) * W):sum() + (rho * W ^ 2):sum()
end

local function linear(part)
  local W = hyla.weight("W", { part.width, part.classes }, hyla.zeros)
  local b = hyla.weight("b", { part.classes }, hyla.zeros)      -- not regularised
  local function logits(on) return on.x:matmul(W) + b end
  return {
    W = W,
    loss = function(on) return hyla.cross_entropy(logits(on), on.y):mean() end,
    accuracy = function(on) return hyla.accuracy(logits(on), on.y) end,
  }
end

-- The interactions of a method as an expression, of what it learns. Training from zero keeps sum_k w_k = 0, so that an
-- interaction c of all pairs regularises as rho = 2 K c does: C_0 has the strength of rho = `tie`, whatever K is.
local function interactions(o, method, classes, share)
  local pairs_of_classes, c = 1 - identity(classes), o.tie / (2 * classes)
  if method == "SLT" then return 0 * pairs_of_classes end
  if method == "NMTL" then return hyla.hyper("a", { init = c, within = hyla.non_negative() }) * pairs_of_classes end
  local within, first = hyla.symmetric():with(hyla.zero_diagonal(), hyla.non_negative()), c * pairs_of_classes
  if method == "HMTL-S" then within = within:with(hyla.sum(share * c * classes * (classes - 1))) end
  return hyla.hyper("C", { shape = { classes, classes }, init = within:project(first), within = within })
end

-- Learns what a method learns. share: R of HMTL-S, as a share of the sum of C_0.
local function learner(o, parts, method, share)
  local train, valid = parts.train, parts.valid
  local model = linear(train)
  local C = interactions(o, method, train.classes, share)
  local rho = hyla.hyper("rho", { size = o.rho_each and train.classes or nil, init = o.rho,
    within = hyla.non_negative() })
  local loss, accuracy = model.loss(valid), model.accuracy(valid)
  return hyla.problem {
    inner = model.loss(train) + regulariser(model.W, C, rho),
    outer = loss,
    train = hyla.momentum { rate = o.rate, momentum = o.momentum, steps = o.steps },
    method = hyla.reverse(),
    improve = hyla.adam { rate = o.hyper_rate, steps = o.hyper_steps },
    -- A few validation examples give few different accuracies: among equal ones the loss decides.
    watch = { valid_accuracy = accuracy, judged = accuracy - 1e-4 * loss, total = C:sum(), C = C },
  }
end

-- Plain training on a part, by given hyperparameters.
local function trained(o, part, test, C, rho)
  local model = linear(part)
  return hyla.problem {
    inner = model.loss(part) + regulariser(model.W, C, rho),
    train = hyla.momentum { rate = o.rate, momentum = o.momentum, steps = o.steps },
    watch = { test_accuracy = model.accuracy(test) },
  }
end

-- What the learner ended with.
local function first(o, parts, C, rho) return trained(o, parts.train, parts.test, C, rho) end

-- The last round, on all examples there are.
local function final(o, parts, C, rho)
  return trained(o, parts.train:concat(parts.valid), parts.test, C, rho)
end

-- ---- results ----

local function mean(list)
  local sum = 0
  for _, x in ipairs(list) do sum = sum + x end
  return sum / #list
end

-- The standard deviation of one of several numbers; nil of a single one.
local function deviation(list)
  if #list < 2 then return nil end
  local middle, sum = mean(list), 0
  for _, x in ipairs(list) do sum = sum + (x - middle) ^ 2 end
  return (sum / (#list - 1)) ^ 0.5
end

-- The area under the ROC curve of C as a detector of "same group": how often a pair of classes of one group has a
-- larger C than a pair of two groups; equal ones count half.
local function area(C, groups)
  local same, other, wins = {}, {}, 0
  for j = 1, #groups do
    for k = j + 1, #groups do
      local list = groups[j] == groups[k] and same or other
      list[#list + 1] = C:get(j, k)
    end
  end
  for _, a in ipairs(same) do
    for _, b in ipairs(other) do wins = wins + (a > b and 1 or a == b and 0.5 or 0) end
  end
  return wins / (#same * #other)
end

-- The mean of differences from SLT on the same splits, and its standard error.
local function beside(found, baseline, key)
  local differences = {}
  for k, one in ipairs(found) do differences[k] = one[key] - baseline[k][key] end
  local spread = deviation(differences)
  return mean(differences), spread and spread / (#found) ^ 0.5
end

-- A row of the table: a method's accuracies over the splits, beside those of SLT on the same splits.
local function row_of(method, found, baseline)
  local function list(key)
    local values = {}
    for k, one in ipairs(found) do values[k] = one[key] end
    return #values == #found and values or nil
  end
  local accuracy, areas = list "test_accuracy", list "area"
  local difference, error_of_it = beside(found, baseline, "test_accuracy")
  local before, error_before = beside(found, baseline, "before")
  return { method = method, test_accuracy = mean(accuracy), deviation = deviation(accuracy),
    difference = difference, error = error_of_it,
    before = mean(list "before"), before_difference = before, before_error = error_before,
    valid_accuracy = mean(list "valid_accuracy"), area = areas and mean(areas),
    worst_area = areas and math.min(unpack(areas)) }
end

-- The paper's figures are of other features.
local paper = {
  cifar10 = {
    { method = "SLT", test_accuracy = 0.6747, deviation = 0.0278 },
    { method = "NMTL", test_accuracy = 0.6941, deviation = 0.0190 },
    { method = "HMTL", test_accuracy = 0.7085, deviation = 0.0187 },
    { method = "HMTL-S", test_accuracy = 0.7162, deviation = 0.0134 },
  },
  cifar100 = {
    { method = "SLT", test_accuracy = 0.1899, deviation = 0.0112 },
    { method = "NMTL", test_accuracy = 0.1919, deviation = 0.0075 },
    { method = "HMTL", test_accuracy = 0.2115, deviation = 0.0036 },
    { method = "HMTL-S", test_accuracy = 0.2209, deviation = 0.0029 },
  },
}

-- ---- stages ----

-- What a method finds on a split: the best of its learners, and what the last round makes of it.
local function method_on_split(o, lab, k, parts, method)
  local best
  for _, share in ipairs(method == "HMTL-S" and o.budget or { 1 }) do
    local name = ("split %d, %s%s"):format(k, method, method == "HMTL-S" and (", R = %g"):format(share) or "")
    local found = lab:optimise(name, lab:problem("learner", parts, method, share),
      { early_stop = { watch = "judged", patience = o.patience } })
    if not best or found.values.judged > best.values.judged then best = found end
  end
  local C, rho = best.values.C, best.hypers.rho
  local function accuracy(words, problem)
    local name = ("split %d, %s, %s"):format(k, method, words)
    return lab:train(name, lab:problem(problem, parts, C, rho)).values.test_accuracy
  end
  local groups = parts.train.groups
  return { C = C, before = accuracy("before the last round", "first"), test_accuracy = accuracy("last round", "final"),
    valid_accuracy = best.values.valid_accuracy,
    area = groups and method:find "^HMTL" and area(C, groups) or nil }
end

-- The learned C of a method: of every split as a file, their mean also as pictures and among the results.
local function show(lab, method, found, names)
  local sum = 0
  for k, one in ipairs(found) do
    lab:matrix(("C-%s-%d"):format(method, k), one.C, { names = names, pictures = false })
    sum = one.C + sum
  end
  lab:matrix("C-" .. method, sum * (1 / #found), { names = names,
    title = ("%s: C, mean of %d split%s"):format(method, #found, #found == 1 and "" or "s") })
end

local count = { 1, integer = true }

return hyla.recipe {
  about = "Learned interactions between classes with few examples",
  options = {
    data = "tasks10", seed = 1, splits = 5,
    train = 5, valid = 5,                  -- examples a class
    norm = 64,                             -- root mean square of the centred training examples; 0: features as they are
    steps = 3000, rate = 0.01, momentum = 0.9,
    hyper_steps = 250, hyper_rate = 1e-3,
    tie = 4, rho = 0.5,                    -- C_0 of all pairs, as strong as this rho; rho_0
    rho_each = false,                      -- one rho for each class
    budget = { 0.2, 0.4, 0.7 },            -- HMTL-S takes R by validation, of these shares of the sum of C_0
    patience = 0,                          -- hyper-iterations without better validation accuracy; 0: all are done
  },
  profiles = { quick = { splits = 1, steps = 300, hyper_steps = 40, hyper_rate = 3e-3, budget = { 0.4 } } },
  bounds = { splits = count, train = count, valid = count, steps = count, hyper_steps = count,
    seed = { 0, integer = true }, norm = { 0 }, rate = { 0 }, momentum = { 0, 1 }, hyper_rate = { 0 }, tie = { 1e-6 },
    rho = { 0 }, budget = { 0 }, patience = { 0, integer = true } },
  -- before: the test accuracy of what the learner trained, on the training set alone.
  columns = { "method", "test_accuracy", "deviation", "difference", "error", "before", "before_difference",
    "before_error", "valid_accuracy", "area", "worst_area" },

  build = function(o) return learner(o, split(o, 1), "HMTL") end,
  problems = { learner = learner, first = first, final = final },

  run = function(o, lab)
    local found, names, rows = {}, nil, {}
    for _, method in ipairs(METHODS) do found[method] = {} end
    for k = 1, o.splits do
      local parts = split(o, k)
      names, rows[k] = parts.train.names, { split = k }
      for _, method in ipairs(METHODS) do
        found[method][k] = method_on_split(o, lab, k, parts, method)
        rows[k][method] = found[method][k].test_accuracy
      end
    end
    lab:series("test accuracy", rows)
    for _, method in ipairs(METHODS) do lab:result(row_of(method, found[method], found.SLT)) end
    show(lab, "HMTL", found.HMTL, names)
    show(lab, "HMTL-S", found["HMTL-S"], names)
    local reference = o.data:match "^cifar100?"
    if reference then lab:compare("paper", paper[reference]) end
  end,
}
