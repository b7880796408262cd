--- What `hyla new` writes. @NAME@ stands for the recipe's name, @SPEC@ for its spec's path.
-- @module hyla.template
local template = {}

--- A recipe: softmax regression whose learning rate and weight decay are learned.
template.recipe = [[
-- What this experiment learns, and what for.
local hyla = require "hyla"

return hyla.recipe {
  about = "Learns a learning rate and a weight decay",
  -- Options are given as key=value: hyla run recipes/@NAME@.lua steps=200
  options = { data = "digits", examples = 200, steps = 50, rate = 0.1, hyper_steps = 20, seed = 1 },

  build = function(o)
    local train, valid = hyla.data(o.data):split({ o.examples, o.examples }, o.seed)
    local W = hyla.weight("W", { train.width, train.classes }, hyla.zeros)      -- what training finds
    local rate = hyla.hyper("rate", { init = o.rate, within = hyla.box(0, 1) })   -- what Hyla finds
    local decay = hyla.hyper("decay", { init = 1e-3, scale = "log" })
    local function loss(part) return hyla.cross_entropy(part.x:matmul(W), part.y):mean() end

    return hyla.problem {
      inner = loss(train) + decay * (W ^ 2):sum(),                              -- what training goes down
      outer = loss(valid),                                                      -- what the result is judged by
      train = hyla.gd { rate = rate, steps = o.steps },
      method = hyla.reverse(),
      improve = hyla.adam { rate = 0.02, steps = o.hyper_steps },
      watch = { valid_accuracy = hyla.accuracy(valid.x:matmul(W), valid.y) },
    }
  end,
}
]]

--- Its spec.
template.spec = [[
-- What must stay true of recipes/@NAME@.lua: `hyla test` runs this.
local hyla = require "hyla"
local spec = require "hyla.spec"

local tiny = { examples = 40, steps = 10, hyper_steps = 5 }   -- small, so that it takes no time

describe("@NAME@", function()
  it("has the right hypergradient, by every method and by central differences", function()
    assert.hypergradient(hyla.load("recipes/@NAME@.lua"):build(tiny))
  end)

  it("reaches what it reached", function()
    local run = spec.run("recipes/@NAME@.lua", tiny)
    assert.reaches(run, { response = { 1.85, tolerance = 0.01 }, valid_accuracy = { at_least = 0.3 } })
  end)

  it("takes the way it took", function()   -- golden/@NAME@.yaml; hyla test --update-golden takes new values
    local run = spec.run("recipes/@NAME@.lua", tiny)
    assert.golden("@NAME@", run.series.optimise, {
      relative = 1e-4,
      why = "float32 sums in another order on other kernels",
      columns = { valid_accuracy = { absolute = 0.026, why = "one of 40 examples between two classes" } },
    })
  end)
end)
]]

--- The golden values of the spec.
template.golden = [[
# Golden values '@NAME@' of @SPEC@, written by:
# hyla test --update-golden @SPEC@
recorded: {hyla: '0.1.0', kernels: avx512}
columns: [iteration, decay, rate, response, valid_accuracy, '|g decay|', '|g rate|', '|g|']
rows:
  - [0, 0.001, 0.1, 2.010742, 0.25, 0.12093082, 1.9874355, 1.9911112403433682]
  - [1, 0.0009802005, 0.11999987, 1.9726003, 0.25, 0.16168004, 1.8276494, 1.8347867998257443]
  - [2, 0.0009608306, 0.13993852, 1.9376647, 0.3, 0.20532094, 1.6782877, 1.69080053275898]
  - [3, 0.00094184984, 0.15977418, 1.905743, 0.3, 0.25087535, 1.5419095, 1.562185396946683]
  - [4, 0.00092321227, 0.17946683, 1.8766136, 0.325, 0.29748783, 1.4176924, 1.4485685389271725]
  - [5, 0.0009048767, 0.19897892, 1.8500687, 0.375, none, none, none]
]]

return template
