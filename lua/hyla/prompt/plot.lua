--- plot: curves in the terminal, drawn by gnuplot in plain letters, as wide as the terminal is.
-- @module hyla.prompt.plot
local gnuplot = require "hyla.report.gnuplot"
local members = require "hyla.members"
local names = require "hyla.names"
local number = require "hyla.number"
local rows = require "hyla.prompt.rows"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local terminal = require "hyla.lib.terminal"

local plot = {}

local LOWEST, HIGHEST = 12, 24                          -- lines
local AXES = { "iteration", "trial", "step" }           -- columns of a series that count, the first of them along x

-- ---- what is drawn: curves, each { name, x = list or nil, y = list } ----

local function is_numbers(list)
  if type(list) ~= "table" or getmetatable(list) or #list == 0 then return false end
  for _, x in ipairs(list) do
    if type(x) ~= "number" then return false end
  end
  return true
end

local function vector(value)
  if tensor.is(value) and value.rank == 1 and value.size > 0 then return value:totable() end
  return is_numbers(value) and value or nil
end

-- Names of the columns of numbers of a series, and the one along x, or nil.
local function columns_of(series)
  local set, axis = {}, nil
  for _, row in ipairs(series) do
    for name, value in pairs(row) do set[name] = set[name] or type(value) == "number" or nil end
  end
  for i = #AXES, 1, -1 do axis = set[AXES[i]] and AXES[i] or axis end
  for _, name in ipairs(AXES) do set[name] = nil end
  return names.keys(set), axis
end

local function column(series, name)
  local list = {}
  for i, row in ipairs(series) do list[i] = type(row[name]) == "number" and row[name] or 0 / 0 end
  return list
end

local function curves_of_series(series, wanted)
  local known, axis = columns_of(series)
  if #known == 0 then site.fail("plot: the rows have no numbers") end
  if #wanted == 0 then
    wanted = { known[1] }
    for _, name in ipairs(known) do wanted = name == "response" and { name } or wanted end
  end
  local is_known, list = {}, {}
  for _, name in ipairs(known) do is_known[name] = true end
  for i, name in ipairs(wanted) do
    if not is_known[name] then
      site.fail("plot: the rows have no numbers '%s'%s; there are: %s", tostring(name),
                names.hint(tostring(name), known), table.concat(known, ", "))
    end
    list[i] = { name = name, x = axis and column(series, axis), y = column(series, name) }
  end
  return list, axis
end

local function curves_by_name(given)
  local list = {}
  for _, name in ipairs(names.keys(given)) do
    list[#list + 1] = { name = name, y = vector(given[name]) }
    if not list[#list].y then return nil end
  end
  return #list > 0 and list or nil
end

local function curves_of(what, wanted)
  local meta = type(what) == "table" and getmetatable(what)
  local about = type(meta) == "table" and rawget(meta, "members")
  if about and about == members.types.optimisation then what = what.series end
  if rows.is(what) then return curves_of_series(what, wanted) end
  local list = vector(what) and { { name = "", y = vector(what) } }
    or type(what) == "table" and not meta and curves_by_name(what)
  if list and #wanted == 0 then return list end
  site.fail("plot: expected a series and names of its columns, a list of numbers, a vector, or lists by name, got %s%s",
            list and "names with numbers" or "a ", list and "" or type(what))
end

-- ---- the script ----

-- A name between double quotes, in letters that every terminal has.
local function quoted(name) return '"' .. name:gsub('[\\"]', "\\%0"):gsub("[^ -~]+", "?") .. '"' end

local function point(x)
  return x == x and math.abs(x) < math.huge and number.format(x) or "NaN"
end

local function script_of(curves, axis, width)
  local height = math.max(LOWEST, math.min(HIGHEST, math.floor(0.35 * width)))
  local lines, drawn, any = {
    ("set terminal dumb noenhanced size %d,%d"):format(width, height), "set output ARG1",
    "set key bottom outside center",
    axis and "set xlabel " .. quoted(axis) or "",
  }, {}, false
  for k, curve in ipairs(curves) do
    lines[#lines + 1] = ("$curve%d << END"):format(k)
    for i, y in ipairs(curve.y) do
      any = any or point(y) ~= "NaN"
      lines[#lines + 1] = point(curve.x and curve.x[i] or i) .. " " .. point(y)
    end
    lines[#lines + 1] = "END"
    drawn[k] = ("$curve%d using 1:2 with %s title %s"):format(k, #curve.y > 1 and "lines" or "points",
                                                              quoted(curve.name))
  end
  if not any then site.fail("plot: none of the numbers is finite") end
  lines[#lines + 1] = "plot " .. table.concat(drawn, ", ")
  return table.concat(lines, "\n") .. "\n"
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

--- What plot shows, as text.
-- @param what as for plot
-- @tparam {string,...} wanted names of columns
-- @tparam[opt] number width columns; those of the terminal
-- @treturn string lines, each ended
function plot.text(what, wanted, width)
  local curves, axis = curves_of(what, wanted)
  local script = script_of(curves, axis, (width or terminal.columns()) - 1)
  local path, picture = os.tmpname(), os.tmpname()
  write(path, script)
  local drawn, problem = gnuplot.draw(path, picture)
  local text
  if drawn then
    local file = assert(io.open(picture))
    text = file:read("*a"):gsub("\f", ""):gsub("[ \n]+$", ""):gsub(" +\n", "\n"):gsub("^\n+", "") .. "\n"
    file:close()
  end
  os.remove(path)
  os.remove(picture)
  if not drawn then site.fail("plot: %s", problem) end
  return text
end

--- Draws curves in the terminal: columns of a series (such as `run.series`, or what `p:trajectory()` gives), numbers,
-- or several lists by name.
-- @param what rows of a series, an optimisation; a list of numbers or a tensor [n]; or a table name -> one of these two
-- @tparam[opt] string ... columns of the series: the response, or the first one, unless told
function plot.plot(what, ...)
  io.stdout:write(plot.text(what, { ... }))
end

return plot
