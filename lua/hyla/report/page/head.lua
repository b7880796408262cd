--- The parts of a page that are words and tables: what was run, what came of it, with which settings.
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
  local seen, list, numeric = {}, {}, {}
  local function look(row)
    for name, value in pairs(row) do
      seen[name] = true
      numeric[name] = numeric[name] or type(value) == "number"
    end
  end
  for _, run in ipairs(runs) do
    for _, row in ipairs(run.results) do look(row) end
  end
  local function put(name)
    if seen[name] then list[#list + 1], seen[name] = name, nil end
  end
  for _, run in ipairs(runs) do
    for _, name in ipairs(run.columns) do put(name) end
  end
  local others = names.keys(seen)
  for _, name in ipairs(others) do if not numeric[name] then put(name) end end
  for _, name in ipairs(others) do put(name) end
  return list, numeric
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

local function shown(value)
  if value == nil then return false end
  if type(value) ~= "number" then return tostring(value) end
  return value % 1 == 0 and ("%d"):format(value) or ("%.4f"):format(value)
end

-- A figure that %.4f would show as nothing, or as a long row of digits.
local function cell_of(value)
  if type(value) == "number" and value % 1 ~= 0 and (math.abs(value) < 1e-3 or math.abs(value) >= 1e6) then
    return figure.shown(value)
  end
  return shown(value)
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

-- ---- configuration ----

local function text_of(value)
  if type(value) == "number" then return number.format(value) end
  if type(value) ~= "table" then return tostring(value) end
  local words = {}
  for i, item in ipairs(value) do words[i] = text_of(item) end
  return table.concat(words, ", ")
end

-- Lines of a configuration as { name, text }, options first.
local function settings_of(config)
  local lines = {}
  local function put(prefix, part)
    for _, key in ipairs(names.keys(part or {})) do
      lines[#lines + 1] = { prefix .. key, text_of(part[key]) }
    end
  end
  put("", config.options)
  for _, key in ipairs { "recipe", "path", "profile", "commit" } do
    if config[key] ~= nil then lines[#lines + 1] = { key, text_of(config[key]), other = true } end
  end
  local from = #lines + 1
  put("version of ", config.versions)
  put("", config.machine)
  for i = from, #lines do lines[i].other = true end
  return lines
end

-- All settings of the runs: { name, other =, texts = { text of each run } }, options before the others.
local function joined(runs)
  local order, by_name = {}, {}
  for _, other in ipairs { false, true } do
    for k, run in ipairs(runs) do
      for _, line in ipairs(settings_of(run.config)) do
        if (line.other or false) == other then
          local id = line[1] .. (other and "\0" or "")
          local one = by_name[id]
          if not one then
            one = { name = line[1], other = other, texts = {} }
            order[#order + 1], by_name[id] = one, one
          end
          one.texts[k] = line[2]
        end
      end
    end
  end
  for _, one in ipairs(order) do
    for k = 2, #runs do one.differs = one.differs or one.texts[k] ~= one.texts[1] end
  end
  return order
end

local function settings_table(runs, lines, title)
  local columns, rows = { title }, {}
  for k, run in ipairs(runs) do columns[k + 1] = #runs > 1 and run.label or "value" end
  for i, line in ipairs(lines) do
    local row = { line.name }
    for k = 1, #runs do
      local text = line.texts[k] or "\226\128\147"
      row[k + 1] = line.differs and { markup = escape(text), class = "differs" } or text
    end
    rows[i] = row
  end
  return html.table(columns, rows)
end

local function data_of(runs)
  local rows, known = {}, {}
  for _, run in ipairs(runs) do
    for _, set in ipairs(run.config.data or {}) do
      for _, file in ipairs(set.files or {}) do
        local key = table.concat({ tostring(set.name), tostring(file.path), tostring(file.sha256) }, "\0")
        if not known[key] then
          known[key] = true
          rows[#rows + 1] = { tostring(set.name), tostring(file.path), file.sha256 or "" }
        end
      end
      if #(set.files or {}) == 0 and not known[set.name or ""] then
        known[set.name or ""], rows[#rows + 1] = true, { tostring(set.name), "made by Hyla", "" }
      end
    end
  end
  if #rows == 0 then return "" end
  return "<details><summary>Data</summary>" .. html.table({ "set", "file", "SHA-256" }, rows) .. "</details>"
end

-- Names of options whose values are not the same in all runs.
function head.differing(runs)
  local list = {}
  for _, line in ipairs(joined(runs)) do
    if line.differs and not line.other then list[#list + 1] = line.name end
  end
  return list
end

--- The configuration: options (those that differ marked), data, and in which versions and on which machine.
-- @tparam {table,...} runs
-- @treturn string
function head.configuration(runs)
  local options, others = {}, {}
  for _, line in ipairs(joined(runs)) do table.insert(line.other and others or options, line) end
  local out = { '<section><h2>Configuration</h2><div class="card">' }
  if #runs > 1 then
    local list = head.differing(runs)
    out[2] = ("<p>%s</p>"):format(#list == 0 and "The options are the same." or escape(("%s: %s."):format(
      #list == 1 and "One option differs" or #list .. " options differ", table.concat(list, ", "))))
  end
  if #options > 0 then out[#out + 1] = settings_table(runs, options, "option") end
  out[#out + 1] = "<details><summary>Versions and machine</summary>" .. settings_table(runs, others, "") .. "</details>"
  out[#out + 1] = data_of(runs)
  local told = {}
  for _, run in ipairs(runs) do
    if run.source and not told[run.source] then
      told[run.source] = true
      out[#out + 1] = ("<details><summary>Recipe%s</summary><pre>%s</pre></details>"):format(
        #runs > 1 and " of " .. escape(run.label) or "", escape(run.source))
    end
  end
  out[#out + 1] = "</div></section>"
  return table.concat(out)
end

return head
