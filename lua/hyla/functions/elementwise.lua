--- Element-wise operations, of one or more operands that broadcast: see hyla.functions.
-- @module hyla.functions.elementwise
local site = require "hyla.site"
local trace = require "hyla.trace"
local apply, broadcast, define, lift, map = trace.apply, trace.broadcast, trace.define, trace.lift, trace.map

local elementwise = {}

-- ---- one operand ----

--- -x.
-- @function neg
-- @param x

--- e^x.
-- @function exp
-- @param x

--- The natural logarithm.
-- @function log
-- @param x

--- log(1 + x), exact near 0.
-- @function log1p
-- @param x

--- e^x - 1, exact near 0.
-- @function expm1
-- @param x

--- The square root; its derivative at 0 is infinite.
-- @function sqrt
-- @param x

--- The square root whose derivative at 0 is taken as 0: for a second moment that is zero, where it multiplies a
-- zero.
-- @function sqrt0
-- @param x

--- 1/x, and 0 at x = 0, with derivative 0 there.
-- @function recip0
-- @param x

--- |x|; its derivative is sign(x).
-- @function abs
-- @param x

--- -1, 0 or 1; its derivative is 0.
-- @function sign
-- @param x

--- max(x, 0); its derivative at 0 is 0.
-- @function relu
-- @param x

--- 1 where x > 0, else 0; its derivative is 0.
-- @function positive
-- @param x

--- The hyperbolic tangent.
-- @function tanh
-- @param x

--- 1/(1 + e^-x).
-- @function sigmoid
-- @param x

--- log(1 + e^x), without overflow.
-- @function softplus
-- @param x

--- The sine, x in radians.
-- @function sin
-- @param x

--- The cosine, x in radians.
-- @function cos
-- @param x

--- The largest whole number not above x; its derivative is 0.
-- @function floor
-- @param x

--- x, through which no derivative flows.
-- @function stop_gradient
-- @param x

for _, op in ipairs {
  "neg", "exp", "log", "log1p", "expm1", "sqrt", "sqrt0", "recip0", "abs", "sign", "relu", "positive", "tanh",
  "sigmoid", "softplus", "sin", "cos", "floor", "stop_gradient",
} do
  define(op, function(x) return apply(op, { lift(op, x) }) end)
end

-- ---- two operands ----

--- x + y.
-- @function add
-- @param x
-- @param y

--- x - y.
-- @function sub
-- @param x
-- @param y

--- x y, element by element.
-- @function mul
-- @param x
-- @param y

--- x / y; whole numbers are cut towards 0.
-- @function div
-- @param x
-- @param y

--- The larger; where both are equal the derivative goes to x.
-- @function maximum
-- @param x
-- @param y

--- The smaller; where both are equal the derivative goes to x.
-- @function minimum
-- @param x
-- @param y

--- 1 where x < y, else 0.
-- @function lt
-- @param x
-- @param y

--- 1 where x <= y, else 0.
-- @function le
-- @param x
-- @param y

--- 1 where x = y, else 0.
-- @function eq
-- @param x
-- @param y

for _, op in ipairs { "add", "sub", "mul", "div", "maximum", "minimum", "lt", "le", "eq" } do
  define(op, function(x, y) return map(op, x, y) end)
end

-- x^2 is x x: exact, cheap, and smooth at 0.
function elementwise.square(x)
  x = lift("square", x)
  return apply("mul", { x, x })
end

--- x^y; a y of 2 is the square, smooth at 0.
define("pow", function(x, y) return y == 2 and elementwise.square(x) or map("pow", x, y) end)

--- x x.
-- @param x
define("square", elementwise.square)

--- 1 where x > y, else 0.
define("gt", function(x, y) return map("lt", y, x) end)

--- 1 where x >= y, else 0.
define("ge", function(x, y) return map("le", y, x) end)

--- 1 where x and y differ, else 0.
define("ne", function(x, y)
  local equal = map("eq", x, y)
  return map("sub", 1, equal)
end)

--- x limited to [lo, hi].
define("clip", function(x, lo, hi) return map("minimum", map("maximum", x, lo), hi) end)

--- The nearest whole number, halves upwards; piecewise constant, so no derivative flows (see hyla.straight_through).
define("round", function(x)
  x = apply("stop_gradient", { lift("round", x) })
  local below = apply("floor", { x })
  return map("add", below, map("le", 0.5, map("sub", x, below)))
end)

-- "float" is the dtype of the problem, or float32 for tensors.
local cast_to = { float = "float", float32 = "float", int32 = "int32" }

-- Also for functions that need an operand of another dtype.
function elementwise.cast(x, dtype)
  local to = cast_to[dtype]
  if not to then
    site.fail("cast: expected \"float\" or \"int32\", got %s; the width of \"float\" is the problem's", tostring(dtype))
  end
  x = lift("cast", x)
  return x.dtype == to and x or apply("cast", { x }, { v = { to } })
end

--- Another dtype: "float" or "int32" (which truncates towards 0).
-- @param x
-- @tparam string dtype
define("cast", elementwise.cast)

--- The same as cast.
-- @param x
-- @tparam string dtype
define("to", elementwise.cast)

--- y where c is not 0, z elsewhere; c may be int32.
define("where", function(c, y, z)
  local list = broadcast("where", y, z)
  c = elementwise.cast(c, list[1].dtype)
  return apply("where", broadcast("where", c, list[1], list[2]))
end)

return elementwise
