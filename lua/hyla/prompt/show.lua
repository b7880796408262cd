--- Values as the prompt shows them: strings quoted, plain tables with their contents, rows of figures as a table,
-- tensors, problems and recipes so that they fit the terminal; others as tostring gives them.
-- @module hyla.prompt.show
local problem = require "hyla.problem"
local problem_text = require "hyla.report.problem"
local rows = require "hyla.prompt.rows"
local tensor = require "hyla.tensor"
local tensor_text = require "hyla.tensor.show"
local terminal = require "hyla.lib.terminal"

local max_depth, max_items = 3, 40
local WIDEST = 100   -- columns

local show

local function key_text(key, width)
  if type(key) == "string" and key:match "^[%a_][%w_]*$" then return key end
  return "[" .. show(key, width, max_depth) .. "]"
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

local function show_table(t, width, depth)
  local parts = {}
  for i = 1, math.min(#t, max_items) do parts[i] = show(t[i], width, depth + 1) end
  if #t > max_items then parts[#parts + 1] = ("... %d more"):format(#t - max_items) end
  for i, key in ipairs(other_keys(t)) do
    if i > max_items then
      parts[#parts + 1] = "..."
      break
    end
    parts[#parts + 1] = key_text(key, width) .. " = " .. show(t[key], width, depth + 1)
  end
  if #parts == 0 then return "{}" end
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if 2 * depth + #line <= width and not line:find "\n" then return line end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

-- Asked of the type's name, since most sessions begin before anything of recipes and help is loaded.
local function is_recipe(value)
  local meta = type(value) == "table" and getmetatable(value)
  local about = type(meta) == "table" and rawget(meta, "members")
  return about and about.what == "a recipe"
end

--- Text of a value.
-- @param value
-- @tparam[opt] number width columns; those of the terminal, at most 100
-- @tparam[opt=0] number depth of the tables around it; tables deeper than 3 are only named
-- @treturn string
function show(value, width, depth)
  width, depth = width or math.min(terminal.columns(), WIDEST), depth or 0
  if type(value) == "string" then return (("%q"):format(value):gsub("\\\n", "\\n")) end
  if tensor.is(value) then return depth == 0 and tensor_text.text(value, nil, width) or tensor_text.line(value) end
  if problem.is(value) and depth == 0 then return problem_text(value, width) end
  if depth == 0 and is_recipe(value) then
    return (require("hyla.prompt.help").text(value, width):gsub("\n$", ""))
  end
  local plain = type(value) == "table" and getmetatable(value) == nil
  if plain and depth == 0 and rows.is(value) then return rows.text(value, width) end
  return plain and depth < max_depth and show_table(value, width, depth) or tostring(value)
end

return show
