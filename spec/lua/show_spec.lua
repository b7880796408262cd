-- Values as the prompt shows them, at any width.
local hyla = require "hyla"
local show = require "hyla.prompt.show"

local function widest(text)
  local width = 0
  for line in text:gmatch "[^\n]+" do width = math.max(width, #line) end
  return width
end

describe("the prompt shows", function()
  it("plain values and tables", function()
    assert.equal('"a\\nb"', show("a\nb", 80))
    assert.equal('{ 1, [true] = {}, a = "b" }', show({ 1, a = "b", [true] = {} }, 80))
    assert.equal("{\n  name = 1,\n  other = 2\n}", show({ name = 1, other = 2 }, 12))
    local deep = { { { { 1 } } } }
    assert.matches("^{ { { table: 0x%x+ } } }$", show(deep, 80))
    deep[2] = deep                                      -- no end
    assert.is_string(show(deep, 80))
  end)

  it("tensors with aligned values, the ends of large ones, within the width", function()
    assert.equal("float32[2, 2]\n[[  1, 2.5],\n [-30,   4]]", show(hyla.tensor { { 1, 2.5 }, { -30, 4 } }, 80))
    local row = hyla.arange(30)
    assert.equal(3, select(2, show(row, 40):gsub("\n", "")))
    for _, width in ipairs { 40, 80 } do
      local text = show(hyla.tensor.normal({ 100, 50 }, { seed = 1 }), width)
      assert.is_true(widest(text) <= width, text)
      assert.equal(7, select(2, text:gsub("\n", "")))
      assert.matches("^float32%[100, 50%]\n", text)
      assert.matches(", %.%.%., ", text)
    end
  end)

  it("tensors among other values in a line", function()
    local t = { W = hyla.arange(20):reshape { 4, 5 }, b = hyla.tensor { 1, 2 }, c = hyla.tensor(3),
                z = hyla.zeros { 9 }, n = hyla.tensor { { 0 / 0, 1 } }, i = hyla.zeros({ 8 }, "int32"),
                e = hyla.zeros { 0 } }
    assert.equal("{\n  W = float32[4, 5] 1 to 20,\n  b = float32[2] [1, 2],\n  c = float32[] 3,\n  e = float32[0] [],\n"
      .. "  i = int32[8] all 0,\n  n = float32[1, 2] with NaN or infinity,\n  z = float32[9] all 0\n}", show(t, 80))
  end)

  it("rows of figures as a table, in blocks that fit, the ends of long ones", function()
    local list = {}
    for i = 1, 3 do list[i] = { step = i - 1, response = 1 / i, accuracy = 0.5 } end
    list[2].note = "x"
    assert.equal("step  accuracy  note  response\n   0       0.5               1\n   1       0.5  x          0.5\n"
      .. "   2       0.5          0.3333", show(list, 80))
    assert.equal("step  accuracy  note\n   0       0.5\n   1       0.5  x\n   2       0.5\n\n"
      .. "step  response\n   0         1\n   1       0.5\n   2    0.3333", show(list, 20))
    for i = 1, 100 do list[i] = { step = i } end
    local text = show(list, 80)
    assert.equal(13, select(2, text:gsub("\n", "")))
    assert.matches("\n   6\n ...\n  95\n", text)
    assert.equal("{ {}, { 1 } }", show({ {}, { 1 } }, 80))
  end)

  it("recipes with their options", function()
    local text = show(hyla.load "hyper_cleaning", 40)
    assert.is_true(widest(text) <= 40 or text:find "/%S+$" ~= nil, text)
    assert.matches("budget +list of numbers", text)
  end)

  it("problems by what they are made of", function()
    local w = hyla.weight("w", { 3, 2 }, hyla.ones)
    local eta = hyla.hyper("eta", { init = 0.5, within = hyla.box(0, 1) })
    local d = hyla.hyper("d", { size = 2, init = { 1, 2 } })
    local s = hyla.hyper("s", { init = 3, frozen = true })
    local J = (d * s * w * w):sum()
    local p = hyla.problem { inner = J, outer = w:sum(), train = hyla.gd { rate = eta, steps = 7 },
                             improve = hyla.adam { rate = 0.1, steps = 9 }, watch = { norm = w:norm() } }
    p:step(2)
    local text = show(p, 80)
    assert.equal(tostring(p), text)
    assert.equal([[
problem at step 2 of 7, float32
  weights   w[3, 2]
  learned   d[2] = 1 to 2, eta = 0.5 in box(0, 1)
  frozen    s = 3
  training  gd, 7 steps
  method    reverse
  improve   adam, 9 hyper-iterations
  watched   norm]], text)
    assert.is_true(widest(show(p, 40)) <= 40)
  end)
end)
