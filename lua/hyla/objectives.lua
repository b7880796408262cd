--- The objectives of a problem: inner (what training goes down), outer and cost (what it is judged by). Each is one
-- real number; the outer one may be several.
-- @module hyla.objectives
local names = require "hyla.names"
local site = require "hyla.site"
local trace = require "hyla.trace"

local objectives = {}

local function is_list(v)
  if type(v) ~= "table" or trace.is(v) or next(v) == nil then return false end
  for name, e in pairs(v) do
    if type(name) ~= "string" or not trace.is(e) then return false end
  end
  return true
end

--- The options of hyla.problem that are objectives.
objectives.fields = {
  inner = { expected = "a traced expression of the weights", is = trace.is },
  cost = { expected = "a traced expression of the state", is = trace.is },
  outer = { expected = "a traced expression of the weights, or several: { name = expression }",
            is = function(v) return trace.is(v) or is_list(v) end },
}

local function want_scalar(what, e)
  if e.size == 1 and e.dtype == "float" then return end
  site.fail("problem: expected %s to be one real number, got %s; :mean() or :sum() makes it one", what, tostring(e))
end

--- Checks them. Of several outer objectives the sum is the outer one, and each is watched under its name.
-- @tparam table o options of hyla.problem, with watch; outer and watch are replaced
function objectives.read(o)
  if o.outer and not trace.is(o.outer) then
    local watch, sum = {}, nil
    for name, e in pairs(o.watch) do watch[name] = e end
    for _, name in ipairs(names.keys(o.outer)) do
      local e = o.outer[name]
      want_scalar(("outer '%s'"):format(name), e)
      if watch[name] ~= nil then site.fail("problem: '%s' is an outer objective and a watched value", name) end
      e = e.rank > 0 and e:sum() or e
      sum, watch[name] = sum and sum + e or e, e
    end
    o.outer, o.watch = sum, watch
  end
  for _, what in ipairs { "inner", "outer", "cost" } do
    if o[what] then want_scalar(what, o[what]) end
  end
end

return objectives
