local hyla = require "hyla"
local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"
local support = dofile("spec/lua/data/support.lua")

local silent = { progress = progress.new { quiet = true }, print = function() end }

local function run(overrides)
  local loaded = recipe.load "task_interactions"
  return session.start(loaded, loaded:resolve(overrides), nil, silent):run()
end

-- Three classes, four examples each of width 5, split in two parts.
local function parts()
  local all = hyla.data { x = hyla.tensor.normal({ 12, 5 }, { seed = 1 }), y = { 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2 } }
  local train, valid = all:split_by_class({ 2, 2 }, 1)
  return { train = train, valid = valid, test = valid }
end

local small = { steps = 30, rate = 0.1, tie = 0.6, rho = 0.05 }

local function learner(method, more)
  local o = { rho_each = more and more.rho_each }
  for key, value in pairs(small) do o[key] = value end
  return recipe.load("task_interactions"):build(o, "learner", parts(), method, 0.5)
end

describe("task interactions", function()
  it("have the hypergradient that differences give", function()
    for _, method in ipairs { "SLT", "NMTL", "HMTL" } do
      learner(method):with({ dtype = "float64" }):check { directions = 2, components = 2, relative = 1e-5,
        rounding = 1e-8, costs = false }
    end
    learner("SLT", { rho_each = true }):with({ dtype = "float64" }):check { directions = 2, relative = 1e-5,
      rounding = 1e-8, costs = false }
  end)

  it("regularise by the sum over ordered pairs of classes, but not the bias", function()
    local p = learner("HMTL")
    local C = hyla.tensor { { 0, 1, 0.5 }, { 1, 0, 0 }, { 0.5, 0, 0 } }
    p:set { C = 0.01 * C, rho = 0.02 }
    p:train()
    local weights, train = p:weights(), parts().train
    local W, b = weights.W, weights.b
    local plain = hyla.cross_entropy(train.x:matmul(W) + b, train.y):mean():item()
    local expected = plain + 0.02 * (W ^ 2):sum():item()
    for j = 1, 3 do
      for k = 1, 3 do
        local d = W:slice(2, j, j) - W:slice(2, k, k)
        expected = expected + 0.01 * C:get(j, k) * (d ^ 2):sum():item()
      end
    end
    assert.is_near(expected, p:evaluate(p.definition.inner), 1e-5)
  end)

  it("of one strength for all pairs are rho in another guise", function()
    local nmtl, slt = learner "NMTL", learner "SLT"
    nmtl:set { a = 0.03, rho = 0.01 }
    slt:set { rho = 0.01 + 2 * 3 * 0.03 }
    nmtl:train()
    slt:train()
    assert.is_near(slt:response(), nmtl:response(), 1e-5)
  end)

  it("stay symmetric, non-negative, zero on the diagonal and within R", function()
    local p = learner "HMTL-S"
    local improver = p:improver()
    for _ = 1, 5 do
      improver:step((p:hypergradient()))
      local C, sum = p:lambda().C, 0
      for j = 1, 3 do
        assert.equal(0, C:get(j, j))
        for k = 1, 3 do
          assert.is_true(C:get(j, k) >= 0)
          assert.equal(C:get(k, j), C:get(j, k))
          sum = sum + C:get(j, k)
        end
      end
      -- Half of the sum of C_0: c = tie / 2K = 0.1 for six pairs.
      assert.is_true(sum <= 0.3 * (1 + 1e-6), tostring(sum))
    end
  end)

  it("find the groups of the generated classes, and tell SLT's accuracy", function()
    local lab = run { profile = "quick", steps = 200, hyper_steps = 15, hyper_rate = 5e-3 }
    local names, by_method = {}, {}
    for i, row in ipairs(lab.results) do names[i], by_method[row.method] = row.method, row end
    assert.same({ "SLT", "NMTL", "HMTL", "HMTL-S" }, names)
    assert.is_true(by_method.SLT.test_accuracy > 0.5 and by_method.SLT.test_accuracy < 0.75)
    assert.equal(0, by_method.SLT.difference)
    assert.is_nil(by_method.SLT.area)
    for _, method in ipairs { "HMTL", "HMTL-S" } do
      local row = by_method[method]
      assert.is_true(row.area > 0.9, method .. " " .. row.area)
      assert.is_near(row.test_accuracy - by_method.SLT.test_accuracy, row.difference, 1e-9)
    end
    local matrices = {}
    for i, one in ipairs(lab.matrices) do matrices[i] = one.name end
    assert.same({ "C-HMTL-1", "C-HMTL", "C-HMTL-S-1", "C-HMTL-S" }, matrices)
  end)

  it("tell mean, deviation and paired differences of several splits", function()
    local lab = run { splits = 3, steps = 20, hyper_steps = 1, budget = { 0.4, 0.8 } }
    local series = lab:all_series()
    local rows = series[#series].rows
    assert.equal(3, #rows)
    for _, row in ipairs(lab.results) do
      local mean, square, difference, spread = 0, 0, 0, 0
      for _, one in ipairs(rows) do
        mean, difference = mean + one[row.method] / 3, difference + (one[row.method] - one.SLT) / 3
      end
      for _, one in ipairs(rows) do
        square = square + (one[row.method] - mean) ^ 2 / 2
        spread = spread + (one[row.method] - one.SLT - difference) ^ 2 / 2
      end
      assert.is_near(mean, row.test_accuracy, 1e-9)
      assert.is_near(square ^ 0.5, row.deviation, 1e-9)
      assert.is_near(difference, row.difference, 1e-9)
      assert.is_near((spread / 3) ^ 0.5, row.error, 1e-9)
      assert.is_true(row.before > 0.2 and row.before ~= row.test_accuracy and row.before_error >= 0)
    end
  end)

  describe("on data of one's own", function()
    local folder, restore
    before_each(function()
      folder = support.folder()
      restore = support.environment { HYLA_DATASETS = folder, HYLA_DATA = folder }
      support.write(folder .. "/own.yaml", "name: own\nabout: a test\nlicence: MIT\nsource: here\nformat: npy\n"
        .. "features: 4\nclasses: [a, b]\nparts: [{name: all, x: x.npy, y: y.npy}]\n"
        .. "files: [{name: x.npy}, {name: y.npy}]\n")
      support.write(folder .. "/own/x.npy", "")
    end)
    after_each(function()
      restore()
      support.remove(folder)
    end)

    local function save(labels)
      hyla.tensor.normal({ #labels, 4 }, { seed = 2 }):save(folder .. "/own/x.npy")
      hyla.tensor(labels, "int32"):save(folder .. "/own/y.npy")
    end

    local tiny = { data = "own", train = 2, valid = 2, splits = 1, steps = 5, hyper_steps = 1, budget = { 0.5 } }

    it("run as on any other", function()
      save { 0, 1, 0, 1, 0, 1, 0, 1, 0, 1 }
      local lab = run(tiny)
      assert.equal(4, #lab.results)
      assert.is_nil(lab.results[3].area)               -- nobody knows groups of them
    end)

    it("tell what is wrong with it", function()
      local function refused(words)
        local ok, message = pcall(run, tiny)
        assert.is_false(ok)
        assert.is_truthy(message:find(words, 1, true), message)
      end
      save { 0, 1, 0, 1, 0, 1, 0, 0, 0, 0 }
      refused "recipes/task_interactions.lua:"
      refused "expected 2 + 2 examples of every class, class 1 (b) of 'own' has 3"
      save { 0, 1, 0, 1, 0, 1, 0, 1 }
      refused "no example is left to test on"
      save { 0, 1, 0, 2 }
      refused "row 4: expected 0 to 1, got 2"
    end)
  end)
end)
