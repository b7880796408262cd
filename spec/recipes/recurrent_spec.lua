local check = require "hyla.check"
local hyla = require "hyla"
local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"

local told

local function run(o)
  local loaded = recipe.load "recurrent"
  told = {}
  local silent = { progress = progress.new { quiet = true }, print = function(text) told[#told + 1] = text end }
  return session.start(loaded, loaded:resolve(o), nil, silent):run()
end

describe("the recurrent network", function()
  it("learns to remember, by all three methods", function()
    local lab = run { profile = "quick", hyper_steps = 100 }
    local by_name = {}
    for _, row in ipairs(lab.results) do by_name[row.method] = row end
    for _, name in ipairs { "Reverse-HG", "Forward-HG", "RTHO" } do
      local row = by_name[name]
      assert.is_true(row.wrong_before > 0.4, name)
      assert.is_true(row.wrong_after < 0.1, name .. " " .. row.wrong_after)
      assert.equal(100, row.updates)
    end
    assert.equal(2000, by_name["Reverse-HG"].steps)
    assert.equal(505, by_name.RTHO.steps)
  end)

  it("has one gradient, by every method and by central differences", function()
    local p = recipe.load "recurrent":build { sequences = 4, steps = 6, units = 3 }
    local result = check.compare(p, { costs = false })
    assert.is_true(result.agrees, result.verdict)
    assert.equal(3 + 9 + 3 + 3 + 1, #result.rows)
    run { hyper_steps = 1 }
    local apart = told[1]:match "^largest difference of the gradients by Reverse%-HG and Forward%-HG: (%S+)"
    assert.is_true(tonumber(apart) < 1e-5)               -- float32: some roundings of 20 steps
  end)

  it("counts wrong answers as plain Lua does", function()
    local o = { sequences = 3, steps = 5, units = 2 }
    local p = recipe.load "recurrent":build(o)
    p:train()
    local w = p:lambda()
    local x = hyla.normal { seed = 1 } ({ 5, 3, 1 }):sign():totable()
    local U, W, b, V, c = w.U:totable(), w.W:totable(), w.b:totable(), w.V:totable(), w.c:totable()
    local wrong = 0
    for i = 1, 3 do
      local h = { 0, 0 }
      for t = 1, 5 do
        local new = {}
        for j = 1, 2 do
          new[j] = math.tanh(x[t][i][1] * U[1][j] + h[1] * W[1][j] + h[2] * W[2][j] + b[j])
        end
        h = new
        local target = t > 2 and x[t - 1][i][1] * x[t - 2][i][1] or 0
        if target * (h[1] * V[1][1] + h[2] * V[2][1] + c[1]) < 0 then wrong = wrong + 1 end
      end
    end
    assert.is_near(wrong / 9, p:watch().wrong, 1e-6)
  end)
end)
