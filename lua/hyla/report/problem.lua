--- What a problem is made of and where it is, as text.
-- @module hyla.report.problem
local names = require "hyla.names"
local number = require "hyla.number"
local text = require "hyla.report.text"

local function sized(name, shape) return #shape > 0 and ("%s[%s]"):format(name, table.concat(shape, ", ")) or name end

-- "rate = 0.1 in box(0, 1)", "decay[10] = 0 to 0.25 in non_negative()".
local function hyper_text(hyper)
  local value = hyper.value
  local low, high = number.short(value:min():item()), number.short(value:max():item())
  return ("%s = %s%s%s"):format(sized(hyper.name, hyper.shape), low, low ~= high and " to " .. high or "",
                                hyper.set and " in " .. tostring(hyper.set) or "")
end

local function each(list, shown)
  local words = {}
  for i, item in ipairs(list) do words[i] = shown(item) end
  return table.concat(words, ", ")
end

local function kinds(train)
  local words = {}
  for i, d in ipairs(train.kind and { train } or train) do words[i] = d.kind end
  return table.concat(words, ", then ")
end

--- @tparam problem p
-- @tparam number width columns
-- @treturn string
return function(p, width)
  local list = {}
  local function put(title, words)
    if words ~= "" then list[#list + 1] = { title, words } end
  end
  put("weights", each(p.layout.weights, function(leaf) return sized(leaf.name, leaf.shape) end))
  put("learned", each(p.hypers, hyper_text))
  put("frozen", each(p.frozen, hyper_text))
  put("training", ("%s, %d steps"):format(kinds(p.definition.train), p.steps))
  put("method", p.method.kind)
  if p.improve then
    put("improve", p.improve.kind .. (p.hyper_steps and (", %d hyper-iterations"):format(p.hyper_steps) or ""))
  end
  put("watched", table.concat(names.keys(p.definition.watch), ", "))
  for _, note in ipairs(p.notes) do put("note", note) end
  local lines = text.columns(list, width)
  table.insert(lines, 1, ("problem at step %d of %d, %s"):format(p.t, p.steps, p.dtype))
  return table.concat(lines, "\n")
end
