-- Momentum declared straight to the engine: what is refused.
local builder = require "spec.engine.graph_builder"
local support = require "spec.engine.support"
local engine = require "hyla.ffi"
local ffi = require "ffi"
local C, check = engine.C, engine.check

local function refs(list) return ffi.new("int[?]", math.max(#list, 1), list) end
local function filled(shape, value) return builder.make(shape, function() return value end) end

-- w of two components under v' = mu v + c w, w' = w - rate v'; `declare` has the last word on what is told of it.
local function problem(declare)
  local g = builder.new()
  local w, v, c = g:input(filled({ 2 }, 1)), g:input(filled({ 2 }, 0)), g:input(filled({ 2 }, 1), "c")
  local rate, mu = g:input(filled({}, 0)), g:input(filled({}, 0))
  local function wide(x) return g:apply("expand", { v = { 2 } }, g:apply("reshape", { v = { 1 } }, x)) end
  local gradient = g:apply("mul", nil, c, w)
  local next_v = g:apply("add", nil, g:apply("mul", nil, wide(mu), v), gradient)
  local next_w = g:apply("sub", nil, w, g:apply("mul", nil, wide(rate), next_v))
  local out = ffi.new "hyla_problem *[1]"
  check(C.hyla_problem_new(g.handle, out))
  local p = ffi.gc(out[0], C.hyla_problem_drop)
  for i, ref in ipairs { c, rate, mu } do check(C.hyla_problem_hyper(p, "h" .. i, ref, "spec.lua:" .. 10 + i)) end
  for i, ref in ipairs { w, v } do
    check(C.hyla_problem_state(p, "s" .. i, ref, g:fill({ 2 }, 0.5), "spec.lua:" .. 20 + i))
  end
  check(C.hyla_problem_segment(p, 10, 2, refs { next_w, next_v }))
  check(C.hyla_problem_outer(p, g:apply("sum", { v = { 0 } }, g:apply("mul", nil, w, w))))
  local d = { segment = 0, w = { 0 }, v = { 1 }, gradient = { gradient }, rate = { rate }, mu = { mu } }
  if declare then declare(d, { g = g, w = w, next_v = next_v, wide = wide(mu), wide_rate = wide(rate) }) end
  return p, C.hyla_problem_momentum(p, d.segment, d.n or #d.w, refs(d.w), refs(d.v), refs(d.gradient), refs(d.rate),
                                    refs(d.mu))
end

local function refused(words, declare)
  local _, status = problem(declare)
  assert.is_true(status < 0, words)
  assert.matches(words, support.words())
end

describe("momentum, declared,", function()
  it("takes one rate, or one a component", function()
    local _, one = problem()
    assert.equal(0, one)
    local _, many = problem(function(d, of) d.rate = { of.wide_rate } end)
    assert.equal(0, many)
  end)

  it("has to be of states that there are, each once", function()
    refused("expected a segment from 0 to 0, got 1", function(d) d.segment = 1 end)
    refused("expected a state from 0 to 1, got 2", function(d) d.v = { 2 } end)
    refused("spec.lua:21: momentum: state 's1' is named twice", function(d) d.v = { 0 } end)
    refused("expected at least one weight, got 0", function(d) d.n = 0 end)
  end)

  it("has to have parts of the right shapes", function()
    refused("gradient of 's1': expected its shape, got float64%[%]", function(d) d.gradient = d.mu end)
    refused("momentum of 's1': expected one number, got float64%[2%]", function(d, of) d.mu = { of.wide } end)
    refused("rate of 's1': %d+ is no node", function(d) d.rate = { 10000 } end)
  end)

  it("has to have parts that are there on the way back", function()
    refused("spec.lua:22: momentum: a gradient depends on the velocity 's2'",
            function(d, of) d.gradient = { of.next_v } end)
    refused("spec.lua:21: momentum: a rate or momentum depends on the state 's1'", function(d, of)
      d.rate = { of.g:apply("sum", { v = { 0 } }, of.w) }
    end)
  end)

  it("is declared once", function()
    local p = problem()
    assert.equal(C.HYLA_ESTATE, C.hyla_problem_momentum(p, 0, 1, refs { 0 }, refs { 1 }, refs { 5 }, refs { 3 },
                                                        refs { 4 }))
  end)

  it("is what reversible momentum wants, of bits and a budget that make sense", function()
    local p = problem(function(d) d.segment = 1 end)
    local out = ffi.new "hyla_method *[1]"
    assert.equal(C.HYLA_EVALUE, C.hyla_reversible_new(p, 0, 48, out))
    assert.matches("segment 1 was not declared as momentum", support.words())
    p = problem()
    for _, bits in ipairs { 7, 57 } do assert.equal(C.HYLA_EVALUE, C.hyla_reversible_new(p, 0, bits, out)) end
    assert.equal(C.HYLA_EVALUE, C.hyla_reversible_new(p, -1, 48, out))
    check(C.hyla_reversible_new(p, 0, 48, out))
    assert.equal(C.HYLA_ESTATE, C.hyla_method_cost(out[0], ffi.new "hyla_cost"))
    assert.matches("start the method before its cost", support.words())
    C.hyla_method_drop(out[0])
  end)

  it("plans its parts again after a failed allocation", function()
    local p = problem()
    local out, n = ffi.new "hyla_method *[1]", 0
    while true do
      C.hyla_memory_fail_at(n + 1)
      local status = C.hyla_reversible_new(p, 0, 48, out)
      C.hyla_memory_fail_at(0)
      if status >= 0 then break end
      assert.equal(C.HYLA_ENOMEM, status)
      n = n + 1
    end
    C.hyla_method_drop(out[0])
    assert.is_true(n > 50)
  end)
end)
