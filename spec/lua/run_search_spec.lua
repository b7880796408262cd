-- Searches and restarts: their trials, what is kept, and that a resumed one ends in the same bits.
local C = require "hyla.ffi".C
local runs = dofile "spec/lua/runs.lua"
local session = require "hyla.run.session"
local fails, start, new_recipe = runs.fails, runs.start, runs.new_recipe

after_each(runs.clean)

-- w goes from 0 to 1, w_T = 1 - (1 - rate)^T, and is judged by (w_T - target)^2: closed forms for every trial. With a
-- rate above 2 it diverges: past the largest float32 after log(3.4e38) / log(rate - 1) steps.
local RECIPE = [[
local hyla = require "hyla"
local of = hyla.distribution
local function fit(o, target, power)
  local w = hyla.weight("w", {}, 0)
  local rate = hyla.hyper("rate", { init = 0.1, within = hyla.box(0, 1000) })
  local goal = hyla.hyper("goal", { init = target or 0.5, frozen = true })
  local made = hyla.problem {
    inner = (w - 1) ^ (power or 2) / 2, outer = (w - goal) ^ 2, train = hyla.gd { rate = rate, steps = 20 },
    method = hyla.reverse(), improve = hyla.gd { rate = 0.05, steps = 3 },
    watch = { w = w, far = hyla.abs(w - goal) }, dtype = "float64",
  }
  return made
end
local function width(values) local made = fit(nil, nil, values.power) return made end
return hyla.recipe {
  about = "Searches",
  options = { stages = "random", trials = 12, seconds = 0, lo = 0, hi = 0.2, power = 2 },
  problems = { fit = fit },
  run = function(o, lab)
    local stages = {}
    function stages.random()
      return lab:search("random", lab:problem("fit"), { trials = o.trials, seed = 3,
        draw = { rate = of.uniform(0, o.hi) }, seconds = o.seconds > 0 and o.seconds or nil })
    end
    function stages.grid()
      return lab:search("grid", lab:problem("fit"), { grid = { rate = { 0.01, 0.02, 0.04 }, goal = { 0.25, 0.5 } } })
    end
    function stages.watched()
      return lab:search("watched", lab:problem("fit"), { trials = o.trials, seed = 3, watch = "w",
        draw = { rate = of.log_uniform(0.01, o.hi) } })
    end
    function stages.model()
      return lab:search("model", width, { seed = 1, trials = 6,
        draw = { power = of.choice { 2, 4 }, rate = of.uniform(0, o.hi) } })
    end
    function stages.restarts()
      return lab:optimise("restarts", lab:problem("fit", nil, o.power), { restarts = 4, seed = 5,
        draw = { rate = of.uniform(o.lo, o.hi) } })
    end
    function stages.stopped()
      return lab:optimise("stopped", lab:problem("fit"), { restarts = 4, seed = 5,
        draw = { rate = of.uniform(0, o.hi) }, early_stop = { watch = "w", patience = 1 } })
    end
    local function with(settings) return function() lab:search("wrong", lab:problem("fit"), settings) end end
    local one = { rate = of.uniform(0, 1) }
    stages.unknown = with { trials = 1, seed = 1, draw = { rat = of.uniform(0, 1) } }
    stages.outside = with { trials = 9, seed = 1, draw = { rate = of.uniform(-3, -1) } }
    stages.both = with { trials = 1, seed = 1, draw = one, grid = { rate = { 1 } } }
    stages.endless = with { seed = 1, draw = one }
    stages.seedless = with { trials = 1, draw = one }
    stages.goal = with { trials = 1, seed = 1, draw = one, goal = "max" }
    stages.nothing = with { trials = 1, seed = 1, draw = one, watch = "accuracy" }
    stages.number = with { trials = 1, seed = 1, draw = { rate = 3 } }
    stages.column = with { trials = 1, seed = 1, draw = { response = of.uniform(0, 1) } }
    stages.list = with { grid = { rate = 3 } }
    stages.gridseed = with { seed = 1, grid = { rate = { 1 } } }
    function stages.typo()
      lab:search("typo", function(values) return fit(nil, nil, values.pover) end,
        { trials = 1, seed = 1, draw = { power = of.choice { 2 } } })
    end
    function stages.alone() lab:optimise("alone", lab:problem("fit"), { restarts = 2 }) end
    local outcome = stages[o.stages]()
    lab:result { stage = o.stages, response = outcome.response, rate = outcome.hypers.rate }
  end,
}
]]

local function reached(rate) return 1 - (1 - rate) ^ 20 end
local function response(rate, goal) return (reached(rate) - (goal or 0.5)) ^ 2 end

local function outcome_of(overrides)
  local made = start(new_recipe(RECIPE), overrides)
  made:run()
  made:close()
  return made.lab.state.stages[1].outcome, made
end

