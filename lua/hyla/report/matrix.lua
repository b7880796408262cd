--- Pictures of a symmetric matrix of interactions, drawn by gnuplot: a heat map, and a graph whose edges are as wide as
-- the interactions are strong. For a paper they are scripts, run with the picture's path, whose ending chooses the
-- format: `gnuplot -c NAME.gp NAME.svg` (or .png). For a page they are commands (hyla.report.drawing).
-- @module hyla.report.matrix
local chart = require "hyla.report.chart"

local matrix = {}

local EDGES = 3          -- edges drawn, a node: the strongest ones
local FAINTEST = 0.05    -- of the strongest edge; weaker ones are left out
local WIDEST = 9         -- points
local MANY = 30          -- names, beyond which pictures are larger and letters smaller

local quoted = chart.quoted

local head = [[
reset
picture = %s
if (picture[strlen(picture)-2:] eq "svg") {
  set terminal svg size %d,%d font "sans,%d" noenhanced background "white"
} else {
  set terminal pngcairo size %d,%d font "sans,%d" noenhanced background "white"
}
set output picture
unset key
set title %s
]]

-- The beginning of a drawing for a paper: a script that is told the path, or commands that know it.
local function paper_start(n, title, path)
  local size, font = 640, 12
  if n > MANY then size, font = 1200, 8 end
  return head:format(path and quoted(path) or "ARG1", size, size, font, size, size, font, quoted(title))
end

-- The beginning of commands for a page.
local function page_start(n, path)
  return ('reset\nset terminal svg size 400,400 font "sans,%d" noenhanced\nset output %s\nunset key\n'):format(
    n > MANY and 4 or 11, quoted(path))
end

-- ---- heat map ----

local function heat_axes(names)
  local tics, n = {}, #names                             -- whose texts are formats: a % is written twice
  for i, name in ipairs(names) do tics[i] = ("%s %d"):format(quoted((name:gsub("%%", "%%%%"))), i - 1) end
  tics = table.concat(tics, ", ")
  return ("set xtics rotate by 90 right scale 0 (%s)\nset ytics scale 0 (%s)\n"):format(tics, tics)
    .. ("set xrange [-0.5:%g]\nset yrange [%g:-0.5]\nset size ratio 1\n"):format(n - 0.5, n - 0.5)
end

