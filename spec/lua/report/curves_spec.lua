-- Which charts a report has, what is on them, and how they are drawn.
local axis = require "hyla.report.axis"
local chart = require "hyla.report.chart"
local curves = require "hyla.report.curves"
local declared = require "hyla.report.declared"
local made = dofile "spec/lua/report/made.lua"
local report_runs = require "hyla.report.runs"

after_each(made.clean)

local function read(...) return assert(report_runs.read { ... }) end

local function charts_of(...)
  local by_title = {}
  for _, section in ipairs(curves.of(read(...))) do
    for _, one in ipairs(section.charts) do by_title[one.title] = one end
  end
  return by_title
end

local function constant(x) return function() return x end end

describe("charts of a report", function()
  it("stand over steps where training is looked at on the way", function()
    local one = charts_of(made.run { metrics = made.metrics("along", 3, {
      response = math.exp, step = function(i) return 200 * i end }) })["outer objective"]
    assert.equal("step", one.x)
    assert.same({ 0, 200, 400, 600 }, one.layers[1].xs)
  end)

  it("have a point for each trial", function()
    local charts = charts_of(made.run { metrics = made.metrics("search", 3, { response = math.exp,
      trial = function(i) return i end }) })
    local one = charts["outer objective, by trial"]
    assert.same({ "trial", "points" }, { one.x, one.layers[1].kind })
    assert.is_nil(charts.trial)
  end)

  it("begin restarts anew, each a line", function()
    local text = made.metrics("many", 5, { response = math.exp,
      restart = function(i) return i < 3 and 1 or 2 end })
    local one = charts_of(made.run { metrics = text })["outer objective"]
    assert.same({ 0, 1, 2, 0, 1, 2 }, one.layers[1].xs)
    local block = chart.for_page(one, "x.svg"):match "%$D1 << EOD\n(.-)EOD"
    assert.equal(2, select(2, block:gsub("\n0 0 ", "%0")) + (block:match "^0 0 " and 1 or 0))
    assert.is_truthy(block:find("\n\n0 0 ", 1, true))
  end)

  it("of a recipe's own have areas upon each other and two axes", function()
    local run = read(made.whole(4))[1]
    local one = declared.charts(run, run.pictures[2], false)[1]
    assert.equal("Discarded, learn", one.title)
    assert.same({ "hits", "misses", "valid accuracy" }, { one.layers[1].name, one.layers[2].name, one.layers[3].name })
    assert.same(one.layers[1].ys, one.layers[2].base)
    assert.is_true(one.layers[3].right)
    local axes = chart.axes(one)
    assert.same({ 0, 20, 0.5, 0.75 }, { axes.left.lo, axes.left.hi, axes.right.lo, axes.right.hi })   -- 12 + 4 at most
  end)

  it("against time begin each stage at 0", function()
    local text = made.metrics("a", 600, { accuracy = constant(1) })
      .. made.metrics("b", 60, { accuracy = constant(2) }):gsub("([^\n,]+),(\"b\")", function(s, name)
        return ("%g,%s"):format(60 + s, name)
      end)
    local run = read(made.run { metrics = text, charts = { t = { title = "T", x = "minutes", unit = "", stacked = {},
      left = { "accuracy" }, right = {} } } })[1]
    local one = declared.charts(run, run.pictures[1], false)[1]
    assert.equal(2, #one.layers)
    assert.same({ 0, 1 }, { one.layers[1].xs[1], one.layers[1].xs[601] })
    assert.same({ 0, 0.1 }, { one.layers[2].xs[1], one.layers[2].xs[61] })
  end)

  it("keep the lowest and the highest of what is left out", function()
    local xs, ys = {}, {}
    for i = 1, 5000 do xs[i], ys[i] = i, i % 7 end
    ys[1234], ys[4321] = 100, -100
    local text = chart.for_page({ title = "t", x = "x", left = "y", layers = {
      { kind = "line", name = "l", xs = xs, ys = ys, colour = 1 } } }, "x.svg"):match "%$D1 << EOD\n(.-)EOD"
    local count = select(2, text:gsub("\n", ""))
    assert.is_true(count > 300 and count <= chart.POINTS + 2, count .. " points")
    for _, row in ipairs { "1 0 1", "1234 0 100", "4321 0 -100", "5000 0 2" } do
      assert.is_truthy(("\n" .. text):find("\n" .. row .. "\n", 1, true), row)
    end
  end)
end)

describe("an axis", function()
  local function texts(...)
    local list = {}
    for i, tick in ipairs(axis.new(...).ticks) do list[i] = tick.text end
    return table.concat(list, " ")
  end

  it("has few ticks at round numbers, with the digits that they need", function()
    assert.equal("0.78 0.80 0.82 0.84 0.86", texts(0.7836, 0.8521))
    assert.equal("0 500 1000 1500 2000 2500", texts(0, 2219))
    assert.equal("-0.6 -0.4 -0.2 0.0 0.2 0.4 0.6", texts(-0.5, 0.45))
    assert.equal("0.000 0.005 0.010 0.015", texts(0, 0.0143))
    assert.equal("0 2e6 4e6 6e6", texts(0, 5.1e6))
    assert.equal("2e-7 2.5e-7 3e-7 3.5e-7 4e-7", texts(2e-7, 4e-7))
    assert.equal("0 1 2 3", texts(0, 3, { whole = true, tight = true }))
    assert.equal("0.0 0.2 0.4 0.6 0.8 1.0", texts(0, 0))
    assert.equal("1.8 1.9 2.0 2.1 2.2", texts(2, 2))
  end)

  it("is logarithmic for positive values that differ much", function()
    assert.equal("0.001 0.01 0.1 1", texts(0.0012, 0.9, { smallest = 0.0012 }))
    assert.equal("1e-8 1e-6 0.0001 0.01 1", texts(2e-8, 0.9, { smallest = 2e-8 }))
    assert.is_false(axis.new(0, 0.9, { smallest = 0.0012 }).log)
    assert.is_false(axis.new(0.1, 0.9, { smallest = 0.1 }).log)
  end)
end)
