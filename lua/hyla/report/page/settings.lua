--- The configuration of runs on a page: options, data, versions and machine, the recipe's source.
-- @module hyla.report.page.settings
local html = require "hyla.report.html"
local names = require "hyla.names"
local number = require "hyla.number"

local settings = {}

local escape = html.escape

--- The value of an option as text.
-- @param value a number, text, boolean or a list of such
-- @treturn string
function settings.text(value)
  if type(value) == "number" then return number.format(value) end
  if type(value) ~= "table" then return tostring(value) end
  local words = {}
  for i, item in ipairs(value) do words[i] = settings.text(item) end
  return table.concat(words, ", ")
end

-- Lines of a configuration as { name, text }, options first.
local function settings_of(config)
  local lines = {}
  local function put(prefix, part)
    for _, key in ipairs(names.keys(part or {})) do
      lines[#lines + 1] = { prefix .. key, settings.text(part[key]) }
    end
  end
  put("", config.options)
  for _, key in ipairs { "recipe", "path", "profile", "commit" } do
    if config[key] ~= nil then lines[#lines + 1] = { key, settings.text(config[key]), other = true } end
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
        local from = set.count and number.count(set.count, "file") or "made by Hyla"
        known[set.name or ""], rows[#rows + 1] = true, { tostring(set.name), from, set.sha256 or "" }
      end
    end
  end
  if #rows == 0 then return "" end
  return "<details><summary>Data</summary>" .. html.table({ "set", "file", "SHA-256" }, rows) .. "</details>"
end

--- Names of options whose values are not the same in all runs.
function settings.differing(runs)
  local list = {}
  for _, line in ipairs(joined(runs)) do
    if line.differs and not line.other then list[#list + 1] = line.name end
  end
  return list
end

--- The configuration: options (those that differ marked), data, and in which versions and on which machine.
-- @tparam {table,...} runs
-- @treturn string
function settings.markup(runs)
  local options, others = {}, {}
  for _, line in ipairs(joined(runs)) do table.insert(line.other and others or options, line) end
  local out = { '<section><h2>Configuration</h2><div class="card">' }
  if #runs > 1 then
    local list = settings.differing(runs)
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

return settings
