--- Runs beside each other: a line each, and where two or more differ.
-- @module hyla.run.overview
local names = require "hyla.names"
local settings = require "hyla.run.settings"

local overview = {}

-- Of a row of results, what is no figure of merit.
local times = { seconds = true, minutes = true, hours = true }

--- The figure that a run is listed by: the first number of the last row of its results that is no time, in the order of
-- the recipe's columns, behind them the response; methods come last where there are baselines.
-- @tparam {table,...} results rows
-- @tparam {string,...} columns that come first
-- @treturn string its name, or nil without results
-- @treturn number
function overview.figure(results, columns)
  local row = results[#results]
  if not row then return nil end
  local order = {}
  for _, name in ipairs(columns) do order[#order + 1] = name end
  order[#order + 1] = "response"
  for _, name in ipairs(names.keys(row)) do order[#order + 1] = name end
  for _, name in ipairs(order) do
    if type(row[name]) == "number" and not times[name] then return name, row[name] end
  end
end

-- The figure as text, "test_accuracy 0.8723".
local function figure_text(kept)
  local name, value = overview.figure(kept.results, kept.columns)
  return name and ("%s %.4g"):format(name, value) or ""
end

--- The line of a run.
-- @tparam table kept what folder.open gives
-- @treturn table run, recipe, state, seconds, result: for report.table
function overview.row(kept)
  local status = kept.status
  return { run = kept.name, recipe = kept.config.recipe, state = status.status, seconds = status.seconds,
    result = figure_text(kept) }
end

overview.columns = { "run", "recipe", "state", "seconds", "result" }

local function options_of(kept)
  local texts = { recipe = kept.config.recipe, profile = kept.config.profile }
  for key, value in pairs(kept.config.options or {}) do texts[key] = settings.text(value) end
  return texts
end

--- The options in which runs differ.
-- @tparam {table,...} runs what folder.open gives
-- @treturn {string,...} keys; "recipe" and "profile" among them
-- @treturn {table,...} a run each: key -> text
function overview.differing(runs)
  local texts, known = {}, {}
  for i, kept in ipairs(runs) do
    texts[i] = options_of(kept)
    for key in pairs(texts[i]) do known[key] = true end
  end
  local keys = {}
  for _, key in ipairs(names.keys(known)) do
    for i = 2, #texts do
      if texts[i][key] ~= texts[1][key] then
        keys[#keys + 1] = key
        break
      end
    end
  end
  return keys, texts
end

-- What tells a row of results from others: the recipe's first column, or else the first that is a text.
local function label_of(row, columns, n)
  if columns[1] and row[columns[1]] ~= nil then return tostring(row[columns[1]]) end
  for _, name in ipairs(names.keys(row)) do
    if type(row[name]) == "string" then return row[name] end
  end
  return "row " .. n
end

-- The rows of runs put side by side: { [label] = { [run] = row } }, and the labels in order.
local function by_label(runs)
  local labels, rows = {}, {}
  for i, kept in ipairs(runs) do
    for n, row in ipairs(kept.results) do
      local label = label_of(row, kept.columns, n)
      if not rows[label] then labels[#labels + 1], rows[label] = label, {} end
      rows[label][i] = row
    end
  end
  return labels, rows
end

local function numbers_of(rows)
  local seen = {}
  for _, row in pairs(rows) do
    for name, value in pairs(row) do
      if type(value) == "number" then seen[name] = true end
    end
  end
  return names.keys(seen)
end

--- The results of runs side by side: for each number of each row one line, with a column a run.
-- @tparam {table,...} runs what folder.open gives
-- @tparam {string,...} heads what the columns are called
-- @treturn {table,...} rows { result =, [head] = number }
function overview.beside(runs, heads)
  local list, labels, rows = {}, by_label(runs)
  for _, label in ipairs(labels) do
    for _, name in ipairs(numbers_of(rows[label])) do
      local line = { result = ("%s %s"):format(label, name) }
      for i, row in pairs(rows[label]) do line[heads[i]] = row[name] end
      list[#list + 1] = line
    end
  end
  return list
end

return overview
