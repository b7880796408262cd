--- The parts of a page that say what was run and what came of it.
-- @module hyla.report.page.head
local curves = require "hyla.report.curves"
local figure = require "hyla.report.figure"
local html = require "hyla.report.html"
local names = require "hyla.names"
local number = require "hyla.number"
local progress = require "hyla.report.progress"

local head = {}

local escape = html.escape

-- A coloured square that stands for a run, in all tables as in the charts.
local function chip(run)
  return ('<span class="chip" style="background:var(--s%d)"></span>'):format((run.number - 1) % 8 + 1)
end

local function status(run)
  local word = run.status.status
  return ('<span class="status %s">%s</span>'):format(escape(word), escape(word))
end

local function facts(run)
  local config, list = run.config, {}
  list[1] = status(run)
  if config.profile then list[#list + 1] = ("<span>profile %s</span>"):format(escape(config.profile)) end
  list[#list + 1] = ("<span>began %s</span>"):format(escape((run.status.began or ""):gsub("T", " "):gsub("Z$", " UTC")))
  if run.status.seconds and run.status.status ~= "running" then
    list[#list + 1] = ("<span>%s</span>"):format(escape(run.status.seconds < 10 and number.time(run.status.seconds)
      or progress.span(run.status.seconds)))
  end
  return table.concat(list)
end

local function message(run, named)
  if not run.status.message then return "" end
  return ('<p class="message">%s%s</p>'):format(named and escape(run.label) .. ": " or "", escape(run.status.message))
end

--- The heading: of one run its recipe and how it went, of several a line each.
-- @tparam {table,...} runs
-- @tparam string title
-- @treturn string
function head.heading(runs, title)
  local out = { ("<h1>%s</h1>"):format(escape(title)) }
  if #runs == 1 then
    out[2] = ('<p class="about">%s<span>%s</span></p>%s'):format(facts(runs[1]), escape(runs[1].name),
      message(runs[1], false))
    return table.concat(out)
  end
  for _, run in ipairs(runs) do
    out[#out + 1] = ('<p class="about"><span>%s<b>%s</b></span>%s%s</p>%s'):format(chip(run), escape(run.label),
      facts(run), run.label ~= run.name and ("<span>%s</span>"):format(escape(run.name)) or "", message(run, true))
  end
  return table.concat(out)
end

-- ---- results ----

-- Columns of rows: those of `first`, then the others, strings before numbers, by name. And which hold numbers.
local function columns_of(runs)
  local seen, first, numeric, others = {}, {}, {}, {}
  for _, run in ipairs(runs) do
    for _, name in ipairs(run.columns) do first[#first + 1] = name end
    for _, row in ipairs(run.results) do
      for name, value in pairs(row) do
        seen[name] = true
        numeric[name] = numeric[name] or type(value) == "number"
      end
    end
  end
  for name in pairs(seen) do others[name] = not numeric[name] end
  return names.ordered(seen, first, others), numeric
end

-- Rows with the same first cell stand together: of each run, and of what a run is compared with.
local function grouped(runs, key)
  local order, by_key = {}, {}
  local function put(row, run, label)
    local value = tostring(row[key])
    if not by_key[value] then by_key[value], order[#order + 1] = {}, value end
    table.insert(by_key[value], { row = row, run = run, label = label })
  end
  for _, run in ipairs(runs) do
    for _, row in ipairs(run.results) do put(row, run, run.label) end
  end
  local told = {}
  for _, run in ipairs(runs) do
    if run.reference and not told[run.reference.label] then
      told[run.reference.label] = true
      for _, row in ipairs(run.reference.rows) do
        if by_key[tostring(row[key])] then put(row, nil, run.reference.label) end
      end
    end
  end
  local list = {}
  for _, value in ipairs(order) do
    for i, one in ipairs(by_key[value]) do
      one.first = i == 1
      list[#list + 1] = one
    end
  end
  return list, next(told) ~= nil
end

local function cell_of(value)
  if value == nil then return false end
  return type(value) == "number" and number.cell(value) or tostring(value)
end

--- The table of results, beside what they are compared with.
-- @tparam {table,...} runs
-- @treturn string "" where there are none
function head.results(runs)
  local columns, numeric = columns_of(runs)
  if #columns == 0 then return "" end
  local rows, compared = grouped(runs, columns[1])
  local by_source = #runs > 1 or compared
  local titles, right, cells = { columns[1] }, {}, {}
  if by_source then titles[2] = "run" end
  for i = 2, #columns do titles[#titles + 1] = columns[i] end
  for i, title in ipairs(titles) do right[i] = numeric[title] end
  for i, one in ipairs(rows) do
    local line = { one.first and cell_of(one.row[columns[1]]) or "" }
    if by_source then
      local label = #runs == 1 and one.run and "this run" or one.label
      line[2] = { markup = (one.run and #runs > 1 and chip(one.run) or "") .. escape(label),
        class = one.run and "run" or "run aside" }
    end
    for k = 2, #columns do line[#line + 1] = cell_of(one.row[columns[k]]) end
    cells[i] = line
  end
  return '<section><h2>Results</h2><div class="card fit">' .. html.table(titles, cells, { numeric = right })
    .. "</div></section>"
end

--- Stages of plain training, which are looked at once.
-- @tparam {table,...} runs
-- @treturn string "" where there are none
function head.single(runs)
  local list, rows = curves.single(runs), {}
  if #list == 0 then return "" end
  for i, one in ipairs(list) do
    rows[i] = { one.stage, one.figure, figure.shown(one.value) }
    if #runs > 1 then table.insert(rows[i], 1, { markup = chip(one.run) .. escape(one.run.label), class = "run" }) end
  end
  local columns, numeric = { "stage", "figure", "at the end" }, { false, false, true }
  if #runs > 1 then
    table.insert(columns, 1, "run")
    table.insert(numeric, 1, false)
  end
  return '<section><h2>Plain training</h2><div class="card fit">' .. html.table(columns, rows, { numeric = numeric })
    .. "</div></section>"
end

return head
