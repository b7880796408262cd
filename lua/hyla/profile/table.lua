--- A profile as text: a table of what took longest, how the time is made up, and what the planner did. It fits the
-- columns it is given, 80 at the least.
-- @module hyla.profile.table
local number = require "hyla.number"
local profile = require "hyla.profile"

local show = {}

local WIDE = 110

-- ---- words ----

-- A count or a rate in three digits: 0.012, 4.56, 78.9, 1234.
local function figure(x)
  if x == 0 then return "-" end
  if x >= 99.95 then return ("%.0f"):format(x) end
  return ("%%.%df"):format(x >= 9.995 and 1 or x >= 0.9995 and 2 or 3):format(x)
end

local function percent(part, whole) return whole > 0 and ("%.1f"):format(100 * part / whole) or "-" end

-- By bytes more than all of the roofline: what it reads came from a cache.
local function share(row, roof)
  if row.share > 1.005 and row.bandwidth > roof.bandwidth then return "cache" end
  return row.seconds > 0 and ("%.0f%%"):format(100 * row.share) or "-"
end

local function program_name(name, again) return name .. (again and " again" or "") end

local function density(d) return ("%.0f%%"):format(100 * d) end

local function operation(row)
  local words = row.label
  if row.label ~= row.op and not row.label:find(row.op, 1, true) then words = row.op .. ": " .. words end
  if row.density < 1 then words = words .. " " .. density(row.density) end
  if row.items > 1 then words = words .. " x" .. row.items end
  return row.remade and words .. ", remade" or words
end

-- File and line of a site, which after a tail call is that of the value before it.
local function parts_of(site)
  return site:gsub("^after ", ""):match "^(.*):(%d+)$"
end

-- The file that most of the time goes to: of its sites the line alone is shown.
local function main_file(rows)
  local seconds, best = {}, nil
  for _, row in ipairs(rows) do
    local file = row.site and parts_of(row.site)
    if file then
      seconds[file] = (seconds[file] or 0) + row.seconds
      if not best or seconds[file] > seconds[best] then best = file end
    end
  end
  return best
end

local function line_of(site, file)
  if not site then return "" end
  local path, line = parts_of(site)
  if not path then return site end
  if path == file then return ":" .. line end
  return path:match "[^/]*$" .. ":" .. line
end

-- ---- a grid ----

local function cut(word, width)
  return #word <= width and word or word:sub(1, math.max(width - 2, 0)) .. ".."
end

