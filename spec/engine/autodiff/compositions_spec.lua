-- A thousand random compositions of operations: the gradient of each against central differences along a random
-- direction, and its vjp against its jvp.
local builder = require "spec.engine.graph_builder"

local random = math.random
local function draw() return random() * 2 - 1 end
local function pick(list) return list[random(#list)] end

local dims_of = { { 3, 4 }, { 4, 2 }, { 3, 2 }, { 4 }, { 3, 1 }, { 1, 2 } }

-- Smooth operations that keep values of order one.
local unary = { "tanh", "sigmoid", "softplus", "sin", "cos", "exp", "neg", "expm1" }

local moves = {
  function(g, x) return g:apply(pick(unary), nil, g:apply("tanh", nil, x)) end,
  function(g, x) return g:apply("log", nil, g:apply("add", nil, g:apply("mul", nil, x, x), g:fill(g:dims(x), 1))) end,
  function(g, x) return g:apply("sqrt", nil, g:apply("add", nil, g:apply("mul", nil, x, x),
    g:fill(g:dims(x), 0.5))) end,
  function(g, x, y) return g:apply(pick { "add", "sub", "mul" }, nil, x, y) end,
  function(g, x, y)
    return g:apply("div", nil, x, g:apply("add", nil, g:apply("exp", nil, g:apply("tanh", nil, y)),
      g:fill(g:dims(y), 0.5)))
  end,
  function(g, x) return g:apply("softmax", { v = { #g:dims(x) - 1 } }, x) end,
  function(g, x)
    local dims = g:dims(x)
    local axes = { v = { random(0, #dims - 1) } }
    return g:apply("expand", { v = dims }, g:apply(pick { "sum", "logsumexp" }, axes, x))
  end,
  function(g, x)
    local dims = g:dims(x)
    return g:apply("softmax", { v = { random(0, #dims - 1) } }, x)
  end,
  function(g, x) -- x x' x
    if #g:dims(x) ~= 2 then return x end
    return g:apply("tanh", nil, g:apply("matmul", { v = { 0, 0 } }, g:apply("matmul", { v = { 0, 1 } }, x, x), x))
  end,
  function(g, x)
    if #g:dims(x) ~= 2 then return x end
    local turned = g:apply("transpose", { v = { 1, 0 } }, x)
    return g:apply("transpose", { v = { 1, 0 } }, g:apply("tanh", nil, turned))
  end,
  function(g, x)
    local dims = g:dims(x)
    local size = 1
    for _, d in ipairs(dims) do size = size * d end
    return g:apply("reshape", { v = dims }, g:apply("sin", nil, g:apply("reshape", { v = { size } }, x)))
  end,
  function(g, x) -- cut apart and joined the other way round
    local dims = g:dims(x)
    if dims[1] < 2 then return x end
    local from, to, mid, steps = {}, {}, {}, {}
    for i, d in ipairs(dims) do from[i], to[i], mid[i], steps[i] = 0, d, d, 1 end
    mid[1] = 1
    local function part(a, b)
      local v = {}
      for _, list in ipairs { a, b, steps } do for _, k in ipairs(list) do v[#v + 1] = k end end
      return g:apply("slice", { v = v }, x)
    end
    local first = part(from, mid)
    from[1] = 1
    return g:apply("concat", { v = { 0 } }, part(from, to), first)
  end,
  function(g, x)
    local dims = g:dims(x)
    local i = g:constant(builder.make({ dims[1] }, function() return random(0, dims[1] - 1) end, "int32"))
    return g:apply("gather", nil, x, i)
  end,
}

local function composition()
  local g = builder.new()
  local dims = pick(dims_of)
  local xs, values = {}, {}
  for i = 1, 2 do xs[i] = g:input(builder.make(dims, draw)) end
  for i = 1, 2 do values[i] = xs[i] end
  for _ = 1, random(3, 9) do values[#values + 1] = pick(moves)(g, pick(values), pick(values)) end
  local last = g:apply("tanh", nil, values[#values])
  local axes = {}
  for i = 1, #g:dims(last) do axes[i] = i - 1 end
  local y = g:apply("sum", { v = axes }, last)
  return g, y, xs
end

local function check(g, y, xs)
  local dots, at = {}, {}
  for i, x in ipairs(xs) do
    dots[i] = g:input(builder.make(g:dims(x), draw))
    at[i] = g.values[#g.values]
  end
  local dot = g:jvp(xs, dots, { y })
  if dot < 0 then return assert(g:vjp(y, nil, xs) == -1) end
  local slope = (builder.elements(g:program { dot }()))[0]
  local bars, sum = { g:vjp(y, nil, xs) }, 0
  for i, bar in ipairs(bars) do
    if bar >= 0 then sum = sum + builder.dot(g:program { bar }(), at[i]) end
  end
  -- The same derivative, summed in another order: rounding of a few dozen operations.
  assert(math.abs(sum - slope) <= 1e-12 * (10 + math.abs(slope)), ("vjp %.15g, jvp %.15g"):format(sum, slope))
  local run = g:program { y }
  local function value(h)
    local values = { unpack(g.values) }
    for i = 1, 2 do values[i] = builder.moved(g.values[i], at[i], h) end
    return (builder.elements(run(values)))[0]
  end
  local function central(h) return (value(h) - value(-h)) / (2 * h) end
  -- Two Richardson steps leave h^6; rounding is 2^-53/h = 1e-13 times a few.
  local a, b, c = central(2 ^ -8), central(2 ^ -9), central(2 ^ -10)
  local ab, bc = b + (b - a) / 3, c + (c - b) / 3
  local expected = bc + (bc - ab) / 15
  assert(math.abs(expected - slope) <= 1e-8 * (1 + math.abs(slope)),
    ("differences %.12g, jvp %.12g"):format(expected, slope))
end

describe("random compositions", function()
  it("have the derivatives that central differences see", function()
    for seed = 1, 1000 do
      math.randomseed(seed)
      local g, y, xs = composition()
      local ok, message = pcall(check, g, y, xs)
      if not ok then error(("seed %d: %s\n%s"):format(seed, tostring(message), g:print { y }), 0) end
    end
  end)
end)
