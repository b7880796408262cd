-- Products that share a factor become one where a derivative adds them: how many are left, and that the derivative is
-- what central differences see.
local builder = require "spec.engine.graph_builder"

local ROWS, INNER = 9, 8

local function draw() return math.random() * 2 - 1 end

-- A graph with what the cases below are made of: W and V [rows, INNER], A, B [INNER, INNER], C [rows, rows], scalar s.
local function setting(rows)
  math.randomseed(7)
  local g = builder.new()
  local function input(...) return g:input(builder.make({ ... }, draw)) end
  return g, { W = input(rows, INNER), V = input(rows, INNER), U = input(rows, INNER), A = input(INNER, INNER),
              B = input(INNER, INNER), C = input(rows, rows), D = input(rows, rows), s = input(1, 1), r = input(1, 1) }
end

local function sum(g, x) return g:apply("sum", { v = { 0, 1 } }, x) end
local function product(g, x, y, tx, ty) return g:apply("matmul", { v = { tx and 1 or 0, ty and 1 or 0 } }, x, y) end
local function mul(g, x, y) return g:apply("mul", nil, x, y) end
local function scaled(g, x, number) return mul(g, x, g:fill(g:dims(x), number)) end
local function times(g, x, scalar) return mul(g, x, g:apply("expand", { v = g:dims(x) }, scalar)) end
local function inner(g, x, y) return sum(g, mul(g, x, y)) end
local function add(g, x, y) return g:apply("add", nil, x, y) end
local function sub(g, x, y) return g:apply("sub", nil, x, y) end

local cases = {
  { "a quadratic form", 1, function(g, o) return inner(g, product(g, o.W, o.A), o.W) end },
  { "one times a number and a scalar", 1, function(g, o)
    return sum(g, times(g, scaled(g, mul(g, product(g, o.W, o.A), o.W), 2), o.s))
  end },
  { "one beside other terms", 1, function(g, o)
    local form = inner(g, product(g, o.W, o.A), o.W)
    return add(g, add(g, inner(g, o.W, o.V), form), inner(g, mul(g, o.W, o.W), o.W))
  end },
  { "one with another term between", 1, function(g, o)
    local made = product(g, o.W, o.A)
    local other = inner(g, o.W, o.V)
    return add(g, other, inner(g, made, o.W))
  end },
  { "equal numbers", 1, function(g, o)
    return add(g, inner(g, product(g, o.W, o.A), o.V), inner(g, product(g, o.W, o.B), o.V))
  end },
  { "opposite numbers", 1, function(g, o)
    return sub(g, inner(g, product(g, o.W, o.A), o.V), inner(g, product(g, o.W, o.B, false, true), o.V))
  end },
  { "other numbers", 1, function(g, o)
    return sub(g, scaled(g, inner(g, product(g, o.W, o.A), o.V), 2), scaled(g, inner(g, product(g, o.W, o.B), o.V), 3))
  end },
  { "three of them", 1, function(g, o)
    local two = add(g, inner(g, product(g, o.W, o.A), o.V), inner(g, product(g, o.W, o.B), o.V))
    return add(g, two, inner(g, product(g, o.W, o.A, false, true), o.V))
  end },
  { "a factor on the right", 1, function(g, o)
    return add(g, inner(g, product(g, o.C, o.W), o.V), inner(g, product(g, o.D, o.W, true), o.V))
  end },
  { "no factor that is shared", 2, function(g, o)
    return add(g, inner(g, product(g, o.W, o.A), o.V), inner(g, product(g, o.W, o.B), o.U))
  end },
  { "other scalars", 2, function(g, o)
    local first, second = mul(g, product(g, o.W, o.A), o.V), mul(g, product(g, o.W, o.B), o.V)
    return add(g, sum(g, times(g, first, o.s)), sum(g, times(g, second, o.r)))
  end },
  { "a constant, which is packed", 2, function(g, o)
    local fixed = g:constant(builder.make({ INNER, INNER }, draw))
    return add(g, inner(g, product(g, o.W, fixed), o.V), inner(g, product(g, o.W, o.B), o.V))
  end },
  { "few rows", 2, function(g, o) return inner(g, product(g, o.W, o.A), o.W) end, rows = 3 },
}

local function count(text, word)
  local n = 0
  for _ in text:gmatch(word) do n = n + 1 end
  return n
end

describe("products that share a factor", function()
  for _, case in ipairs(cases) do
    local name, products, make = unpack(case)
    it(("are one in the derivative: %s, %d left"):format(name, products), function()
      local g, o = setting(case.rows or ROWS)
      local y = make(g, o)
      local bar = g:vjp(y, nil, { o.W })
      assert.equal(products, count(g:print { bar }, "matmul"), g:print { bar })
      local at = builder.make(g:dims(o.W), draw)
      local slope = builder.dot(g:program { bar }(), at)
      local run = g:program { y }
      local function value(h)
        local values = { unpack(g.values) }
        values[1] = builder.moved(g.values[1], at, h)
        return (builder.elements(run(values)))[0]
      end
      -- Of degree three at most: two steps are exact but for rounding.
      local far, near = (value(0.5) - value(-0.5)), (value(0.25) - value(-0.25)) * 2
      assert.is_near(near + (near - far) / 3, slope, 1e-12 * (10 + math.abs(slope)))
    end)
  end

  it("have second derivatives", function()
    local g, o = setting(ROWS)
    local y = inner(g, product(g, mul(g, o.W, o.W), o.A), mul(g, o.W, o.W))
    local by_W = g:vjp(y, nil, { o.W })
    local at = g:input(builder.make(g:dims(o.W), draw))
    local along = inner(g, by_W, at)
    local back = g:vjp(along, nil, { o.W, o.A })
    local other = g:input(builder.make(g:dims(o.W), draw))
    local forward = g:jvp({ o.W }, { other }, { along })
    local there = (builder.elements(g:program { forward }()))[0]
    assert.is_near(there, builder.dot(g:program { back }(), g.values[#g.values]), 1e-12 * (10 + math.abs(there)))
  end)
end)
