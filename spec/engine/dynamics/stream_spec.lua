-- Streams straight against the engine: what each kind gives, and what is refused.
local builder = require "spec.engine.graph_builder"
local support = require "spec.engine.support"
local engine = require "hyla.ffi"
local ffi = require "ffi"
local C, check = engine.C, engine.check

-- A problem whose state takes over the stream's value: s' = x (as real numbers).
local function problem(shape, dtype, fields, steps)
  local g = builder.new()
  local function zeros(kind) return builder.make(shape, function() return 0 end, kind) end
  local s, x = g:input(zeros "float64", "s"), g:input(zeros(dtype), "x")
  local next_s = dtype == "float64" and x or g:apply("cast", { v = { C.HYLA_FLOAT64 } }, x)
  local out = ffi.new "hyla_problem *[1]"
  check(C.hyla_problem_new(g.handle, out))
  local p = ffi.gc(out[0], C.hyla_problem_drop)
  check(C.hyla_problem_state(p, "s", s, g:constant(zeros "float64"), "spec.lua:1"))
  local stream = ffi.new("hyla_stream", { input = x, first = 1 })
  for key, value in pairs(fields) do stream[key] = value end
  local status = C.hyla_problem_stream(p, stream)
  if status < 0 then return nil, status end
  check(C.hyla_problem_segment(p, steps or 50, 1, ffi.new("int[1]", next_s)))
  return p, g
end

local function started(p)
  local out = ffi.new "hyla_method *[1]"
  check(C.hyla_train_new(p, out))
  local m = ffi.gc(out[0], C.hyla_method_drop)
  check(C.hyla_method_start(m, nil))
  return m
end

-- The stream's values of steps 1 .. n, flat.
local function values(p, n)
  local m, list = started(p), {}
  for t = 1, n do
    check(C.hyla_method_advance(m, 1))
    local view = ffi.new "hyla_tensor *[1]"
    check(C.hyla_method_state(m, 0, view))
    list[t] = ffi.gc(view[0], C.hyla_tensor_drop):clone():totable()
  end
  return list
end

describe("a stream", function()
  it("of epochs is a shuffle of all, anew in each", function()
    local all = values(problem({ 4 }, "int32", { kind = C.HYLA_STREAM_EPOCHS, rows = 12, seed = 7 }), 6)
    for epoch = 0, 1 do
      local seen = {}
      for t = 1, 3 do
        for _, i in ipairs(all[3 * epoch + t]) do seen[i] = true end
      end
      for i = 0, 11 do assert.is_true(seen[i]) end
    end
    assert.not_same({ all[1], all[2], all[3] }, { all[4], all[5], all[6] })
    assert.same(all, values(problem({ 4 }, "int32", { kind = C.HYLA_STREAM_EPOCHS, rows = 12, seed = 7 }), 6))
  end)

  it("of random numbers is fresh at each step, and another in another stream", function()
    for _, kind in ipairs { C.HYLA_STREAM_UNIFORM, C.HYLA_STREAM_NORMAL } do
      local one = values(problem({ 1000 }, "float64", { kind = kind, seed = 1, stream = 1 }), 2)
      local two = values(problem({ 1000 }, "float64", { kind = kind, seed = 1, stream = 2 }), 2)
      assert.not_same(one[1], one[2])
      assert.not_same(one[1], two[1])
      local sum, square = 0, 0
      for _, x in ipairs(one[1]) do sum, square = sum + x, square + x * x end
      local uniform = kind == C.HYLA_STREAM_UNIFORM
      assert.is_near(uniform and 0.5 or 0, sum / 1000, 0.1)
      assert.is_near(uniform and 1 / 3 or 1, square / 1000, 0.15)
    end
  end)

  it("of rows begins at its first step and goes round when asked", function()
    local rows = builder.make({ 3, 1 }, function(i) return i + 1 end)
    local all = values(problem({ 1 }, "float64", { kind = C.HYLA_STREAM_ROWS, table = rows, cycle = 1, first = 3 }), 7)
    local flat = {}
    for t, row in ipairs(all) do flat[t] = row[1] end
    assert.same({ 1, 1, 1, 2, 3, 1, 2 }, flat)
  end)

  it("that lacks a row is refused before anything runs", function()
    local rows = builder.make({ 3, 1 }, function(i) return i end)
    local p = problem({ 1 }, "float64", { kind = C.HYLA_STREAM_ROWS, table = rows }, 4)
    assert.equal(C.HYLA_EVALUE, C.hyla_problem_ready(p, 0))
    assert.matches("spec.lua:1: 'x' has 3 rows, one for each step from 1, and step 4 needs one", support.words())
  end)

  local function refuses(words, status, shape, dtype, fields)
    local p, got = problem(shape, dtype, fields)
    assert.is_nil(p)
    assert.equal(status, got)
    assert.matches(words, support.words())
  end

  it("is refused where its description does not fit", function()
    local epochs, uniform = C.HYLA_STREAM_EPOCHS, C.HYLA_STREAM_UNIFORM
    refuses("a batch of 4 is larger than its set of 3", C.HYLA_EVALUE, { 4 }, "int32", { kind = epochs, rows = 3 })
    refuses("examples from 1, got 0", C.HYLA_EVALUE, { 4 }, "int32", { kind = C.HYLA_STREAM_DRAWS, rows = 0 })
    refuses("expected an int32 vector", C.HYLA_ETYPE, { 4 }, "float64", { kind = epochs, rows = 8 })
    refuses("expected a real input", C.HYLA_ETYPE, { 4 }, "int32", { kind = uniform })
    refuses("expected a seed from 0", C.HYLA_EVALUE, { 4 }, "float64", { kind = uniform, seed = 0.5 })
    refuses("a table of rows is missing", C.HYLA_EVALUE, { 4 }, "float64", { kind = C.HYLA_STREAM_ROWS })
    refuses("with rows of float64%[4%], got float64%[3, 2%]", C.HYLA_ESHAPE, { 4 }, "float64",
      { kind = C.HYLA_STREAM_ROWS, table = builder.make({ 3, 2 }, function() return 0 end) })
    refuses("5 is no hyperparameter", C.HYLA_EVALUE, { 4 }, "float64", { kind = C.HYLA_STREAM_HYPER, hyper = 5 })
    refuses("9 is no kind of stream", C.HYLA_EVALUE, { 4 }, "float64", { kind = 9 })
    refuses("expected a first step from 1, got 0", C.HYLA_EVALUE, { 4 }, "float64", { kind = uniform, first = 0 })
  end)

  it("frees everything when any allocation fails", function()
    local p = problem({ 4 }, "int32", { kind = C.HYLA_STREAM_EPOCHS, rows = 12, seed = 7 })
    check(C.hyla_problem_ready(p, 0))
    values(p, 4)
    local failed = support.fail_each_allocation(function()
      local m = ffi.new "hyla_method *[1]"
      local status = C.hyla_train_new(p, m)
      if status < 0 then return status end
      status = C.hyla_method_start(m[0], nil)
      if status >= 0 then status = C.hyla_method_advance(m[0], 9) end
      if status < 0 then C.hyla_method_drop(m[0]) end
      return status, function() C.hyla_method_drop(m[0]) end
    end)
    assert.is_true(failed >= 5)
  end)
end)
