--- gnuplot's SVG made fit to stand in a page: nothing but its paths, polygons, circles, images and texts, in the
-- colours of the page's style (--s1..--s8, --axis, --grid, the colour of text), with a title and a description.
-- @module hyla.report.svg
local html = require "hyla.report.html"

local svg = {}

-- Colours that gnuplot was given -> the page's own: blue 1 to 8 for its lines, with tenths of opacity in the upper
-- digit; green 1 and 2 for axes and grid; black, its own choice, for text.
local function paint(red, green, blue)
  if red == 0 and green == 0 and blue > 0 then
    local tenths = math.floor(blue / 16)
    return ("var(--s%d)"):format(blue % 16), tenths > 0 and tenths < 10 and ("0.%d"):format(tenths) or nil
  end
  if red == 0 and blue == 0 and green == 1 then return "var(--axis)" end
  if red == 0 and blue == 0 and green == 2 then return "var(--grid)" end
  return "currentColor"
end

local function attribute(tag, name)
  return tag:match(name .. "%s*=%s*'([^']*)'") or tag:match(name .. '%s*=%s*"([^"]*)"')
end

-- The style of what is painted ("stroke" or "fill") as an attribute of the tag says it.
local function style(what, value)
  local red, green, blue = (value or ""):match "rgb%(%s*(%d+),%s*(%d+),%s*(%d+)%)"
  local colour, opacity = "currentColor", nil
  if red then colour, opacity = paint(tonumber(red), tonumber(green), tonumber(blue)) end
  return ('style="%s:%s%s"'):format(what, colour, opacity and (";%s-opacity:%s"):format(what, opacity) or "")
end

local function squeezed(text) return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")) end

-- A tenth of a unit is finer than a screen shows.
local function rounded(text)
  return (squeezed(text):gsub("%d+%.%d+", function(x) return (("%.1f"):format(x):gsub("%.0$", "")) end))
end

local put = {}

function put.path(tag, state)
  local dash = attribute(tag, "stroke%-dasharray")
  local d = rounded(attribute(tag, "[^%w]d"))
  if not d:find "L" then return nil end
  return ('<path d="%s" %s stroke-width="%s"%s/>'):format(d, style("stroke", attribute(tag, "stroke")), state.width,
     dash and (' stroke-dasharray="%s"'):format(dash) or "")
end

function put.polygon(tag)
  return ('<polygon points="%s" %s stroke="none"/>'):format(rounded(attribute(tag, "points")),
    style("fill", attribute(tag, "fill")))
end

function put.use(tag)
  local x, y, size = attribute(tag, "transform"):match "translate%(([^,]+),([^)]+)%) scale%(([^)]+)%)"
  return ('<circle cx="%s" cy="%s" r="%s" %s stroke="none"/>'):format(rounded(x), rounded(y), rounded(size),
    style("fill", attribute(tag, "color")))
end

function put.image(tag)
  return ('<image x="%s" y="%s" width="%s" height="%s" preserveAspectRatio="none" '
    .. 'style="image-rendering:pixelated" href="%s"/>'):format(
    attribute(tag, "x"), attribute(tag, "y"), attribute(tag, "width"), attribute(tag, "height"),
    attribute(tag, "xlink:href"))
end

-- Elements of gnuplot's text in their order; a text's place is that of the group around it.
local function elements(text)
  local out, state = {}, { width = "1" }
  local body = text:match "</defs>(.*)</svg>" or ""
  for tag, after in body:gmatch "(<[^>]+>)([^<]*)" do
    local name = tag:match "^</?(%w+)"
    if tag == "<text>" then
      out[#out + 1] = ('<text transform="%s" font-size="%s" text-anchor="%s">%s</text>'):format(
        rounded(attribute(state.place, "transform")), rounded(attribute(state.place, "font%-size")),
        attribute(state.place, "text%-anchor"), squeezed(after))
    elseif name == "g" and tag:find "translate" then
      state.place = tag
    elseif name == "g" and tag:find "stroke%-width" then
      state.width = rounded(attribute(tag, "stroke%-width"))
    elseif put[name] then
      out[#out + 1] = put[name](tag, state)
    end
  end
  return out
end

--- The SVG for a page.
-- @tparam string text what gnuplot wrote, with its `noenhanced` texts
-- @tparam table about id: unique in the page; title, description: of the picture; data: text of more attributes, or nil
-- @treturn string
function svg.inline(text, about)
  local width, height = text:match 'viewBox="0 0 (%d+) (%d+)"'
  local id = about.id
  return ('<svg viewBox="0 0 %s %s" role="img" aria-labelledby="%s-t %s-d"%s><title id="%s-t">%s</title>'
    .. '<desc id="%s-d">%s</desc><g fill="none" stroke-linejoin="round">%s</g></svg>'):format(width, height, id, id,
    about.data or "", id, html.escape(about.title), id, html.escape(about.description),
    table.concat(elements(text), "\n"))
end

return svg
