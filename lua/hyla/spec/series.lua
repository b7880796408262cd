--- A series as golden files hold it, { columns = {name,...}, rows = {{number,...},...} } with false for what a row has
-- not; and how two of them differ.
-- @module hyla.spec.series
local ffi = require "ffi"
local names = require "hyla.names"
local number = require "hyla.number"
local options = require "hyla.options"
local report = require "hyla.report"
local site = require "hyla.site"

local series = {}

local ROWS_SHOWN = 5
local float = ffi.typeof "float"

-- Columns that count rows, the first in the order of a file.
local counters = { "restart", "iteration", "trial", "step" }

-- ---- from what a spec has ----

-- A list of rows, from rows, plain numbers or one row.
local function rows_of(given)
  if type(given) ~= "table" or next(given) == nil then
    site.fail("golden: expected a series (a list of rows, or of numbers) or numbers by name, got %s",
              type(given) == "table" and "an empty table" or "a " .. type(given))
  end
  if given[1] == nil then return { given } end
  if type(given[1]) ~= "number" then return given end
  local rows = {}
  for i, value in ipairs(given) do rows[i] = { value = value } end
  return rows
end

local function columns_of(rows, left_out)
  local seen = {}
  for _, row in ipairs(rows) do
    for name in pairs(row) do seen[name] = not left_out[name] or nil end
  end
  return names.ordered(seen, counters)
end

local function finite(value) return type(value) == "number" and value == value and math.abs(value) ~= math.huge end

--- Takes a series from a spec.
-- @tparam table given a list of rows (numbers by name), a list of numbers, or numbers by name
-- @tparam table left_out names of columns that are not looked at -> true
-- @treturn table a series; false stands for what a row has not. An error for what is no finite number
function series.of(given, left_out)
  local rows, out = rows_of(given), {}
  local columns = columns_of(rows, left_out)
  for i, row in ipairs(rows) do
    out[i] = {}
    for k, name in ipairs(columns) do
      local value = row[name]
      if value ~= nil and not finite(value) then
        site.fail("golden: row %d, '%s': expected a finite number, got %s", i, name, tostring(value))
      end
      out[i][k] = value or false
    end
  end
  return { columns = columns, rows = out }
end

-- ---- tolerances ----

local amount = {
  expected = "a number > 0", is = function(v) return type(v) == "number" and v > 0 and v < math.huge end,
}
local one = { relative = amount, absolute = amount, why = { kind = "string" } }
local all = { relative = amount, absolute = amount, why = one.why, columns = { kind = "table" } }

local function reasoned(what, o)
  if (o.relative or o.absolute) and not (o.why and o.why:find "%S") then
    site.fail("%s: a tolerance says why, such as why = \"float32 sums in another order on other kernels\"", what)
  end
  if o.why and not (o.relative or o.absolute) then
    site.fail("%s: why belongs to a tolerance, relative = ... or absolute = ...", what)
  end
  return o
end

--- Reads tolerances.
-- @tparam[opt] table given { relative =, absolute =, why = words; columns = { NAME = the same for one column, or false,
--   which leaves it out } }; the larger of the two counts; without one, values have to be equal
-- @treturn table to be handed to `compare`; left_out: names -> true
function series.tolerances(given)
  local o = reasoned("golden", options.read("golden", given, all))
  local read = { default = o, columns = {}, left_out = {} }
  for name, column in pairs(o.columns or {}) do
    local what = ("golden: column '%s'"):format(tostring(name))
    if column == false then
      read.left_out[name] = true
    else
      read.columns[name] = reasoned(what, options.read(what, column, one))
    end
  end
  return read
end

-- ---- comparing ----

-- A golden file has as few digits as tell a float32 from its neighbours.
local function same(got, expected)
  return got == expected or (tonumber(float(got)) == got and tonumber(float(expected)) == got)
end

-- How far two values are apart; nil where they agree.
local function apart(got, expected, tolerance)
  if not (got and expected) then return got ~= expected and math.huge or nil end
  local distance = math.abs(got - expected)
  local allowed = math.max(tolerance.absolute or 0, (tolerance.relative or 0) * math.abs(expected))
  if same(got, expected) or distance <= allowed then return nil end
  return distance
end

local function tolerance_words(tolerance)
  local words = {}
  if tolerance.relative then words[#words + 1] = "relative " .. number.short(tolerance.relative) end
  if tolerance.absolute then words[#words + 1] = "absolute " .. number.short(tolerance.absolute) end
  return #words > 0 and ("%s: %s"):format(table.concat(words, ", "), tolerance.why) or "equal"
end

local function digits(x) return x and number.short(x, 9) or "none" end

-- What identifies a row, for words: "iteration 3"; rows without a counter have their number.
local function label(got, i)
  for k, name in ipairs(got.columns) do
    if name == "iteration" or name == "trial" or name == "step" then
      return name, number.format(got.rows[i][k])
    end
  end
  return "row", tostring(i)
end

local function row_difference(expected, got, i, place, tolerances)
  local lines = {}
  local counter, which = label(got, i)
  for k, name in ipairs(got.columns) do
    local a, b = got.rows[i][k], expected.rows[i][place[name]]
    local tolerance = tolerances.columns[name] or tolerances.default
    local distance = apart(a, b, tolerance)
    if distance then
      lines[#lines + 1] = { [counter] = which, value = name, got = digits(a), expected = digits(b),
        ["off by"] = number.short(distance, 3), allowed = tolerance_words(tolerance) }
    end
  end
  return lines, counter, which
end

-- Differences of shape: columns that only one of them has, and the numbers of rows.
local function shape_differences(expected, got)
  local there, place, words = {}, {}, {}
  for k, name in ipairs(expected.columns) do place[name] = k end
  for _, name in ipairs(got.columns) do
    there[name] = true
    if not place[name] then words[#words + 1] = ("the golden file has no '%s', the series has"):format(name) end
  end
  for _, name in ipairs(expected.columns) do
    if not there[name] then
      words[#words + 1] = ("stale: the golden file has '%s', the series has not"):format(name)
    end
  end
  if #expected.rows ~= #got.rows then
    words[#words + 1] = ("%s, expected %d"):format(number.count(#got.rows, "row"), #expected.rows)
  end
  return words, place
end

--- Compares a series with the golden one.
-- @tparam table expected a series
-- @tparam table got a series
-- @tparam table tolerances from `tolerances`
-- @treturn string nil where they agree; else what differs: the shape, or the first rows that do
function series.compare(expected, got, tolerances)
  local words, place = shape_differences(expected, got)
  local shared = {}
  for _, name in ipairs(got.columns) do shared[#shared + 1] = place[name] and name or nil end
  local lines, differ, first, counter = {}, 0, nil, nil
  if #shared == #got.columns then
    for i = 1, math.min(#expected.rows, #got.rows) do
      local found, by, which = row_difference(expected, got, i, place, tolerances)
      if #found > 0 then
        differ = differ + 1
        first, counter = first or which, by
        for _, line in ipairs(differ <= ROWS_SHOWN and found or {}) do lines[#lines + 1] = line end
      end
    end
  end
  if first then
    words[#words + 1] = ("differs first at %s %s, in %d of %s:"):format(counter, first, differ,
      number.count(#expected.rows, "row"))
    words[#words + 1] = report.table(lines, { counter, "value", "got", "expected", "off by", "allowed" })
      :gsub("\n$", "")
  end
  return #words > 0 and table.concat(words, "\n") or nil
end

return series
