--- assert.hypergradient: the methods against each other and against central differences (hyla.check).
-- @module hyla.spec.hypergradient
local check = require "hyla.check"
local number = require "hyla.number"
local report = require "hyla.report"
local site = require "hyla.site"

local SHOWN = 10   -- wrong components in a failure

local function name_of(row) return row.size == 1 and row.name or ("%s[%d]"):format(row.name, row.index) end

-- The components that central differences contradict, the first of them.
local function wrong_rows(result)
  local list, more = {}, 0
  for _, row in ipairs(result.rows) do
    if row.ratio > 1 then
      if #list < SHOWN then
        list[#list + 1] = { hyperparameter = name_of(row), got = number.short(row.got, 9),
          expected = number.short(row.expected, 9), ratio = number.short(row.got / row.expected, 6) }
      else
        more = more + 1
      end
    end
  end
  return list, more
end

--- Judges a problem's hypergradient at its current hyperparameters.
-- @tparam problem p
-- @tparam[opt] table given options of hyla.check; costs = true also measures each method
-- @treturn boolean and, where it is wrong, words: which hyperparameter, what came, what was expected, their ratio
return function(p, given)
  if type(p) ~= "table" or not p.hypers then site.fail("hypergradient: expected a problem, got a %s", type(p)) end
  local o = { costs = false }
  for key, value in pairs(given or {}) do o[key] = value end
  local result = check.compare(p, o)
  if result.agrees then return true end
  local rows, more = wrong_rows(result)
  local text = result.verdict
  if #rows > 1 then
    text = ("%s\n%s"):format(text, report.table(rows, { "hyperparameter", "got", "expected", "ratio" }):gsub("\n$", ""))
  end
  return false, more > 0 and ("%s\nand %s"):format(text, number.count(more, "other")) or text
end
