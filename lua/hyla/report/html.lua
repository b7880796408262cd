--- HTML out: what comes from users is escaped, always.
-- @module hyla.report.html
local utf8 = require "hyla.report.text".utf8

local html = {}

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- A text as it stands in an element or between quotes. Control characters but tab and newline are left out.
-- @param text anything; tostring of it
-- @treturn string
function html.escape(text)
  -- Bytes that are no UTF-8 would end in a page that browsers read otherwise than it was meant.
  text = utf8(tostring(text), function() return "\239\191\189" end):gsub("[%z\1-\8\11-\31\127]", "")
  return (text:gsub("[&<>\"']", entities))
end

--- A table.
-- @tparam {string,...} columns
-- @tparam {table,...} rows lists of cells: text; false for none; or { markup =, class = }
-- @tparam[opt] table given numeric: set of positions whose cells stand at the right; class
-- @treturn string
function html.table(columns, rows, given)
  given = given or {}
  local numeric = given.numeric or {}
  local function class(i) return numeric[i] and ' class="n"' or "" end
  local out = { ('<div class="scroll"><table%s><thead><tr>'):format(given.class and
    (' class="%s"'):format(given.class) or "") }
  for i, name in ipairs(columns) do
    out[#out + 1] = ('<th scope="col"%s>%s</th>'):format(class(i), html.escape(name))
  end
  out[#out + 1] = "</tr></thead><tbody>"
  for _, row in ipairs(rows) do
    out[#out + 1] = "<tr>"
    for i = 1, #columns do
      local cell = row[i]
      if type(cell) == "table" then
        local own = cell.class and (' class="%s"'):format(cell.class)
        out[#out + 1] = ("<td%s>%s</td>"):format(own or class(i), cell.markup)
      else
        out[#out + 1] = ("<td%s>%s</td>"):format(class(i), cell and html.escape(cell) or "")
      end
    end
    out[#out + 1] = "</tr>"
  end
  out[#out + 1] = "</tbody></table></div>"
  return table.concat(out)
end

return html
