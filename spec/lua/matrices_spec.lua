-- lab:matrix: numbers among the results, a .npy file and pictures in the folder of the run.
local json = require "hyla.report.json"
local matrix = require "hyla.report.matrix"
local runs = dofile((debug.getinfo(1, "S").source:match "^@(.*/)" or "./") .. "runs.lua")
local tensor = require "hyla.tensor"

local text = [[
local hyla = require "hyla"
return hyla.recipe { about = "a matrix", run = function(_, lab)
  lab:result { method = "it" }
  lab:matrix("C", hyla.tensor { { 0, 0.5, 0 }, { 0.5, 0, 1 }, { 0, 1, 0 } }, { names = { "a_1", "b\"", "c" } })
  lab:matrix("plain", hyla.tensor { { 2 } }, { pictures = false })
end }
]]

local function recipe(values, given)
  return ("local hyla = require 'hyla'\nreturn hyla.recipe { about = 'wrong', run = function(_, lab)\n"
    .. "lab:matrix(%s, %s)\nend }"):format(values, given or "nil")
end

describe("a matrix of interactions", function()
  after_each(runs.clean)

  it("is kept as numbers, as a file and as pictures", function()
    local out = runs.new_folder()
    local session = runs.start(runs.new_recipe(text), nil, out)
    session:run()
    session:close()
    local values = tensor.load(out .. "/pictures/C.npy")
    assert.same({ { 0, 0.5, 0 }, { 0.5, 0, 1 }, { 0, 1, 0 } }, values:totable())
    local kept = json.decode(runs.read(out .. "/results.json")).matrices
    assert.same({ name = "C", names = { "a_1", 'b"', "c" }, rows = values:totable() }, kept[1])
    assert.same({ name = "plain", names = { "1" }, rows = { { 2 } } }, kept[2])
    for _, kind in ipairs { "map", "graph" } do
      assert.equal("\137PNG", runs.read(("%s/pictures/C.%s.png"):format(out, kind)):sub(1, 4))
      local svg = runs.read(("%s/pictures/C.%s.svg"):format(out, kind))
      assert.is_truthy(svg:find("</svg>", 1, true))
      assert.is_truthy(svg:find("a_1", 1, true))
      assert.is_nil(io.open(("%s/pictures/plain.%s.gp"):format(out, kind)))
    end
  end)

  it("draws the strongest edges, each as wide as it is strong", function()
    local script = matrix.graph({ { 0, 1, 0.5, 0.01 }, { 1, 0, 0, 0 }, { 0.5, 0, 0, 0 }, { 0.01, 0, 0, 0 } },
      { "a", "b", "c", "d" }, "title")
    local widths = {}
    for width in script:gmatch "nohead back lw (%S+)" do widths[#widths + 1] = tonumber(width) end
    assert.equal(2, #widths)                           -- the third has a hundredth of the strongest
    assert.is_near(2, widths[2] / widths[1], 1e-3)
  end)

  it("says why there is no picture, and goes on", function()
    local said, stdlib = {}, require "posix.stdlib"
    local out, path = runs.new_folder(), os.getenv "PATH"
    local session = runs.start(runs.new_recipe(text), nil, out)
    session.print = function(words) said[#said + 1] = words end
    stdlib.setenv("PATH", "/nowhere")
    local ok, problem = pcall(session.run, session)
    stdlib.setenv("PATH", path)
    session:close()
    assert.is_true(ok, tostring(problem))
    assert.matches("no picture %S*/pictures/C.map.svg: gnuplot is not installed", table.concat(said))
    assert.is_truthy(runs.read(out .. "/pictures/C.npy"))
  end)

  it("refuses what is none", function()
    for words, made in pairs {
      ["expected a square tensor, got [1, 2]"] = recipe("'C', hyla.tensor { { 1, 2 } }"),
      ["expected a symmetric one of finite numbers >= 0, got 1 at 1, 2 and 2 at 2, 1"] =
        recipe("'C', hyla.tensor { { 0, 1 }, { 2, 0 } }"),
      ["got -1 at 1, 1"] = recipe("'C', hyla.tensor { { -1 } }"),
      ["expected a name of letters"] = recipe("'../C', hyla.tensor { { 1 } }"),
      ["names: expected 1, got 2"] = recipe("'C', hyla.tensor { { 1 } }", "{ names = { 'a', 'b' } }"),
      ["there is one of this name already"] =
        recipe("'C', hyla.tensor { { 1 } }) lab:matrix('C', hyla.tensor { { 1 } }"),
    } do
      local session = runs.start(runs.new_recipe(made))
      runs.fails(words, session.run, session)
      runs.fails("stages.lua:3", session.run, session)
    end
  end)
end)
