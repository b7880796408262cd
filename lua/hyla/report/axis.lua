--- An axis: its range and where its ticks stand, linear or logarithmic.
-- @module hyla.report.axis
local axis = {}

local STEPS = { 1, 2, 2.5, 5, 10 }
local RATIO = 50   -- largest to smallest positive value, from which on a logarithmic axis shows more

-- The step that divides a length into `parts` or fewer.
local function step_of(length, parts, whole)
  local power = 10 ^ math.floor(math.log10(length / parts))
  for _, factor in ipairs(STEPS) do
    local step = factor * power
    if length / step <= parts + 1e-9 and not (whole and step % 1 ~= 0) then return step end
  end
  return 1
end

-- Digits behind the point that tell multiples of a step from each other.
local function decimals_of(step)
  local digits = math.max(0, -math.floor(math.log10(step) + 1e-9))
  return math.abs(step * 10 ^ digits - math.floor(step * 10 ^ digits + 0.5)) > 1e-6 and digits + 1 or digits
end

-- The text of a tick: plain where that is short.
local function text_of(value, step)
  local size = math.max(math.abs(value), step)
  if value ~= 0 and (size >= 1e6 or step < 1e-5) then
    return (("%.3g"):format(value):gsub("e([-+])0*", "e%1"):gsub("e%+", "e"))
  end
  return ("%%.%df"):format(decimals_of(step)):format(value == 0 and 0 or value)
end

local function linear(lo, hi, asked)
  if lo == hi then
    local room = asked.whole and 1 or lo ~= 0 and math.abs(lo) * 0.1 or 1
    lo, hi = lo - ((asked.whole or lo == 0) and 0 or room), hi + room
  end
  local step = step_of(hi - lo, asked.parts, asked.whole)
  local first, last = math.floor(lo / step + 1e-9), math.ceil(hi / step - 1e-9)
  local ticks = {}
  for i = first, last do
    local value = i * step
    if not asked.tight or value >= lo - 1e-9 * step and value <= hi + 1e-9 * step then
      ticks[#ticks + 1] = { value = value, text = text_of(value, step) }
    end
  end
  if not asked.tight then lo, hi = first * step, last * step end
  return { lo = lo, hi = hi, ticks = ticks, log = false }
end

local function logarithmic(lo, hi)
  local first, last = math.floor(math.log10(lo) + 1e-9), math.ceil(math.log10(hi) - 1e-9)
  local every, ticks = math.max(1, math.ceil((last - first) / 5)), {}
  for power = first, last, every do
    local value = 10 ^ power
    local text = (power < -4 or power > 5) and ("1e%d"):format(power) or ("%.10g"):format(value)
    ticks[#ticks + 1] = { value = value, text = text }
  end
  return { lo = 10 ^ first, hi = 10 ^ last, ticks = ticks, log = true }
end

--- The axis for values from lo to hi.
-- @tparam number lo
-- @tparam number hi not below lo
-- @tparam[opt] table asked parts: between ticks, at most (5); whole: ticks at whole numbers alone; tight: the range
--   ends where the values do; smallest: the smallest positive value, where a logarithmic axis may be taken
-- @treturn table lo, hi, log, ticks: a list of { value, text }
function axis.new(lo, hi, asked)
  asked = asked or {}
  local smallest = asked.smallest
  if smallest and lo > 0 and hi / smallest >= RATIO then return logarithmic(smallest, hi) end
  return linear(lo, hi, { parts = asked.parts or 5, whole = asked.whole, tight = asked.tight })
end

return axis
