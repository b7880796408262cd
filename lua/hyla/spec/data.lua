--- A small data set for specs, with the same bits on every machine: whole numbers alone make it.
-- @module hyla.spec.data
local data = require "hyla.data"
local options = require "hyla.options"
local site = require "hyla.site"

-- Park and Miller's minimal generator: its products stay below 2^53, so doubles hold them exactly.
local MODULUS, MULTIPLIER = 2 ^ 31 - 1, 48271

local function generator(seed)
  local state = (seed * 2 + 1) % MODULUS
  local function draw(n)   -- a whole number from 0 to n - 1
    state = state * MULTIPLIER % MODULUS
    return math.floor(state / MODULUS * n)
  end
  for _ = 1, 8 do draw(1) end
  return draw
end

local fields = {
  examples = options.with(options.count, { default = 60 }), width = options.with(options.count, { default = 6 }),
  classes = options.with(options.count, { default = 3 }), seed = options.with(options.seed, { default = 1 }),
}

--- Examples of classes that overlap a little. Class c is larger by 1 in the features j with j mod classes = c; noise
-- is a sum of two uniform numbers, up to 1 either way. Features are multiples of 1/64; labels go round the classes.
-- @tparam[opt] table given { examples = 60, width = 6 (features, at least `classes`), classes = 3, seed = 1 }
-- @treturn Dataset as hyla.data gives: split, batches, take, ...
return function(given)
  local o = options.read("spec.data", given, fields)
  if o.width < o.classes then
    site.fail("spec.data: expected a feature for each class, got width = %d and classes = %d", o.width, o.classes)
  end
  local draw, x, y = generator(o.seed % MODULUS), {}, {}
  for i = 1, o.examples do
    local label = (i - 1) % o.classes
    x[i], y[i] = {}, label
    for j = 1, o.width do
      local noise = draw(64) + draw(64) - 63
      x[i][j] = ((j - 1) % o.classes == label and 1 or 0) + noise / 64
    end
  end
  return data { x = x, y = y, name = "spec", classes = o.classes }
end
