--- Tensors as text, in the manner of numpy: dtype and shape, then aligned values; beyond 1000 elements only the ends.
-- @module hyla.tensor.show
local handle = require "hyla.tensor.handle"
local number = require "hyla.number"

local WHOLE = 1000  -- elements up to which all are shown
local EDGE = 3      -- how many are shown at either end of an axis otherwise
local COLUMNS = 80  -- where rows are broken

local show = {}

-- The indices shown along an axis of size n; false stands for "...".
local function shown_along(n, summarised)
  local list = {}
  local skip = summarised and n > 2 * EDGE
  for i = 1, n do
    if not skip or i <= EDGE or i > n - EDGE then list[#list + 1] = i
    elseif i == EDGE + 1 then list[#list + 1] = false end
  end
  return list
end

-- Nested lists of the texts of the elements that are shown, and the width of the widest.
local function texts(t, digits)
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
    for k, i in ipairs(shown_along(shape[axis], summarised)) do
      list[k] = i and part(axis + 1, offset + (i - 1) * strides[axis]) or "..."
    end
    return list
  end
  return part(1, 0), widest
end

local function padded(text, width) return text == "..." and text or (" "):rep(width - #text) .. text end

-- A row of texts, broken where it passes COLUMNS.
local function row(list, indent, width)
  local lines, line = {}, ""
  for i, text in ipairs(list) do
    local word = padded(text, width) .. (i < #list and "," or "")
    if line ~= "" and indent + #line + #word + 1 > COLUMNS then
      lines[#lines + 1], line = line, ""
    end
    line = line == "" and word or line .. " " .. word
  end
  lines[#lines + 1] = line
  return "[" .. table.concat(lines, "\n" .. (" "):rep(indent + 1)) .. "]"
end

-- Lists of lists: one a line, blank lines between matrices, as deep as they are nested.
local function nested(list, rank, indent, width)
  if list == "..." then return list end
  if rank == 1 then return row(list, indent, width) end
  local parts = {}
  for i, part in ipairs(list) do parts[i] = nested(part, rank - 1, indent + 1, width) end
  return "[" .. table.concat(parts, "," .. ("\n"):rep(rank - 1) .. (" "):rep(indent + 1)) .. "]"
end

--- The text of a tensor.
-- @tparam tensor t
-- @tparam[opt=4] number digits significant ones
-- @treturn string
function show.text(t, digits)
  local head = ("%s[%s]"):format(t.dtype, table.concat(t.shape, ", "))
  if t.size == 0 then return head .. " []" end
  local list, width = texts(t, digits)
  if t.rank == 0 then return head .. " " .. list end
  return head .. "\n" .. nested(list, t.rank, 0, width)
end

return show
