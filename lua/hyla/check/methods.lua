--- The methods that a check compares, each on the problem itself: its hypergradient in float64, and what it costs.
-- @module hyla.check.methods
local clock = require("hyla.report.progress").clock
local layout = require "hyla.layout"
local method = require "hyla.method"
local names = require "hyla.names"
local site = require "hyla.site"

local methods = {}

-- ---- which ----

local function facts_of(p, steps, o)
  local size = 0
  for _, hyper in ipairs(p.hypers) do size = size + hyper.size end
  return {
    size = size, steps = steps, state_bytes = layout.bytes(p.layout.states, "float64"), tangents = o.tangents,
    train = p.definition.train,
  }
end

-- What a method is called: its kind and the settings that are not the usual ones.
local function title(m)
  local words = {}
  for _, key in ipairs(names.keys(m.settings or {})) do
    local value = m.settings[key]
    if value and value ~= 0 then words[#words + 1] = ("%s = %s"):format(key, tostring(value)) end
  end
  return #words > 0 and ("%s { %s }"):format(m.kind, table.concat(words, ", ")) or m.kind
end

local function entry_named(name)
  local known = {}
  for _, entry in ipairs(method.exact) do
    if entry.name == name then return entry end
    known[#known + 1] = entry.name
  end
  site.fail("check: unknown method '%s'%s; the methods are: %s", tostring(name), names.hint(tostring(name), known),
            table.concat(known, ", "))
end

-- A method as a check sees it. One that approximates is compared, but judged by nobody.
local function entry_of(name, m, steps)
  return { name = name, method = m, approximates = m.approximates and m.approximates(steps) or nil }
end

local function asked_for(list, facts)
  local chosen = {}
  facts.tangents = math.huge
  for i, each in ipairs(list) do
    if type(each) == "table" and type(each.new) == "function" then
      chosen[i] = entry_of(title(each), each, facts.steps)
    else
      local m, why = entry_named(each).make(facts)
      if not m then site.fail("check: the method '%s' does not hold here: %s", each, why) end
      chosen[i] = entry_of(each, m, facts.steps)
    end
  end
  return chosen
end

--- The methods to compare: those that were asked for, or the problem's own and every exact one that holds for it.
-- @tparam problem p
-- @tparam number steps that the check trains for
-- @tparam table o { methods = list of names and methods, or nil; tangents = the most that are run unasked }
-- @treturn {entry,...} name, and method or left_out = why it is not run; unasked = it may be left out yet;
--   approximates = why its hypergradient is not exact; an exact one is first, unless none was asked for
function methods.choose(p, steps, o)
  local facts = facts_of(p, steps, o)
  if o.methods then return asked_for(o.methods, facts) end
  local own = entry_of(title(p.method), p.method, steps)
  local chosen = {}
  if not own.approximates then chosen[1] = own end
  for _, entry in ipairs(method.exact) do
    if entry.name ~= own.name then
      local m, why = entry.make(facts)
      chosen[#chosen + 1] = m and entry_of(entry.name, m, steps) or { name = entry.name, left_out = why }
      chosen[#chosen].unasked = true
    end
  end
  if own.approximates then chosen[#chosen + 1] = own end
  return chosen
end

-- ---- what they cost ----

-- Short work is measured several times, the fastest counts: the first run warms caches and threads.
local LONG_ENOUGH, MOST = 0.05, 10

local function seconds_of(work)
  local best, total, runs = math.huge, 0, 0
  repeat
    local begun = clock()
    work()
    local taken = clock() - begun
    best, total, runs = math.min(best, taken), total + taken, runs + 1
  until total >= LONG_ENOUGH or runs >= MOST
  return best
end

--- Measures the methods on the problem in its own dtype.
-- @tparam problem p
-- @tparam number steps
-- @tparam {entry,...} chosen filled: seconds (of a hypergradient), ratio (to plain training), bytes (held at the most)
-- @treturn number seconds of plain training
function methods.measure(p, steps, chosen)
  local plain = p:with { steps = steps }
  local training = seconds_of(function() plain:train() end)
  for _, entry in ipairs(chosen) do
    if entry.method then
      local twin = p:with { steps = steps, method = entry.method }
      entry.seconds = seconds_of(function() twin:hypergradient() end)
      entry.ratio, entry.bytes = entry.seconds / training, twin:bytes()
    end
  end
  return training
end

return methods
