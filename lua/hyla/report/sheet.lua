--- Grey images on one sheet for a paper, in rows of ten, each with its caption and mark below.
-- @module hyla.report.sheet
local chart = require "hyla.report.chart"

local sheet = {}

local ACROSS = 10       -- images
local GAP = 0.15        -- between them, of an image's width
local BELOW = 0.45      -- below them, of an image's height

-- The pixels of the sheet, row by row: images and, between them, white.
local function pixels(images, black, white)
  local h, w = #images[1], #images[1][1]
  local step_x, step_y = w + math.ceil(GAP * w), h + math.ceil(BELOW * h)
  local across, down = math.min(ACROSS, #images), math.ceil(#images / ACROSS)
  local lines = {}
  for y = 0, down * step_y - 1 do
    local words, row = {}, math.floor(y / step_y)
    for x = 0, across * step_x - 1 do
      local image = images[row * ACROSS + math.floor(x / step_x) + 1]
      local line = image and image[y % step_y + 1]
      local value = line and line[x % step_x + 1]
      words[x + 1] = value and ("%.3g"):format((value - black) / (white - black)) or "1"
    end
    lines[y + 1] = table.concat(words, " ")
  end
  return lines, step_x, step_y, across, down, w, h
end

--- Commands that draw the sheet.
-- @tparam {table,...} images rows of values
-- @tparam table about title; captions, marks: texts under each; black, white: values that are so
-- @tparam string path of the picture, which ends in .svg or .png
-- @treturn string gnuplot commands
function sheet.for_paper(images, about, path)
  local lines, step_x, step_y, across, down, w, h = pixels(images, about.black, about.white)
  local size = ("size %d,%d"):format(90 * across, math.ceil(90 * step_y / step_x * down) + 50)
  local out = { "reset", ('set terminal %s %s font "sans,9" noenhanced background "white"'):format(
    path:match "%.svg$" and "svg" or "pngcairo", size), "set output " .. chart.quoted(path),
    "set title " .. chart.quoted(about.title), "unset key\nunset colorbox\nunset border\nunset tics",
    "set palette gray\nset cbrange [0:1]", ("set xrange [-0.5:%g]\nset yrange [%g:-0.5]\nset size ratio -1"):format(
    across * step_x - 0.5, down * step_y - 0.5), "$I << EOD", table.concat(lines, "\n"), "EOD" }
  local function label(text, i, line)
    local k, row = (i - 1) % ACROSS, math.floor((i - 1) / ACROSS)
    out[#out + 1] = ("set label %s at %g,%g center front"):format(chart.quoted(text), k * step_x + (w - 1) / 2,
      row * step_y + h * (0.93 + 0.17 * line))
  end
  for i = 1, #images do
    label(about.captions[i] or "", i, 1)
    label(about.marks[i] or "", i, 2)
  end
  out[#out + 1] = "plot $I matrix with image\nunset output"
  return table.concat(out, "\n") .. "\n"
end

return sheet
