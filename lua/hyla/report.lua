--- What a run hands over: its table of results for people, the same as JSON and its series as CSV.

local names = require "hyla.names"
local json = require "hyla.report.json"
local number = require "hyla.number"
local site = require "hyla.site"
local fitting = require "hyla.report.text".fitting

local report = {}

local function finite(x) return x == x and math.abs(x) ~= math.huge end

--- A row of results is a flat table of strings, booleans and finite numbers; anything else fails the run.
-- @tparam table row
-- @treturn table a copy
function report.row(row)
  if type(row) ~= "table" then site.fail("result: expected a table, got a %s", type(row)) end
  local out = {}
  for key, value in pairs(row) do
    local kind = type(value)
    if type(key) ~= "string" or not (kind == "number" or kind == "string" or kind == "boolean") then
      site.fail("result: expected names with numbers, strings or booleans, got '%s' with a %s", tostring(key), kind)
    end
    if kind == "number" and not finite(value) then site.fail("result: '%s' is %s", key, tostring(value)) end
    out[key] = value
  end
  return out
end

-- Column names of rows: those of `first` that occur, then the others, strings before numbers, by name.
local function columns_of(rows, first)
  local seen, text = {}, {}
  for _, row in ipairs(rows) do
    for key, value in pairs(row) do
      seen[key] = true
      text[key] = text[key] or type(value) == "string"
    end
  end
  return names.ordered(seen, first, text)
end

local function cell(value)
  if value == nil then return "" end
  return type(value) == "number" and number.cell(value) or tostring(value)
end

-- Adds to each row the figures of the reference whose first column has the same value, as "name (label)".
local function beside(rows, columns, reference)
  local by_key, key = {}, columns[1]
  for _, row in ipairs(reference.rows) do by_key[row[key]] = row end
  local joined, wide, used = {}, {}, {}
  for i, row in ipairs(rows) do
    joined[i] = {}
    for name, value in pairs(row) do joined[i][name] = value end
    for name, value in pairs(by_key[row[key]] or {}) do
      if name ~= key then
        joined[i][("%s (%s)"):format(name, reference.label)] = value
        used[name] = true
      end
    end
  end
  for _, name in ipairs(columns) do
    wide[#wide + 1] = name
    if used[name] then wide[#wide + 1] = ("%s (%s)"):format(name, reference.label) end
  end
  return joined, wide
end

local function length(word) return (select(2, fitting(word))) end

local function widths_of(grid)
  local widths = {}
  for _, line in ipairs(grid) do
    for i, word in ipairs(line) do widths[i] = math.max(widths[i] or 0, length(word)) end
  end
  return widths
end

--- Results as an aligned table; empty text for no rows.
-- @tparam {table,...} rows
-- @tparam[opt] {string,...} first columns that come first
-- @tparam[opt] table reference {label = "paper", rows = {...}}: figures shown beside those of the same first column
-- @treturn string lines, each ended
function report.table(rows, first, reference)
  if #rows == 0 then return "" end
  local columns = columns_of(rows, first)
  if reference then rows, columns = beside(rows, columns, reference) end
  local grid, numeric = { columns }, {}
  for _, row in ipairs(rows) do
    local line = {}
    for i, name in ipairs(columns) do
      line[i] = cell(row[name])
      numeric[i] = numeric[i] or type(row[name]) == "number"
    end
    grid[#grid + 1] = line
  end
  local widths, out = widths_of(grid), {}
  for _, line in ipairs(grid) do
    local words = {}
    for i, word in ipairs(line) do
      local blanks = (" "):rep(widths[i] - length(word))
      words[i] = numeric[i] and blanks .. word or word .. blanks
    end
    out[#out + 1] = table.concat(words, "  "):gsub("%s+$", "")
  end
  return table.concat(out, "\n") .. "\n"
end

--- Results as one JSON object on one line.
-- @tparam table run recipe: its name; seconds; results: rows; columns: keys that come first in a row; reference:
--   figures of others, { label, rows }; matrices: a list of { name, names, rows }; the last three where there are any
-- @treturn string
function report.json(run)
  local order = { "recipe", "seconds", "results" }
  for _, name in ipairs(run.columns or {}) do order[#order + 1] = name end
  local object = { recipe = run.recipe, seconds = run.seconds, results = json.list(run.results) }
  if run.columns then object.columns = json.list(run.columns) end
  if run.reference then
    object.reference = { label = run.reference.label, rows = json.list(run.reference.rows) }
  end
  if run.matrices and #run.matrices > 0 then object.matrices = json.list(run.matrices) end
  return json.encode(object, run.recipe, order)
end

--- A value as a cell of CSV, with every digit.
-- @param value nil, a number, string or boolean
-- @treturn string
function report.csv_cell(value)
  if value == nil then return "" end
  if type(value) == "number" then return number.format(value) end
  local text = tostring(value)
  return text:find('[,"\r\n]') and '"' .. text:gsub('"', '""') .. '"' or text
end

local function csv_line(columns, value_of)
  local words = {}
  for i, name in ipairs(columns) do words[i] = report.csv_cell(value_of(name)) end
  return table.concat(words, ",")
end

--- Results as CSV, with every digit and the figures of others beside.
-- @tparam {table,...} rows
-- @tparam[opt] {string,...} first columns that come first
-- @tparam[opt] table reference as for report.table
-- @treturn string
function report.results_csv(rows, first, reference)
  local columns = columns_of(rows, first)
  if reference and #rows > 0 then rows, columns = beside(rows, columns, reference) end
  local lines = { csv_line(columns, function(name) return name end) }
  for _, row in ipairs(rows) do lines[#lines + 1] = csv_line(columns, function(name) return row[name] end) end
  return table.concat(lines, "\n") .. "\n"
end

--- Series as CSV: a line a point, with the series' name first and the columns of all series.
-- @tparam {table,...} series each {name = , rows = {row,...}}, a row being numbers by name
-- @tparam[opt] {string,...} first columns that come first
-- @treturn string
function report.csv(series, first)
  local all = {}
  for _, one in ipairs(series) do
    for _, row in ipairs(one.rows) do all[#all + 1] = row end
  end
  local columns = columns_of(all, first or { "restart", "iteration", "trial" })
  local lines = { "series," .. csv_line(columns, function(name) return name end) }
  for _, one in ipairs(series) do
    local name = report.csv_cell(one.name)
    for _, row in ipairs(one.rows) do
      lines[#lines + 1] = name .. "," .. csv_line(columns, function(column) return row[column] end)
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return report
