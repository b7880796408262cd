-- Early stopping of plain training, alone and in a search.
local runs = dofile "spec/lua/runs.lua"
local fails, start, new_recipe = runs.fails, runs.start, runs.new_recipe

after_each(runs.clean)

-- w_t = 1 - (1 - rate)^t passes 1/2 on its way to 1: at a rate of 0.1 its distance from there is .229, .031, .113, .218
-- after 3, 6, 9, 12 steps. With a rate of 3 it is 1 - (-2)^t, which passes the largest float64 at t = 1024.
local RECIPE = [[
local hyla = require "hyla"
local function fit(o)
  local w = hyla.weight("w", {}, 0)
  local rate = hyla.hyper("rate", { init = o.rate })
  return hyla.problem {
    inner = (w - 1) ^ 2 / 2, outer = (w - 0.5) ^ 2, train = hyla.gd { rate = rate, steps = o.steps },
    watch = { far = hyla.abs(w - 0.5) }, dtype = "float64",
  }
end
return hyla.recipe {
  about = "Early stopping",
  options = { search = false, rate = 0.1, steps = 30, every = 3, patience = 2, watch = "far" },
  problems = { fit = fit },
  run = function(o, lab)
    local stop = { watch = o.watch, goal = "min", patience = o.patience }
    if o.watch == "none" then return lab:train("fit", lab:problem("fit"), { every = 5 }) end
    if not o.search then
      return lab:train("fit", lab:problem("fit"), { weights = true, early_stop = stop, every = o.every })
    end
    return lab:search("fit", lab:problem("fit"), { grid = { rate = { 3, 0.1, 0.02 } }, watch = "far", goal = "min",
      weights = true, early_stop = stop, every = o.every })
  end,
}
]]

local function outcome(options)
  local made = start(new_recipe(RECIPE), options):run()
  return made.state.stages[1].outcome
end

describe("early stopping of training", function()
  it("ends when the looks bring nothing better, and gives the best look", function()
    local found = outcome()
    local w = 1 - 0.9 ^ 6
    assert.same({ 6, 12, "patience", 4 }, { found.step, found.steps, found.stopped, #found.series })
    assert.is_near(0.5 - w, found.values.far, 1e-15)
    assert.is_near(w, found.weights.w:item(), 1e-15)
    assert.is_near((w - 0.5) ^ 2, found.response, 1e-15)
    assert.is_near(0.5 - w, found.series[2].far, 1e-15)
    assert.is_true(found.seconds > 0)
  end)

  it("goes to the last step where patience does not run out, looking there, too", function()
    local found = outcome { steps = 11, every = 4, patience = 9 }
    assert.same({ 8, 11, "steps", 3 }, { found.step, found.steps, found.stopped, #found.series })
    assert.equal(11, found.series[3].step)
  end)

  it("keeps what came before divergence, and fails where nothing did", function()
    local found = outcome { rate = 3, steps = 3000, every = 500, patience = 0 }
    assert.same({ 500, "diverged" }, { found.step, found.stopped })
    assert.matches("step 1024", found.message)
    fails("step 1024", outcome, { rate = 3, steps = 3000, every = 1500 })
  end)

  it("refuses a value that is not watched, and looks without a rule", function()
    fails("early_stop: 'fra' is no number that the problem watches", outcome, { watch = "fra" })
    fails("train: every = 5 goes with early_stop", outcome, { watch = "none" })
  end)

  it("serves the trials of a search: a row says how far each went, the best one's weights are kept", function()
    local found = outcome { search = true }
    assert.equal(2, found.trial)
    assert.is_near(1 - 0.9 ^ 6, found.weights.w:item(), 1e-15)
    local steps = {}
    for i, row in ipairs(found.series) do steps[i] = row.steps end
    assert.same({ 9, 12, 30 }, steps)
  end)
end)
