--- Ink on a small grey picture: thick smooth curves with soft edges.
-- A picture is a row-major buffer of doubles in [0, 1]; pixel (i, j) has its centre at x = j + .5, y = i + .5.
-- @module hyla.data.raster
local min, max, floor, ceil, sqrt = math.min, math.max, math.floor, math.ceil, math.sqrt

local SOFT = 1.1     -- pixels over which ink falls from full to none
local PIECES = 5     -- straight pieces a span between two points of a curve

-- One straight piece from (x0, y0) to (x1, y1), radius r0 to r1: where it meets older ink the darker one stays.
local function piece(picture, side, x0, y0, r0, x1, y1, r1)
  local dx, dy = x1 - x0, y1 - y0
  local length2 = max(dx * dx + dy * dy, 1e-12)
  local reach = max(r0, r1) + SOFT / 2
  local left, right = max(0, floor(min(x0, x1) - reach)), min(side - 1, ceil(max(x0, x1) + reach))
  local top, bottom = max(0, floor(min(y0, y1) - reach)), min(side - 1, ceil(max(y0, y1) + reach))
  for i = top, bottom do
    local py = i + .5 - y0
    for j = left, right do
      local px = j + .5 - x0
      local t = min(1, max(0, (px * dx + py * dy) / length2))    -- the nearest point of the piece, 0 to 1 along it
      local ex, ey = px - t * dx, py - t * dy
      local edge = r0 + t * (r1 - r0) + SOFT / 2 - sqrt(ex * ex + ey * ey)
      if edge > 0 then
        local at = i * side + j
        picture[at] = max(picture[at], min(1, edge / SOFT))
      end
    end
  end
end

-- Catmull-Rom: the value at u in [0, 1] between b and c, whose neighbours are a and d.
local function between(a, b, c, d, u)
  return b + .5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)))
end

--- Draws the smooth curve through n points.
-- @tparam cdata picture double[side * side]
-- @tparam number side pixels
-- @tparam cdata points double[2 n]: x, y of each point, in pixels
-- @tparam number n points, at least 2
-- @tparam number first radius of the pen at the first point, pixels
-- @tparam number last and at the last one
local function curve(picture, side, points, n, first, last)
  local x0, y0, r0 = points[0], points[1], first
  for k = 0, n - 2 do
    local a, b, c, d = max(k - 1, 0), k, k + 1, min(k + 2, n - 1)
    for step = 1, PIECES do
      local u = step / PIECES
      local x1 = between(points[2 * a], points[2 * b], points[2 * c], points[2 * d], u)
      local y1 = between(points[2 * a + 1], points[2 * b + 1], points[2 * c + 1], points[2 * d + 1], u)
      local r1 = first + (last - first) * (k + u) / (n - 1)
      piece(picture, side, x0, y0, r0, x1, y1, r1)
      x0, y0, r0 = x1, y1, r1
    end
  end
end

return { curve = curve }
