--- A chart: lines, points and areas over one x axis, with a y axis at the left and perhaps one at the right. It is
-- drawn by gnuplot, for the page of a report (whose colours are the page's, hyla.report.svg) or for a paper.
--
-- A chart is a table:
--   title, x (label of the axis), left and right (labels of the y axes; right may be nil)
--   whole    x takes whole numbers alone
--   layers   a list of { kind = "line" | "points" | "area", name, xs, ys, colour = 1..8, dash = 0..3, right = boolean }
--            and of an area `base`, a list as long as ys, upon which it stands. Where xs goes back a new line begins
-- @module hyla.report.chart
local axis = require "hyla.report.axis"

local chart = {}

--- Of the drawing on a page, in its own units: the plot lies between these margins.
chart.WIDTH, chart.HEIGHT = 400, 250
chart.LEFT, chart.RIGHT, chart.TOP, chart.BOTTOM = 64, 16, 12, 42
local RIGHT_AXIS = 62                                    -- the right margin where there is an axis

--- How many colours and dashes there are.
chart.COLOURS, chart.DASHES = 8, 4

--- Points of a layer that are drawn at most; of more, the lowest and highest of each stretch.
chart.POINTS = 400

local dashes = { [0] = "1", '"- "', '". "', '"-. "' }

--- A text as gnuplot takes it literally: single quotes, within which it replaces and runs nothing.
-- @tparam string text
-- @treturn string
function chart.quoted(text)
  return "'" .. text:gsub("%c", " "):gsub("'", "''") .. "'"
end

--- The right margin of a chart on a page.
function chart.right_margin(one) return one.right and RIGHT_AXIS or chart.RIGHT end

-- ---- thinning ----

-- Positions of the lowest and the highest value of each of n stretches, with both ends.
local function thinned(ys, n)
  local kept, size = { 1 }, (#ys - 2) / n
  for k = 0, n - 1 do
    local first, last = 2 + math.floor(k * size), 1 + math.floor((k + 1) * size)
    local low, high = first, first
    for i = first, last do
      if ys[i] < ys[low] then low = i end
      if ys[i] > ys[high] then high = i end
    end
    if low ~= high then kept[#kept + 1] = math.min(low, high) end
    kept[#kept + 1] = math.max(low, high)
  end
  kept[#kept + 1] = #ys
  return kept
end

local function positions(layer)
  if #layer.ys > chart.POINTS then return thinned(layer.ys, math.floor(chart.POINTS / 2)) end
  local all = {}
  for i = 1, #layer.ys do all[i] = i end
  return all
end

-- ---- axes ----

-- Lowest, highest and smallest positive value of the layers on a side.
local function extent(layers, right)
  local lo, hi, smallest, from_zero = math.huge, -math.huge, math.huge, false
  for _, layer in ipairs(layers) do
    if (layer.right or false) == right then
      for i, y in ipairs(layer.ys) do
        local top = y + (layer.base and layer.base[i] or 0)
        lo, hi = math.min(lo, top), math.max(hi, top)
        if top > 0 then smallest = math.min(smallest, top) end
      end
      from_zero = from_zero or layer.kind == "area"
    end
  end
  if from_zero then lo, smallest = math.min(lo, 0), nil end
  return lo, hi, smallest
end

--- The axes of a chart.
-- @tparam table one chart
-- @treturn table x, left, right (nil where there is none): as hyla.report.axis gives them
function chart.axes(one)
  local lo, hi = math.huge, -math.huge
  for _, layer in ipairs(one.layers) do
    local room = one.whole and layer.kind == "points" and 0.5 or 0   -- so that points stand clear of the edges
    for _, x in ipairs(layer.xs) do lo, hi = math.min(lo, x - room), math.max(hi, x + room) end
  end
  local axes = { x = axis.new(lo, hi, { parts = 6, whole = one.whole, tight = true }) }
  for side, right in pairs { left = false, right = one.right ~= nil or nil } do
    local low, high, smallest = extent(one.layers, right)
    axes[side] = axis.new(low, high, { smallest = smallest })
  end
  return axes
end

-- ---- the script ----

local function axis_lines(out, name, of)
  local words = {}
  for i, tick in ipairs(of.ticks) do words[i] = ("%s %.17g"):format(chart.quoted(tick.text), tick.value) end
  out[#out + 1] = (of.log and "set" or "unset") .. " logscale " .. name
  out[#out + 1] = ("set %srange [%.17g:%.17g]"):format(name, of.lo, of.hi)
  out[#out + 1] = ("set %stics nomirror scale 0 (%s)"):format(name, table.concat(words, ", "))
end

-- Margins and labels stand at fixed places, so that charts beside each other have their plots on one line.
local function place(out, one, at)
  local right = one.right and at.right_axis or at.right
  out[#out + 1] = ("set lmargin at screen %.9g\nset rmargin at screen %.9g"):format(at.left, 1 - right)
  out[#out + 1] = ("set tmargin at screen %.9g\nset bmargin at screen %.9g"):format(1 - at.top, at.bottom)
  local function label(text, x, y, more)
    out[#out + 1] = ("set label %s at screen %.9g, screen %.9g center %s"):format(chart.quoted(text), x, y, more)
  end
  local middle = (at.bottom + 1 - at.top) / 2
  label(one.x, (at.left + 1 - right) / 2, at.x_label, "")
  label(one.left, at.y_label, middle, "rotate by 90")
  if one.right then label(one.right, 1 - at.y_label, middle, "rotate by 90") end
end

local function data_block(out, name, layer)
  out[#out + 1] = ("$%s << EOD"):format(name)
  local before = -math.huge
  for _, i in ipairs(positions(layer)) do
    local x, base = layer.xs[i], layer.base and layer.base[i] or 0
    if x < before then out[#out + 1] = "" end
    out[#out + 1] = ("%.9g %.9g %.9g"):format(x, base, base + layer.ys[i])
    before = x
  end
  out[#out + 1] = "EOD"
end

local function plotted(layer, name, theme, titled)
  local colour, title = theme.colour(layer.colour), titled and chart.quoted(layer.name) or "''"
  local style
  if layer.kind == "area" then
    return ('$%s using 1:2:3 with filledcurves fs solid %g noborder fc rgb "%s" title %s'):format(name, theme.fill,
      colour, title)
  elseif layer.kind == "points" or #layer.ys == 1 then
    style = ("points pt 7 ps %g"):format(theme.point)
  else
    style = ("lines lw %g dt %s"):format(theme.width, dashes[layer.dash or 0])
  end
  return ('$%s using 1:3 axes x1y%d with %s lc rgb "%s" title %s'):format(name, layer.right and 2 or 1, style, colour,
    title)
end

-- What both themes share: places, axes, data, and the plot.
local function body(out, one, theme, titled)
  local axes = chart.axes(one)
  place(out, one, theme.place)
  axis_lines(out, "x", axes.x)
  axis_lines(out, "y", axes.left)
  if axes.right then axis_lines(out, "y2", axes.right) end
  out[#out + 1] = ('set border 1 lw 1 lc rgb "%s"\nset grid ytics lt 1 lw 1 lc rgb "%s"'):format(theme.axis, theme.grid)
  local plots = {}
  for i, layer in ipairs(one.layers) do
    local name = "D" .. i
    data_block(out, name, layer)
    plots[i] = plotted(layer, name, theme, titled)
  end
  out[#out + 1] = "plot " .. table.concat(plots, ", \\\n  ") .. "\nunset output"
end

-- Colours of a page are marks that hyla.report.svg replaces by the page's own.
local page = {
  colour = function(i) return ("#0000%02x"):format(i) end,
  axis = "#000100", grid = "#000200", fill = 1, point = 0.7, width = 1.6,
  place = { left = chart.LEFT / chart.WIDTH, right = chart.RIGHT / chart.WIDTH, right_axis = RIGHT_AXIS / chart.WIDTH,
    top = chart.TOP / chart.HEIGHT, bottom = chart.BOTTOM / chart.HEIGHT, x_label = 8 / chart.HEIGHT,
    y_label = 8 / chart.WIDTH },
}

--- Commands that draw a chart for a page, as an SVG without key or title.
-- @tparam table one chart
-- @tparam string path of the SVG
-- @treturn string
function chart.for_page(one, path)
  local out = { "reset", ('set terminal svg size %d,%d font "sans,11.5" noenhanced'):format(chart.WIDTH, chart.HEIGHT),
    "set output " .. chart.quoted(path), "unset key" }
  body(out, one, page, false)
  return table.concat(out, "\n") .. "\n"
end

local paper_colours = { "#2f6fb5", "#d9622b", "#2f8f5b", "#8057b3", "#b98a1c", "#1d8f96", "#c2497d", "#6b7280" }
local paper = {
  colour = function(i) return paper_colours[i] end,
  axis = "#404040", grid = "#dddddd", fill = 0.6, point = 0.7, width = 2,
  place = { left = 0.13, right = 0.03, right_axis = 0.13, top = 0.1, bottom = 0.24, x_label = 0.15, y_label = 0.025 },
}

--- Commands that draw a chart for a paper, with title and key, on white.
-- @tparam table one chart
-- @tparam string path of the picture, which ends in .svg or .png
-- @treturn string
function chart.for_paper(one, path)
  local terminal = path:match "%.svg$" and 'svg size 640,420 font "sans,14" noenhanced background "white"'
    or 'pngcairo size 1280,840 font "sans,20" linewidth 1.6 noenhanced background "white"'
  local out = { "reset", "set terminal " .. terminal, "set output " .. chart.quoted(path),
    "set title " .. chart.quoted(one.title), "set key at screen 0.5, screen 0.1 center top horizontal samplen 2" }
  body(out, one, paper, true)
  return table.concat(out, "\n") .. "\n"
end

return chart
