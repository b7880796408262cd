-- Maps one after another, on rows of sizes that blocks, chains and tiles cut in all ways: the same bits as one element
-- after the other, computed here.
local builder = require "spec.engine.graph_builder"

local random = math.random
local function draw() return random() * 2 - 1 end

local operations = {
  add = function(x, y) return x + y end,
  sub = function(x, y) return x - y end,
  mul = function(x, y) return x * y end,
}
local names = { "add", "sub", "mul" }

-- A value of the graph and what it must be, as a function of row and column.
local function leaf(g, n, k, dims)
  local value = builder.make(dims, draw)
  local flat, column = value:totable(), dims[2]
  local x = g:input(value)
  local rows, columns = dims[1] > 1, column > 1
  return {
    ref = rows and columns and x or g:apply("expand", { v = { n, k } }, x),
    at = function(i, j) return flat[rows and i or 1][columns and j or 1] end,
  }
end

local function combine(g, x, y)
  local name = names[random(#names)]
  local f, kept = operations[name], {}
  return {
    ref = g:apply(name, nil, x.ref, y.ref),
    at = function(i, j)
      local key = i * 4096 + j
      kept[key] = kept[key] or f(x.at(i, j), y.at(i, j))
      return kept[key]
    end,
  }
end

-- Values of one shape, made of whole matrices, rows and columns: two that are results, and one of which only the
-- reduction of its rows is.
local function program_of(n, k, depth)
  local g = builder.new()
  local values = {}
  for _, dims in ipairs { { n, k }, { 1, k }, { n, 1 }, { n, k } } do values[#values + 1] = leaf(g, n, k, dims) end
  for _ = 1, depth do
    values[#values + 1] = combine(g, values[random(#values)], values[random(math.max(1, #values - 4), #values)])
  end
  local hidden = combine(g, values[#values], values[3])
  return g, { values[#values - random(0, 1)], values[#values - random(2, 3)] }, hidden
end

local function row_sum(of, i, k)
  local sum = 0
  for j = 1, k do sum = sum + of.at(i, j) end
  return sum
end

local function check(n, k, depth)
  local g, wanted, hidden = program_of(n, k, depth)
  local got = { g:program { wanted[1].ref, wanted[2].ref, g:apply("sum", { v = { 1 } }, hidden.ref) }() }
  for o = 1, 2 do
    local table_of = got[o]:totable()
    for i = 1, n do
      for j = 1, k do
        if table_of[i][j] ~= wanted[o].at(i, j) then
          return ("%d x %d: row %d, column %d: got %.17g, expected %.17g"):format(n, k, i, j, table_of[i][j],
            wanted[o].at(i, j))
        end
      end
    end
  end
  local sums = got[3]:totable()
  for i = 1, n do -- in another order: k roundings of at most 2^-53 of what is summed, of values that may reach 2^6
    local expected = row_sum(hidden, i, k)
    if not (math.abs(sums[i][1] - expected) <= k * 2 ^ -40) then
      return ("%d x %d: sum of row %d: got %.17g, expected %.17g"):format(n, k, i, sums[i][1], expected)
    end
  end
end

describe("maps in a row", function()
  it("have the bits of one element after the other, whatever cuts their rows", function()
    math.randomseed(11)
    for _, size in ipairs { { 30, 40 }, { 32, 36 }, { 100, 70 }, { 16, 129 }, { 70, 17 }, { 9, 1100 }, { 3, 5 } } do
      for _ = 1, 4 do assert.is_nil(check(size[1], size[2], random(3, 14))) end
    end
  end)

  it("have rows of their own after others of another width", function()
    math.randomseed(12)
    local n = 4000
    local function chain(g, x)
      for _, name in ipairs { "sin", "cos", "tanh", "sin" } do x = g:apply(name, nil, x) end
      return x
    end
    for _, width in ipairs { 16, 40 } do
      local g, after = builder.new(), builder.new()
      local wide = chain(g, g:input(builder.make({ n, width }, draw)))
      local sums = g:apply("sum", { v = { 1 } }, wide)
      local first, second = g:program { sums, chain(g, sums) }()
      assert.same(after:program { chain(after, after:input(first)) }():totable(), second:totable())
    end
  end)
end)
