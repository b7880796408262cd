--- Rows of figures as an aligned table that fits a width: a series at the prompt.
-- @module hyla.prompt.rows
local names = require "hyla.names"
local number = require "hyla.number"

local rows = {}

local WHOLE, EDGE = 14, 6                              -- rows that are all shown; how many at either end otherwise
local FIRST = { "restart", "iteration", "trial", "step" }   -- columns that come first

local scalar = { number = true, string = true, boolean = true }

--- Whether a value is a list of rows: tables of numbers, texts and booleans by name.
-- @treturn boolean
function rows.is(list)
  if type(list) ~= "table" or #list == 0 then return false end
  for key, row in pairs(list) do
    if type(key) ~= "number" or type(row) ~= "table" or getmetatable(row) or #row > 0 or next(row) == nil then
      return false
    end
    for name, value in pairs(row) do
      if type(name) ~= "string" or not scalar[type(value)] then return false end
    end
  end
  return true
end

-- Names of the columns, those of FIRST before others, which are by name.
local function columns_of(list)
  local seen = {}
  for _, row in ipairs(list) do
    for name in pairs(row) do seen[name] = true end
  end
  return names.ordered(seen, FIRST)
end

local function cell(value)
  if value == nil then return "" end
  return type(value) == "number" and number.short(value) or tostring(value)
end

-- A column's lines, all of one width: its name, and the rows that are shown.
local function column_lines(list, shown, name)
  local lines, width, left = { name }, #name, false
  for i, at in ipairs(shown) do
    local value = at and list[at][name]
    lines[i + 1] = at and cell(value) or "..."
    left, width = left or type(value) == "string", math.max(width, #lines[i + 1])
  end
  for i, line in ipairs(lines) do
    local space = (" "):rep(width - #line)
    lines[i] = left and line .. space or space .. line
  end
  return lines
end

--- The table, in blocks of as many columns as fit, the first column at the head of each.
-- @tparam {table,...} list rows, as rows.is says
-- @tparam number width columns of the terminal
-- @treturn string
function rows.text(list, width)
  local shown = {}
  for i = 1, #list do
    if #list <= WHOLE or i <= EDGE or i > #list - EDGE then shown[#shown + 1] = i
    elseif i == EDGE + 1 then shown[#shown + 1] = false end
  end
  local blocks, block, head = {}, nil, nil
  for k, name in ipairs(columns_of(list)) do
    local lines = column_lines(list, shown, name)
    if not block or #block[1] + 2 + #lines[1] > width and k > 2 then
      block = head and { unpack(head) } or lines
      blocks[#blocks + 1] = block
    end
    head = head or { unpack(lines) }
    if k > 1 then
      for i, line in ipairs(lines) do block[i] = block[i] .. "  " .. line end
    end
  end
  for i, each in ipairs(blocks) do
    for j, line in ipairs(each) do each[j] = line:gsub("%s+$", "") end
    blocks[i] = table.concat(each, "\n")
  end
  return table.concat(blocks, "\n\n")
end

return rows
