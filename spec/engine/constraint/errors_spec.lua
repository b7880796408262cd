-- What a projection refuses, and in which words.
local ffi = require "ffi"
local engine = require "hyla.ffi"
local tensor = require "hyla.tensor"
local constraint = require "hyla.constraint"

local C = engine.C
local site = "recipes/x.lua:7"

-- The message of a projection of v that must fail and leave v alone.
local function refusal(set, v, dtype)
  local x = tensor.from(v, dtype or "float64")
  local before = tostring(x)
  local done, message = pcall(set.project, set, x, site)
  assert.is_false(done)
  assert.are.equal(before, tostring(x))
  assert.are.equal(site .. ": ", message:sub(1, #site + 2))
  return message:sub(#site + 3)
end

-- The status of raw sets, as another language may pass them.
local function status(x, ...)
  local list = { ... }
  local sets = ffi.new("hyla_set[?]", math.max(#list, 1))
  for i, s in ipairs(list) do sets[i - 1] = s end
  return C.hyla_project(#list, sets, x, site)
end

describe("an infeasible constraint", function()
  it("is refused with the two bounds that exclude each other", function()
    local cases = {
      [constraint.box(0, 1):with(constraint.sum(-1))] = "lower bound 0 and sum <= -1 leave no point of 4 components: "
        .. "their mean would be at least 0 and at most -0.25",
      [constraint.box(0, 0.2):with(constraint.simplex(1))] = "sum >= 1 and upper bound 0.2",
      [constraint.simplex(1):with(constraint.simplex(2))] = "sum >= 2 and sum <= 1",
      [constraint.simplex(1):with(constraint.l2(0.4))] = "sum >= 1 and l2 norm <= 0.4",
      [constraint.box(0.5, 1):with(constraint.l1(1))] = "lower bound 0.5 and l1 norm <= 1",
      [constraint.l1(1):with(constraint.sum(-2))] = "l1 norm <= 1 and sum <= -2",
    }
    for set, words in pairs(cases) do
      local message = refusal(set, { 0.1, 0.2, 0.3, 0.4 })
      assert.is_truthy(message:find("infeasible constraint: " .. words, 1, true), message)
    end
  end)

  it("is refused for a diagonal that the box keeps from zero", function()
    local set = constraint.zero_diagonal():with(constraint.box(0.5, 1))
    assert.are.equal("infeasible constraint: zero_diagonal and x from 0.5 to 1", refusal(set, { { 1, 1 }, { 1, 1 } }))
  end)

  it("is refused when it reaches the engine itself", function()
    local x = tensor.from({ 1, 2 }, "float64")
    local refused = {
      ["box: expected lo <= hi, got 1 and 0"] = { kind = C.HYLA_SET_BOX, lo = 1, hi = 0 },
      ["box: expected lo <= hi, got inf and inf"] = { kind = C.HYLA_SET_BOX, lo = math.huge, hi = math.huge },
      ["l1: expected a bound >= 0, got -1"] = { kind = C.HYLA_SET_L1, bound = -1 },
      ["l2: expected a bound >= 0, got -1"] = { kind = C.HYLA_SET_L2, bound = -1 },
      ["simplex: expected a finite bound >= 0, got -1"] = { kind = C.HYLA_SET_SIMPLEX, bound = -1 },
      ["sum: expected a bound above -inf, got -inf"] = { kind = C.HYLA_SET_SUM, bound = -math.huge },
    }
    for words, set in pairs(refused) do
      assert.are.equal(C.HYLA_ECONSTRAINT, status(x, set))
      assert.are.equal(site .. ": infeasible constraint: " .. words, ffi.string(C.hyla_error()))
    end
    assert.are.equal(C.HYLA_ECONSTRAINT, status(tensor.from({ 1 }, "float32"),
      { kind = C.HYLA_SET_BOX, lo = 1e39, hi = 2e39 }))
  end)
end)

describe("a projection", function()
  it("refuses what is not finite, naming the component", function()
    local v = {}
    for i = 1, 20000 do v[i] = 0.5 end
    v[17001] = 0 / 0
    for _, dtype in ipairs { "float32", "float64" } do
      local message = refusal(constraint.box(0, 1), v, dtype)
      assert.is_truthy(message:find "^project: expected finite components, got %-?nan at component 17001 of 20000")
    end
    assert.is_truthy(refusal(constraint.l2(1), { 0, 1, math.huge }):find("got inf at component 3 of 3", 1, true))
  end)

  it("refuses components whose sum overflows", function()
    assert.are.equal("projection: components from 1e+308 to 1e+308 overflow in their sum",
      refusal(constraint.sum(1), { 1e308, 1e308, 1e308 }))
  end)

  it("refuses kinds, NaN bounds, types and layouts that it does not know", function()
    local x = tensor.from({ { 1, 2, 3 }, { 4, 5, 6 } }, "float64")
    assert.are.equal(C.HYLA_EVALUE, status(x, { kind = 99 }))
    assert.are.equal(C.HYLA_EVALUE, status(x, { kind = C.HYLA_SET_L1, bound = 0 / 0 }))
    assert.are.equal(C.HYLA_ESHAPE, status(x, { kind = C.HYLA_SET_SYMMETRIC }))
    assert.is_truthy(ffi.string(C.hyla_error()):find("expected a square matrix, got float64[2, 3]", 1, true))
    assert.are.equal(C.HYLA_ESHAPE, status(x:slice(2, 1, 2), { kind = C.HYLA_SET_BOX, lo = 0, hi = 1 }))
    assert.are.equal(C.HYLA_ETYPE, status(tensor.from({ 1, 2 }, "int32"), { kind = C.HYLA_SET_BOX, lo = 0, hi = 1 }))
  end)

  it("says so when Dykstra's algorithm does not converge", function()
    -- The sets touch in one point, where the half-space is tangent to the ball: convergence is slower than linear.
    local set = constraint.l2(1):with(constraint.sum(-math.sqrt(3) * (1 - 1e-15)))
    local message = refusal(set, { 3, -1, 2 })
    assert.is_truthy(message:find("Dykstra's algorithm did not converge in 20000 cycles", 1, true), message)
  end)

  it("does nothing without sets or components", function()
    local x = tensor.from({ 5, -5 }, "float64")
    assert.are.equal(0, status(x))
    assert.same({ 5, -5 }, x:totable())
  end)
end)
