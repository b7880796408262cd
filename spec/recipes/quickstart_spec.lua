local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"

describe("the quickstart", function()
  it("learns hyperparameters that lower the validation loss", function()
    local loaded = recipe.load "quickstart"
    local silent = { progress = progress.new { quiet = true }, print = function() end }
    local made = session.start(loaded, loaded:resolve { hyper_steps = 10 }, nil, silent)
    local lab = made:run()
    local rows = lab:all_series()[1].rows
    assert.is_true(rows[#rows].response < rows[1].response)
    assert.equal(rows[#rows].response, lab.results[1].response)
    assert.is_true(rows[#rows].learned_rate ~= rows[1].learned_rate)
  end)

  it("is short enough to be read at once", function()
    local lines = 0
    for _ in io.lines(recipe.load("quickstart").path) do lines = lines + 1 end
    assert.is_true(lines < 30)
  end)
end)