-- Columns { title, left = true, gap = spaces before it, 2 by default, least = where it may be cut to }; lines end where
-- `columns` do.
local function grid(heads, lines, columns)
  local widths, total = {}, 0
  for i, head in ipairs(heads) do
    widths[i] = #head.title
    for _, line in ipairs(lines) do widths[i] = math.max(widths[i], #line[i]) end
    head.gap = i == 1 and 0 or head.gap or 2
    total = total + widths[i] + head.gap
  end
  for i, head in ipairs(heads) do
    if head.least and total > columns then
      local width = math.max(head.least, widths[i] - (total - columns))
      total, widths[i] = total - widths[i] + width, width
    end
  end
  local out, titles = {}, {}
  for i, head in ipairs(heads) do titles[i] = head.title end
  for k = 0, #lines do
    local words = {}
    for i, head in ipairs(heads) do
      local form = "%" .. (head.left and "-" or "") .. widths[i] .. "s"
      words[i] = (" "):rep(head.gap) .. form:format(cut(k == 0 and titles[i] or lines[k][i], widths[i]))
    end
    out[#out + 1] = (table.concat(words):gsub("%s+$", ""))
  end
  return out
end

-- Words separated by ", " after a head, broken before `columns`, the later lines under the first word.
local function wrapped(head, words, columns)
  local lines, line, empty = {}, head, true
  for i, word in ipairs(words) do
    local piece = word .. (i < #words and "," or "")
    if not empty and #line + 1 + #piece > columns then
      lines[#lines + 1], line, empty = line, (" "):rep(#head), true
    end
    line, empty = line .. (empty and "" or " ") .. piece, false
  end
  lines[#lines + 1] = line
  return lines
end

local function append(out, lines)
  for _, line in ipairs(lines) do out[#out + 1] = line end
end

-- ---- the parts ----

local function head_of(told, columns, file)
  local runs = told.runs == 1 and "one hypergradient" or ("%d hypergradients"):format(told.runs)
  local out = wrapped("", {
    ("%s: %s"):format(told.name, runs), "method " .. told.method, number.count(told.steps, "step"),
    told.dtype, number.count(told.collected.threads, "thread"),
  }, columns)
  append(out, wrapped("this machine: ", {
    figure(told.roof.flops / 1e9) .. " GFLOP/s", figure(told.roof.bandwidth / 1e9) .. " GB/s, measured now",
  }, columns))
  if file then out[#out + 1] = ("lines: of %s"):format(file) end
  return out
end

local function rows_of(told, rows, columns, file)
  local wide = columns >= WIDE
  local gap = wide and 2 or 1
  local heads = { { title = "time" }, { title = "%", gap = gap }, { title = "GFLOP/s", gap = gap },
                  { title = "GB/s", gap = gap }, { title = "roof", gap = gap } }
  if wide then
    for _, title in ipairs { "bytes", "calls" } do heads[#heads + 1] = { title = title } end
  end
  heads[#heads + 1] = { title = "operation", left = true, least = 16 }
  heads[#heads + 1] = { title = "program", left = true, least = 8 }
  heads[#heads + 1] = { title = "line", left = true, least = 6 }
  local lines, shown = {}, math.min(told.top, #rows)
  for i = 1, shown do
    local row = rows[i]
    local line = { number.time(row.seconds), percent(row.seconds, told.seconds), figure(row.rate / 1e9),
                   figure(row.bandwidth / 1e9), share(row, told.roof) }
    if wide then
      line[#line + 1], line[#line + 2] = number.size(row.bytes), ("%.0f"):format(row.calls)
    end
    line[#line + 1], line[#line + 2] = operation(row), program_name(row.program, row.again)
    line[#line + 1] = line_of(row.site, file)
    lines[i] = line
  end
  local out, left = grid(heads, lines, columns), 0
  for i = shown + 1, #rows do left = left + rows[i].seconds end
  if #rows > shown then
    out[#out + 1] = ("%s%% in %d more (--top N shows more)"):format(percent(left, told.seconds), #rows - shown)
  end
  return out
end

local function sums_of(told)
  local parts = told.parts
  local lines = {}
  for _, part in ipairs {
    { parts.items, "in these operations" },
    { parts.waiting, "in programs beside them: threads that wait, ends of phases" },
    { parts.between, "between programs: streams, trajectory, checkpoints" },
    { parts.rest, "Lua and the rest" }, { told.seconds, "in all" },
  } do
    lines[#lines + 1] = ("%8s  %5s%%  %s"):format(number.time(math.max(part[1], 0)),
                                                 percent(math.max(part[1], 0), told.seconds), part[2])
  end
  return lines
end

-- What is made from hyperparameters alone, each operation and line once.
local function steady_words(told)
  local words, seen = {}, {}
  for _, program in ipairs(told.collected.programs) do
    for _, item in ipairs(program.items) do
      local line = line_of(item.site, told.file)
      local word = line == "" and item.label or item.label .. " " .. line
      if item.steady and not seen[word] then words[#words + 1] = word end
      seen[word] = seen[word] or item.steady
    end
  end
  return words
end

local function steps_of(told, columns)
  local words = { number.count(told.forward, "step") .. " forward" }
  words[#words + 1] = ("%s again between checkpoints"):format(number.count(told.again, "step"))
  words[#words + 1] = number.count(told.adjoint, "adjoint step")
  local out = wrapped("taken: ", words, columns)
  words = { tostring(told.cost):match "; (.*)$" }
  for _, each in ipairs(told.residuals) do
    words[#words + 1] = ("of each step %s %s"):format(each.label, line_of(each.site, told.file))
  end
  append(out, wrapped("kept:  ", words, columns))
  words = steady_words(told)
  if #words > 0 then
    words[1] = "made from hyperparameters alone: " .. words[1]
    append(out, wrapped("once:  ", words, columns))
  end
  out[#out + 1] = ("reading the clock %s times took about %s of all threads' time"):format(
    number.count(told.collected.calls, "time"):match "^%S+", number.time(told.collected.measuring))
  return out
end

local function item_words(item, file)
  local words = item.label
  if item.density < 1 then words = words .. " " .. density(item.density) end
  if item.shared then words = words .. " (panels shared)" end
  words = words .. (item.remade and "*" or "") .. (item.residual and "+" or "")
  local line = line_of(item.site, file)
  return line == "" and words or words .. " " .. line
end

-- Items of a phase, those of a chain in brackets.
local function phase_words(items, file)
  local words = {}
  for i, item in ipairs(items) do
    local word = item_words(item, file)
    if item.chain == 1 then word = "[" .. word end
    if item.chain > 0 and not (items[i + 1] and items[i + 1].chain > 1) then word = word .. "]" end
    words[i] = word
  end
  return words
end

local function split_words(item)
  if item.units == 1 and item.block >= item.rows then return "whole" end
  local rows = ("%s in blocks of %d"):format(number.count(item.rows, "row"), item.block)
  return item.width > 1 and ("%s, on %d threads"):format(rows, item.width) or rows
end

-- Phases worth a hundredth of the time.
local function plan_of(told, columns)
  local out = wrapped("phases: ", {
    "what goes through the cache together", "[..] a chain of maps, a few rows at a time",
    "* a value of the step, remade",
    "+ stored for the adjoint step",
  }, columns)
  for _, program in ipairs(told.collected.programs) do
    local phases = {}
    for _, item in ipairs(program.items) do
      local phase = phases[item.phase] or { seconds = 0, items = {} }
      phases[item.phase] = phase
      phase.seconds = phase.seconds + item.seconds
      phase.items[#phase.items + 1] = item
    end
    local lines = {}
    for k, phase in ipairs(phases) do
      if phase.seconds >= 0.01 * told.seconds then
        append(lines, wrapped(("  phase %d of %d, %s:"):format(k, #phases, split_words(phase.items[1])), {}, columns))
        append(lines, wrapped("    ", phase_words(phase.items, told.file), columns))
      end
    end
    if #lines > 0 then
      out[#out + 1] = ("%s: %s, %s"):format(program_name(program.name, program.again),
                                            number.count(program.runs, "run"), number.time(program.seconds))
      append(out, lines)
    end
  end
  return out
end

--- The text of a profile.
-- @tparam table told { name, method, steps, dtype, runs, seconds, collected, parts, roof, cost, forward, again,
--   adjoint, residuals = items that are stored, top = rows to show }
-- @tparam number columns of the terminal
-- @treturn string lines, each ended
function show.text(told, columns)
  columns = math.max(columns, 80)
  local rows = profile.rows(told.collected, told.roof)
  told.file = main_file(rows)
  local out = head_of(told, columns, told.file)
  for _, part in ipairs { rows_of(told, rows, columns, told.file), sums_of(told), steps_of(told, columns),
                          plan_of(told, columns) } do
    if #part > 0 then out[#out + 1] = "" end
    append(out, part)
  end
  return table.concat(out, "\n") .. "\n"
end

return show
