--- Pictures of a symmetric matrix of interactions, as gnuplot scripts: a heat map, and a graph whose edges are as wide
-- as the interactions are strong.
--
-- A script is run with the picture's path, whose ending chooses the format: `gnuplot -c NAME.gp NAME.svg` (or .png).
-- @module hyla.report.matrix
local matrix = {}

local EDGES = 3          -- edges drawn, a node: the strongest ones
local FAINTEST = 0.05    -- of the strongest edge; weaker ones are left out
local WIDEST = 9         -- points

local head = [[
picture = ARG1
if (picture[strlen(picture)-2:] eq "svg") {
  set terminal svg size %d,%d font "sans,%d" background "white"
} else {
  set terminal pngcairo size %d,%d font "sans,%d" background "white"
}
set output picture
unset key
set title "%s"
]]

-- A text as gnuplot reads it between double quotes, without markup.
local function quoted(text)
  return (text:gsub('[\\"]', "\\%0"):gsub("[_^{}@&~]", "\\\\%0"))
end

local function start(size, font, title)
  return head:format(size, size, font, size, size, font, quoted(title))
end

-- Font and size of a picture of n classes.
local function format_of(n)
  if n <= 30 then return 640, 12 end
  return 1200, 8
end

--- The heat map.
-- @tparam table rows n lists of n numbers
-- @tparam {string,...} names of the rows
-- @tparam string title
-- @treturn string gnuplot script
function matrix.heat_map(rows, names, title)
  local size, font = format_of(#rows)
  local lines, tics = { start(size, font, title), "$C << EOD" }, {}
  for _, row in ipairs(rows) do
    local words = {}
    for i, x in ipairs(row) do words[i] = ("%.6g"):format(x) end
    lines[#lines + 1] = table.concat(words, " ")
  end
  for i, name in ipairs(names) do tics[i] = ('"%s" %d'):format(quoted(name), i - 1) end
  lines[#lines + 1] = "EOD"
  lines[#lines + 1] = ("set xtics rotate by 90 right scale 0 (%s)"):format(table.concat(tics, ", "))
  lines[#lines + 1] = ("set ytics scale 0 (%s)"):format(table.concat(tics, ", "))
  lines[#lines + 1] = ("set xrange [-0.5:%g]\nset yrange [%g:-0.5]"):format(#rows - 0.5, #rows - 0.5)
  lines[#lines + 1] = 'set palette defined (0 "#ffffff", 0.3 "#b8d0e8", 0.7 "#4d86bd", 1 "#173f6d")'
  lines[#lines + 1] = "set cbrange [0:*]\nset size ratio 1\nplot $C matrix with image"
  return table.concat(lines, "\n") .. "\n"
end

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

--- The graph: classes on a circle, the strongest interactions as edges.
-- @tparam table rows n lists of n numbers, a symmetric matrix
-- @tparam {string,...} names
-- @tparam string title
-- @treturn string gnuplot script
function matrix.graph(rows, names, title)
  local n, size, font = #rows, format_of(#rows)
  local lines = { start(size, font, title), "set size ratio 1\nunset border\nunset tics",
    "set xrange [-1.5:1.5]\nset yrange [-1.5:1.5]" }
  local edges, largest = edges_of(rows)
  local function place(i)
    local angle = math.pi / 2 - 2 * math.pi * (i - 1) / n
    return math.cos(angle), math.sin(angle), math.deg(angle)
  end
  for _, edge in ipairs(edges) do
    local x0, y0 = place(edge.j)
    local x1, y1 = place(edge.k)
    local share = edge.x / largest
    local grey = math.floor(200 - 150 * share)
    lines[#lines + 1] = ('set arrow from %.4f,%.4f to %.4f,%.4f nohead back lw %.3f lc rgb "#%02x%02x%02x"'):format(
      x0, y0, x1, y1, WIDEST * share, grey, grey + 20, math.min(255, grey + 55))
  end
  local points = {}
  for i, name in ipairs(names) do
    local x, y, degrees = place(i)
    points[i] = ("%.4f %.4f"):format(x, y)
    local left = x < -1e-9                               -- such a name is turned so that it is read from left to right
    lines[#lines + 1] = ('set label "%s" at %.4f,%.4f %s rotate by %.2f'):format(quoted(name), 1.07 * x, 1.07 * y,
      left and "right" or "left", left and degrees + 180 or degrees)
  end
  lines[#lines + 1] = "$P << EOD\n" .. table.concat(points, "\n") .. "\nEOD"
  lines[#lines + 1] = ('plot $P with points pt 7 ps %g lc rgb "#c05020"'):format(n <= 30 and 1.6 or 0.8)
  return table.concat(lines, "\n") .. "\n"
end

return matrix