--- The heat map for a paper.
-- @tparam table rows n lists of n numbers
-- @tparam {string,...} names of the rows
-- @tparam string title
-- @tparam[opt] string path of the picture; without it a script that takes it as its argument
-- @treturn string gnuplot commands
function matrix.heat_map(rows, names, title, path)
  local lines = { paper_start(#rows, title, path), "$C << EOD" }
  for _, row in ipairs(rows) do
    local words = {}
    for i, x in ipairs(row) do words[i] = ("%.6g"):format(x) end
    lines[#lines + 1] = table.concat(words, " ")
  end
  lines[#lines + 1] = "EOD\n" .. heat_axes(names)
  lines[#lines + 1] = 'set palette defined (0 "#ffffff", 0.3 "#b8d0e8", 0.7 "#4d86bd", 1 "#173f6d")'
  lines[#lines + 1] = "set cbrange [0:*]\nplot $C matrix with image\nunset output"
  return table.concat(lines, "\n") .. "\n"
end

local function largest_of(rows)
  local largest = 0
  for _, row in ipairs(rows) do
    for _, x in ipairs(row) do largest = math.max(largest, x) end
  end
  return largest
end

--- The heat map for a page: one blue, the more opaque the larger, so that it stands on light and dark.
-- @tparam table rows n lists of n numbers
-- @tparam {string,...} names of the rows
-- @tparam string path of the SVG
-- @treturn string gnuplot commands
function matrix.heat_map_for_page(rows, names, path)
  local largest = largest_of(rows)
  local lines = { page_start(#rows, path), "$C << EOD" }
  for j, row in ipairs(rows) do
    for k, x in ipairs(row) do
      lines[#lines + 1] = ("%d %d 70 140 215 %d"):format(k - 1, j - 1,
        largest > 0 and math.floor(255 * x / largest + 0.5) or 0)
    end
  end
  lines[#lines + 1] = "EOD\n" .. heat_axes(names) .. 'set border lc rgb "#000100"'
  lines[#lines + 1] = "plot $C with rgbalpha\nunset output"
  return table.concat(lines, "\n") .. "\n"
end

-- ---- graph ----

-- The pairs j < k worth an edge, the weakest first.
local function edges_of(rows)
  local list, largest = {}, 0
  for j = 1, #rows do
    for k = j + 1, #rows do
      list[#list + 1] = { j = j, k = k, x = rows[j][k] }
      largest = math.max(largest, rows[j][k])
    end
  end
  table.sort(list, function(a, b)
    if a.x ~= b.x then return a.x > b.x end
    return a.j < b.j or a.j == b.j and a.k < b.k
  end)
  local kept = {}
  for i = math.min(#list, EDGES * #rows), 1, -1 do
    if list[i].x > 0 and list[i].x >= FAINTEST * largest then kept[#kept + 1] = list[i] end
  end
  return kept, largest
end

-- Edges, names and nodes; theme: edge(share), node: colours.
local function graph_lines(lines, rows, names, theme)
  local n, edges, largest = #rows, edges_of(rows)
  local function place(i)
    local angle = math.pi / 2 - 2 * math.pi * (i - 1) / n
    return math.cos(angle), math.sin(angle), math.deg(angle)
  end
  lines[#lines + 1] = "set size ratio 1\nunset border\nunset tics\nset xrange [-1.5:1.5]\nset yrange [-1.5:1.5]"
  for _, edge in ipairs(edges) do
    local x0, y0 = place(edge.j)
    local x1, y1 = place(edge.k)
    local share = edge.x / largest
    lines[#lines + 1] = ('set arrow from %.4f,%.4f to %.4f,%.4f nohead back lw %.3f lc rgb "%s"'):format(
      x0, y0, x1, y1, WIDEST * share, theme.edge(share))
  end
  local points = {}
  for i, name in ipairs(names) do
    local x, y, degrees = place(i)
    points[i] = ("%.4f %.4f"):format(x, y)
    local left = x < -1e-9                               -- such a name is turned so that it is read from left to right
    lines[#lines + 1] = ("set label %s at %.4f,%.4f %s rotate by %.2f"):format(quoted(name), 1.07 * x, 1.07 * y,
      left and "right" or "left", left and degrees + 180 or degrees)
  end
  lines[#lines + 1] = "$P << EOD\n" .. table.concat(points, "\n") .. "\nEOD"
  lines[#lines + 1] = ('plot $P with points pt 7 ps %g lc rgb "%s"'):format(theme.point * (n <= MANY and 1 or 0.5),
    theme.node)
end

local paper = { node = "#c05020", point = 1.6 }
function paper.edge(share)
  local grey = math.floor(200 - 150 * share)
  return ("#%02x%02x%02x"):format(grey, grey + 20, math.min(255, grey + 55))
end

--- The graph for a paper: classes on a circle, the strongest interactions as edges.
-- @tparam table rows n lists of n numbers, a symmetric matrix
-- @tparam {string,...} names
-- @tparam string title
-- @tparam[opt] string path of the picture; without it a script that takes it as its argument
-- @treturn string gnuplot commands
function matrix.graph(rows, names, title, path)
  local lines = { paper_start(#rows, title, path) }
  graph_lines(lines, rows, names, paper)
  return table.concat(lines, "\n") .. "\nunset output\n"
end

-- Colours of a page, as hyla.report.svg knows them: the first, in tenths of opacity; the second.
local page = { node = "#000002", point = 1 }
function page.edge(share) return ("#0000%02x"):format(16 * math.max(2, math.floor(10 * share + 0.5)) + 1) end

--- The graph for a page.
-- @tparam table rows n lists of n numbers, a symmetric matrix
-- @tparam {string,...} names
-- @tparam string path of the SVG
-- @treturn string gnuplot commands
function matrix.graph_for_page(rows, names, path)
  local lines = { page_start(#rows, path) }
  graph_lines(lines, rows, names, page)
  return table.concat(lines, "\n") .. "\nunset output\n"
end

return matrix
