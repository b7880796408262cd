-- Functions with rules of their own. That right rules give right derivatives, of first and second order, is in
-- ops_spec; here is what else there is: rules that are no derivative, rules that apply their own function, mistakes.
local builder = require "spec.engine.graph_builder"
local engine = require "hyla.ffi"
local support = require "spec.engine.support"
local C = engine.C
local ffi = require "ffi"

local function vector(...)
  local list = { ... }
  return builder.make({ #list }, function(i) return list[i + 1] end)
end

local function values(g, ref)
  local t = g:program { ref }()
  local data, n = builder.elements(t)
  local list = {}
  for i = 0, n - 1 do list[i + 1] = data[i] end
  return list
end

local function fails(words, call)
  local ok, message = pcall(call)
  assert.is_false(ok)
  assert.is_truthy(message:find(words, 1, true), message)
end

-- A graph with x = {1, 2, 3} and, for a custom function of it, an application to it whose value is `value`(x).
local function setup()
  local g = builder.new()
  local x = g:input(vector(1, 2, 3))
  local function apply(c, value) return g:apply("custom", { v = { c.f } }, value or x, x) end
  return g, x, g:custom("f", { { 3 } }, { 3 }), apply
end

describe("a custom function", function()
  it("has the value it is given and the derivative its rule says, whatever the true one", function()
    local g, x, c, apply = setup()
    g:rules(c, function(bar) return g:apply("mul", nil, bar, g:fill({ 3 }, 10)) end)
    local y = apply(c, g:apply("floor", nil, x))
    local bar, dot = g:input(vector(1, -1, 2)), g:input(vector(3, 0, -1))
    assert.same({ 1, 2, 3 }, values(g, y))
    assert.same({ 10, -10, 20 }, values(g, (g:vjp(y, bar, { x }))))
    assert.same({ 30, 0, -10 }, values(g, (g:jvp({ x }, { dot }, { y }))))   -- the transpose of the vjp
    assert.equal(1, C.hyla_graph_depends(g.handle, y, x))
  end)

  it("is differentiated by its rule where a rule uses its result", function()
    local g, x, c, apply = setup()
    g:rules(c, function(bar, z) return g:apply("mul", nil, bar, z) end)   -- f' = f, though the value is a constant
    local one = g:fill({ 3 }, 1)
    local first = g:vjp(apply(c, g:constant(vector(4, 5, 6))), one, { x })
    assert.same({ 4, 5, 6 }, values(g, (g:vjp(first, one, { x }))))
    assert.same({ 4, 5, 6 }, values(g, (g:jvp({ x }, { one }, { first }))))
  end)

  it("transposes a rule that changes shapes", function()
    local g = builder.new()
    local x, y = g:input(builder.make({ 2, 3 }, function(i) return i end)), g:input(vector(1, -2, 4))
    local function product(a, b)
      return g:apply("matmul", { v = { 0, 0 } }, a, g:apply("reshape", { v = { 3, 1 } }, b))
    end
    local c = g:custom("f", { { 2, 3 }, { 3 } }, { 2, 1 })
    g:rules(c, nil, function(a_dot, b_dot, _, a, b)
      return g:apply("add", nil, product(a_dot, b), product(a, b_dot))
    end)
    local z = g:apply("custom", { v = { c.f } }, product(x, y), x, y)
    local bar = g:input(builder.make({ 2, 1 }, function(i) return i + 1 end))
    local x_bar, y_bar = g:vjp(z, bar, { x, y })
    assert.same({ 1, -2, 4, 2, -4, 8 }, values(g, x_bar))
    assert.same({ 0 + 6, 1 + 8, 2 + 10 }, values(g, y_bar))
  end)

  it("lets nothing through where its rule gives nothing", function()
    local g = builder.new()
    local x, y = g:input(vector(1, 2)), g:input(vector(3, 4))
    local c = g:custom("f", { { 2 }, { 2 } }, { 2 })
    g:rules(c, function(bar) return bar, -1 end)
    local z = g:apply("custom", { v = { c.f } }, g:apply("mul", nil, x, y), x, y)
    assert.same({ 1, 0 }, { C.hyla_graph_depends(g.handle, z, x), C.hyla_graph_depends(g.handle, z, y) })
    local x_bar, y_bar = g:vjp(z, g:input(vector(5, 6)), { x, y })
    assert.same({ 5, 6 }, values(g, x_bar))
    assert.equal(-1, y_bar)
    assert.equal(-1, (g:jvp({ y }, { y }, { z })))
  end)

  it("may be applied by its own rule: derivatives of any order", function()
    local g, x, c, apply = setup()                        -- f = sin, f' = sin(x + pi/2)
    local function sine(at) return g:apply("custom", { v = { c.f } }, g:apply("sin", nil, at), at) end
    g:rules(c, function(bar, _, at)
      return g:apply("mul", nil, bar, sine(g:apply("add", nil, at, g:fill({ 3 }, math.pi / 2))))
    end)
    local y, one = apply(c, g:apply("sin", nil, x)), g:fill({ 3 }, 1)
    for order = 1, 5 do
      y = order % 2 == 0 and g:jvp({ x }, { one }, { y }) or (g:vjp(y, one, { x }))
      for i, got in ipairs(values(g, y)) do
        assert.is_near(math.sin(i + order * math.pi / 2), got, 1e-14)   -- rounding of x + k pi/2
      end
    end
  end)

  it("may be its own transpose", function()
    local g, x, c, apply = setup()                        -- reversal: f(f(x)) = x
    local function reversed(at)
      local index = g:constant(builder.make({ 3 }, function(i) return 2 - i end, "int32"))
      return g:apply("custom", { v = { c.f } }, g:apply("gather", nil, at, index), at)
    end
    g:rules(c, function(bar) return reversed(bar) end)
    local y, bar = apply(c, reversed(x)), g:input(vector(4, 5, 6))
    assert.same({ 6, 5, 4 }, values(g, (g:vjp(y, bar, { x }))))
    assert.same({ 6, 5, 4 }, values(g, (g:jvp({ x }, { bar }, { y }))))
  end)

  it("is not merged with another of the same value", function()
    local g, x, c, apply = setup()
    local d = g:custom("g", { { 3 } }, { 3 })
    g:rules(c, function(bar) return bar end)
    g:rules(d, function(bar) return g:apply("neg", nil, bar) end)
    local y = g:apply("sum", { v = { 0 } }, g:apply("add", nil, apply(c), g:apply("mul", nil, apply(d), apply(d))))
    assert.same({ 1 - 2, 1 - 4, 1 - 6 }, values(g, (g:vjp(y, nil, { x }))))
  end)

  it("needs its operands for its derivative alone", function()
    local g, x, c = setup()
    g:rules(c, function(bar, _, at) return g:apply("mul", nil, bar, at) end)
    local constant = g:constant(vector(7, 8, 9))
    local y = g:apply("custom", { v = { c.f } }, constant, g:apply("exp", nil, x))
    assert.same({ 7, 8, 9 }, values(g, y))
    local text = g:print { y }
    assert.is_truthy(text:find("= custom 'f'(%", 1, true), text)
    assert.is_nil(text:find("exp", 1, true), text)
    local bar = values(g, (g:vjp(y, g:fill({ 3 }, 1), { x })))
    for i = 1, 3 do assert.is_near(math.exp(2 * i), bar[i], 1e-12 * bar[i]) end
  end)
end)

describe("a mistake in a custom function is told:", function()
  local function rule(words, vjp, jvp)
    local g, _, c = setup()
    fails(words, function() g:rules(c, vjp and function(...) return vjp(g, ...) end,
                                    jvp and function(...) return jvp(g, ...) end) end)
  end

  it("rules that are not linear", function()
    rule("spec.lua:3: vjp of 'f': abs is not linear", function(g, bar) return g:apply("abs", nil, bar) end)
    rule("vjp of 'f': mul is not linear", function(g, bar) return g:apply("mul", nil, bar, bar) end)
    rule("vjp of 'f': minimum is not linear",
         function(g, bar) return g:apply("minimum", nil, bar, g:fill({ 3 }, 1)) end)
    rule("vjp of 'f': div is not linear", function(g, bar, z) return g:apply("div", nil, z, bar) end)
    rule("vjp of 'f': cast is not linear", function(g, bar)
      return g:apply("cast", { v = { 1 } }, g:apply("cast", { v = { 2 } }, bar))
    end)
    rule("vjp of 'f': where is not linear", function(g, bar) return g:apply("where", nil, bar, bar, bar) end)
    rule("vjp of 'f': stop_gradient is not", function(g, bar) return g:apply("stop_gradient", nil, bar) end)
    rule("vjp of 'f': add adds something that does not depend on",
         function(g, bar, z) return g:apply("add", nil, bar, z) end)
    rule("jvp of 'f': where adds something", nil, function(g, dot, z) return g:apply("where", nil, z, dot, z) end)
    rule("vjp of 'f': what it returns for operand 1 does not depend", function(_, _, z) return z end)
    rule("jvp of 'f': what it returns depends on no tangent", nil, function(_, _, z) return z end)
  end)

  it("but where and concat of linear parts and zeros are linear", function()
    local g, x, c, apply = setup()
    g:rules(c, function(bar, _, at)
      return g:apply("where", nil, g:apply("lt", nil, at, g:fill({ 3 }, 2.5)), bar, g:fill({ 3 }, 0))
    end)
    assert.same({ 4, 4, 0 }, values(g, (g:jvp({ x }, { g:fill({ 3 }, 4) }, { apply(c) }))))
  end)

  it("rules that disagree on where a derivative flows", function()
    local g = builder.new()
    local c = g:custom("f", { { 2 }, { 2 } }, { 2 })
    fails("spec.lua:5: custom 'f': a derivative flows to operand 2 by its jvp, none by its vjp", function()
      g:rules(c, function(bar) return bar, -1 end, function(a, b) return g:apply("add", nil, a, b) end)
    end)
  end)

  it("shapes, indices and order of calls", function()
    local wide = function(g, bar) return g:apply("sum", { v = { 0 } }, bar) end
    rule("custom 'f': expected the adjoint of operand 1 to be float64[3], got float64[1]", wide)
    rule("custom 'f': expected the tangent of the result to be float64[3], got float64[1]", nil, wide)
    rule("the adjoint of operand 1: 99 is no node", function() return 99 end)
    rule("custom 'f': expected a vjp or a jvp")
    local g, x, c, apply = setup()
    fails("custom: 7 is no custom function of this graph", function() apply({ f = 7 }) end)
    fails("custom 'f': expected a value and 1 operands, got 3 inputs",
          function() g:apply("custom", { v = { c.f } }, x, x, x) end)
    fails("custom 'f': expected an operand of float64[3], got float64[2]",
          function() g:apply("custom", { v = { c.f } }, x, g:fill({ 2 }, 0)) end)
    fails("custom 'f': expected a value of float64[3]",
          function() g:apply("custom", { v = { c.f } }, g:fill({}, 0), x) end)
    fails("custom 'f': its vjp is asked for before it is known", function() g:vjp(apply(c), x, { x }) end)
    fails("custom 'f': its jvp is asked for before it is known", function() g:jvp({ x }, { x }, { apply(c) }) end)
    g:rules(c, function(bar) return bar end)
    fails("custom 'f': it has its rules", function() g:rules(c, function(bar) return bar end) end)
    fails("custom 'g': expected 1 to 15 operands, got 0", function() g:custom("g", {}, { 3 }) end)
    local sum = ffi.new("int[1]", g:apply("neg", nil, x))
    assert.equal(C.HYLA_EVALUE, C.hyla_graph_custom(g.handle, "g", 1, sum, c.z, nil))
    assert.matches("expected an input of the graph to stand for an operand", support.words())
  end)

  it("and a rule that was refused can be given again", function()
    local g, x, c, apply = setup()
    local function absolute(bar) return g:apply("abs", nil, bar) end
    assert.is_false(pcall(g.rules, g, c, absolute))
    assert.is_false(pcall(g.rules, g, c, function(bar) return bar end, absolute))
    g:rules(c, function(bar) return bar end)
    assert.same({ 1, 1, 1 }, values(g, (g:vjp(apply(c), g:fill({ 3 }, 1), { x }))))
  end)
end)

it("a custom function survives the failure of any allocation", function()
  local shape = builder.shape({ 3 })
  local op, attr = C.hyla_op_find "custom", ffi.new("hyla_attr", { n = 1 })
  local one, two, none = ffi.new "int[1]", ffi.new "int[2]", ffi.new("int[1]", -1)
  local out, status = ffi.new "hyla_graph *[1]", 0
  local function ref(got)
    if got < 0 and status >= 0 then status = got end
    return got
  end
  local count = support.fail_each_allocation(function()
    status = C.hyla_graph_new(out)
    if status < 0 then return status end
    local g = out[0]
    local function input(name) return status >= 0 and ref(C.hyla_graph_input(g, name, shape, "spec.lua:1")) or -1 end
    local x, a, z, bar = input "x", input "a", input "z", input "bar"
    one[0] = a
    local f = status >= 0 and ref(C.hyla_graph_custom(g, "f", 1, one, z, "spec.lua:2")) or -1
    two[0], two[1] = bar, z
    one[0] = status >= 0 and ref(C.hyla_graph_apply(g, C.hyla_op_find "mul", nil, 2, two, "spec.lua:3")) or -1
    if status >= 0 then ref(C.hyla_graph_custom_rules(g, f, bar, one, none, -1)) end
    attr.v[0], two[0], two[1] = f, x, x
    local y = status >= 0 and ref(C.hyla_graph_apply(g, op, attr, 2, two, "spec.lua:4")) or -1
    one[0] = x
    if status >= 0 then ref(C.hyla_graph_vjp(g, y, x, 1, one, two)) end
    if status >= 0 then ref(C.hyla_graph_jvp(g, 1, one, one, 1, ffi.new("int[1]", y), two)) end
    if status < 0 then C.hyla_graph_drop(g) end
    return status, function() C.hyla_graph_drop(g) end
  end)
  assert.is_true(count > 15, count)
end)
