-- What a projection keeps to the last bit: feasible points, its own results, results on any number of threads, and
-- the input of a failure.
local ffi = require "ffi"
local engine = require "hyla.ffi"
local tensor = require "hyla.tensor"
local constraint = require "hyla.constraint"

local C = engine.C
local width = { float32 = 4, float64 = 8 }

local function bits(t) return ffi.string(C.hyla_tensor_data(t), t.size * width[t.dtype]) end

local function normal(n, seed, dtype)
  return tensor.normal({ n }, { seed = seed, mean = 0.3, deviation = 0.5, dtype = dtype })
end

local n = 40003  -- five chunks, the last one ragged
local sets = {
  box = constraint.box(0, 1),
  sum = constraint.box(0, 1):with(constraint.sum(0.2 * n)),
  l1 = constraint.box(-0.5, 1):with(constraint.l1(0.1 * n)),
  l2 = constraint.box(-0.5, 1):with(constraint.l2(30)),
  simplex = constraint.simplex(1),
}

describe("a projection", function()
  for name, set in pairs(sets) do
    for _, dtype in ipairs { "float32", "float64" } do
      it(("has the same bits on 1 and 2 threads, and twice: %s, %s"):format(name, dtype), function()
        local threads = C.hyla_threads(0)
        finally(function() C.hyla_threads(threads) end)
        local alone, shared = normal(n, 3, dtype), normal(n, 3, dtype)
        C.hyla_threads(1)
        set:project(alone)
        C.hyla_threads(2)
        set:project(shared)
        local once = bits(alone)
        assert.is_true(once == bits(shared))
        assert.is_true(once == bits(set:project(alone)))
      end)
    end
  end

  it("leaves a feasible point alone, negative zeros included", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local x = tensor.from({ -0.0, 0.25, 0.1, 1, 0 }, dtype)
      local before = bits(x)
      for _, set in ipairs { constraint.box(0, 1), constraint.non_negative():with(constraint.sum(1.4)),
        constraint.l1(1.4), constraint.l2(2), constraint.l1(1.4):with(constraint.l2(2)):with(constraint.sum(1.35)) } do
        assert.is_true(before == bits(set:project(x)), tostring(set))
      end
      local m = tensor.from({ { -0.0, 0.3 }, { 0.3, 0 } }, dtype)
      before = bits(m)
      constraint.symmetric():with(constraint.zero_diagonal()):with(constraint.box(0, 1)):project(m)
      assert.is_true(before == bits(m))
    end
  end)

  it("meets the bound of many components to the last digits", function()
    local x = sets.sum:project(normal(n, 5, "float64")):totable()
    local total = 0
    for i = 1, n do total = total + x[i] end
    -- The search stops within 2^-48 of the bound; this sum's own rounding is some 1e-14 of it.
    assert.is_near(0.2 * n, total, 1e-12 * n)
  end)

  -- Components of one magnitude lose the same low bits to every difference, so roundings of their sum do not cancel.
  it("finds the root for components of one magnitude, and keeps its result", function()
    local set = constraint.box(0, 1):with(constraint.l1(1000))
    for seed = 1, 100 do
      for _, dtype in ipairs { "float32", "float64" } do
        local x = tensor.uniform({ 5000 }, { seed = seed, lo = 0.1, hi = 0.31, dtype = dtype })
        local once = bits(set:project(x))
        assert.is_true(once == bits(set:project(x)))
        assert.is_near(1000, x:sum():item(), dtype == "float32" and 1e-3 or 1e-9)
      end
    end
  end)

  it("is exact where one bound implies the others", function()
    local function of(set) return bits(set:project(normal(100, 9, "float64"))) end
    local box = constraint.box(0, 1)
    local exact = of(box:with(constraint.sum(7)))
    assert.is_true(exact == of(box:with(constraint.l1(7)):with(constraint.sum(8)):with(constraint.l2(7))))
    exact = of(constraint.l1(7))
    assert.is_true(exact == of(constraint.l1(7):with(constraint.sum(8)):with(constraint.l2(7))))
  end)

  it("rounds a box inwards in float32", function()
    -- The nearest float32 is 1, which the box does not hold.
    local x = constraint.box(0, 1 - 1e-12):project(tensor.from({ 3 }, "float32"))
    assert.are.equal(1 - 2 ^ -24, x:get(1))
  end)

  it("leaves x alone when memory fails, and gives all of it back", function()
    local hard = constraint.symmetric():with(constraint.l1(1)):with(constraint.l2(0.8)):with(constraint.box(-1, 1))
    local x = tensor.from({ { 1, 2 }, { 3, 4 } }, "float64")
    local before, bytes, failures = bits(x), C.hyla_memory_current(), 0
    finally(function() C.hyla_memory_fail_at(0) end)
    for nth = 1, 20 do
      C.hyla_memory_fail_at(nth)
      local done = pcall(hard.project, hard, x)
      assert.are.equal(bytes, C.hyla_memory_current())
      if done then break end
      failures = failures + 1
      assert.is_true(before == bits(x))
    end
    -- Chunks of the matrix, the free part, its chunks, Dykstra's state and its chunks.
    assert.are.equal(5, failures)
    assert.is_false(before == bits(x))
  end)
end)
