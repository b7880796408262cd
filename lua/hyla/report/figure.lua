--- A chart on a page: the picture, a legend that has the last figure of each line (or those under the pointer,
-- hyla.report.page.script), and the table behind it.
-- @module hyla.report.figure
local chart = require "hyla.report.chart"
local html = require "hyla.report.html"
local number = require "hyla.number"
local svg = require "hyla.report.svg"

local figure = {}

local ROWS = 100   -- of a table, at most

local COLUMNS = 12 -- of a table beside the first, at most: lines, beyond which there is none

--- A number as a page shows it.
-- @tparam number x
-- @treturn string
function figure.shown(x)
  if x % 1 == 0 and math.abs(x) < 1e9 then return ("%d"):format(x) end
  return number.short(x)
end

-- What the lines are, for those who do not see them.
local function description(one)
  local parts = {}
  for _, layer in ipairs(one.layers) do
    if #parts < COLUMNS then
      parts[#parts + 1] = ("%s%s from %s to %s"):format(layer.name,
        layer.stage and layer.stage ~= layer.name and (" (%s)"):format(layer.stage) or "", figure.shown(layer.ys[1]),
        figure.shown(layer.ys[#layer.ys]))
    end
  end
  if #one.layers > #parts then parts[#parts + 1] = ("%d more"):format(#one.layers - #parts) end
  return ("Chart of %s against %s: %s."):format(one.title, one.x, table.concat(parts, "; "))
end

local dashes = { [0] = "", "6 4", "2 3", "7 3 2 3" }

local function swatch(layer)
  local colour = ("var(--s%d)"):format(layer.colour)
  local mark
  if layer.kind == "area" then
    mark = ('<rect y="1" width="18" height="8" rx="1" style="fill:%s" class="area"/>'):format(colour)
  elseif layer.kind == "points" or #layer.ys == 1 then
    mark = ('<circle cx="9" cy="5" r="3" style="fill:%s"/>'):format(colour)
  else
    mark = ('<path d="M0,5 H18" style="stroke:%s" stroke-width="2" stroke-dasharray="%s"/>'):format(colour,
      dashes[layer.dash or 0])
  end
  return ('<svg width="18" height="10" aria-hidden="true">%s</svg>'):format(mark)
end

-- How many lines each name has.
local function count_names(one)
  local count = {}
  for _, layer in ipairs(one.layers) do count[layer.name] = (count[layer.name] or 0) + 1 end
  return count
end

-- An entry a name, with the last value of its line, where that is the only one of the name.
local function legend(one)
  local out, at, count = { '<ul class="legend">' }, {}, count_names(one)
  for i, layer in ipairs(one.layers) do
    if not at[layer.name] then
      at[layer.name] = true
      local value = count[layer.name] == 1
        and ('<b data-column="%d">%s</b>'):format(i, html.escape(figure.shown(layer.ys[#layer.ys])))
        or ("<b>%d lines</b>"):format(count[layer.name])
      out[#out + 1] = ("<li>%s<span>%s</span>%s</li>"):format(swatch(layer), html.escape(layer.name), value)
    end
  end
  out[#out + 1] = "</ul>"
  return table.concat(out)
end

-- Rows of the table: an x, and the y of each layer there.
local function rows_of(one)
  local by_x, xs = {}, {}
  for i, layer in ipairs(one.layers) do
    for k, x in ipairs(layer.xs) do
      if not by_x[x] then by_x[x], xs[#xs + 1] = {}, x end
      by_x[x][i] = figure.shown(layer.ys[k])
    end
  end
  table.sort(xs)
  local every = math.max(1, math.ceil((#xs - 1) / (ROWS - 1)))
  local rows = {}
  for k, x in ipairs(xs) do
    if (k - 1) % every == 0 or k == #xs then
      local row = { figure.shown(x) }
      for i = 1, #one.layers do row[i + 1] = by_x[x][i] or false end
      rows[#rows + 1] = row
    end
  end
  return rows, every, #xs
end

local function behind(one)
  if #one.layers > COLUMNS then return "" end
  local columns, numeric, shared = { one.x }, { true }, count_names(one)
  for i, layer in ipairs(one.layers) do
    columns[i + 1], numeric[i + 1] = shared[layer.name] > 1 and layer.stage or layer.name, true
  end
  local rows, every, all = rows_of(one)
  local note = every > 1 and ("<p>Every %d of %d rows; metrics.csv has all.</p>"):format(every, all) or ""
  return ("<details><summary>Table</summary>%s%s</details>"):format(note,
    html.table(columns, rows, { numeric = numeric, class = "figures" }))
end

--- The markup of a chart.
-- @tparam table one chart (hyla.report.chart)
-- @tparam string drawn what gnuplot drew of it
-- @tparam string id unique in the page
-- @treturn string
function figure.markup(one, drawn, id)
  local axes = chart.axes(one)
  local data = (' class="chart" data-left="%d" data-right="%d" data-top="%d" data-bottom="%d" data-x0="%.9g" '
    .. 'data-x1="%.9g"'):format(chart.LEFT, chart.WIDTH - chart.right_margin(one), chart.TOP,
    chart.HEIGHT - chart.BOTTOM, axes.x.lo, axes.x.hi)
  return ('<figure id="%s"><figcaption>%s</figcaption>%s%s%s</figure>'):format(id, html.escape(one.title),
    svg.inline(drawn, { id = id, title = one.title, description = description(one), data = data }), legend(one),
    behind(one))
end

return figure
