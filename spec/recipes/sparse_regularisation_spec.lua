local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"

local silent = { progress = progress.new { quiet = true }, print = function() end }

local function run(overrides)
  local loaded = recipe.load "sparse_regularisation"
  return session.start(loaded, loaded:resolve(overrides), nil, silent):run()
end

describe("sparse regularisation", function()
  it("learns more with a regulariser for each feature than with one, by either method", function()
    local lab = run { profile = "quick" }
    local by_method = {}
    for _, row in ipairs(lab.results) do by_method[row.method] = row end
    local shared, hoag, reverse = by_method.shared, by_method.HOAG, by_method["Reverse-HG"]
    assert.is_true(hoag.response < 0.8 * shared.response)
    assert.is_near(reverse.response, hoag.response, 0.05 * reverse.response)
    for _, row in ipairs(lab.results) do assert.is_true(row.seconds > 0 and row.test_accuracy > 0.7) end
  end)

  it("begins with the hypergradient that differences give", function()
    local p = recipe.load("sparse_regularisation"):build { train = 60, valid = 60, test = 10, steps = 3000 }
    local exact = p:with { method = require("hyla").implicit { tolerance = 1e-11 } }
    exact:check { directions = 2, components = 1, relative = 1e-5, rounding = 1e-6, costs = false }
  end)

  it("reads files of svmlight's format", function()
    local path, lines = os.tmpname(), {}
    for i = 1, 40 do
      lines[i] = ("%s %d:1 %d:0.5"):format(i % 2 == 0 and "+1" or "-1", 1 + i % 2, 3 + i % 5)
    end
    local file = assert(io.open(path, "w"))
    file:write(table.concat(lines, "\n"))
    file:close()
    local ok, lab = pcall(run, { data = path, train = 20, valid = 10, test = 10, hyper_steps = 2, steps = 2000 })
    os.remove(path)
    assert.is_true(ok, tostring(lab))
    assert.equal(1, lab.results[2].test_accuracy)
  end)
end)
