-- What the engine is told of an inner objective.
local builder = require "spec.engine.graph_builder"
local engine = require "hyla.ffi"
local support = require "spec.engine.support"
local ffi = require "ffi"
local C, check = engine.C, engine.check

local function ones(dims) return builder.make(dims, function() return 1 end) end

describe("an inner objective", function()
  local g, w, v, sum, problem
  before_each(function()
    g = builder.new()
    w, v = g:input(ones { 2 }, "w"), g:input(ones { 2 }, "v")
    sum = g:apply("sum", { v = { 0 } }, g:apply("mul", nil, w, v))
    local out = ffi.new "hyla_problem *[1]"
    check(C.hyla_problem_new(g.handle, out))
    problem = ffi.gc(out[0], C.hyla_problem_drop)
    check(C.hyla_problem_state(problem, "w", w, g:constant(ones { 2 }), nil))
    check(C.hyla_problem_state(problem, "v", v, g:constant(ones { 2 }), nil))
  end)

  local function refused(status, words, objective, ...)
    assert.equal(status, C.hyla_problem_inner(problem, objective, select("#", ...), ffi.new("int[?]", 3, { ... })))
    assert.matches(words, support.words())
  end

  it("is one real number", function()
    refused(C.HYLA_ESHAPE, "expected one real number .a mean or a sum., got float64%[2%]", w, 0)
    refused(C.HYLA_EVALUE, "999 is no node of the graph", 999, 0)
  end)

  it("is minimised in states, each named once", function()
    refused(C.HYLA_EVALUE, "expected a weight at least", sum)
    refused(C.HYLA_EVALUE, "expected ascending states from 0 to 1, got 2", sum, 2)
    refused(C.HYLA_EVALUE, "expected ascending states from 0 to 1, got 0", sum, 1, 0)
    refused(C.HYLA_EVALUE, "expected ascending states from 0 to 1, got 1", sum, 1, 1)
    assert.equal(0, C.hyla_problem_inner(problem, sum, 2, ffi.new("int[2]", 0, 1)))
    assert.equal(0, C.hyla_problem_inner(problem, sum, 1, ffi.new("int[1]", 1)))     -- the last word counts
  end)

  it("comes before the problem is ready", function()
    check(C.hyla_problem_segment(problem, 1, 2, ffi.new("int[2]", w, v)))
    check(C.hyla_problem_ready(problem, 0))
    refused(C.HYLA_ESTATE, "the problem is ready", sum, 0)
  end)
end)
