-- The real-time loop of a run: its rows, how it ends, and that a resumed one ends in the same bits.
local C = require "hyla.ffi".C
local runs = dofile "spec/lua/runs.lua"
local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"
local fails, start, new_recipe = runs.fails, runs.start, runs.new_recipe

after_each(function()
  C.hyla_interrupt_clear()
  runs.clean()
end)

-- Softmax regression on mini-batches whose learning rate and momentum are improved on the way. `push` adds to the outer
-- objective what drives the rate down.
local RECIPE = [[
local hyla = require "hyla"
return hyla.recipe {
  about = "Real-time",
  options = {
    steps = 60, every = 10, eta = 0.05, hyper_rate = 0.01, push = 0, goal = "", method = "rtho", hyper_steps = 0,
  },
  problems = { fit = function(o)
    local train, valid = hyla.data("digits"):split({ 60, 40 }, 1)
    local a, b = train:batches { size = 10, seed = 1 }, valid:batches { size = 8, seed = 2 }
    local W = hyla.weight("W", { train.width, 10 }, hyla.zeros)
    local eta = hyla.hyper("eta", { init = o.eta, within = hyla.non_negative() })
    local mu = hyla.hyper("mu", { init = 0.5, within = hyla.box(0, 0.95) })
    local function loss(part) return hyla.cross_entropy(part.x:matmul(W), part.y):mean() end
    local made = hyla.problem {
      inner = loss(a), outer = loss(b) + o.push * eta,
      method = hyla[o.method] { every = o.every, rate = o.method == "rtho" and "eta" or nil, patience = 3 },
      train = hyla.momentum { rate = eta, momentum = mu, steps = o.steps },
      improve = hyla.adam { rate = o.hyper_rate, steps = o.hyper_steps > 0 and o.hyper_steps or nil },
      watch = { accuracy = hyla.accuracy(valid.x:matmul(W), valid.y) },
    }
    return made
  end },
  run = function(o, lab)
    local best = lab:optimise("train", lab:problem("fit"), { weights = true,
      early_stop = o.goal ~= "" and { watch = o.goal, patience = 2 } or nil })
    lab:result { stopped = best.stopped, step = best.step, eta = best.hypers.eta, mu = best.hypers.mu,
      accuracy = best.values.accuracy, largest = best.weights.W:abs():max():item(), updates = best.iterations }
  end,
}
]]

local function run(overrides)
  local made = start(new_recipe(RECIPE), overrides)
  made:run()
  return made:summary().results[1], made.lab.state.stages[1].outcome
end

describe("a real-time stage", function()
  it("has a row a hyperbatch and ends with training", function()
    local result, outcome = run {}
    assert.equal("steps", result.stopped)
    assert.equal(60, result.step)
    assert.equal(5, result.updates)
    assert.equal(6, #outcome.series)
    for i, row in ipairs(outcome.series) do
      assert.equal(10 * i, row.step)
      assert.equal(i - 1, row.iteration)
      assert.is_number(row.accuracy)
      assert.is_number(row.eta)
      assert.is_near(row["|g|"], (row["|g eta|"] ^ 2 + row["|g mu|"] ^ 2) ^ 0.5, 1e-15 * row["|g|"])
    end
    assert.is_true(outcome.series[6].eta > outcome.series[1].eta)
    assert.is_true(result.accuracy > 0.5)
    assert.equal(1, run({ hyper_steps = 1 }).updates)
    assert.equal(6, #({ run { method = "marthe" } })[2].series)
  end)

  it("ends by itself when the learning rate, having been positive, is held at 0", function()
    local result, outcome = run { push = 100, eta = 0.015, steps = 200 }
    assert.equal("rate", result.stopped)
    assert.equal(4, result.updates)                    -- .015, .005, then 0 three times
    assert.equal(40, result.step)
    assert.is_true(outcome.series[2].eta > 0)
    -- One that begins at 0 has not been positive yet.
    assert.equal("steps", run({ push = 100, eta = 0, steps = 100 }).stopped)
  end)

  it("ends by patience, with the best it has seen", function()
    local result, outcome = run { goal = "accuracy", steps = 400, hyper_rate = 0 }
    assert.equal("patience", result.stopped)
    local best = 0
    for _, row in ipairs(outcome.series) do best = math.max(best, row.accuracy) end
    assert.equal(best, result.accuracy)
  end)

  it("that diverges keeps what came before", function()
    local result, outcome = run { hyper_rate = 1e30, push = -1e3, steps = 100, goal = "accuracy" }
    assert.equal("diverged", result.stopped)
    assert.matches("finite", outcome.message)
    assert.is_true(#outcome.series >= 1)
    fails("diverged at step", run, { eta = 3e38 })     -- before anything was seen
  end)

  it("goes on from a checkpoint to the same bits, wherever it was interrupted", function()
    local expected = run {}
    local path = new_recipe(RECIPE)
    for _, at in ipairs { 1, 3, 5 } do
      local out = runs.new_folder()
      local loaded = recipe.load(path)
      local shown = progress.new { quiet = true }
      local made = session.start(loaded, loaded:resolve {}, out, { progress = shown, print = function() end })
      local update, rows = shown.update, 0
      shown.update = function(...)
        rows = rows + 1
        if rows == at then C.hyla_interrupt() end
        return update(...)
      end
      fails("interrupted", made.run, made)
      C.hyla_interrupt_clear()
      made:close()
      C.hyla_interrupt_clear()
      local again = session.resume(out, runs.silent)
      again:run()
      again:close()
      assert.same(expected, again:summary().results[1])
    end
  end)
end)
