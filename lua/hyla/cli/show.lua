--- Values as the prompt shows them: what tostring gives, except strings (quoted) and plain tables (their contents).
-- @module hyla.cli.show
local max_depth, max_items = 3, 40

local show

local function key_text(key)
  if type(key) == "string" and key:match "^[%a_][%w_]*$" then return key end
  return "[" .. show(key, max_depth) .. "]"
end

-- Keys that are no part of the list, those that compare with each other in order.
local function other_keys(t)
  local keys = {}
  for key in pairs(t) do
    if not (type(key) == "number" and key >= 1 and key <= #t and key % 1 == 0) then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
    return type(a) .. tostring(a) < type(b) .. tostring(b)
  end)
  return keys
end

local function show_table(t, depth)
  local parts = {}
  for i = 1, math.min(#t, max_items) do parts[i] = show(t[i], depth + 1) end
  if #t > max_items then parts[#parts + 1] = ("... %d more"):format(#t - max_items) end
  for i, key in ipairs(other_keys(t)) do
    if i > max_items then
      parts[#parts + 1] = "..."
      break
    end
    parts[#parts + 1] = key_text(key) .. " = " .. show(t[key], depth + 1)
  end
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if #parts == 0 then return "{}" end
  if #line <= 100 and not line:find "\n" then return line end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

--- Text of a value.
-- @param value
-- @tparam[opt=0] number depth of the tables around it; tables deeper than 3 are only named
-- @treturn string
function show(value, depth)
  depth = depth or 0
  if type(value) == "string" then return (("%q"):format(value):gsub("\\\n", "\\n")) end
  local plain = type(value) == "table" and getmetatable(value) == nil
  return plain and depth < max_depth and show_table(value, depth) or tostring(value)
end

return show
