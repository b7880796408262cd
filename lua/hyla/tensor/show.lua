--- Tensors as text, in the manner of numpy: dtype and shape, then aligned values; beyond 1000 elements only the ends.
-- @module hyla.tensor.show
local handle = require "hyla.tensor.handle"
local number = require "hyla.number"

local WHOLE = 1000  -- elements up to which all are shown
local EDGE = 3      -- how many are shown at either end of an axis otherwise

local show = {}

-- The indices shown along an axis of size n; false stands for "...".
local function shown_along(n, summarised, edge)
  local list = {}
  local skip = summarised and n > 2 * edge
  for i = 1, n do
    if not skip or i <= edge or i > n - edge then list[#list + 1] = i
    elseif i == edge + 1 then list[#list + 1] = false end
  end
  return list
end

-- Nested lists of the texts of the elements that are shown, `edge` at either end of a row that is cut, and the width of
-- the widest.
local function texts(t, digits, edge)
  local data, strides = handle.memory(t)
  local shape, summarised, widest = t.shape, t.size > WHOLE, 0
  local form = t.dtype == "int32" and "%d"
  local function part(axis, offset)
    if axis > #shape then
      local text = form and form:format(data[offset]) or number.short(data[offset], digits)
      widest = math.max(widest, #text)
      return text
    end
    local list = {}
    for k, i in ipairs(shown_along(shape[axis], summarised, axis == #shape and edge or EDGE)) do
      list[k] = i and part(axis + 1, offset + (i - 1) * strides[axis]) or "..."
    end
    return list
  end
  return part(1, 0), widest
end

-- The same with as many elements of a row that is cut as fit in it.
local function fitting(t, digits, columns)
  local list, width
  for edge = EDGE, 1, -1 do
    list, width = texts(t, digits, edge)
    local cut = t.rank > 0 and t.size > WHOLE and t.shape[t.rank] > 2 * EDGE
    if not cut or 2 * t.rank + 2 * edge * (width + 2) + #"..." <= columns then break end
  end
  return list, width
end

local function padded(text, width) return text == "..." and text or (" "):rep(width - #text) .. text end

-- A row of texts, broken where it passes the last of `columns`.
local function row(list, indent, width, columns)
  local lines, line = {}, ""
  for i, text in ipairs(list) do
    local word = padded(text, width) .. (i < #list and "," or "")
    if line ~= "" and indent + #line + #word + 1 > columns then
      lines[#lines + 1], line = line, ""
    end
    line = line == "" and word or line .. " " .. word
  end
  lines[#lines + 1] = line
  return "[" .. table.concat(lines, "\n" .. (" "):rep(indent + 1)) .. "]"
end

-- Lists of lists: one a line, blank lines between matrices, as deep as they are nested.
local function nested(list, rank, indent, width, columns)
  if list == "..." then return list end
  if rank == 1 then return row(list, indent, width, columns) end
  local parts = {}
  for i, part in ipairs(list) do parts[i] = nested(part, rank - 1, indent + 1, width, columns) end
  return "[" .. table.concat(parts, "," .. ("\n"):rep(rank - 1) .. (" "):rep(indent + 1)) .. "]"
end

--- The text of a tensor.
-- @tparam tensor t
-- @tparam[opt=4] number digits significant ones
-- @tparam[opt=80] number columns where rows are broken
-- @treturn string
function show.text(t, digits, columns)
  local head = ("%s[%s]"):format(t.dtype, table.concat(t.shape, ", "))
  if t.size == 0 then return head .. " []" end
  columns = columns or 80
  local list, width = fitting(t, digits, columns)
  if t.rank == 0 then return head .. " " .. list end
  return head .. "\n" .. nested(list, t.rank, 0, width, columns)
end

local SHORT = 6   -- elements of a vector that a line shows

--- A tensor in a line: its type, and its few elements or what lies between the smallest and the largest.
-- @tparam tensor t
-- @treturn string
function show.line(t)
  if t.size == 0 or t.rank == 0 or t.rank == 1 and t.size <= SHORT then
    return (show.text(t, nil, math.huge):gsub("\n", " "))
  end
  local head = ("%s[%s] "):format(t.dtype, table.concat(t.shape, ", "))
  if not t:is_finite() then return head .. "with NaN or infinity" end
  t = t.dtype == "int32" and t:to "float64" or t
  local low, high = number.short(t:min():item(), 3), number.short(t:max():item(), 3)
  return head .. (low == high and "all " .. low or low .. " to " .. high)
end

return show
