local json = require "hyla.report.json"
local runs = dofile "spec/lua/runs.lua"
local shell = dofile "spec/lua/shell.lua"

after_each(runs.clean)

local RECIPE = [[
local hyla = require "hyla"
local of = hyla.distribution
local function fit(o, kept, kind, method)
  local w = hyla.weight("w", { 3 }, hyla.zeros)
  local rate = hyla.hyper("rate", { init = 0.1, within = hyla.box(0, 1) })
  local goal = hyla.hyper("goal", { init = 0.5, frozen = true })
  local made = hyla.problem {
    inner = ((w - (kept or 1)) ^ 2):sum() / 2, outer = ((w - goal) ^ 2):sum(), improve = hyla.gd { rate = 0.05 },
    train = hyla.gd { rate = kind == "plain" and 0.1 or rate, steps = o.steps }, watch = { far = (w - 1):abs():sum() },
    method = method or o.memory > 0 and hyla.reverse { memory = o.memory } or hyla.reverse(),
  }
  return made
end
return hyla.recipe {
  about = "Stages of every kind",
  options = { steps = 20, fail = "", memory = 0 },
  problems = { fit = fit },
  run = function(o, lab)
    if o.fail == "first" then error("nothing to build") end
    local first = lab:train("first", lab:problem("fit", nil, "plain"), { weights = true })
    lab:result { far = first.values.far, w = first.weights.w:get(1) }
    local draw = { rate = of.uniform(0, 0.5) }
    local drawn = lab:search("drawn", lab:problem("fit"), { trials = 7, seed = 1, draw = draw })
    lab:search("timed", lab:problem("fit"), { seconds = 90, seed = 1, draw = draw })
    local best = lab:optimise("best", lab:problem("fit", drawn.hypers.rate), { steps = 9,
      early_stop = { watch = "far", goal = "min", patience = 2 } })
    lab:note("learned %g", best.hypers.rate)
    local again = lab:optimise("again", lab:problem("fit", best.response), { steps = 2, restarts = 3, seed = 1,
      draw = { rate = of.uniform(0, 1) } })
    if o.fail == "" then lab:optimise("along", lab:problem("fit", nil, nil, hyla.rtho { every = 5 })) end
    if o.fail == "outcome" then error("only " .. #again.series .. " rows") end
    if o.fail == "stage" then lab:train("wrong", lab:problem("fit", hyla.zeros { 7 })) end
    if o.fail == "name" then lab:train("first", lab:problem("fit")) end
  end,
}
]]

local function dry_run(words)
  local path = runs.new_recipe(RECIPE)
  return shell.run(("./hyla run %s --dry-run %s"):format(path, words or "")), path
end

describe("a dry run", function()
  it("tells what every stage will take, and trains nothing", function()
    local r = dry_run "--json --quiet"
    assert.same({ 0, "" }, { r.code, r.err })
    for _, words in ipairs {
      "first: train\n  hyperparameters  none\n  frozen           goal\n  weights          w [3]\n",
      "  weights          w [3]\n  T                20\n  memory           ",
      "drawn: search, 7 trials\n  hyperparameters  rate\n", "timed: search, trials for 90 s\n",
      "best: optimise, 9 hyper-iterations\n",
      "  method           reverse\n  hypergradient    20 steps forward; ",
      "again: optimise, 2 hyper-iterations, 3 restarts\n",
      "\n  stage            at most ", "\n  stage            about ",
      "at most 1 min 30 s", "along: optimise, 4 hyperbatches\n", "  method           rtho\n", "\n  hyperbatch       ",
      "in all: 6 stages, about 1 min 30 s, memory up to ", "; nothing was trained\n",
      "not foreseen: what outcomes change; stages after 'first'",
    } do
      assert.truthy(r.out:find(words, 1, true), ("expected '%s' in\n%s"):format(words, r.out))
    end
    assert.is_nil(r.out:find("learned", 1, true))         -- of a placeholder
    local object = assert(json.decode(r.out:match "\n([^\n]*)\n$"))
    assert.equal("stages", object.recipe)
    assert.equal(6, #object.stages)
    assert.same({ "again", "optimise", 20 }, { object.stages[5].stage, object.stages[5].kind, object.stages[5].steps })
    -- 6 hypergradients and 3 trainings, each with its look.
    local again = object.stages[5]
    assert.is_true(again.seconds >= 6 * again.iteration_seconds + 3 * 20 * again.step_seconds)
    assert.equal(90, object.stages[3].seconds)
  end)

  it("says what it could not foresee where the recipe cannot go on with placeholders", function()
    local r = dry_run "fail=outcome"
    assert.equal(0, r.code)
    assert.matches("not foreseen: anything after 'again', whose outcome is needed: .*only 0 rows", r.out)
    r = dry_run "fail=stage"
    assert.matches("anything after 'again', whose outcome is needed: stage 'wrong': ", r.out)
    r = dry_run "fail=name"
    assert.matches("a stage named 'first' exists already", r.out)
  end)

  it("fails where nothing was reached", function()
    local r = dry_run "fail=first"
    assert.same({ 1, "" }, { r.code, r.out })
    assert.matches("nothing to build", r.err)
  end)

  it("finds that memory will be refused", function()
    local r = dry_run "memory=10"
    assert.equal(0, r.code)
    assert.matches("best: .*\n  cannot run       reverse: the trajectory needs %d+ bytes.* 10 are allowed", r.out)
    assert.matches("in all: 6 stages, more than", r.out)
  end)

  it("keeps nothing, and says so", function()
    local r, path = dry_run "--out /tmp/never"
    assert.equal(2, r.code)
    assert.matches("%-%-dry%-run keeps nothing: it goes without %-%-out", r.err)
    local folder = path:match "^(.*)/"
    local count = 0
    for _ in require "lfs".dir(folder) do count = count + 1 end
    assert.equal(3, count)                               -- the recipe, "." and ".."
  end)

  it("works for a recipe of one problem", function()
    local r = shell.run "./hyla run quickstart --dry-run examples=50"
    assert.equal(0, r.code)
    assert.matches("^optimise: optimise, 40 hyper%-iterations\n", r.out)
    assert.is_nil(r.out:find("not foreseen", 1, true))
  end)
end)
