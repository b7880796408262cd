-- Values of the operations against plain Lua, in float64. The tolerance is a few roundings of numbers near 1.
local hyla = require "hyla"
local mistake = require "spec.lua.mistake"
local tensor = require "hyla.tensor"

local function double(values) return tensor.from(values, "float64") end

local function near(expected, got)
  if type(expected) ~= "table" then return assert.is_near(expected, got, 1e-13) end
  assert.are.equal(#expected, #got)
  for i = 1, #expected do near(expected[i], got[i]) end
end

describe("element-wise operations", function()
  local values = { -2, -0.5, 0.25, 1.5 }
  local unary = {
    exp = math.exp, abs = math.abs, sin = math.sin, cos = math.cos, tanh = math.tanh, floor = math.floor,
    neg = function(x) return -x end, square = function(x) return x * x end,
    round = function(x) return math.floor(x + 0.5) end,
    relu = function(x) return math.max(x, 0) end, sign = function(x) return x > 0 and 1 or -1 end,
    sigmoid = function(x) return 1 / (1 + math.exp(-x)) end,
    softplus = function(x) return math.log(1 + math.exp(x)) end,
    expm1 = function(x) return math.exp(x) - 1 end, stop_gradient = function(x) return x end,
  }
  for name, expected in pairs(unary) do
    it(name .. " equals Lua's", function()
      local want = {}
      for i, x in ipairs(values) do want[i] = expected(x) end
      near(want, double(values)[name](double(values)):totable())
    end)
  end

  it("round takes halves up, and whole numbers as they are, however large", function()
    local x = tensor.from({ -1.5, -0.5, 0.5, 2.5, 0.49999997, 16777215, -1e9, 1e30 }, "float32")
    local want = tensor.from({ -1, 0, 1, 3, 0, 16777215, -1e9, 1e30 }, "float32")
    assert.same(want:totable(), x:round():totable())
    local w = hyla.weight("w", { 2 }, hyla.ones)
    local _, message = pcall(hyla.problem, { inner = w:round():sum(), train = hyla.gd { rate = 1, steps = 1 } })
    assert.matches("no path from weight 'w'", message)
  end)

  it("of two operands equal Lua's", function()
    local x, y = double { 3, -1, 2 }, double { 2, 4, 2 }
    near({ 5, 3, 4 }, (x + y):totable())
    near({ 1, -5, 0 }, (x - y):totable())
    near({ 6, -4, 4 }, (x * y):totable())
    near({ 1.5, -0.25, 1 }, (x / y):totable())
    near({ 9, 1, 4 }, (x ^ y):totable())
    near({ 9, 1, 4 }, (x ^ 2):totable())
    near({ 3, 4, 2 }, x:maximum(y):totable())
    near({ 2, -1, 2 }, x:minimum(y):totable())
    near({ 0, 1, 0 }, x:lt(y):totable())
    near({ 0, 1, 1 }, x:le(y):totable())
    near({ 1, 0, 0 }, x:gt(y):totable())
    near({ 1, 0, 1 }, x:ge(y):totable())
    near({ 0, 0, 1 }, x:eq(y):totable())
    near({ 1, 1, 0 }, x:ne(y):totable())
    near({ 2, 0, 2 }, x:clip(0, 2):totable())
    near({ 0, -1, 2 }, hyla.where(x:gt(2), 0, x):totable())
    near({ 3, 4, 2 }, hyla.where(tensor.from({ 1, 0, 1 }, "int32"), x, y):totable())
  end)
end)

describe("reductions", function()
  local x = double { { 1, 2, 6 }, { -1, 0, 3 } }
  it("go over the axes that are named, or all", function()
    near(11, x:sum():item())
    near({ 0, 2, 9 }, x:sum(1):totable())
    near({ { 3 }, { 2 / 3 } }, x:mean(2, { keep = true }):totable())
    near({ 6, 3 }, x:max(-1):totable())
    near({ -1, 0, 3 }, x:min(1):totable())
    near({ 2, 2 }, x:argmax():totable())
    near({ 0, 0, 0 }, x:argmax(1):totable())
    near(math.sqrt(51), x:norm():item())
    near({ 9, 4 }, x:norm1(2):totable())
    near({ 41, 10 }, x:squared_norm(2):totable())
    near(math.log(math.exp(-1) + 1 + math.exp(3)), x:logsumexp(2):get(2))
  end)

  it("normalise along the last axis", function()
    local total = math.exp(-1) + 1 + math.exp(3)
    near({ math.exp(-1) / total, 1 / total, math.exp(3) / total }, x:softmax():totable()[2])
    near(-math.log(total), x:log_softmax():get(2, 2))
  end)
end)

describe("movement and indices", function()
  local x = double { { 1, 2, 3 }, { 4, 5, 6 } }
  local first, column = tensor.from({ 1, 0, 1 }, "int32"), tensor.from({ 2, 0 }, "int32")
  it("put elements where they say", function()
    near({ { 0, 0, 0, 0 }, { 1, 2, 3, 0 }, { 4, 5, 6, 0 } }, x:pad({ 1, 0 }, { 0, 1 }):totable())
    near({ { 1, 2, 3, 1 }, { 4, 5, 6, 4 } }, hyla.concat({ x, x:slice(2, 1, 1), axis = 2 }):totable())
    near({ { 4, 5, 6 }, { 1, 2, 3 }, { 4, 5, 6 } }, x:gather(first):totable())
    near({ 3, 4 }, x:take_along(column):totable())
    near({ { 0, 0, 7 }, { 8, 0, 0 } }, double({ 7, 8 }):put_along(column, 3):totable())
    near({ { 4, 5, 6 }, { 0, 0, 0 }, { 1, 2, 3 } }, x:scatter_add(column, 3):totable())
    near({ { 0, 0, 1 }, { 1, 0, 0 } }, column:one_hot(3):totable())
    near({ { 14, 32 }, { 32, 77 } }, x:matmul(x:t()):totable())
    near({ 14, 32 }, x:matmul(double { 1, 2, 3 }):totable())
    near({ 9, 12, 15 }, double({ 1, 2 }):matmul(x):totable())
  end)
end)

describe("losses", function()
  it("give one number an example", function()
    local z = double { { 1, 2, 3 }, { 0, 0, 0 } }
    local labels = tensor.from({ 0, 2 }, "int32")
    near({ math.log(math.exp(1) + math.exp(2) + math.exp(3)) - 1, math.log(3) },
         hyla.cross_entropy(z, labels):totable())
    near({ math.log(1 + math.exp(2)) - 2, math.log(1 + math.exp(-1)) },
         hyla.binary_cross_entropy(double { 2, -1 }, double { 1, 0 }):totable())
    near({ 14, 3 }, hyla.squared_error(z, double { { 0, 0, 0 }, { 1, 1, 1 } }):totable())
    near({ 1, 4 }, hyla.squared_error(double { 1, 2 }, 0):totable())
    assert.is_near(0.5, hyla.accuracy(z, tensor.from({ 2, 1 }, "int32")):item(), 1e-7)
  end)

  it("want predictions and targets of one shape, since [n] and [n, 1] would give [n, n]", function()
    for _, name in ipairs { "squared_error", "binary_cross_entropy" } do
      local function refused(a, b, shapes)
        local message = mistake(function() hyla[name](a, b) end)
        assert.equal(name .. ": expected two of one shape, or a number, got " .. shapes, message)
      end
      refused(hyla.zeros { 5 }, hyla.zeros { 5, 1 }, "float32[5] and float32[5, 1]")
      refused(hyla.zeros { 5, 2 }, hyla.zeros { 2 }, "float32[5, 2] and float32[2]")
      refused(hyla.weight("w", { 1 }, hyla.zeros), hyla.zeros { 5 }, "float[1] and float32[5]")
      assert.same({ 5 }, hyla[name](hyla.zeros { 5 }, hyla.weight("w", {}, 0)).shape)
    end
  end)

  it("do not overflow", function()
    near({ 1000 }, hyla.cross_entropy(double { { 0, 1000 } }, tensor.from({ 0 }, "int32")):totable())
    near({ 1000 }, hyla.binary_cross_entropy(double { 1000 }, 0):totable())
  end)
end)
