-- Every recipe, tiny: the right hypergradient, the figures it reached, and the way it took there, value by value. The
-- golden files were recorded with one variant of the kernels; all others that this processor has must agree with them.
local ffi = require "ffi"
local hyla = require "hyla"
local names = require "hyla.names"
local recipe = require "hyla.recipe"
local shell = dofile "spec/lua/shell.lua"
local spec = require "hyla.spec"

local sums = "float32 sums in another order on other kernels"
local function within(relative, columns) return { relative = relative, why = sums, columns = columns } end
local function examples(n)
  return { absolute = 1.01 / n, why = ("one of %d examples between two classes"):format(n) }
end

-- options; build: others for the check of the hypergradient; rounding: of its methods; row: of the results, and figures
-- it reaches; tolerance: of the series of all stages that learn.
local recipes = {
  hyper_cleaning = {
    options = { train = 60, valid = 60, test = 100, budget = { 20 }, steps = 30, hyper_steps = 6, hyper_rate = 0.1,
                final_steps = 30 },
    row = "Oracle", figures = { test_accuracy = { 0.53, tolerance = 0.015 } },
    tolerance = within(1e-4, { valid_accuracy = examples(60), test_accuracy = examples(100) }),
  },
  learned_schedule = {
    options = { train = 60, valid = 60, test = 60, hidden = 6, steps = 20, batch = 20, hyper_steps = 5 },
    rounding = 1e-7,   -- momentum in fixed point rounds each step to 2^-48
    row = "learned", figures = { response = { 1.965, tolerance = 0.002 } },
    tolerance = within(1e-4, { valid_accuracy = examples(60), test_accuracy = examples(60) }),
  },
  phone_classification = {
    options = { hidden = 8, layers = 1, steps = 100, trial_steps = 50, every = 20, batch = 20, valid_batch = 20,
                watched = 100, hyper_rate = 0.02, methods = "RTHO,RTHO-NT,Vanilla" },
    build = { hidden = 4, layers = 1, steps = 4, batch = 10, valid_batch = 10, every = 2, watched = 10 },
    row = "RTHO", figures = { eta = { 0.0884, tolerance = 0.001 }, frame_accuracy = { at_least = 0.5 } },
    tolerance = within(1e-3, { valid_accuracy = examples(100), train_accuracy = examples(100) }),
  },
  quickstart = {
    options = { examples = 40, steps = 20, hyper_steps = 6 },
    row = "optimise", figures = { response = { 1.726, tolerance = 0.001 } },
    tolerance = within(1e-4, { valid_accuracy = examples(40) }),
  },
  recurrent = {
    options = { sequences = 10, steps = 6, units = 4, hyper_steps = 5 },
    build = { sequences = 4, steps = 6, units = 3 },
    row = "Reverse-HG", figures = { wrong_after = { at_most = 0.46 } },
    tolerance = within(1e-4, { wrong = examples(40) }),
  },
  sparse_regularisation = {
    options = { train = 60, valid = 60, test = 50, steps = 300, hyper_steps = 3 },
    row = "HOAG", figures = { response = { 0.2587, tolerance = 0.001 } },
    tolerance = { relative = 1e-3, why = sums .. ", after steps along hypergradients that are not exact", columns = {
      test_accuracy = examples(50),
      ["|g|"] = { relative = 0.02, why = "the solve ends at a tolerance of 0.1, then less" },
    } },
  },
  task_interactions = {
    options = { splits = 1, train = 2, valid = 2, steps = 30, hyper_steps = 5, budget = { 0.4 } },
    row = "HMTL", figures = { test_accuracy = { 0.473, tolerance = 0.005 } },
    tolerance = within(1e-4, { valid_accuracy = examples(20) }),
  },
}

describe("the recipe", function()
  for name, one in pairs(recipes) do
    it(name .. " has the right hypergradient", function()
      assert.hypergradient(hyla.load(name):build(one.build or one.options),
        { components = 16, directions = 4, rounding = one.rounding })
    end)

    it(name .. " reaches what it reached, by the same way", function()
      local run = spec.run(name, one.options)
      assert.reaches(run.rows[one.row], one.figures)
      for stage in pairs(run.hypers) do
        assert.golden(name .. "." .. stage:gsub("[^%w_-]+", "-"), run.series[stage], one.tolerance)
      end
    end)
  end
end)

describe("regression specs", function()
  it("are there for every recipe", function()
    for _, one in ipairs(recipe.list()) do assert.truthy(recipes[one.name], one.name) end
  end)

  -- A variant is chosen when the library is loaded, so each has a process of its own.
  local chosen = ffi.string(require("hyla.ffi").C.hyla_kernel_variant())
  for _, variant in ipairs { "generic", "avx2", "avx512" } do
    it("hold with the kernels " .. variant, function()
      if variant == chosen or os.getenv "HYLA_KERNELS" or os.getenv "HYLA_CHECK_LEAKS" then return end
      local forced = "HYLA_UPDATE_GOLDEN=0 HYLA_KERNELS=" .. variant
      if shell.run(forced .. " ./hyla -e 'print(hyla.version)'").code ~= 0 then
        pending("this processor has no " .. variant)
        return
      end
      local ran = shell.run(forced .. " ./hyla test --filter='by the same way' spec/recipes/golden_spec.lua")
      assert.equal(0, ran.code, ran.out .. ran.err)
      assert.matches("^%++\n" .. #names.keys(recipes) .. " successes / 0 failures", ran.out)
    end)
  end
end)
