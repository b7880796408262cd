--- Hypergradients against central differences, extrapolated once (Richardson): d = (4 D(h/2) - D(h)) / 3, whose error
-- falls with h^4. Few components are compared one by one, many along random directions.
-- @module hyla.differences
local options = require "hyla.options"
local site = require "hyla.site"
local tensor = require "hyla.tensor"

local differences = {}

local positive = { expected = "a number > 0", is = function(v) return type(v) == "number" and v > 0 end }
local fields = {
  step = options.with(positive, { default = 2 ^ -10 }),
  relative = options.with(positive, { default = 1e-6 }),
  components = options.with(options.count, { default = 64 }),
  directions = options.with(options.count, { default = 8 }),
  seed = options.with(options.seed, { default = 1 }),
}

local function response_at(p, moved)
  p:place(moved)
  p:train()
  return p:response()
end

-- The derivative of the response along a direction, name -> tensor; hyperparameters without one stay where they are.
local function derivative(p, at, direction, h)
  local function moved(by)
    local values = {}
    for name, value in pairs(at) do
      values[name] = direction[name] and value + direction[name] * by or value
    end
    return values
  end
  local function central(step) return (response_at(p, moved(step)) - response_at(p, moved(-step))) / (2 * step) end
  return (4 * central(h / 2) - central(h)) / 3
end

local function flat(value)
  if type(value) == "number" then return { value } end
  return value:reshape({ value.size }):totable()
end

-- One row a component: { name, index, gradient, difference }.
local function by_components(p, at, g, h)
  local rows = {}
  for _, hyper in ipairs(p.hypers) do
    local values = flat(g[hyper.name])
    for i = 1, hyper.size do
      local unit = tensor.zeros({ hyper.size }, "float64")
      unit:set(1, i)
      local d = derivative(p, at, { [hyper.name] = unit:reshape(hyper.shape) }, h)
      rows[#rows + 1] = { name = hyper.name, index = i, gradient = values[i], difference = d }
    end
  end
  return rows
end

local function by_directions(p, at, g, o)
  local rows = {}
  for k = 1, o.directions do
    local direction, along, square = {}, 0, 0
    for i, hyper in ipairs(p.hypers) do
      local d = tensor.normal(hyper.shape, { seed = o.seed, stream = 1000 * k + i, dtype = "float64" })
      direction[hyper.name] = d
      square = square + (d * d):sum():item()
    end
    for _, hyper in ipairs(p.hypers) do
      local d = direction[hyper.name] / math.sqrt(square)
      direction[hyper.name] = d
      along = along + (d * g[hyper.name]):sum():item()
    end
    rows[k] = { name = "direction", index = k, gradient = along, difference = derivative(p, at, direction, o.step) }
  end
  return rows
end

--- Checks a float64 problem at its current hyperparameters; a disagreement is an error that names the worst component.
-- It passes where |g - d| <= relative max(|g|, max|g| / 1000).
-- @tparam problem p
-- @tparam[opt] table given { step = 2^-10, in the unit of the hyperparameters; relative = 1e-6; components = 64, the
--   most that are compared one by one; directions = 8, beyond that; seed = 1 }
-- @treturn table { rows, worst = the largest |g - d| over its bound (<= 1) }
function differences.check(p, given)
  local o = options.read("check", given, fields)
  local at, size = {}, 0
  for _, hyper in ipairs(p.hypers) do
    at[hyper.name] = hyper.value
    size = size + hyper.size
  end
  local g = p:hypergradient()
  local rows = size <= o.components and by_components(p, at, g, o.step) or by_directions(p, at, g, o)
  p:place(at)
  local largest, worst = 0, { ratio = -1 }
  for _, row in ipairs(rows) do largest = math.max(largest, math.abs(row.gradient)) end
  for _, row in ipairs(rows) do
    local bound = o.relative * math.max(math.abs(row.gradient), largest / 1000)
    local apart = math.abs(row.gradient - row.difference)
    row.ratio = apart == 0 and 0 or apart / bound
    if row.ratio ~= row.ratio then row.ratio = math.huge end      -- NaN agrees with nothing
    if row.ratio > worst.ratio then worst = row end
  end
  if worst.ratio > 1 then
    site.fail("check: %s[%d]: the hypergradient is %.12g, central differences give %.12g: %.3g times the bound",
              worst.name, worst.index, worst.gradient, worst.difference, worst.ratio)
  end
  return { rows = rows, worst = worst.ratio }
end

return differences
