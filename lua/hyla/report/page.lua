--- The report of runs: one page of HTML that needs nothing else.
-- @module hyla.report.page
local curves = require "hyla.report.curves"
local drawing = require "hyla.report.drawing"
local head = require "hyla.report.page.head"
local html = require "hyla.report.html"
local pictures = require "hyla.report.page.pictures"
local script = require "hyla.report.page.script"
local settings = require "hyla.report.page.settings"
local style = require "hyla.report.page.style"

local page = {}

-- Everything that is drawn: sections of { draws =, markup = }, as hyla.report.page.pictures gives them.
local function sections_of(runs)
  local sections, own = {}, pictures.of(runs)
  if #own > 0 then sections[1] = { title = "Pictures", items = own } end
  for _, section in ipairs(curves.of(runs)) do
    local items = {}
    for i, one in ipairs(section.charts) do items[i] = pictures.chart(one) end
    sections[#sections + 1] = { title = section.title, items = items }
  end
  return sections
end

-- What gnuplot draws for all sections at once, given to each in its turn.
local function drawn_sections(sections)
  local commands = {}
  for _, section in ipairs(sections) do
    for _, item in ipairs(section.items) do
      for _, draw in ipairs(item.draws) do commands[#commands + 1] = draw end
    end
  end
  local drawn, at, out, count = drawing.svgs(commands), 0, {}, 0
  for _, section in ipairs(sections) do
    out[#out + 1] = ('<section><h2>%s</h2><div class="grid">'):format(html.escape(section.title))
    for _, item in ipairs(section.items) do
      local own = {}
      for i = 1, #item.draws do own[i] = drawn[at + i] end
      at, count = at + #item.draws, count + 1
      out[#out + 1] = item.markup(own, "f" .. count)
    end
    out[#out + 1] = "</div></section>"
  end
  return table.concat(out, "\n")
end

-- The name of all runs together: that of their recipe, or of their recipes.
local function title_of(runs)
  local list, known = {}, {}
  for _, run in ipairs(runs) do
    local name = tostring(run.config.recipe)
    if not known[name] then known[name], list[#list + 1] = true, name end
  end
  return table.concat(list, ", ") .. (#runs > 1 and (", %d runs"):format(#runs) or "")
end

--- What stands in <main>.
-- @tparam {table,...} runs as hyla.report.runs gives them
-- @treturn string
function page.main(runs)
  return table.concat({ head.heading(runs, title_of(runs)), head.results(runs), drawn_sections(sections_of(runs)),
    head.single(runs), settings.markup(runs) }, "\n")
end

--- The page.
-- @tparam {table,...} runs as hyla.report.runs gives them
-- @tparam[opt] string more markup at the end of <head>
-- @treturn string HTML; an error where gnuplot fails or is not there
function page.html(runs, more)
  return ([[<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>%s - Hyla</title><style>
%s</style>%s</head><body><main>
%s
</main><script>
%s</script></body></html>
]]):format(html.escape(title_of(runs)), style, more or "", page.main(runs), script)
end

--- Pictures of runs that stand alone, for a paper: the recipe's own, then all curves.
-- @tparam {table,...} runs
-- @treturn {table,...} each title; paper: function that gives gnuplot's commands for a path
function page.pictures(runs)
  local list = {}
  for _, section in ipairs(sections_of(runs)) do
    for _, item in ipairs(section.items) do list[#list + 1] = item end
  end
  return list
end

return page
