--- assert.reaches: figures of a run against what they should be.
-- @module hyla.spec.reaches
local names = require "hyla.names"
local number = require "hyla.number"
local options = require "hyla.options"
local report = require "hyla.report"
local site = require "hyla.site"

local figure = { kind = "number" }
local tolerance = {
  expected = "a number >= 0", is = function(v) return type(v) == "number" and v >= 0 and v < math.huge end,
}
local fields = { figure, tolerance = tolerance, at_least = figure, at_most = figure }

-- The numbers of what was given: a run of one row of results, or a table of numbers by name.
local function figures_of(what)
  if type(what) ~= "table" then site.fail("reaches: expected a run or a row of results, got a %s", type(what)) end
  if not what.rows then return what end
  if #what.rows == 1 then return what.rows[1] end
  local labels = names.keys(what.rows)
  site.fail("reaches: the run has %s; expected one of them, such as run.rows[%q]",
            number.count(#what.rows, "row") .. " of results", labels[1] or 1)
end

local function read_target(name, given)
  local o = options.read(("reaches: '%s'"):format(name), given, fields)
  if o[1] and not o.tolerance or o.tolerance and not o[1] or not (o[1] or o.at_least or o.at_most) then
    site.fail("reaches: '%s': expected { value, tolerance = ... }, { at_least = ... } or { at_most = ... }", name)
  end
  return o
end

-- How far a figure is from what it should be (0 where it is there), and that in words; NaN is never there.
local function judge(got, target)
  local off, words = 0, {}
  if target[1] then
    words[1] = ("%s +- %s"):format(number.short(target[1], 6), number.short(target.tolerance, 3))
    off = math.abs(got - target[1])
    if off <= target.tolerance * (1 + 1e-9) then off = 0 end   -- 0.81 is within 0.01 of 0.8, whatever doubles say
  end
  if target.at_least then
    words[#words + 1] = ">= " .. number.short(target.at_least, 6)
    if not (got >= target.at_least) then off = math.abs(target.at_least - got) end
  end
  if target.at_most then
    words[#words + 1] = "<= " .. number.short(target.at_most, 6)
    if not (got <= target.at_most) then off = math.abs(got - target.at_most) end
  end
  return off, table.concat(words, ", ")
end

local function numbers_in(figures)
  local list = {}
  for _, name in ipairs(names.keys(figures)) do
    if type(figures[name]) == "number" then list[#list + 1] = name end
  end
  return list
end

--- Judges figures.
-- @tparam table what a run (spec.run) with one row of results, one of its rows, or numbers by name
-- @tparam table expected by name: { value, tolerance = }, which is reached within the tolerance on either side;
--   { at_least = } or { at_most = }
-- @treturn boolean and, where one is off, a table of all of them: got, expected, off by
return function(what, expected)
  local figures = figures_of(what)
  if type(expected) ~= "table" or #names.keys(expected) == 0 then
    site.fail("reaches: expected figures by name, such as { test_accuracy = { 0.85, tolerance = 0.01 } }")
  end
  local rows, reached = {}, true
  for _, name in ipairs(names.keys(expected)) do
    local target, got = read_target(name, expected[name]), figures[name]
    if type(got) ~= "number" then
      local known = numbers_in(figures)
      site.fail("reaches: there is no figure '%s'%s; there are: %s", name, names.hint(name, known),
                table.concat(known, ", "))
    end
    local off, words = judge(got, target)
    if off ~= 0 then reached = false end
    rows[#rows + 1] = { figure = name, got = number.short(got, 6), expected = words,
      ["off by"] = off == 0 and "-" or number.short(off, 3) }
  end
  if reached then return true end
  return false, "a figure is off:\n" .. report.table(rows, { "figure", "got", "expected", "off by" }):gsub("\n$", "")
end
