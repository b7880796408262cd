--- Golden files: YAML with a series, one row a line.
-- @module hyla.spec.golden_file
local ffi = require "ffi"
local engine = require "hyla.ffi"
local number = require "hyla.number"
local yaml = require "hyla.yaml"

local golden_file = {}

local float = ffi.typeof "float"
local layout = yaml.map {
  recorded = yaml.map { hyla = "text", kernels = "text" },
  columns = yaml.list "text",
  rows = yaml.list(yaml.list "text"),
}
local NONE = "none"   -- a row without a value in that column

-- A number as `text_of` writes it, false for none; nil for anything else.
local function value_of(text)
  if text == NONE then return false end
  return text:match "^[-.%d]" and tonumber(text) or nil
end

local function parse_row(path, i, texts, count)
  if #texts ~= count then
    return nil, ("%s: row %d: expected %d values, one a column, got %d"):format(path, i, count, #texts)
  end
  local row = {}
  for k, text in ipairs(texts) do
    row[k] = value_of(text)
    if row[k] == nil then return nil, ("%s: row %d: expected numbers, got '%s'"):format(path, i, text) end
  end
  return row
end

--- Reads one.
-- @tparam string path
-- @treturn table { columns, rows, recorded = { hyla = version, kernels = variant } }; or nil and what is wrong
function golden_file.read(path)
  local read, message = yaml.read(path, layout)
  if not read then return nil, message end
  for i, texts in ipairs(read.rows) do
    read.rows[i], message = parse_row(path, i, texts, #read.columns)
    if not read.rows[i] then return nil, message end
  end
  return read
end

-- A plain word where YAML takes it for one, quoted otherwise.
local function word(text)
  if text:match "^[%a_][%w_ -]*$" and not text:match "[ -]$" then return text end
  return "'" .. text:gsub("'", "''") .. "'"
end

local function digits(x)
  return x and number.format(x, tonumber(float(x)) == x and "float32" or "float64") or NONE
end

local function listed(list, as)
  local words = {}
  for i, item in ipairs(list) do words[i] = as(item) end
  return "[" .. table.concat(words, ", ") .. "]"
end

local function text_of(series, head)
  local lines = {}
  for line in head:gmatch "[^\n]+" do lines[#lines + 1] = "# " .. line end
  lines[#lines + 1] = ("recorded: {hyla: '%s', kernels: %s}"):format(ffi.string(engine.C.hyla_version()),
    ffi.string(engine.C.hyla_kernel_variant()))
  lines[#lines + 1] = "columns: " .. listed(series.columns, word)
  lines[#lines + 1] = "rows:"
  for _, row in ipairs(series.rows) do lines[#lines + 1] = "  - " .. listed(row, digits) end
  return table.concat(lines, "\n") .. "\n"
end

--- Writes one, whole or not at all.
-- @tparam string path in a folder that is there
-- @tparam table series
-- @tparam string head lines of comment
-- @treturn boolean true; or false and what went wrong
function golden_file.write(path, series, head)
  local text = text_of(series, head)
  return pcall(engine.check, engine.C.hyla_file_write(path, text, #text))
end

return golden_file
