-- Projections against the optimality conditions, a grid, and Dykstra's algorithm written out on elementary sets.
local tensor = require "hyla.tensor"
local constraint = require "hyla.constraint"

local huge = math.huge

-- Doubles that are the same in every run.
local function numbers(seed, n, spread)
  return tensor.normal({ n }, { seed = seed, mean = 0.2, deviation = spread or 1, dtype = "float64" }):totable()
end

local function projected(set, v, dtype) return set:project(tensor.from(v, dtype or "float64")):totable() end

-- What each bound limits, and its subgradients [low, high] at a component.
local bounds = {
  sum = { total = function(x) return x end, slope = function() return 1, 1 end },
  l1 = { total = math.abs, slope = function(x)
    if x == 0 then return -1, 1 end
    return x > 0 and 1 or -1, x > 0 and 1 or -1
  end },
  l2 = { total = function(x) return x * x end, slope = function(x) return x, x end },
}

local function total_of(kind, x)
  local total = 0
  for i = 1, #x do total = total + bounds[kind].total(x[i]) end
  return kind == "l2" and math.sqrt(total) or total
end

-- The multipliers t for which v - x - t g is normal to the box at x, g a subgradient there: an interval.
local function multipliers(kind, v, x, lo, hi)
  local least, most = -huge, huge
  local function atleast(c, d) -- c t >= d
    if c > 0 then least = math.max(least, d / c) elseif c < 0 then most = math.min(most, d / c) end
  end
  for i = 1, #x do
    local d, low, high = v[i] - x[i], bounds[kind].slope(x[i])
    if x[i] < hi then atleast(high, d) end    -- d - t g <= 0 for some g
    if x[i] > lo then atleast(-low, -d) end   -- d - t g >= 0 for some g
  end
  return least, most
end

