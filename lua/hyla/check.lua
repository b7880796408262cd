--- Checks of a hypergradient: the methods against each other and against central differences, in float64; and what
-- each method costs on this very problem.
--
-- A component passes where it lies within `relative` max(|got|, |expected|, the largest of its hyperparameter / 1000)
-- of the central difference, and what rounding makes of that; methods have to agree with the first one to `rounding` in
-- the same sense. A component that central differences contradict is looked at again with a shorter step, since a kink
-- (relu, max, a projection) within the step is no mistake.
-- @module hyla.check
local differences = require "hyla.check.differences"
local methods = require "hyla.check.methods"
local number = require "hyla.number"
local options = require "hyla.options"
local report = require "hyla.report"
local site = require "hyla.site"

local check = {}

local positive = { expected = "a number > 0", is = function(v) return type(v) == "number" and v > 0 end }
local fields = {
  step = options.with(positive, { default = 2 ^ -10 }),
  relative = options.with(positive, { default = 1e-6 }),
  rounding = options.with(positive, { default = 1e-9 }),
  components = options.with(options.count, { default = 64 }),
  directions = options.with(options.count, { default = 8 }),
  tangents = options.with(options.count, { default = 64 }),
  seed = options.with(options.seed, { default = 1 }),
  steps = options.count,
  methods = { expected = "a list of methods or their names, such as { \"reverse\", hyla.forward() }",
              is = function(v) return type(v) == "table" and #v > 0 end },
  costs = { kind = "boolean", default = true },
}

-- ---- comparing ----

local function apart(a, b) return a == b and 0 or math.abs(a - b) end

-- How far `got` lies from `expected`, in units of its bound; NaN agrees with nothing.
local function off(got, expected, relative, largest, noise)
  local bound = relative * math.max(math.abs(got), math.abs(expected), largest / 1000) + noise
  local distance = apart(got, expected)
  local ratio = distance == 0 and 0 or distance / bound
  return ratio == ratio and ratio or math.huge
end

-- The largest derivative of each group of rows: those of one hyperparameter, or all directions.
local function largest_of(rows, value)
  local largest = {}
  for _, row in ipairs(rows) do largest[row.name] = math.max(largest[row.name] or 0, math.abs(value(row))) end
  return largest
end

local function flat(value)
  if type(value) == "number" then return { value } end
  return value:reshape({ value.size }):totable()
end

-- The component in which two hypergradients differ most.
local function compare_all(hypers, got, expected, relative)
  local worst = { ratio = -1 }
  for _, hyper in ipairs(hypers) do
    local a, b, largest = flat(got[hyper.name]), flat(expected[hyper.name]), 0
    for i = 1, hyper.size do largest = math.max(largest, math.abs(b[i])) end
    for i = 1, hyper.size do
      local ratio = off(a[i], b[i], relative, largest, 0)
      if ratio > worst.ratio then
        worst = { name = hyper.name, index = i, size = hyper.size, got = a[i], expected = b[i], ratio = ratio }
      end
    end
  end
  return worst
end

-- ---- the pieces of a result ----

-- Hypergradients of all entries that run, in float64.
local function run_methods(p, steps, chosen)
  for _, entry in ipairs(chosen) do
    if entry.method then
      local ok, g = pcall(function()
        return (p:with { dtype = "float64", method = entry.method, steps = steps }:hypergradient())
      end)
      if ok then entry.gradient = g
      elseif entry.unasked and entry.method.may_refuse then entry.method, entry.left_out = nil, g
      else error(("check: %s: %s"):format(entry.name, g), 0) end
    end
  end
end

-- Every method against the first one that ran.
local function between_methods(result, hypers, o)
  local first = result.methods[1]
  for _, entry in ipairs(result.methods) do
    if entry.gradient then
      local rounding = math.max(o.rounding, entry.method.rounding or 0)
      local worst = compare_all(hypers, entry.gradient, first.gradient, rounding)
      entry.off, worst.against = entry == first and result.worst or worst.ratio, first.name
      worst.method, worst.relative = entry.name, rounding
      if entry.approximates then
        entry.worst = worst
      elseif worst.ratio > 1 then
        result.wrong[#result.wrong + 1] = worst
      end
    end
  end
end

local function row_of(row, entry, got, ratio, relative)
  return {
    name = row.name, index = row.index, size = row.size, got = got / row.unit, expected = row.difference / row.unit,
    ratio = ratio, relative = relative, method = entry.name, against = "central differences", failure = row.failure,
  }
end

-- The first method, which the others are compared with, against central differences.
local function against_differences(result, p, at, o)
  local first = result.methods[1]
  local rows = differences.rows(p, at, o)
  local along = {}
  for _, row in ipairs(rows) do along[row] = differences.along(first.gradient, row) end
  local largest = largest_of(rows, function(row) return along[row] / row.unit end)
  local function ratio_of(row)
    return off(along[row], row.difference, o.relative, largest[row.name] * math.abs(row.unit), row.noise)
  end
  differences.measure(p, at, rows, o.step, ratio_of)
  for i, row in ipairs(rows) do
    local ratio = ratio_of(row)
    local told = row_of(row, first, along[row], ratio, o.relative)
    told.gradient, told.difference = told.got, told.expected
    result.rows[i] = told
    if ratio > result.worst then result.worst, result.component = ratio, told end
    if ratio <= 1 and row.step < o.step then result.shorter = result.shorter + 1 end
  end
  if result.worst <= 1 then return end
  local row = rows[result.component.index]
  if result.component.name == "direction" and not row.failure then
    local found = differences.locate(p, at, row, first.gradient)
    local got = differences.along(first.gradient, found)
    local told = row_of(found, first, got, off(got, found.difference, o.relative, 0, found.noise), o.relative)
    if told.ratio > 1 then result.component = told end
  end
  table.insert(result.wrong, 1, result.component)
end

local function place(row)
  if row.name == "direction" then return "direction " .. row.index end
  return row.size == 1 and row.name or ("%s[%d]"):format(row.name, row.index)
end

local function notes_of(result, hypers, o)
  local notes, gradient = {}, result.methods[1].gradient
  for _, hyper in ipairs(hypers) do
    local zero = true
    for _, value in ipairs(flat(gradient[hyper.name])) do zero = zero and value == 0 end
    if zero then notes[#notes + 1] = ("the hypergradient of %s is exactly 0 here"):format(hyper.name) end
  end
  for _, entry in ipairs(result.methods) do
    local worst = entry.worst
    if worst then
      notes[#notes + 1] = ("%s approximates: %s; worst %s, %.6g in the place of %.6g"):format(entry.name,
        entry.approximates, place(worst), worst.got, worst.expected)
    end
  end
  if result.shorter > 0 then
    notes[#notes + 1] = ("%d of %d central differences agree at a shorter step than %s alone: a kink or a sharp bend "
      .. "lies within it"):format(result.shorter, #result.rows, number.short(o.step))
  end
  return notes
end

-- ---- words ----

local function agreeing(result)
  local n = 0
  for _, entry in ipairs(result.methods) do n = n + (entry.gradient and not entry.worst and 1 or 0) end
  local along = result.rows[1].name == "direction" and "direction" or "component"
  return ("agrees: %s, central differences (%s)%s; worst %s at %s of its bound"):format(
    number.count(n, "method"), number.count(#result.rows, along),
    result.steps < result.of_steps and (", %d of %d steps"):format(result.steps, result.of_steps) or "",
    place(result.component), number.short(result.component.ratio, 2))
end

local function disagreeing(wrong)
  local fraction = wrong.got / wrong.expected
  local text = ("%s: the hypergradient is %.12g by %s, %s %s %.12g (ratio %s): %s times the bound"):format(
    place(wrong), wrong.got, wrong.method, wrong.against,
    wrong.against == "central differences" and "give" or "gives", wrong.expected, number.short(fraction, 6),
    number.short(wrong.ratio, 3))
  return wrong.failure and ("%s; training fails near it: %s"):format(text, wrong.failure) or text
end

local Result = {}
Result.__index = Result

-- A table of methods below the verdict, and what else there is to know.
function Result:__tostring()
  local lines, rows = { self.verdict }, {}
  for _, entry in ipairs(self.methods) do
    if entry.gradient then
      rows[#rows + 1] = {
        method = entry.name, ["of bound"] = entry.worst and "-" or number.short(entry.off, 2),
        seconds = entry.seconds and number.short(entry.seconds, 3), memory = entry.bytes and number.size(entry.bytes),
        ["x training"] = entry.ratio and number.short(entry.ratio, 3),
      }
    end
  end
  lines[#lines + 1] = (report.table(rows, { "method", "of bound", "seconds", "x training", "memory" }):gsub("\n$", ""))
  for _, entry in ipairs(self.methods) do
    if entry.left_out then lines[#lines + 1] = ("%s is left out: %s"):format(entry.name, entry.left_out) end
  end
  for _, note in ipairs(self.notes) do lines[#lines + 1] = "note: " .. note end
  return table.concat(lines, "\n")
end

--- Compares and measures, without raising where methods disagree.
-- @tparam problem p
-- @tparam[opt] table given see `check`
-- @treturn table as `check` gives; agrees = false and wrong = {components} where they do not
function check.compare(p, given)
  local o = options.read("check", given, fields)
  local steps = math.min(o.steps or p.steps, p.steps)
  local result = setmetatable({
    methods = methods.choose(p, steps, o), rows = {}, wrong = {}, worst = -1, shorter = 0, of_steps = p.steps,
  }, Result)
  local twin = p:with { dtype = "float64", method = result.methods[1].method, steps = steps }
  result.steps = twin.steps
  run_methods(p, steps, result.methods)
  local at = {}
  for _, hyper in ipairs(twin.hypers) do at[hyper.name] = hyper.value end
  against_differences(result, twin, at, o)
  between_methods(result, twin.hypers, o)
  if o.costs then result.training = methods.measure(p, steps, result.methods) end
  result.notes = notes_of(result, twin.hypers, o)
  result.agrees = #result.wrong == 0
  result.verdict = result.agrees and agreeing(result) or "disagrees: " .. disagreeing(result.wrong[1])
  return result
end

--- Checks a problem at its current hyperparameters; a disagreement is an error that names the worst component.
-- @tparam problem p
-- @tparam[opt] table given { step = 2^-10, of the central differences, in the unit of the hyperparameters (on a log
--   scale a part of them); relative = 1e-6, how far they may be off; rounding = 1e-9, how far methods may be from each
--   other; components = 64, the most that are moved one by one; tangents = 64, the most that are run unasked;
--   directions = 8, random ones, beyond that; seed = 1, of these; steps = a shorter T, shared out among the stretches
--   of training; methods = a list of methods or names: the problem's own and every exact one otherwise; costs = true,
--   also measures them }
-- @treturn table { agrees = true, verdict = a line, worst = the largest distance to a central difference over its
--   bound (<= 1), component = where, rows = { name, index, got, expected, ratio }, methods = { name, off, seconds,
--   ratio (to plain training), bytes; or left_out = why }, training = seconds, steps, of_steps, notes }; tostring is
--   readable
function check.check(p, given)
  local result = check.compare(p, given)
  if not result.agrees then site.fail("check: %s", disagreeing(result.wrong[1])) end
  return result
end

return check
