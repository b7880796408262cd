--- Random numbers in training: fresh at every step t, a pure function of (seed, t), so that going back over training
-- sees what going forward saw. Each call draws numbers of its own, whatever its seed. An outer objective and watched
-- values see those of the last step that was taken.
-- @module hyla.random
local options = require "hyla.options"
local site = require "hyla.site"
local stream = require "hyla.stream"
local trace = require "hyla.trace"
require "hyla.functions"
local methods = trace.methods

local random = {}

local seed = options.with(options.seed, { required = true })
local operand = { expected = "a number or an expression", is = trace.is_operand }
local like = {
  expected = "an expression or a tensor", is = function(v) return trace.is_operand(v) and type(v) ~= "number" end,
}
local shape = {
  expected = "a shape such as { 100, 10 }, of whole numbers >= 1",
  is = function(v)
    if type(v) ~= "table" or trace.is_operand(v) then return false end
    for key, n in pairs(v) do
      if type(key) ~= "number" or key > #v or not options.count.is(n) then return false end
    end
    return true
  end,
}

local function draw(what, kind, o)
  if (o.shape == nil) == (o.like == nil) then
    site.fail("%s: expected either shape = { ... } or like = an expression of that shape", what)
  end
  return stream.leaf(what, o.shape or o.like.shape, { kind = kind, seed = o.seed })
end

-- A setting of the numbers: it may broadcast to their shape, not they to its.
local function setting(what, name, x, leaf)
  local e = trace.lift(what, x)
  local fits = e.dtype == "float" and e.rank <= leaf.rank
  for axis = 1, fits and e.rank or 0 do
    local n = e.shape[e.rank + 1 - axis]
    fits = fits and (n == 1 or n == leaf.shape[leaf.rank + 1 - axis])
  end
  if not fits then
    site.fail("%s: option '%s': expected real numbers that broadcast to %s, got %s", what, name, trace.show(leaf),
              trace.show(x))
  end
  return x
end

--- Normal numbers of mean 0.
-- @tparam table given { shape = {...} or like = an expression; seed = (required); deviation = 1, a number or an
--   expression that broadcasts to the shape: of hyperparameters, say, which then learn how much noise is right }
-- @treturn expression
function random.noise(given)
  local o = options.read("noise", given, {
    shape = shape, like = like, seed = seed, deviation = options.with(operand, { default = 1 }),
  })
  local z = draw("noise", "normal", o)
  return o.deviation == 1 and z or z * setting("noise", "deviation", o.deviation, z)
end

--- Uniform numbers in [lo, hi).
-- @tparam table given { shape = {...} or like = an expression; seed = (required); lo = 0, hi = 1, numbers or
--   expressions that broadcast to the shape }
-- @treturn expression
function random.random_uniform(given)
  local o = options.read("random_uniform", given, {
    shape = shape, like = like, seed = seed, lo = options.with(operand, { default = 0 }),
    hi = options.with(operand, { default = 1 }),
  })
  local u = draw("random_uniform", "uniform", o)
  if o.lo == 0 and o.hi == 1 then return u end
  local lo, hi = setting("random_uniform", "lo", o.lo, u), setting("random_uniform", "hi", o.hi, u)
  if type(lo) == "number" and type(hi) == "number" and not (lo < hi) then
    site.fail("random_uniform: expected lo < hi, got %.9g and %.9g", lo, hi)
  end
  return u * methods.sub(hi, lo) + lo
end

--- Dropout (Srivastava et al. 2014), inverted: every element is kept with probability 1 - rate, and then divided by it,
-- or is 0; so the expected value is x, and nothing changes where dropout is left out.
-- @tparam expression x
-- @tparam table given { rate = a number in [0, 1) (required); seed = (required) }
-- @treturn expression of the shape of x; x itself where rate is 0
function random.dropout(x, given)
  local o = options.read("dropout", given, {
    rate = { expected = "a number in [0, 1)", required = true,
             is = function(v) return type(v) == "number" and v >= 0 and v < 1 end },
    seed = seed,
  })
  x = trace.lift("dropout", x)
  if x.dtype ~= "float" then site.fail("dropout: expected real numbers, got %s", trace.show(x)) end
  if o.rate == 0 then return trace.settle(x) end
  local u = draw("dropout", "uniform", { like = x, seed = o.seed })
  return x * (u:ge(o.rate) * (1 / (1 - o.rate)))
end

return random