-- The conditions of Karush, Kuhn and Tucker: feasible, and a multiplier that is 0 where the bound is slack. An
-- equality's may have either sign.
local function assert_optimal(kind, bound, equality, v, x, lo, hi)
  local scale, total = 1, total_of(kind, x)
  for i = 1, #v do
    scale = math.max(scale, math.abs(v[i]))
    assert.is_true(x[i] >= lo and x[i] <= hi)
  end
  assert.is_true(total <= bound + 1e-12 * scale * #x)
  local least, most = multipliers(kind, v, x, lo, hi)
  local slack = not equality and total < bound - 1e-12 * scale * #x
  if not equality then least = math.max(least, 0) else assert.is_near(bound, total, 1e-12 * scale * #x) end
  if slack then most = math.min(most, 0) end
  assert.is_true(least <= most + 1e-12 * scale * (kind == "l2" and 1 / math.max(bound, 1e-3) or 1),
    ("no multiplier: at least %.17g and at most %.17g"):format(least, most))
end

local boxes = { { -huge, huge }, { 0, 1 }, { -0.3, 0.4 }, { 0, huge }, { -huge, 0.5 }, { 0.1, 0.7 }, { -2, -0.1 } }

describe("the projection on a box with one bound", function()
  for _, kind in ipairs { "sum", "l1", "l2" } do
    it("meets the optimality conditions to 1e-12: " .. kind, function()
      for seed = 1, 210 do
        local lo, hi = unpack(boxes[seed % #boxes + 1])
        local n = 1 + seed % 37
        local v = numbers(seed, n, seed % 3 == 0 and 10 or 1)
        -- Between the least total that the box allows and about what v has.
        local nearest = math.max(0, lo, -hi)
        local least = kind == "l2" and nearest * math.sqrt(n) or nearest * n
        if kind == "sum" then least = lo > -huge and lo * n or -n end
        local bound = least + (seed % 11) / 10 * math.max(total_of(kind, v) - least, 0.5)
        local set = constraint.box(lo, hi):with(constraint[kind](bound))
        assert_optimal(kind, bound, false, v, projected(set, v), lo, hi)
      end
    end)
  end

  it("meets the optimality conditions to 1e-12: simplex", function()
    for seed = 1, 100 do
      local n = 1 + seed % 37
      local hi = seed % 2 == 0 and huge or 3 / n
      local bound = 0.5 + seed % 5 / 2
      local v = numbers(seed, n, seed % 3 == 0 and 10 or 1)
      local x = projected(constraint.box(-1, hi):with(constraint.simplex(bound)), v)
      assert_optimal("sum", bound, true, v, x, 0, hi)
    end
  end)

  it("keeps the digits of small differences between large components", function()
    -- 2^53 apart from 0, so t itself has no digits left for the bound of 1.
    local base = 2 ^ 53
    local x = projected(constraint.simplex(1), { base + 2, base + 2, base, base - 6 })
    assert.same({ 0.5, 0.5, 0, 0 }, x)
    x = projected(constraint.l1(3), { base + 2, -base - 2, base, 1 })
    assert.same({ 1.5, -1.5, 0, 0 }, { x[1], x[2], math.abs(x[3]), math.abs(x[4]) })
  end)

  it("does not overflow on squares", function()
    local x = projected(constraint.l2(5), { 3e200, -4e200 })
    assert.is_near(3, x[1], 1e-14)
    assert.is_near(-4, x[2], 1e-14)
    x = projected(constraint.l2(5e-200), { 3, -4 })
    assert.is_near(3, x[1] * 1e200, 1e-14)
  end)

  it("ends where only one point is left", function()
    assert.same({ 0.1, 0.1 }, projected(constraint.box(0.1, 1):with(constraint.sum(0.2)), { 3, -1 }))
    assert.same({ 0, 0 }, projected(constraint.l1(0), { 3, 2 }))
    assert.same({ 0, 0 }, projected(constraint.l2(0), { 3, 2 }))
    assert.same({ 0.5, 0.5 }, projected(constraint.box(0, 0.5):with(constraint.simplex(1)), { 7, -7 }))
  end)

  it("ends there in float32 too, whose nearest numbers may pass the bound", function()
    local tenth = tensor.from({ 0.1 }, "float32"):get(1)
    assert.is_true(tenth > 0.1)
    assert.same({ tenth }, projected(constraint.box(0.1, 0.1), { 3 }, "float32"))
    local high, low = constraint.box(0.1, 1), constraint.box(-1, -0.1)
    assert.same({ tenth, tenth }, projected(high:with(constraint.sum(0.2)), { 3, -1 }, "float32"))
    assert.same({ tenth, tenth }, projected(high:with(constraint.l2(0.1 * math.sqrt(2))), { 3, -1 }, "float32"))
    assert.same({ -tenth, -tenth }, projected(low:with(constraint.l1(0.2)), { 3, -1 }, "float32"))
  end)

  it("moves a point that passes its bound by more than rounding", function()
    -- The bound's own relative rounding is 2^-46 and 2^-24.
    for dtype, excess in pairs { float64 = 2 ^ -40, float32 = 2 ^ -20 } do
      for _, kind in ipairs { "sum", "l1", "l2" } do
        local v = { 0.5, 0.75, 0.25 }
        local bound = total_of(kind, v) * (1 - excess)
        local x = projected(constraint[kind](bound), v, dtype)
        assert.is_near(bound, total_of(kind, x), bound * excess / 8)
      end
    end
  end)
end)

-- Elementary sets for Dykstra's algorithm as in the textbook.
local function onto_box(lo, hi)
  return function(x)
    for i = 1, #x do x[i] = math.min(math.max(x[i], lo), hi) end
  end
end

local function onto_half_space(bound)
  return function(x)
    local excess = (total_of("sum", x) - bound) / #x
    for i = 1, #x do x[i] = x[i] - math.max(excess, 0) end
  end
end

local function onto_ball(bound)
  return function(x)
    local shrink = math.min(1, bound / total_of("l2", x))
    for i = 1, #x do x[i] = x[i] * shrink end
  end
end

local function dykstra(v, sets, cycles)
  local x, y = { unpack(v) }, {}
  for k = 1, #sets do
    y[k] = {}
    for i = 1, #v do y[k][i] = 0 end
  end
  for _ = 1, cycles do
    for k = 1, #sets do
      local z = {}
      for i = 1, #v do z[i] = x[i] + y[k][i] end
      x = { unpack(z) }
      sets[k](x)
      for i = 1, #v do y[k][i] = z[i] - x[i] end
    end
  end
  return x
end

local function assert_close(expected, got, tolerance)
  for i = 1, #expected do assert.is_near(expected[i], got[i], tolerance) end
end

describe("the projection on an intersection", function()
  it("agrees with the algorithm of Dykstra on elementary sets", function()
    for seed = 1, 12 do
      local v, n = numbers(seed, 6, 2), 6
      local bound = 0.2 + seed % 4
      local box = constraint.box(-1, 1.5)
      -- Linear convergence: what is left after 3000 cycles is far below the tolerance.
      assert_close(dykstra(v, { onto_box(-1, 1.5), onto_half_space(bound) }, 3000),
        projected(box:with(constraint.sum(bound)), v), 1e-9)
      assert_close(dykstra(v, { onto_box(-1, 1.5), onto_ball(bound) }, 3000),
        projected(box:with(constraint.l2(bound)), v), 1e-9)
      assert_close(dykstra(v, { onto_box(-1, 1.5), onto_half_space(bound / n), onto_ball(bound) }, 3000),
        projected(box:with(constraint.sum(bound / n)):with(constraint.l2(bound)), v), 1e-9)
    end
  end)

  it("is nearer than every feasible point of a grid", function()
    local two = {
      { set = constraint.sum(0.3):with(constraint.l1(0.9)), fits = function(a, b)
        return a + b <= 0.3 and math.abs(a) + math.abs(b) <= 0.9
      end },
      { set = constraint.l1(1):with(constraint.l2(0.8)):with(constraint.box(-0.5, 1)), fits = function(a, b)
        return math.abs(a) + math.abs(b) <= 1 and math.sqrt(a * a + b * b) <= 0.8 and a >= -0.5 and b >= -0.5
      end },
      { set = constraint.sum(-0.2):with(constraint.l2(0.7)):with(constraint.l1(0.9)), fits = function(a, b)
        return a + b <= -0.2 and math.sqrt(a * a + b * b) <= 0.7 and math.abs(a) + math.abs(b) <= 0.9
      end },
    }
    for seed = 1, 6 do
      local v = numbers(seed, 2, 2)
      for _, case in ipairs(two) do
        local x = projected(case.set, v)
        local nearest = huge
        for a = -1, 1, 1 / 64 do
          for b = -1, 1, 1 / 64 do
            if case.fits(a, b) then nearest = math.min(nearest, (a - v[1]) ^ 2 + (b - v[2]) ^ 2) end
          end
        end
        -- A billionth of the way to a point inside of all three, for rounding.
        assert.is_true(case.fits(x[1] + 1e-9 * (-0.2 - x[1]), x[2] + 1e-9 * (-0.2 - x[2])))
        assert.is_true((x[1] - v[1]) ^ 2 + (x[2] - v[2]) ^ 2 <= nearest + 1e-9)
      end
    end
  end)

  it("takes several sets of a kind as the strictest", function()
    local v = { 0.9, 0.8, -0.7 }
    local several = constraint.box(-1, 0.5):with(constraint.sum(2)):with(constraint.box(0, 1)):with(constraint.sum(0.6))
    assert.same(projected(constraint.box(0, 0.5):with(constraint.sum(0.6)), v), projected(several, v))
  end)
end)

describe("the projection of a matrix", function()
  local v = { { 1, 3, -2 }, { 1, 2, 0.5 }, { 4, -0.5, 7 } }

  it("is the mean of a matrix and its transpose", function()
    assert.same({ { 1, 2, 1 }, { 2, 2, 0 }, { 1, 0, 7 } }, projected(constraint.symmetric(), v))
  end)

  it("symmetrises, empties the diagonal, then shares the bound among the rest", function()
    local set = constraint.symmetric():with(constraint.zero_diagonal()):with(constraint.non_negative())
      :with(constraint.sum(3))
    -- The rest, symmetrised: 2, 1, 0, twice each; t = .75 brings 6 down to 3.
    assert.same({ { 0, 1.25, 0.25 }, { 1.25, 0, 0 }, { 0.25, 0, 0 } }, projected(set, v))
  end)

  it("leaves the diagonal out where a bound raises components", function()
    assert.same({ { 0, 0.5 }, { 0.5, 0 } },
      projected(constraint.zero_diagonal():with(constraint.simplex(1)), { { 9, -4 }, { -4, 9 } }))
  end)
end)
