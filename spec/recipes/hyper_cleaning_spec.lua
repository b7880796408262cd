local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"

local silent = { progress = progress.new { quiet = true }, print = function() end }

-- A twentieth of the paper's protocol: seconds instead of minutes, the same order of methods.
local small = { train = 500, valid = 500, test = 2000, budget = { 100, 150 }, steps = 150, hyper_steps = 30,
  hyper_rate = 0.02, final_steps = 400 }

local function run(overrides)
  local loaded = recipe.load "hyper_cleaning"
  local o = {}
  for _, given in ipairs { small, overrides or {} } do
    for key, value in pairs(given) do o[key] = value end
  end
  return session.start(loaded, loaded:resolve(o), nil, silent):run()
end

describe("data hyper-cleaning", function()
  it("lies between Baseline and Oracle, and finds the wrong labels", function()
    local lab = run()
    local by_method = {}
    for i, row in ipairs(lab.results) do by_method[i] = row.method end
    assert.same({ "Oracle", "Baseline", "DH-100", "DH-150" }, by_method)
    local oracle, baseline = lab.results[1].test_accuracy, lab.results[2].test_accuracy
    assert.is_true(oracle > baseline + 0.02)
    for i = 3, 4 do
      local row = lab.results[i]
      assert.is_true(row.test_accuracy > baseline + 0.5 * (oracle - baseline), row.method .. " " .. row.test_accuracy)
      assert.is_true(row.f1 > 0.8, row.method .. " " .. row.f1)
    end
  end)

  it("records Figure 1 at every hyper-iteration, consistently", function()
    local lab = run { budget = { 100 }, final_steps = 5 }
    local series = lab:all_series()
    assert.equal(1, #series)
    local rows = series[1].rows
    assert.equal(small.hyper_steps + 1, #rows)
    for i, row in ipairs(rows) do
      assert.equal(i - 1, row.iteration)
      assert.equal(row.discarded, row.true_positives + row.false_positives)
      assert.is_true(row.true_positives <= 250 and row.false_positives <= 250)   -- half of the labels are wrong
      assert.is_true(row.valid_accuracy > 0 and row.test_accuracy > 0 and row.response > 0)
    end
    assert.equal(0, rows[1].discarded)
    assert.is_true(rows[#rows].true_positives > 0 and rows[#rows].false_positives > 0)
  end)

  it("keeps its weights in the feasible set", function()
    local lab = run { budget = { 100 }, hyper_steps = 5, final_steps = 5 }
    local outcome = lab.state.stages[3].outcome
    local sum = 0
    for _, weight in ipairs(outcome.hypers.lambda:totable()) do
      assert.is_true(weight >= 0 and weight <= 1)
      sum = sum + weight
    end
    assert.is_true(sum <= 100 * (1 + 1e-6))
  end)

  it("refuses a budget that nothing satisfies, at its line", function()
    local ok, message = pcall(run, { budget = { -1 } })
    assert.is_false(ok)
    assert.is_truthy(message:find("recipes/hyper_cleaning.lua:%d+"), message)
    assert.is_truthy(message:find("infeasible constraint", 1, true), message)
  end)
end)
