local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"

local small = { train = 200, valid = 200, test = 200, hidden = 8, steps = 60, batch = 50, hyper_steps = 8 }

describe("the learned schedule", function()
  local lab, loaded
  local said = {}
  setup(function()
    loaded = recipe.load "learned_schedule"
    local on = { progress = progress.new { quiet = true }, print = function(text) said[#said + 1] = text end }
    lab = session.start(loaded, loaded:resolve(small), nil, on):run()
  end)

  it("lowers the validation loss below that of the constant rate it began with", function()
    local constant, learned = lab.results[1], lab.results[2]
    assert.same({ "constant", "learned" }, { constant.schedule, learned.schedule })
    -- 8 steps of a tenth in the logarithm of 240 rates gain a fifth here; noise in them would gain nothing.
    assert.is_true(learned.response < 0.9 * constant.response)
    assert.is_true(learned.valid_accuracy >= constant.valid_accuracy)
    local rows = lab:all_series()[1].rows
    for i = 2, #rows do assert.is_true(rows[i].response < rows[i - 1].response) end
  end)

  it("has a rate for each step and layer, and has moved each", function()
    local rates = lab.state.stages[1].outcome.hypers.rates
    assert.same({ 60, 4 }, rates.shape)
    local start = loaded:resolve(small).rate
    for _, row in ipairs(rates:totable()) do
      for _, rate in ipairs(row) do assert.is_true(rate > 0 and rate ~= start) end
    end
  end)

  it("tells what the way back keeps: a fraction of storing, and less still of longer training", function()
    local times = tonumber(said[1]:match "storing every step: %S+ MiB, (%d+) times that")
    assert.is_true(times >= 40)
  end)
end)
