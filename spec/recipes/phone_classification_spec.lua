local support = dofile "spec/lua/data/support.lua"
local check = require "hyla.check"
local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"

local small = {
  hidden = 16, layers = 2, steps = 600, trial_steps = 300, every = 50, watched = 500, hyper_rate = 0.02, patience = 2,
  search_seconds = 0.2,
}

describe("phone classification", function()
  local folder, restore, lab, loaded
  local said = {}
  setup(function()
    folder = support.folder()
    restore = support.environment { XDG_CACHE_HOME = folder }
    loaded = recipe.load "phone_classification"
    lab = session.start(loaded, loaded:resolve(small), nil, {
      progress = progress.new { quiet = true }, print = function(text) said[#said + 1] = text end,
    }):run()
  end)
  teardown(function()
    restore()
    support.remove(folder)
  end)

  local function series(name)
    for _, one in ipairs(lab:all_series()) do
      if one.name == name then return one.rows end
    end
  end

  local function row(method)
    for _, each in ipairs(lab.results) do
      if each.method == method then return each end
    end
  end

  it("has a row for each method, with what Table 3 has", function()
    for i, name in ipairs { "Vanilla", "RTHO", "RTHO-NT", "RS" } do
      local each = lab.results[i]
      assert.equal(name, each.method)
      for _, column in ipairs { "frame_accuracy", "minutes", "eta", "mu", "rho" } do
        assert.equal("number", type(each[column]), name .. " " .. column)
      end
      assert.is_true(each.eta >= 0 and each.mu >= 0 and each.mu < 1 and each.rho >= 0)
      -- A frame is of 37 states, of which silence has a sixth of the frames.
      assert.is_true(each.frame_accuracy > 0.5, name .. " " .. each.frame_accuracy)
    end
    assert.same({ 0.075, 0.5, 0 }, { row("Vanilla").eta, row("Vanilla").mu, row("Vanilla").rho })
  end)

  it("learns from nothing: the null teacher begins at zeros and at chance", function()
    local rows = series "RTHO-NT"
    assert.same({ 0, 0, 0 }, { rows[1].eta, rows[1].mu, rows[1].rho })
    assert.is_true(rows[1].valid_accuracy < 0.2)
    assert.is_true(rows[#rows].eta > 0.05)
    assert.is_true(rows[#rows].valid_accuracy > 0.5)
  end)

  it("moves all three hyperparameters on the way, a hyperbatch at a time", function()
    local rows = series "RTHO"
    assert.equal(12, #rows)
    for i, each in ipairs(rows) do
      assert.equal(50 * i, each.step)
      for _, name in ipairs { "eta", "mu", "rho" } do
        assert.is_true(i == 1 or each[name] ~= rows[i - 1][name], name)
        -- Adam's step is never much longer than its rate.
        assert.is_true(i == 1 or math.abs(each[name] - rows[i - 1][name]) < 1.5 * small.hyper_rate)
      end
    end
  end)

  it("tells accuracies in time for every method", function()
    for _, name in ipairs { "Vanilla", "RS", "RTHO", "RTHO-NT" } do
      local rows, last = series(name .. " in time"), 0
      assert.is_true(#rows > 0)
      for _, each in ipairs(rows) do
        assert.is_true(each.minutes >= last)
        last = each.minutes
      end
      assert.is_near(row(name).minutes, last, 1e-6)
    end
    local text = table.concat(said)
    assert.matches("RTHO ended by 'steps' after 600 steps\nRTHO%-NT ended by 'steps' after 600 steps", text)
    assert.matches("RS made %d+ trials, of which %d+ diverged", text)
  end)

  it("refuses methods that it does not know, and RS without a time", function()
    local function message(o)
      local silent = { progress = progress.new { quiet = true }, print = function() end }
      local ok, words = pcall(function() session.start(loaded, loaded:resolve(o), nil, silent):run() end)
      return not ok and words
    end
    assert.matches("expected some of Vanilla,RS,RTHO,RTHO%-NT, got 'RHTO'", message { methods = "Vanilla,RHTO" })
    assert.matches("without RTHO, search_seconds says how long", message { methods = "RS" })
  end)

  it("has the hypergradient of its step, by the methods that hold and by central differences", function()
    local p = loaded:build { hidden = 4, layers = 1, steps = 4, batch = 10, valid_batch = 10, every = 2, watched = 10 }
    local result = check.compare(p, { costs = false })
    assert.is_true(result.agrees, result.verdict)
    assert.equal(3, #result.rows)
  end)
end)
