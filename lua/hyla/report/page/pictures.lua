--- The recipe's own pictures on a page: charts it declares, images, matrices.
-- @module hyla.report.page.pictures
local chart = require "hyla.report.chart"
local declared = require "hyla.report.declared"
local figure = require "hyla.report.figure"
local html = require "hyla.report.html"
local matrix = require "hyla.report.matrix"
local mime = require "mime"
local png = require "hyla.report.png"
local sheet = require "hyla.report.sheet"
local svg = require "hyla.report.svg"
local tensor = require "hyla.tensor"

local pictures = {}

local TABLE = 30   -- rows of a matrix, up to which its numbers stand behind it

local function titled(run, about, named)
  local title = about.title or about.name
  return named and ("%s, %s"):format(title, run.label) or title
end

-- A picture has `title`; `draws`, gnuplot's commands by path; markup(what they drew, id); and `paper`, commands by path
-- for a picture of its own.

--- A chart as a picture.
-- @tparam table one chart
-- @treturn table
function pictures.chart(one)
  return {
    title = one.title, draws = { function(path) return chart.for_page(one, path) end },
    markup = function(drawn, id) return figure.markup(one, drawn[1], id) end,
    paper = function(path) return chart.for_paper(one, path) end,
  }
end

local function charts(list, run, about, named)
  for _, one in ipairs(declared.charts(run, about, named)) do list[#list + 1] = pictures.chart(one) end
end

-- ---- images ----

-- The least and the largest value of images.
local function range_of(list)
  local lo, hi = math.huge, -math.huge
  for _, rows in ipairs(list) do
    for _, row in ipairs(rows) do
      for _, x in ipairs(row) do lo, hi = math.min(lo, x), math.max(hi, x) end
    end
  end
  return lo, hi > lo and hi or lo + 1
end

-- The first word that images are marked with has the one colour, the others have another.
local function colours_of(marks)
  local colours, first = {}, nil
  for _, word in ipairs(marks) do
    first = first or word ~= "" and word or nil
    colours[word] = word ~= "" and (word == first and "hit" or "miss") or nil
  end
  return colours
end

-- The images of a picture as rows of values, and which are black and white.
local function values_of(about)
  local list = tensor.load(about.path):totable()
  return list, range_of(list)
end

--- The images of a picture as PNGs, in their order.
-- @tparam table about of hyla.run.folder, kind "images"
-- @treturn {string,...}
-- @treturn number their width
-- @treturn number their height
function pictures.pngs(about)
  local pngs, list, black, white = {}, values_of(about)
  for i, rows in ipairs(list) do pngs[i] = png.grey(rows, black, white) end
  return pngs, #list[1][1], #list[1]
end

-- Caption and mark of each image as one text.
local function said_of(about)
  local list, captions, marks = {}, about.captions or {}, about.marks or {}
  for i = 1, math.max(#captions, #marks) do
    local caption, mark = captions[i] or "", marks[i] or ""
    list[i] = caption .. (caption ~= "" and mark ~= "" and ", " or "") .. mark
  end
  return list
end

local function images_markup(about, title, id)
  local out, captions, marks, said = {}, about.captions or {}, about.marks or {}, said_of(about)
  local colours = colours_of(marks)
  for i, bytes in ipairs((pictures.pngs(about))) do
    out[i] = ('<li><img class="%s" alt="%s" src="data:image/png;base64,%s"><b>%s</b>%s</li>'):format(
      colours[marks[i]] or "", html.escape(said[i] or ""), mime.b64(bytes), html.escape(captions[i] or ""),
      html.escape(marks[i] or ""))
  end
  return ('<figure id="%s" class="wide"><figcaption>%s</figcaption><ul class="images">%s</ul></figure>'):format(id,
    html.escape(title), table.concat(out))
end

local function images(list, run, about, named)
  local title = titled(run, about, named)
  list[#list + 1] = {
    title = title, draws = {}, markup = function(_, id) return images_markup(about, title, id) end,
    paper = function(path)
      local values, black, white = values_of(about)
      return sheet.for_paper(values, { title = title, black = black, white = white, captions = about.captions or {},
        marks = about.marks or {} }, path)
    end,
  }
end

-- ---- matrices ----

local function numbers_behind(rows, names)
  if #rows > TABLE then return "" end
  local columns, lines, numeric = { "" }, {}, {}
  for i, name in ipairs(names) do
    columns[i + 1], numeric[i + 1] = name, true
    local line = { name }
    for k, x in ipairs(rows[i]) do line[k + 1] = figure.shown(x) end
    lines[i] = line
  end
  return "<details><summary>Table</summary>" .. html.table(columns, lines, { numeric = numeric }) .. "</details>"
end

-- The strongest pairs, for those who do not see the picture.
local function strongest(rows, names)
  local pairs_of, words = {}, {}
  for j = 1, #rows do
    for k = j + 1, #rows do pairs_of[#pairs_of + 1] = { rows[j][k], names[j], names[k] } end
  end
  table.sort(pairs_of, function(a, b)
    if a[1] ~= b[1] then return a[1] > b[1] end
    return a[2] < b[2] or a[2] == b[2] and a[3] < b[3]
  end)
  for i = 1, math.min(3, #pairs_of) do
    words[i] = ("%s and %s (%s)"):format(pairs_of[i][2], pairs_of[i][3], figure.shown(pairs_of[i][1]))
  end
  return #words > 0 and "Strongest: " .. table.concat(words, "; ") .. "." or ""
end

local function matrices(list, run, about, named)
  if about.pictures == false then return end
  local title = titled(run, about, named)
  local rows = tensor.load(about.path):totable()
  local names = about.names or {}
  for i = 1, #rows do names[i] = tostring(names[i] or i) end
  local words = strongest(rows, names)
  local function put(kind, for_page, for_paper, behind)
    local name = ("%s, %s"):format(title, kind)
    list[#list + 1] = {
      title = name, draws = { function(path) return for_page(rows, names, path) end },
      paper = function(path) return for_paper(rows, names, name, path) end,
      markup = function(drawn, id)
        return ('<figure id="%s"><figcaption>%s</figcaption>%s<p class="note">%s</p>%s</figure>'):format(id,
          html.escape(name), svg.inline(drawn[1], { id = id, title = name, description = words,
          data = ' class="chart"' }), html.escape(words), behind)
      end,
    }
  end
  put("heat map", matrix.heat_map_for_page, matrix.heat_map, numbers_behind(rows, names))
  put("graph", matrix.graph_for_page, matrix.graph, "")
end

-- Kinds in the order in which they stand on the page.
local kinds = { { "curves", charts }, { "matrix", matrices }, { "images", images } }

--- The recipe's own pictures of runs.
-- @tparam {table,...} runs
-- @treturn {table,...} each title; draws: functions that give gnuplot's commands for a path; markup: function(what was
--   drawn, id); paper: function that gives the commands for a picture of its own
function pictures.of(runs)
  local list = {}
  for _, kind in ipairs(kinds) do
    for _, run in ipairs(runs) do
      for _, about in ipairs(run.pictures) do
        if about.kind == kind[1] then kind[2](list, run, about, #runs > 1) end
      end
    end
  end
  return list
end

return pictures
