-- Dynamics and Reverse-HG straight against the engine: streams, segments, states that trade places, and what is
-- refused.
local builder = require "spec.engine.graph_builder"
local support = require "spec.engine.support"
local engine = require "hyla.ffi"
local ffi = require "ffi"
local C, check = engine.C, engine.check

local function draw() return math.random() * 2 - 1 end
local function refs(list) return ffi.new("int[?]", math.max(#list, 1), list) end
local function tensors(list)
  local out = ffi.new("hyla_tensor *[?]", math.max(#list, 1))
  for i, t in ipairs(list) do out[i - 1] = t end
  return out
end

-- { g, hypers = {ref}, states = {{ref, init}}, segments = {{steps, next = {ref}}}, streams = {{ref, table}}, outer }
local function problem(d)
  local out = ffi.new "hyla_problem *[1]"
  check(C.hyla_problem_new(d.g.handle, out))
  local p = ffi.gc(out[0], C.hyla_problem_drop)
  for i, ref in ipairs(d.hypers) do check(C.hyla_problem_hyper(p, "h" .. i, ref, "spec.lua:" .. 10 + i)) end
  for i, s in ipairs(d.states) do check(C.hyla_problem_state(p, "s" .. i, s[1], s[2], "spec.lua:" .. 20 + i)) end
  for _, s in ipairs(d.streams or {}) do
    check(C.hyla_problem_stream(p, ffi.new("hyla_stream", { kind = C.HYLA_STREAM_ROWS, cycle = 1, first = 1,
      input = s[1], table = s[2], hyper = s.hyper or 0 })))
  end
  for _, s in ipairs(d.segments) do check(C.hyla_problem_segment(p, s[1], #s.next, refs(s.next))) end
  if d.outer then check(C.hyla_problem_outer(p, d.outer)) end
  return p
end

local function method(make, p, ...)
  local out = ffi.new "hyla_method *[1]"
  local arguments = { ... }
  arguments[#arguments + 1] = out
  check(make(p, unpack(arguments)))
  return ffi.gc(out[0], C.hyla_method_drop)
end

local function reverse(p, lambda, memory)
  local m = method(C.hyla_reverse_new, p, memory or 0, 0)
  check(C.hyla_method_start(m, tensors(lambda)))
  local f, g = ffi.new "double[1]", {}
  for i, t in ipairs(lambda) do g[i] = builder.make(t.shape, function() return 0 end) end
  check(C.hyla_method_hypergradient(m, f, tensors(g)))
  return f[0], g, m
end

local function response(p, lambda)
  local m = method(C.hyla_train_new, p)
  check(C.hyla_method_start(m, tensors(lambda)))
  check(C.hyla_method_advance(m, C.hyla_method_steps(m)))
  local f = ffi.new "double[1]"
  check(C.hyla_method_response(m, f))
  return f[0], m
end

local function state(m, i)
  local view = ffi.new "hyla_tensor *[1]"
  check(C.hyla_method_state(m, i, view))
  return ffi.gc(view[0], C.hyla_tensor_drop):totable()
end

-- Reverse-HG against central differences with one Richardson step, along a random direction of every hyperparameter.
local function agrees(p, lambda)
  local _, g = reverse(p, lambda)
  for i in ipairs(lambda) do
    local direction = builder.make(lambda[i].shape, draw)
    local function at(h)
      local moved = { unpack(lambda) }
      moved[i] = builder.moved(lambda[i], direction, h)
      return (response(p, moved))
    end
    local function slope(h) return (at(h) - at(-h)) / (2 * h) end
    local coarse, fine = slope(2 ^ -9), slope(2 ^ -10)
    local expected, got = fine + (fine - coarse) / 3, builder.dot(g[i], direction)
    assert(math.abs(expected - got) <= 1e-8 * (1 + math.abs(expected)),
      ("hyperparameter %d: expected %.12g, got %.12g"):format(i, expected, got))
  end
end

local function total(g, x) -- a sum of squares, as one number
  local axes = {}
  for i = 1, #g:dims(x) do axes[i] = i - 1 end
  return g:apply("sum", { v = axes }, g:apply("mul", nil, x, x))
end

describe("the dynamics", function()
  before_each(function() math.randomseed(11) end)

  it("may let states trade places, turn and stand still, in place", function()
    local g = builder.new()
    local a, b, c = g:input(builder.make({ 3, 3 }, draw)), g:input(builder.make({ 3, 3 }, draw)),
      g:input(builder.make({ 2 }, draw))
    local h = g:input(builder.make({ 2 }, draw), "h")
    local zero = builder.make({ 3, 3 }, function(i) return i end)
    local first, second = g:constant(zero), g:apply("neg", nil, g:constant(zero))
    local turned = g:apply("transpose", { v = { 1, 0 } }, b)
    local p = problem { g = g, hypers = { h }, states = { { a, first }, { b, second }, { c, h } },
      segments = { { 1, next = { turned, a, c } } }, outer = total(g, c) }
    local _, m = response(p, { builder.make({ 2 }, function() return 4 end) })
    assert.same({ { 0, -3, -6 }, { -1, -4, -7 }, { -2, -5, -8 } }, state(m, 0))
    assert.same({ { 0, 1, 2 }, { 3, 4, 5 }, { 6, 7, 8 } }, state(m, 1))
    assert.same({ 4, 4 }, state(m, 2))
  end)

  it("may read a state whole after another state was updated from it", function()
    -- a' = a + h a a', b' = b + a b: both read a in full, one of them row by row too.
    local g = builder.new()
    local a, b, h = g:input(builder.make({ 30, 30 }, draw)), g:input(builder.make({ 30, 30 }, draw)),
      g:input(builder.make({}, draw), "h")
    local wide = g:apply("expand", { v = { 30, 30 } }, g:apply("reshape", { v = { 1, 1 } }, h))
    local function small() return builder.make({ 30, 30 }, function() return draw() / 30 end) end
    local grow = g:apply("mul", nil, wide, g:apply("matmul", { v = { 0, 1 } }, a, a))
    local next_a, next_b = g:apply("add", nil, a, grow), g:apply("add", nil, b,
      g:apply("matmul", { v = { 0, 0 } }, a, b))
    local p = problem { g = g, hypers = { h }, states = { { a, g:constant(small()) }, { b, g:constant(small()) } },
      segments = { { 5, next = { next_a, next_b } } }, outer = total(g, b) }
    agrees(p, { builder.make({}, function() return 0.3 end) })
  end)

  it("does not let a product overwrite the rows it reads", function()
    for _, s in ipairs { { 5, 8 }, { 200, 30 }, { 300, 40 } } do
      local n, k = s[1], s[2]
      local g = builder.new()
      local a, h = g:input(builder.make({ n, k }, draw)), g:input(builder.make({ k, k }, draw), "h")
      local start, square = builder.make({ n, k }, draw), builder.make({ k, k }, draw)
      local p = problem { g = g, hypers = { h }, states = { { a, g:constant(start) } }, outer = total(g, a),
        segments = { { 1, next = { g:apply("matmul", { v = { 0, 0 } }, a, h) } } } }
      local _, m = response(p, { square })
      local apart = builder.new()
      local x, y = apart:input(start), apart:input(square)
      assert.same(apart:program { apart:apply("matmul", { v = { 0, 0 } }, x, y) }():totable(), state(m, 0))
    end
  end)

  it("replays the inputs of each step backwards, over tables that repeat and stretches that differ", function()
    local g = builder.new()
    local s, h, x, r = g:input(builder.make({ 2 }, draw)), g:input(builder.make({ 2 }, draw), "h"),
      g:input(builder.make({ 2 }, draw), "x"),
      g:input(builder.make({ 2 }, draw), "r")
    local plus = g:apply("add", nil, g:apply("mul", nil, s, h), x)
    local times = g:apply("tanh", nil, g:apply("mul", nil, g:apply("mul", nil, s, r), g:apply("add", nil, h, x)))
    local three, two = builder.make({ 3, 2 }, draw), builder.make({ 2, 2 }, draw)
    local p = problem { g = g, hypers = { h }, states = { { s, g:fill({ 2 }, 1) } }, outer = total(g, s),
      segments = { { 5, next = { plus } }, { 4, next = { times } } }, streams = { { x, three }, { r, two } } }
    local lambda = builder.make({ 2 }, function(i) return 0.4 + i / 5 end)
    agrees(p, { lambda })
    -- By hand: the same numbers in plain Lua.
    local X, R, hand = three:totable(), two:totable(), { 1, 1 }
    for k = 1, 2 do
      local v, hk = 1, 0.4 + (k - 1) / 5
      for t = 0, 4 do v = v * hk + X[t % 3 + 1][k] end
      for t = 5, 8 do
        local e = math.exp(2 * v * R[t % 2 + 1][k] * (hk + X[t % 3 + 1][k]))
        v = (e - 1) / (e + 1)
      end
      hand[k] = v
    end
    assert.is_near(hand[1] ^ 2 + hand[2] ^ 2, (response(p, { lambda })), 1e-14)
  end)

  it("gives the same hypergradient from states alone as with residuals, bit for bit", function()
    local g = builder.new()
    local n, k, m, T = 400, 300, 5, 6
    local X, Y = g:constant(builder.make({ n, k }, draw)), g:constant(builder.make({ n, m }, draw))
    local W, h = g:input(builder.make({ k, m }, draw)), g:input(builder.make({ n, 1 }, draw), "h")
    local p_ = g:apply("softmax", { v = { 1 } }, g:apply("matmul", { v = { 0, 0 } }, X, W))
    local weighted = g:apply("mul", nil, g:apply("expand", { v = { n, m } }, h), g:apply("sub", nil, p_, Y))
    local step = g:apply("sub", nil, W, g:apply("mul", nil, g:fill({ k, m }, 0.01),
      g:apply("matmul", { v = { 1, 0 } }, X, weighted)))
    local outer = total(g, g:apply("matmul", { v = { 0, 0 } }, X, W))
    local p = problem { g = g, hypers = { h }, states = { { W, g:fill({ k, m }, 0) } },
      segments = { { T, next = { step } } }, outer = outer }
    local lambda = builder.make({ n, 1 }, function() return math.random() end)
    local f_rich, rich, with = reverse(p, { lambda })
    local f_lean, lean, without = reverse(p, { lambda }, T * k * m * 8)
    assert.is_true(C.hyla_method_bytes(with) > C.hyla_method_bytes(without))
    assert.equal(f_rich, f_lean)
    assert.same(rich[1]:totable(), lean[1]:totable())
    agrees(p, { lambda })
  end)

  it("keeps the bits with residuals where the value they store was computed in another layout", function()
    local g = builder.new()
    local X, W, h = g:constant(builder.make({ 400, 300 }, draw)), g:input(builder.make({ 70, 300 }, draw)),
      g:input(builder.make({ 70, 5 }, draw), "h")
    local P = g:apply("softmax", { v = { 0 } }, g:apply("matmul", { v = { 0, 1 } }, W, X)) -- [70, 400]
    local Q = g:apply("matmul", { v = { 1, 0 } }, P, h) -- [400, 5]
    local pull = g:apply("reshape", { v = { 1, 1 } }, total(g, Q))
    local step = g:apply("mul", nil, W, g:apply("expand", { v = { 70, 300 } }, g:apply("tanh", nil, pull)))
    local d = { g = g, hypers = { h }, states = { { W, g:constant(builder.make({ 70, 300 }, draw)) } },
      segments = { { 3, next = { step } } },
      outer = total(g, W) }
    local lambda = builder.make({ 70, 5 }, function() return 0.1 * draw() end)
    local p = problem(d)
    local _, with = reverse(p, { lambda })
    local _, without = reverse(p, { lambda }, 3 * 70 * 300 * 8)
    assert.same(with[1]:totable(), without[1]:totable())
  end)

  it("can be made ready again after running out of memory, whichever allocation failed", function()
    local function make()
      local g = builder.new()
      local X, W, h = g:constant(builder.make({ 90, 60 }, draw)), g:input(builder.make({ 60, 2 }, draw)),
        g:input(builder.make({ 90, 1 }, draw), "h")
      local z = g:apply("softmax", { v = { 1 } }, g:apply("matmul", { v = { 0, 0 } }, X, W))
      local pull = g:apply("matmul", { v = { 1, 0 } }, X, g:apply("mul", nil, z,
        g:apply("expand", { v = { 90, 2 } }, h)))
      return problem { g = g, hypers = { h }, states = { { W, g:fill({ 60, 2 }, 0.1) } }, outer = total(g, W),
        segments = { { 2, next = { g:apply("sub", nil, W, g:apply("mul", nil, g:fill({ 60, 2 }, 0.01), pull)) } } } }
    end
    local lambda, expected = builder.make({ 90, 1 }, function(i) return i / 90 end), nil
    for at = 1, 400, 7 do
      math.randomseed(21)
      local p, out = make(), ffi.new "hyla_method *[1]"
      C.hyla_memory_fail_at(at)
      local status = C.hyla_reverse_new(p, 0, 0, out)
      C.hyla_memory_fail_at(0)
      if status >= 0 then C.hyla_method_drop(out[0]) end
      local _, g = reverse(p, { lambda })
      expected = expected or g[1]:totable()
      assert.same(expected, g[1]:totable())
    end
  end)

  it("must be started again after a step that failed halfway", function()
    local g = builder.new()
    local s, h = g:input(builder.make({ 2 }, draw)), g:input(builder.make({ 2 }, draw), "h")
    local i = g:input(builder.make({ 2 }, function() return 0 end, "int32"), "i")
    local p = problem { g = g, hypers = { h }, states = { { s, g:fill({ 2 }, 1) } }, outer = total(g, s),
      segments = { { 4, next = { g:apply("mul", nil, h, g:apply("gather", nil, s, i)) } } },
      streams = { { i, builder.make({ 4, 2 }, function(k) return k == 5 and 7 or 0 end, "int32") } } }
    local m = method(C.hyla_train_new, p)
    check(C.hyla_method_start(m, tensors { g.values[2] }))
    assert.equal(C.HYLA_EVALUE, C.hyla_method_advance(m, 4))
    assert.is_truthy(support.words():find("expected indices from 0 to 1, got 7", 1, true))
    assert.equal(C.HYLA_ESTATE, C.hyla_method_advance(m, 1))
  end)

  it("frees everything when any allocation fails, and leaves f and g as they were", function()
    local g = builder.new()
    local s, h = g:input(builder.make({ 4 }, draw)), g:input(builder.make({ 4 }, draw), "h")
    local d = { g = g, hypers = { h }, states = { { s, g:fill({ 4 }, 1) } }, outer = total(g, s),
      segments = { { 3, next = { g:apply("tanh", nil, g:apply("mul", nil, s, h)) } } } }
    local p = problem(d)
    local value = builder.make({ 4 }, draw)
    local lambda, f, out = tensors { value }, ffi.new("double[1]", 7), builder.make({ 4 }, function() return 3 end)
    reverse(p, { value }) -- programs keep their scratch
    local failed = support.fail_each_allocation(function()
      local m = ffi.new "hyla_method *[1]"
      local status = C.hyla_reverse_new(p, 0, 0, m)
      if status < 0 then return status end
      status = C.hyla_method_start(m[0], lambda)
      if status >= 0 then status = C.hyla_method_hypergradient(m[0], f, tensors { out }) end
      if status < 0 then
        C.hyla_method_drop(m[0])
        assert.equal(7, f[0])
        assert.same({ 3, 3, 3, 3 }, out:totable())
      end
      return status, function() C.hyla_method_drop(m[0]) end
    end)
    assert.is_true(failed >= 5)
  end)
end)

describe("a problem refuses", function()
  local g, s, h, step, p
  before_each(function()
    math.randomseed(12)
    g = builder.new()
    s, h = g:input(builder.make({ 2 }, draw), "s"), g:input(builder.make({ 2 }, draw), "h")
    step = g:apply("mul", nil, s, h)
    p = { g = g, hypers = { h }, states = { { s, g:fill({ 2 }, 1) } }, segments = { { 2, next = { step } } },
      outer = total(g, s) }
  end)

  local function refuses(words, call)
    local ok, message = pcall(call or function() check(C.hyla_problem_ready(problem(p), 1)) end)
    assert.is_false(ok)
    assert.is_truthy(message:find(words), message)
  end

  it("no steps, fractions of steps, and next values of another shape", function()
    for _, steps in ipairs { 0, -1, 1.5, 0 / 0, math.huge } do
      p.segments = { { steps, next = { step } } }
      refuses "steps: expected a whole number of at least 1"
    end
    p.segments = { { 2, next = { g:fill({ 3 }, 0) } } }
    refuses "state 's1' is float64%[2%], its next value float64%[3%]"
    p.segments = {}
    refuses "has no steps"
  end)

  it("a hyperparameter without a path, named with its line, by reachability and not by value", function()
    local idle = g:input(builder.make({ 1 }, draw), "idle")
    p.hypers = { h, idle }
    refuses "spec.lua:12: hyperparameter 'h2': no path"
    p.hypers = { h }
    p.outer = total(g, g:fill({ 2 }, 1))
    refuses "hyperparameter 'h1': no path"
    p.outer = total(g, g:apply("mul", nil, s, g:fill({ 2 }, 0))) -- a path on which the derivative happens to be zero
    check(C.hyla_problem_ready(problem(p), 1))
  end)

  it("one input for two variables, and states after segments", function()
    p.states[2] = { s, g:fill({ 2 }, 1) }
    refuses "state 's2': its input stands for 's1' already"
    p.states[2] = nil
    p.streams = { { h, builder.make({ 3, 2 }, draw) } }
    refuses "stream: its input stands for 'h1' already"
    p.streams = nil
    local late = problem(p)
    assert.equal(C.HYLA_ESTATE, C.hyla_problem_state(late, "late", g:input(builder.make({ 2 }, draw)), step, nil))
  end)

  it("a hypergradient that is not finite, naming the adjoint it arose in", function()
    p.states[1][2] = g:apply("sqrt", nil, h)
    refuses("adjoint of the initial state: spec.lua:3", function() reverse(problem(p),
      { builder.make({ 2 }, function(i) return i end) }) end)
  end)

  it("a program that needs a value nobody gives", function()
    local stray = g:input(builder.make({ 2 }, draw), "stray")
    p.segments = { { 2, next = { g:apply("add", nil, step, stray) } } }
    refuses "needs 'stray'"
  end)

  it("hyperparameters that are not finite, and training that diverges: op, line and step are named", function()
    local ready = problem(p)
    local function run(value, T)
      p.segments[1][1] = T or 2
      reverse(problem(p), { builder.make({ 2 }, function() return value end) })
    end
    assert.is_truthy(ready)
    refuses("spec.lua:11: hyperparameter 'h1' is not finite", function() run(0 / 0) end)
    refuses("diverged at step 3 of 4 .*spec.lua:3: .*from mul", function() run(1e120, 4) end)
    refuses("outer objective.*not finite", function() run(1e100, 2) end)
  end)

  it("a trajectory beyond its budget, with both figures", function()
    p.segments = { { 1000, next = { step } } }
    local lambda = { builder.make({ 2 }, function() return 0.5 end) }
    refuses("needs 64000 bytes %(1000 steps of 64 bytes%).*128 %(two states of 64 bytes%), and 100 are allowed",
      function() reverse(problem(p), lambda, 100) end)
  end)

  it("budgets and truncations that are no whole sizes", function()
    local out = ffi.new "hyla_method *[1]"
    local ready = problem(p)
    refuses("reverse: expected a memory budget of at least 0 bytes, got %-1",
      function() check(C.hyla_reverse_new(ready, -1, 0, out)) end)
    refuses("forward: expected a memory budget of at least 0 bytes, got %-?nan",
      function() check(C.hyla_forward_new(ready, 0 / 0, out)) end)
    for _, last in ipairs { -1, 2.5, 0 / 0, math.huge } do
      refuses("reverse: expected a whole number of last steps of at least 0",
        function() check(C.hyla_reverse_new(ready, 0, last, out)) end)
    end
  end)
end)
