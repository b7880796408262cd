-- Every op of ops.def alone: jvp against central differences, vjp against jvp, to second order, over random shapes with
-- broadcasting. Points are drawn inside each op's domain and away from its kinks.
local builder = require "spec.engine.graph_builder"
local C = require("hyla.ffi").C
local ffi = require "ffi"

local random = math.random
local function between(lo, hi) return lo + (hi - lo) * random() end
local function signed(lo, hi) return between(lo, hi) * (random() < 0.5 and -1 or 1) end

local function any() return signed(0.2, 1.5) end
local function positive() return between(0.3, 2) end
local function unit() return between(-0.8, 0.8) end
-- Values that keep a distance from each other, so that no step reorders them.
local function distinct()
  local order = {}
  for i = 0, 4095 do order[i] = i end
  for i = 4095, 1, -1 do
    local k = random(0, i)
    order[i], order[k] = order[k], order[i]
  end
  return function(i) return order[i % 4096] / 1024 - 2 end
end

local function random_dims(rank)
  local dims = {}
  for i = 1, rank or random(1, 4) do dims[i] = random(1, 4) end
  return dims
end

local function copy(t) return { unpack(t) } end

-- An operand of these dimensions: drawn whole, or smaller and expanded.
local function operand(g, xs, dims, draw)
  local small = copy(dims)
  if random() < 0.4 then small[random(#dims)] = 1 end
  local x = g:input(builder.make(small, draw))
  xs[#xs + 1] = x
  return g:apply("expand", { v = dims }, x)
end

local function indices(dims, size) return builder.make(dims, function() return random(0, size - 1) end, "int32") end

local function map(n, ...)
  local draws = { ... }
  return function(g, xs, op)
    local dims, list = random_dims(), {}
    for i = 1, n do list[i] = operand(g, xs, dims, draws[i] or draws[1]) end
    return g:apply(op, nil, unpack(list))
  end
end

local function reduce(draw)
  return function(g, xs, op)
    local dims, axes = random_dims(), {}
    for axis = 0, #dims - 1 do if random() < 0.5 then axes[#axes + 1] = axis end end
    if #axes == 0 then axes[1] = random(0, #dims - 1) end
    return g:apply(op, { v = axes }, operand(g, xs, dims, draw()))
  end
end

local function move(attr)
  return function(g, xs, op)
    local dims = random_dims()
    return g:apply(op, { v = attr(dims) }, operand(g, xs, dims, any))
  end
end

local function each(dims, f)
  local list = {}
  for k = 1, #f do for i = 1, #dims do list[#list + 1] = f[k](dims[i], i) end end
  return list
end

local cases = {
  neg = map(1, any), exp = map(1, any), log = map(1, positive), log1p = map(1, unit), expm1 = map(1, any),
  sqrt = map(1, positive), sqrt0 = map(1, positive), recip0 = map(1, any), abs = map(1, any), relu = map(1, any),
  tanh = map(1, any), sigmoid = map(1, any), softplus = map(1, any), sin = map(1, any), cos = map(1, any),
  add = map(2, any), sub = map(2, any), mul = map(2, any), div = map(2, any, positive), pow = map(2, positive, any),
  maximum = function(g, xs, op)
    local dims, draw = random_dims(), distinct()
    return g:apply(op, nil, operand(g, xs, dims, draw), operand(g, xs, dims, function(i) return draw(i + 2000) end))
  end,
  where = function(g, xs, op)
    local dims = random_dims()
    local c = g:constant(builder.make(dims, function() return random(0, 1) end))
    return g:apply(op, nil, c, operand(g, xs, dims, any), operand(g, xs, dims, any))
  end,
  cast = function(g, xs, op)
    return g:apply(op, { v = { C.HYLA_FLOAT64 } }, operand(g, xs, random_dims(), any))
  end,
  sum = reduce(function() return any end), max = reduce(distinct), logsumexp = reduce(function() return any end),
  softmax = reduce(function() return any end),
  matmul = function(g, xs, op)
    local batch, n, k, m = random_dims(random(0, 2)), random(1, 5), random(1, 5), random(1, 5)
    if random() < 0.2 then k = random(60, 90) end
    local tx, ty = random(0, 1), random(0, 1)
    local x, y = copy(batch), copy(batch)
    x[#x + 1], x[#x + 2] = tx == 1 and k or n, tx == 1 and n or k
    y[#y + 1], y[#y + 2] = ty == 1 and m or k, ty == 1 and k or m
    return g:apply(op, { v = { tx, ty } }, operand(g, xs, x, any), operand(g, xs, y, any))
  end,
  reshape = function(g, xs, op)
    local dims = { random(1, 3), 2, 6 }
    return g:apply(op, { v = { 3, dims[1], 4 } }, operand(g, xs, dims, any))
  end,
  transpose = move(function(dims)
    local perm = {}
    for i = 1, #dims do table.insert(perm, random(1, i), i - 1) end
    return perm
  end),
  expand = function(g, xs, op)
    local dims = random_dims()
    local wide = copy(dims)
    for i = 1, #dims do if dims[i] == 1 then wide[i] = random(1, 4) end end
    return g:apply(op, { v = wide }, operand(g, xs, dims, any))
  end,
  slice = function(g, xs, op)
    local dims, starts = random_dims(), {}
    for i = 1, #dims do starts[i] = random(0, dims[i] - 1) end
    local v = each(dims, { function(_, i) return starts[i] end,
      function(d, i) return random(starts[i] + 1, d) end, function() return random(1, 3) end })
    return g:apply(op, { v = v }, operand(g, xs, dims, any))
  end,
  pad = move(function(dims)
    local few = function() return random(0, 2) end
    return each(dims, { few, few, few })
  end),
  concat = function(g, xs, op)
    local dims, list = random_dims(), {}
    local axis = random(0, #dims - 1)
    for i = 1, random(1, 3) do
      local part = copy(dims)
      part[axis + 1] = random(1, 3)
      list[i] = operand(g, xs, part, any)
    end
    return g:apply(op, { v = { axis } }, unpack(list))
  end,
  gather = function(g, xs, op)
    local dims = random_dims()
    local i = g:constant(indices(random_dims(random(0, 2)), dims[1]))
    return g:apply(op, nil, operand(g, xs, dims, any), i)
  end,
  scatter_add = function(g, xs, op)
    local index, row = random_dims(random(1, 2)), random_dims(random(0, 2))
    local dims = copy(index)
    for _, d in ipairs(row) do dims[#dims + 1] = d end
    local rows = random(1, 4)
    return g:apply(op, { v = { rows } }, g:constant(indices(index, rows)), operand(g, xs, dims, any))
  end,
  take_along = function(g, xs, op)
    local dims = random_dims()
    local i = copy(dims)
    i[#i] = nil
    return g:apply(op, nil, operand(g, xs, dims, any), g:constant(indices(i, dims[#dims])))
  end,
  put_along = function(g, xs, op)
    local dims, K = random_dims(random(1, 3)), random(1, 5)
    return g:apply(op, { v = { K } }, operand(g, xs, dims, any), g:constant(indices(dims, K)))
  end,
  custom = function(g, xs, op) -- x e^y, whose rules come forwards, backwards or both
    local dims, given = random_dims(), random(3)
    local function mul(a, b) return g:apply("mul", nil, a, b) end
    local c = g:custom("x_exp_y", { dims, dims }, dims)
    g:rules(c, given ~= 1 and function(bar, z, _, y) return mul(bar, g:apply("exp", nil, y)), mul(bar, z) end,
            given ~= 2 and function(x_dot, y_dot, z, _, y)
      return g:apply("add", nil, mul(g:apply("exp", nil, y), x_dot), mul(z, y_dot))
    end)
    local x, y = operand(g, xs, dims, any), operand(g, xs, dims, unit)
    return g:apply(op, { v = { c.f } }, mul(x, g:apply("exp", nil, y)), x, y)
  end,
}
cases.minimum = cases.maximum

-- Operations that carry no derivative: the right answer is that nothing flows, or an error that names the line.
local flat = { sign = true, positive = true, floor = true, stop_gradient = true }
local none = { lt = true, le = true, eq = true, argmax = true, one_hot = true }
local leaves = { input = true, constant = true, fill = true }

local function like(g, ref) return g:input(builder.make(g:dims(ref), any), "direction") end

-- The derivative of y along dots at the graph's values, by central differences with one Richardson step.
local function differences(g, run, xs, dots)
  local function at(h)
    local values = copy(g.values)
    for k, input in ipairs(g.inputs) do
      for i, x in ipairs(xs) do
        if x == input then values[k] = builder.moved(g.values[k], dots[i], h) end
      end
    end
    return (run(values))
  end
  local function central(h) return at(h), at(-h), h end
  local function slope(h)
    local up, down = central(h)
    local a, n = builder.elements(up)
    local b = builder.elements(down)
    return builder.make(up.shape, function(i) return (a[i] - b[i]) / (2 * h) end), n
  end
  local coarse, n = slope(2 ^ -10)
  local fine = slope(2 ^ -11)
  local a, b = builder.elements(coarse), builder.elements(fine)
  return builder.make(fine.shape, function(i) return b[i] + (b[i] - a[i]) / 3 end), n
end

-- Truncation after Richardson is h^4 f'''''/480 < 1e-12 f''''', rounding 2^-53 / h = 1e-13; f''''' of x^-k near 0.2
-- is large.
local function near(expected, got, scale, what)
  local a, n = builder.elements(expected)
  local b = builder.elements(got)
  for i = 0, n - 1 do
    if not (math.abs(a[i] - b[i]) <= 2e-7 * (scale + math.abs(a[i]))) then
      error(("%s: element %d: expected %.12g, got %.12g"):format(what, i, a[i], b[i]), 0)
    end
  end
end

local function check(g, xs, y)
  local dots, values = {}, {}
  for i, x in ipairs(xs) do
    dots[i] = like(g, x)
    values[i] = g.values[#g.values]
  end
  local bar = like(g, y)
  local bar_value = g.values[#g.values]
  -- First order.
  local y_dot = g:jvp(xs, dots, { y })
  local x_bars = { g:vjp(y, bar, xs) }
  local run = g:program { y }
  local got = g:program { y_dot }()
  near(differences(g, run, xs, values), got, 1, "jvp")
  local left, right = builder.dot(bar_value, got), 0
  local bars = { g:program(x_bars)() }
  for i, b in ipairs(bars) do right = right + builder.dot(b, values[i]) end
  -- The same products in another order: rounding alone.
  assert(math.abs(left - right) <= 1e-11 * (1 + math.abs(left)), ("vjp: %.15g, jvp: %.15g"):format(right, left))
  -- Second order: the vjp's own jvp against differences of the vjp, and its vjp against its jvp.
  for i, x_bar in ipairs(x_bars) do
    local second = g:jvp(xs, dots, { x_bar })
    local slope = differences(g, g:program { x_bar }, xs, values)
    if second < 0 then -- linear: the first derivative is constant
      near(builder.make(slope.shape, function() return 0 end), slope, 1, "second derivative of a linear op")
    else
      got = g:program { second }()
      near(slope, got, 1, "jvp of vjp")
      local other = like(g, x_bar)
      left = builder.dot(g.values[#g.values], got)
      local backs = { g:vjp(x_bar, other, xs) }
      right = 0
      for k, back in ipairs(backs) do
        if back >= 0 then right = right + builder.dot(g:program { back }(), values[k]) end
      end
      assert(math.abs(left - right) <= 1e-10 * (1 + math.abs(left)),
        ("vjp of vjp %d: %.15g, jvp of vjp: %.15g"):format(i, right, left))
    end
  end
end

describe("the derivatives of", function()
  math.randomseed(7)
  for op = 0, C.hyla_op_count() - 1 do
    local name = ffi.string(C.hyla_op_name(op))
    if cases[name] then
      it(name .. " agree with central differences, forwards and backwards, to second order", function()
        math.randomseed(op + 1)
        for trial = 1, 12 do
          local g, xs = builder.new(), {}
          local y = cases[name](g, xs, name)
          local ok, message = pcall(check, g, xs, y)
          if not ok then error(("%s, trial %d: %s\n%s"):format(name, trial, message, g:print { y }), 0) end
        end
      end)
    else
      it(name .. " are declared not to exist", function() assert.is_true(flat[name] or none[name] or leaves[name]) end)
    end
  end
end)

-- assert.error_matches drops a position in front of the words, and here it is what matters.
local function fails(call, words)
  local ok, message = pcall(call)
  assert.is_false(ok)
  assert.is_truthy(message:find(words, 1, true), message)
end

describe("an op without a derivative", function()
  local function objective(op)
    local g = builder.new()
    local x = g:input(builder.make({ 3 }, any))
    return g, g:apply("sum", { v = { 0 } }, g:apply("mul", nil, x, op(g, x))), x
  end

  it("lets nothing flow where it is piecewise constant", function()
    for name in pairs(flat) do
      local g, y, x = objective(function(g, x) return g:apply(name, nil, x) end)
      local value = g:program { (g:vjp(y, nil, { x })) }()
      local part = g:program { g:apply(name, nil, x) }()
      near(part, value, 1, name)
      local alone = g:apply("sum", { v = { 0 } }, g:apply(name, nil, x))
      assert.equal(-1, (g:vjp(alone, nil, { x })))
    end
  end)

  it("is an error that names its line where it has none", function()
    for _, name in ipairs { "lt", "le", "eq" } do
      local g, y, x = objective(function(g, x) return g:apply(name, nil, x, g:fill({ 3 }, 0.1)) end)
      fails(function() g:vjp(y, nil, { x }) end, "spec.lua:3: " .. name .. " has no derivative")
      fails(function() g:jvp({ x }, { like(g, x) }, { y }) end, name .. " has no derivative")
    end
    local g, y, x = objective(function(g, x)
      local at = g:apply("reshape", { v = { 1 } }, g:apply("argmax", { v = { 0 } }, x))
      return g:apply("expand", { v = { 3 } }, g:apply("cast", { v = { C.HYLA_FLOAT64 } }, at))
    end)
    fails(function() g:vjp(y, nil, { x }) end, "spec.lua:3: argmax has no derivative")
  end)

  it("takes no part where it only chooses", function()
    local g = builder.new()
    local x = g:input(builder.make({ 4 }, any))
    local mask = g:apply("lt", nil, x, g:fill({ 4 }, 0))
    local y = g:apply("sum", { v = { 0 } }, g:apply("where", nil, mask, x, g:fill({ 4 }, 0)))
    local got = g:program { (g:vjp(y, nil, { x })) }()
    near(g:program { mask }(), got, 1, "where")
  end)

  it("gives -1 where no path leads", function()
    local g = builder.new()
    local x, z = g:input(builder.make({ 2 }, any)), g:input(builder.make({ 2 }, any))
    local y = g:apply("sum", { v = { 0 } }, x)
    assert.same({ 0, 0 }, { C.hyla_graph_depends(g.handle, y, z), C.hyla_graph_depends(g.handle, x, y) })
    assert.equal(-1, (g:vjp(y, nil, { z })))
    assert.equal(-1, (g:jvp({ z }, { like(g, z) }, { y })))
  end)
end)

describe("where a derivative is infinite or undefined", function()
  local function slope(op, value)
    local g = builder.new()
    local x = g:input(builder.make({ 1 }, function() return value end))
    local bar = g:vjp(g:apply(op, nil, x), nil, { x })
    return (builder.elements(g:program { bar }()))[0]
  end

  it("sqrt says so, and sqrt0, recip0, relu and abs take 0", function()
    assert.equal(math.huge, slope("sqrt", 0))
    for _, op in ipairs { "sqrt0", "recip0", "relu", "abs" } do assert.equal(0, slope(op, 0)) end
  end)

  it("x^2 at 0 has derivative 0, x^1 has 1, and x^b has none in b at x = 0", function()
    local g = builder.new()
    local x = g:input(builder.make({ 1 }, function() return 0 end))
    for power, expected in pairs { [0] = 0, [1] = 1, [2] = 0 } do
      local y = g:apply("pow", nil, x, g:fill({ 1 }, power))
      assert.equal(expected, (builder.elements(g:program { (g:vjp(y, nil, { x })) }()))[0])
    end
    local b = g:input(builder.make({ 1 }, function() return 1.5 end))
    local bar = g:vjp(g:apply("pow", nil, x, b), nil, { b })
    assert.equal(0, (builder.elements(g:program { bar }()))[0])
  end)

  it("x^b has no derivative in b at x < 0, and says so", function()
    local g = builder.new()
    local x, b = g:constant(builder.make({ 1 }, function() return -2 end)),
      g:input(builder.make({ 1 }, function() return 3 end))
    local slope_b = (builder.elements(g:program { (g:vjp(g:apply("pow", nil, x, b), nil, { b })) }()))[0]
    assert.is_true(slope_b ~= slope_b)
  end)
end)

describe("a shape", function()
  it("is refused where it cannot be counted", function()
    local g = builder.new()
    local x = g:input(builder.make({ 2 }, any))
    assert.same({ 1 }, (g:dims(g:apply("slice", { v = { 0, 2, 2 ^ 31 - 1 } }, x))))
    fails(function() g:apply("pad", { v = { 2 ^ 31 - 1, 2 ^ 31 - 1, 2 } }, x) end, "spec.lua:3: pad: axis 1 would have")
    fails(function() g:apply("fill", { v = { 0, 2 ^ 16, 2 ^ 16 } }) end, "too large")
    local shape = builder.shape({ 3 })
    shape.rank = 9
    assert.equal(C.HYLA_ESHAPE, C.hyla_graph_input(g.handle, "x", shape, nil))
    shape.rank, shape.dtype = 1, 7
    assert.equal(C.HYLA_ETYPE, C.hyla_graph_input(g.handle, "x", shape, nil))
  end)
end)
