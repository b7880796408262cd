--- Feasible sets: where a hyperparameter stays. A set is an immutable value; sets are intersected by `with`:
--    hyla.box(0, 1):with(hyla.sum(1000))
-- The engine projects on them (hyla_project in hyla.h says which intersections are exact).
-- @module hyla.constraint
local ffi = require "ffi"
local engine = require "hyla.ffi"
local number = require "hyla.number"
local site = require "hyla.site"
local tensor = require "hyla.tensor"

local C, check = engine.C, engine.check
local text, huge = number.format, math.huge

--- @type Set
local Set, methods = {}, {}

-- `members` is a list of { kind, lo, hi, bound, text = as it was written }.
local function set(members)
  local array = ffi.new("hyla_set[?]", #members)
  for i, m in ipairs(members) do
    local s = array[i - 1]
    s.kind, s.lo, s.hi, s.bound = m.kind, m.lo or 0, m.hi or 0, m.bound or 0
  end
  return setmetatable({ members = members, array = array }, Set)
end

local function is(value) return getmetatable(value) == Set end

local function is_number(x) return type(x) == "number" and x == x end

-- Nothing lies both in one box and in another one beyond it, whatever the hyperparameter's size.
local function disjoint(a, b)
  return a.kind == C.HYLA_SET_BOX and b.kind == C.HYLA_SET_BOX and (a.lo > b.hi or b.lo > a.hi)
end

-- The intersection of two sets.
local function intersection(self, other)
  if not is(other) then
    site.fail("with: expected a constraint such as hyla.l1(1), got %s", tostring(other))
  end
  local members = {}
  for _, m in ipairs(self.members) do members[#members + 1] = m end
  for _, m in ipairs(other.members) do
    for _, mine in ipairs(self.members) do
      if disjoint(mine, m) then
        site.fail("infeasible constraint: %s and %s have no point in common", mine.text, m.text)
      end
    end
    members[#members + 1] = m
  end
  return set(members)
end

--- The intersection of sets.
-- @tparam Set ... one or more
-- @treturn Set; an error when one of them is no set, or two boxes have no point in common
function methods:with(...)
  local made = intersection(self, (...))
  for i = 2, select("#", ...) do made = intersection(made, (select(i, ...))) end
  return made
end

--- Moves a tensor to the nearest point of the set, in place; a feasible one keeps its bits.
-- @param x a contiguous tensor, float32 or float64; a square matrix for `symmetric` and `zero_diagonal`
-- @tparam[opt] string where the place in the recipe that messages name
-- @return x; an error when the set is empty for a tensor of this size, or a component is not finite
function methods:project(x, where)
  if not tensor.is(x) then site.fail("project: expected a tensor, got %s", tostring(x)) end
  check(C.hyla_project(#self.members, self.array, x, where))
  return x
end

--- Does a tensor lie in the set, up to rounding?
-- @param x tensor as for project; stays as it is
-- @tparam[opt] string where as for project
-- @treturn boolean
-- @return the nearest point, a tensor
function methods:holds(x, where)
  local nearest = self:project(x:clone(), where)
  local moved = (nearest - x):abs():max():item()
  return moved <= 1e-5 * (1 + x:abs():max():item()), nearest
end

--- The finite box that the set's boxes make, as two numbers; nil where an end is infinite.
-- @treturn number lo
-- @treturn number hi
function methods:bounds()
  local lo, hi = -huge, huge
  for _, m in ipairs(self.members) do
    if m.kind == C.HYLA_SET_BOX then lo, hi = math.max(lo, m.lo), math.min(hi, m.hi) end
  end
  if lo > -huge and hi < huge and lo < hi then return lo, hi end
end

--- As the set was written: "box(0, 1):with(l1(1000))".
function Set:__tostring()
  local words = { self.members[1].text }
  for i = 2, #self.members do words[i] = (":with(%s)"):format(self.members[i].text) end
  return table.concat(words)
end

require("hyla.members").define(Set, { what = "a set", methods = methods })

--- @section end

--- The box lo <= x_i <= hi, in the unit of the hyperparameter. Either end may be infinite.
-- @tparam number lo
-- @tparam number hi not below lo; an error otherwise, and for NaN
-- @treturn Set
local function box(lo, hi)
  if not (is_number(lo) and is_number(hi) and lo <= hi and lo < huge and hi > -huge) then
    site.fail("infeasible constraint: box: expected numbers lo <= hi, got %s and %s", tostring(lo), tostring(hi))
  end
  return set { { kind = C.HYLA_SET_BOX, lo = lo, hi = hi, text = ("box(%s, %s)"):format(text(lo), text(hi)) } }
end

--- x_i >= 0.
-- @treturn Set
local function non_negative()
  return set { { kind = C.HYLA_SET_BOX, lo = 0, hi = huge, text = "non_negative()" } }
end

--- sum x_i <= bound.
-- @tparam number bound a finite number
-- @treturn Set
local function sum(bound)
  if not is_number(bound) or math.abs(bound) == huge then
    site.fail("sum: expected a finite number, got %s", tostring(bound))
  end
  return set { { kind = C.HYLA_SET_SUM, bound = bound, text = ("sum(%s)"):format(text(bound)) } }
end

-- The one member of a set whose bound is a finite number that is not negative.
local function ball(name, kind, bound, about)
  if not is_number(bound) or bound == huge then
    site.fail("%s: expected a finite number, got %s", name, tostring(bound))
  end
  if bound < 0 then
    site.fail("infeasible constraint: %s(%s): %s is never negative", name, text(bound), about)
  end
  return { kind = kind, bound = bound, text = ("%s(%s)"):format(name, text(bound)) }
end

--- The ball sum |x_i| <= bound.
-- @tparam number bound finite, not negative
-- @treturn Set
local function l1(bound)
  return set { ball("l1", C.HYLA_SET_L1, bound, "a norm") }
end

--- The ball sqrt(sum x_i^2) <= bound.
-- @tparam number bound finite, not negative
-- @treturn Set
local function l2(bound)
  return set { ball("l2", C.HYLA_SET_L2, bound, "a norm") }
end

--- x_i >= 0 and sum x_i = bound.
-- @tparam[opt=1] number bound finite, not negative
-- @treturn Set
local function simplex(bound)
  if bound == nil then bound = 1 end
  return set { ball("simplex", C.HYLA_SET_SIMPLEX, bound, "a sum of x_i >= 0") }
end

--- Square matrices equal to their transpose.
-- @treturn Set
local function symmetric()
  return set { { kind = C.HYLA_SET_SYMMETRIC, text = "symmetric()" } }
end

--- Square matrices with zeros on the diagonal.
-- @treturn Set
local function zero_diagonal()
  return set { { kind = C.HYLA_SET_ZERO_DIAGONAL, text = "zero_diagonal()" } }
end

return {
  is = is,
  box = box,
  non_negative = non_negative,
  sum = sum,
  l1 = l1,
  l2 = l2,
  simplex = simplex,
  symmetric = symmetric,
  zero_diagonal = zero_diagonal,
}
