--- For busted files that keep recipes and problems from drifting. `hyla test` runs them; under busted itself, name this
-- module as the helper (`busted --lua=luajit --helper=hyla.spec`), for LuaJIT declares C functions once a process.
--
--     local spec = require "hyla.spec"
--
--     describe("my recipe", function()
--       it("has the right hypergradient", function() assert.hypergradient(hyla.load("mine.lua"):build()) end)
--       it("is as good as it was", function()
--         local run = spec.run("mine.lua", { hyper_steps = 5 })
--         assert.reaches(run, { test_accuracy = { 0.85, tolerance = 0.01 } })
--         assert.golden("mine", run.series.optimise, { relative = 1e-4, why = "float32 sums on other kernels" })
--       end)
--     end)
--
-- assert.hypergradient(problem, options)     methods agree with each other and with central differences (hyla.check)
-- assert.reaches(run, figures)               figures of a run (hyla.spec.reaches)
-- assert.golden(name, series, tolerance)     a series as it was, golden/NAME.yaml beside the spec (hyla.spec.golden)
-- spec.run(recipe, options)                  rows, series and hypers of a recipe (hyla.spec.run)
-- spec.data { examples = 60, ... }           a small data set, the same bits everywhere (hyla.spec.data)
-- @module hyla.spec
require "hyla"
require "hyla.recipe"   -- a recipe's file and the spec that loads it must mean the same module
local assertion = require "hyla.spec.assertion"

assertion.add("hypergradient", require "hyla.spec.hypergradient",
              "expected the hypergradient to disagree with the other methods or central differences")
assertion.add("reaches", require "hyla.spec.reaches", "expected a figure to be off; all are where they should be")
assertion.add("golden", require("hyla.spec.golden").judge, "expected the series to differ from the golden one")

return { run = require "hyla.spec.run", data = require "hyla.spec.data" }
