--- Central differences of the response, extrapolated once (Richardson): d = (4 D(h/2) - D(h)) / 3, whose error falls
-- with h^4. Few components are moved one by one, many along random directions.
--
-- A row is one direction of the hyperparameters: { name, index (of the component, or of the direction), direction =
-- name -> tensor, unit = what moves by h for one unit of the direction, difference, step = h, noise = what rounding may
-- make of the difference }.
-- @module hyla.check.differences
local C = require("hyla.ffi").C
local tensor = require "hyla.tensor"

local differences = {}

-- A step over a kink (relu, max, a projection) shows no derivative, a shorter one from the same point does.
local shorter = { 1, 1 / 16, 1 / 256 }

-- A response off by a few dozen roundings of its size.
local ROUNDING = 64 * 2 ^ -53

-- The response at moved hyperparameters. Training that fails there gives NaN, which agrees with nothing, and the words
-- are kept.
local function response_at(p, moved, kept)
  local ok, value = pcall(function()
    p:place(moved)
    p:train()
    return p:response()
  end)
  if ok then return value end
  if C.hyla_interrupted() == 1 then error(value, 0) end
  kept.failure = value
  return 0 / 0
end

-- Along a row's direction by steps of h; hyperparameters without a direction stay where they are.
local function derivative(p, at, row, h)
  local largest = 0
  local function response(by)
    local values = {}
    for name, value in pairs(at) do
      local direction = row.direction[name]
      values[name] = direction and value + direction * by or value
    end
    local f = response_at(p, values, row)
    largest = math.max(largest, math.abs(f))
    return f
  end
  local function central(step) return (response(step) - response(-step)) / (2 * step) end
  local d = (4 * central(h / 2) - central(h)) / 3
  return d, ROUNDING * largest / h
end

-- A hyperparameter on a log scale moves by a part of its value.
local function unit_of(hyper, value)
  return hyper.scale == "log" and value or tensor.ones(hyper.shape, "float64")
end

local function component(hyper, value, i)
  local one = tensor.zeros({ hyper.size }, "float64")
  one:set(1, i)
  local unit = unit_of(hyper, value):reshape({ hyper.size }):get(i)
  return {
    name = hyper.name, index = i, size = hyper.size, unit = unit,
    direction = { [hyper.name] = one:reshape(hyper.shape) * unit },
  }
end

local function random_direction(p, at, k, seed)
  local direction, square = {}, 0
  for i, hyper in ipairs(p.hypers) do
    local d = tensor.normal(hyper.shape, { seed = seed, stream = 1000 * k + i, dtype = "float64" })
    direction[hyper.name] = d
    square = square + (d * d):sum():item()
  end
  for _, hyper in ipairs(p.hypers) do
    direction[hyper.name] = direction[hyper.name] * unit_of(hyper, at[hyper.name]) / math.sqrt(square)
  end
  return { name = "direction", index = k, size = math.huge, unit = 1, direction = direction }
end

--- The rows that a check looks along, without differences yet.
-- @tparam problem p in float64
-- @tparam table at name -> tensor
-- @tparam table o { components = the most that are moved one by one, directions = how many beyond that, seed }
-- @treturn {row,...}
function differences.rows(p, at, o)
  local rows, size = {}, 0
  for _, hyper in ipairs(p.hypers) do size = size + hyper.size end
  if size > o.components then
    for k = 1, o.directions do rows[k] = random_direction(p, at, k, o.seed) end
    return rows
  end
  for _, hyper in ipairs(p.hypers) do
    for i = 1, hyper.size do rows[#rows + 1] = component(hyper, at[hyper.name], i) end
  end
  return rows
end

--- The derivative that a hypergradient means along a row.
-- @tparam table g name -> number or tensor
-- @tparam row row
-- @treturn number
function differences.along(g, row)
  local sum = 0
  for name, direction in pairs(row.direction) do sum = sum + (direction * g[name]):sum():item() end
  return sum
end

--- Fills in the differences, at a shorter step where `accept` refuses the first.
-- @tparam problem p in float64; left at `at`
-- @tparam table at name -> tensor
-- @tparam {row,...} rows filled: difference, step, noise; failure = why training failed near it
-- @tparam number h the first step
-- @tparam function accept row -> how far it is off, in units of its bound; at most 1 is taken
function differences.measure(p, at, rows, h, accept)
  for _, row in ipairs(rows) do
    local best = math.huge
    for _, part in ipairs(shorter) do
      local kept = { row.difference, row.step, row.noise }
      row.step = part * h
      row.difference, row.noise = derivative(p, at, row, row.step)
      local off = accept(row)
      if off <= 1 then break end
      if off < best or not kept[1] then
        best = off
      else
        row.difference, row.step, row.noise = unpack(kept)
      end
    end
  end
  p:place(at)
end

-- The derivative along a part of a direction: that of one hyperparameter, elements first .. last.
local function part_of(row, name, first, last)
  local whole = row.direction[name]
  local kept = tensor.zeros({ whole.size }, "float64")
  local from = whole:reshape { whole.size }
  for i = first, last do kept:set(from:get(i), i) end
  return { name = name, direction = { [name] = kept:reshape(whole.shape) }, step = row.step, unit = 1 }
end

--- Where a direction disagrees: the component that is most to blame, found by halving. It takes about 8 log2(n) runs of
-- training.
-- @tparam problem p in float64; left at `at`
-- @tparam table at name -> tensor
-- @tparam row row a direction
-- @tparam table g the hypergradient that is doubted
-- @treturn row of one component, with its difference
function differences.locate(p, at, row, g)
  local function off(part)
    part.difference = derivative(p, at, part, row.step)
    local apart = math.abs(differences.along(g, part) - part.difference)
    return apart == apart and apart or math.huge
  end
  local worst, culprit = -1, nil
  for _, hyper in ipairs(p.hypers) do
    local apart = off(part_of(row, hyper.name, 1, hyper.size))
    if apart > worst then worst, culprit = apart, hyper end
  end
  local first, last = 1, culprit.size
  while first < last do
    local middle = math.floor((first + last) / 2)
    local left = off(part_of(row, culprit.name, first, middle))
    local right = off(part_of(row, culprit.name, middle + 1, last))
    if left >= right then last = middle else first = middle + 1 end
  end
  local found = component(culprit, at[culprit.name], first)
  found.step = row.step
  found.difference, found.noise = derivative(p, at, found, row.step)
  p:place(at)
  return found
end

return differences