describe("a random search", function()
  it("keeps the best of its trials", function()
    local outcome = outcome_of()
    assert.equal(12, outcome.trials)
    assert.equal(12, #outcome.series)
    assert.same({}, outcome.failed)
    local seen, least = {}, math.huge
    for trial, row in ipairs(outcome.series) do
      assert.equal(trial, row.trial)
      assert.is_nil(seen[row.rate])
      seen[row.rate] = true
      assert.is_true(row.rate >= 0 and row.rate < 0.2)
      assert.is_near(response(row.rate), row.response, 1e-14)
      least = math.min(least, row.response)
    end
    assert.equal(least, outcome.response)
    assert.equal(outcome.series[outcome.trial].rate, outcome.hypers.rate)
    assert.same({ rate = outcome.hypers.rate }, outcome.drawn)
    assert.equal(outcome.series[outcome.trial].w, outcome.values.w)
  end)

  it("goes by a watched value when told", function()
    local outcome = outcome_of { stages = "watched" }
    local most = -math.huge
    for _, row in ipairs(outcome.series) do most = math.max(most, row.w) end
    assert.equal(most, outcome.values.w)
    assert.is_true(outcome.hypers.rate > 0.1)
  end)

  it("records trials that diverge and goes on", function()
    local outcome = outcome_of { hi = 100 }
    assert.is_true(#outcome.failed == 0)                 -- 99^20 is a number in float64
    outcome = outcome_of { hi = 1000, trials = 40, stages = "model" }
    assert.is_true(#outcome.failed > 0 and #outcome.failed < outcome.trials)
    local first = outcome.failed[1]
    assert.matches("training diverged at step %d+ of 20", first.message)
    local row = outcome.series[first.trial]
    assert.equal(first.values.rate, row.rate)
    assert.is_nil(row.response)
    assert.is_number(outcome.response)
  end)

  it("draws options of the model, too", function()
    local outcome = outcome_of { stages = "model" }
    local seen = {}
    for _, row in ipairs(outcome.series) do
      seen[row.power] = true
      if row.power == 2 then assert.is_near(response(row.rate), row.response, 1e-14) end
    end
    assert.same({ [2] = true, [4] = true }, seen)
  end)

  it("ends in the same bits after kill -9 at any checkpoint", function()
    local path = new_recipe(RECIPE)
    local function all(made)
      local the_lab = made:run()
      made:close()
      local outcome = the_lab.state.stages[1].outcome
      outcome.seconds = nil
      return { outcome, the_lab.results }
    end
    local whole = all(start(path))
    for _, n in ipairs { 2, 7, 13 } do
      local out = runs.new_folder()
      assert.equal(137, (runs.with_signal(path, out, "SIGKILL", n)))
      assert.same(whole, all(session.resume(out, runs.silent)))
    end
  end)

  it("ends when its seconds are spent, those before a resume included", function()
    local outcome = outcome_of { trials = 1000000, seconds = 0.05 }
    assert.is_true(outcome.trials >= 1 and outcome.trials < 1000000)
    assert.is_true(outcome.seconds >= 0.05)
    local hyla, search = require "hyla", require "hyla.run.search".run
    local a = hyla.hyper("a", { init = 1 })
    local p = hyla.problem { inner = (hyla.weight("w", {}, 0) - a) ^ 2, train = hyla.gd { rate = 0.1, steps = 1 },
      watch = { a = a } }
    local saved = 0
    local function resumed(trials, seconds)
      local from = require "hyla.run.candidates".drawn("search", { a = hyla.distribution.uniform(0, 1) }, 1)
      local settings = { from = from, rule = { watch = "a", goal = "max" }, trials = trials, seconds = seconds }
      local state = { trial = 3, seconds = 9, series = {}, failed = {}, best = { trial = 2, value = 2, hypers = {} } }
      return search(function() return p end, settings, state,
        { save = function() saved = saved + 1 end, progress = function() end })
    end
    assert.equal(3, resumed(math.huge, 9).trials)
    assert.equal(0, saved)
    local more = resumed(5)
    assert.same({ 5, 2 }, { more.trials, saved })
    assert.is_true(more.seconds >= 9)
  end)

  it("stops at an interrupt, without taking it for a trial that failed", function()
    local made = start(new_recipe(RECIPE))
    C.hyla_interrupt()
    local ok, message = pcall(made.run, made)
    C.hyla_interrupt_clear()
    assert.is_false(ok)
    assert.matches("interrupt", message)
  end)
end)

describe("a grid search", function()
  it("tries every combination once, the last name fastest", function()
    local outcome = outcome_of { stages = "grid" }
    local tried = {}
    for i, row in ipairs(outcome.series) do
      tried[i] = { row.goal, row.rate }
      assert.is_near(response(row.rate, row.goal), row.response, 1e-14)
    end
    assert.same({ { 0.25, 0.01 }, { 0.25, 0.02 }, { 0.25, 0.04 }, { 0.5, 0.01 }, { 0.5, 0.02 }, { 0.5, 0.04 } }, tried)
    assert.same({ goal = 0.5, rate = 0.04 }, outcome.drawn)
    assert.equal(6, outcome.trials)
  end)
end)

describe("restarts", function()
  it("begin from drawn values and keep the best", function()
    local outcome = outcome_of { stages = "restarts" }
    assert.equal(4, outcome.restarts)
    assert.equal(16, #outcome.series)
    local firsts, least = {}, math.huge
    for _, row in ipairs(outcome.series) do
      if row.iteration == 0 then firsts[row.restart] = row.response end
      if row.iteration == 3 then least = math.min(least, row.response) end
    end
    assert.equal(4, #firsts)
    assert.is_true(firsts[1] ~= firsts[2])
    assert.is_near(response(outcome.drawn.rate), firsts[outcome.restart], 1e-14)
    assert.equal(least, outcome.response)
    assert.is_near(response(outcome.hypers.rate), outcome.response, 1e-14)
  end)

  it("begin with what is not drawn at its initial value", function()
    local hyla = require "hyla"
    local w = hyla.weight("w", {}, 0)
    local a, b = hyla.hyper("a", { init = 0.5 }), hyla.hyper("b", { init = 0.25 })
    local p = hyla.problem {
      inner = a * (w - b) ^ 2, outer = (w - 1) ^ 2, train = hyla.gd { rate = 0.1, steps = 3 },
      improve = hyla.gd { rate = 0.1 }, watch = { a = a, b = b },
    }
    local from = require "hyla.run.candidates".drawn("optimise", { a = hyla.distribution.uniform(0.1, 1) }, 1)
    local outcome = require "hyla.run.restarts"(p, { restarts = 3, steps = 2, from = from,
      loop = require "hyla.run.optimise" }, nil,
      { save = function() end, progress = function() end })
    for _, row in ipairs(outcome.series) do
      if row.iteration == 0 then assert.equal(0.25, row.b) else assert.is_true(row.b ~= 0.25) end
    end
  end)

  it("go by the value of early_stop", function()
    local outcome = outcome_of { stages = "stopped" }
    local most = -math.huge
    for _, row in ipairs(outcome.series) do most = math.max(most, row.w) end
    assert.equal(most, outcome.values.w)
  end)

  it("that diverge are recorded; when all do, the stage fails", function()
    local outcome = outcome_of { stages = "restarts", hi = 2, power = 4 }
    assert.is_true(#outcome.failed > 0 and #outcome.failed < 4)
    assert.matches("diverged at step %d+ of 20", outcome.failed[1].message)
    assert.is_true(outcome.failed[1].restart ~= outcome.restart)
    runs.fails("stage 'restarts': optimise: all of 4 restarts failed; the last: training diverged at step", outcome_of,
      { stages = "restarts", lo = 500, hi = 1000, power = 4 })
  end)

  it("end in the same bits after kill -9 at any checkpoint", function()
    local path = new_recipe((RECIPE:gsub('stages = "random"', 'stages = "restarts"')))
    local function all(made)
      local the_lab = made:run()
      made:close()
      return { the_lab.state.stages[1].outcome, the_lab.results }
    end
    local whole = all(start(path))
    for _, n in ipairs { 3, 5, 6, 16 } do
      local out = runs.new_folder()
      assert.equal(137, (runs.with_signal(path, out, "SIGKILL", n)))
      assert.same(whole, all(session.resume(out, runs.silent)))
    end
  end)
end)

describe("a mistake in a search", function()
  local cases = {
    unknown = "search: unknown hyperparameter 'rat'; did you mean 'rate'?; the problem has: rate, goal",
    outside = "trial 1: 'rate' from uniform(-3, -1): ",
    both = "search: expected draw = { name = distribution } or grid = { name = { values } }, got both",
    endless = "search: how many trials?",
    seedless = "search: option 'seed': expected a whole number >= 0, which the drawing needs, got nil",
    goal = "search: goal = 'max' needs watch",
    nothing = "search: 'accuracy' is no number that the problem watches",
    number = "draw: expected a distribution such as hyla.distribution.uniform(0, 1) for 'rate', got 3",
    column = "draw: 'response' is a column of the series already",
    list = "grid: expected a list of numbers, strings or booleans for 'rate', got 3",
    gridseed = "search: a grid takes no seed",
    typo = "search: no value named 'pover'; did you mean 'power'",
    alone = "optimise: restarts = n and draw = { name = distribution } go together, got restarts alone",
  }
  for stage, words in pairs(cases) do
    it(stage .. " is told", function()
      fails(words, outcome_of, { stages = stage })
    end)
  end

  it("names the constraint that a drawn value violates", function()
    fails("lies outside of box(0, 1000); the nearest point is 0", outcome_of, { stages = "outside" })
  end)
end)
