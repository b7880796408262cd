-- Curves in the terminal's letters, and timings.
local engine = require "hyla.ffi"
local hyla = require "hyla"
local plot = require "hyla.prompt.plot"
local shell = dofile "spec/lua/shell.lua"
local time = require "hyla.prompt.time"

-- Rows (from the top) and columns of the letters of a curve.
local function places(text, letter)
  local list, row = {}, 0
  for line in text:gmatch "[^\n]+" do
    row = row + 1
    for column in line:gmatch("()" .. letter) do
      if line:find "[|+]%s*$" then list[#list + 1] = { row = row, column = column } end
    end
  end
  table.sort(list, function(a, b) return a.column < b.column or a.column == b.column and a.row < b.row end)
  return list
end

local series = {}
for i = 0, 20 do series[i + 1] = { iteration = i, response = i ^ 2, rate = 20 - i, note = "x" } end

describe("a plot", function()
  it("draws what it is given, as wide as the terminal and in its letters", function()
    for _, width in ipairs { 40, 60, 120 } do
      local text, widest = plot.text(series, {}, width), 0
      for line in text:gmatch "[^\n]+" do widest = math.max(widest, #line) end
      assert.is_true(widest < width and widest > 0.75 * width, text)
      assert.is_nil(text:find "[^\n -~]")
      local drawn = places(text, "%*")
      assert.is_true(drawn[1].row > drawn[#drawn].row + 3, text)     -- upwards
      assert.matches("response %*", text)
      assert.matches("\n +iteration\n", text)
    end
  end)

  it("takes columns, lists, vectors, several by name, and optimisations", function()
    local down = places(plot.text(series, { "rate" }, 60), "%*")
    assert.is_true(down[1].row < down[#down].row - 5)
    assert.matches("rate %*+\n +response #+", plot.text(series, { "rate", "response" }, 60))
    assert.equal(plot.text({ 1, 4, 2 }, {}, 60), plot.text(hyla.tensor { 1, 4, 2 }, {}, 60))
    assert.matches("one %*+\n +two #+", plot.text({ one = { 1, 2 }, two = hyla.tensor { 2, 1 } }, {}, 60))
    assert.is_string(plot.text({ 5 }, {}, 60))
    assert.is_string(plot.text({ 2, 2, 2 }, {}, 60))
    local w, eta = hyla.weight("w", { 2 }, hyla.ones), hyla.hyper("eta", { init = 0.1 })
    local p = hyla.problem { inner = (w * w):sum(), outer = (w * w):sum(), train = hyla.gd { rate = eta, steps = 3 },
                             improve = hyla.adam { rate = 0.01, steps = 4 } }
    local run = p:optimise()
    assert.equal(plot.text(run.series, {}, 60), plot.text(run, {}, 60))
    assert.matches("\n +step\n", plot.text(p:trajectory(), {}, 60))
  end)

  it("leaves gaps where a number is not finite, and quotes names", function()
    local text = plot.text({ ['h\195\169 "q" \\ _x^2'] = { 1, 0 / 0, 3, 1 / 0, 5 } }, {}, 80)
    assert.matches('h? "q" \\ _x^2', text, 1, true)
    assert.error_matches(function() plot.text({ 0 / 0, 1 / 0 }, {}, 80) end, "none of the numbers is finite")
  end)

  it("refuses what it cannot draw", function()
    assert.error_matches(function() plot.text(series, { "respnse" }, 60) end,
      "no numbers 'respnse'; did you mean 'response'%?; there are: rate, response")
    assert.error_matches(function() plot.text({ { note = "x" } }, {}, 60) end, "the rows have no numbers")
    for _, what in ipairs { 3, "x", {}, { { 1 } }, hyla.zeros { 2, 2 }, hyla.box(0, 1), { 1, "x" } } do
      assert.error_matches(function() plot.text(what, {}, 60) end, "plot: expected a series", nil, tostring(what))
    end
    assert.error_matches(function() plot.text({ 1, 2 }, { "x" }, 60) end, "names with numbers")
  end)

  it("names the package where gnuplot is not installed", function()
    local bin = shell.folder()
    shell.run("for x in luajit sh dirname readlink; do ln -s $(command -v $x) " .. bin .. "; done")
    local r = shell.run(("echo 'plot { 1, 2 }' | PATH=%s ./hyla"):format(bin))
    assert.matches("plot: gnuplot is not installed %(Debian package gnuplot%-nox%)", r.out .. r.err)
    assert.equal(1, r.code)
    shell.remove(bin)
  end)
end)

describe("a timing", function()
  it("is the median of several runs, with their spread", function()
    local n = 0
    local t = time(function(by) n = n + by end, 2)
    assert.is_true(t.runs >= 5 and n >= 2 * t.runs)
    assert.is_true(t.fastest <= t.low and t.low <= t.median and t.median <= t.high and t.high <= t.slowest)
    assert.is_true(t.median > 0 and t.median < 1e-3)
    assert.matches("^[%d%.e+]+ %ws %(median of %d+; half of them .+ to .+; all .+ to .+%)$", tostring(t))
  end)

  it("takes expressions and statements of the caller's globals", function()
    local env = setmetatable({ counted = 0 }, { __index = _G })
    local function call(text)
      local t = time(text)
      return t
    end
    setfenv(call, env)
    local t = call "counted + 1"
    assert.is_true(t.runs >= 5)
    call "counted = counted + 1"
    assert.is_true(env.counted > 5)
  end)

  it("comes back with what it has at Ctrl-C", function()
    local n = 0
    local t = time(function()
      n = n + 1
      if n == 3 then
        engine.C.hyla_interrupt()
        error("interrupted", 0)
      end
      local till = os.clock() + 1e-3
      while os.clock() < till do n = n + 0 end
    end)
    engine.C.hyla_interrupt_clear()
    assert.equal(1, t.runs)
    assert.matches("measured once", tostring(t))
  end)

  it("passes errors on, and refuses what cannot be run", function()
    assert.error_matches(function() time(function() error "mine" end) end, "mine")
    assert.error_matches(function() time "))" end, "time: .*unexpected symbol")
    assert.error_matches(function() time(3) end, "expected a function or a text")
  end)
end)
