--- The page of a comparison: a table and a picture, written between two markers; what people wrote around them stays.
-- @module hyla.cli.bench.report
local ffi = require "ffi"
local figures = require "hyla.cli.bench.figures"
local lfs = require "lfs"
local file = require "hyla.file"
local number = require "hyla.number"
local quote = require "hyla.quote"
local report = require "hyla.report"
local tree = require "hyla.cli.tree"

local page = {}

local BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
local NEW = "# Performance\n\n" .. BEGIN .. "\n" .. END .. "\n"

local function write(path, text)
  local engine = require "hyla.ffi"
  if engine.C.hyla_file_write(path, text, #text) ~= 0 then
    error(("bench: --report: %s"):format(ffi.string(engine.C.hyla_error())), 0)
  end
end

-- ---- the machine ----

local function first_line(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end

local function processor()
  local text = file.read "/proc/cpuinfo" or ""
  local name = text:match "model name%s*:%s*([^\n]+)" or first_line "uname -m"
  local _, count = text:gsub("processor%s*:", "")
  return ("%s, %s"):format(name, number.count(math.max(count, 1), "processor"))
end

-- Versions of all libraries that peers told, each once.
local function versions(records)
  local seen, list = {}, {}
  for _, record in ipairs(records) do
    for _, peer in ipairs(record.peers or {}) do
      for library, version in pairs(peer.versions) do seen[library .. " " .. version] = true end
    end
  end
  for word in pairs(seen) do list[#list + 1] = word end
  table.sort(list)
  return #list > 0 and table.concat(list, ", ") or "none"
end

local function machine(data)
  local floor, lines = data.floor, {}
  lines[1] = ("- machine: %s; kernels: %s; Hyla %s"):format(processor(), floor.kernels,
                                                          require "hyla.cli.failure".version())
  lines[2] = "- peers: " .. versions(data.records)
  lines[3] = ("- floor, on 1 and %d threads: sgemm %s and %s GFLOP/s (%s; OpenBLAS, which takes the processor for %s: "
    .. "%s and %s), memory %s and %s GB/s (triad)"):format(floor.threads, number.short(floor.sgemm_gflops_1, 3),
    number.short(floor.sgemm_gflops, 3), floor.sgemm_by == "engine" and "the engine's product" or "OpenBLAS",
    floor.openblas_core, number.short(floor.openblas_gflops_1, 3), number.short(floor.openblas_gflops, 3),
    number.short(floor.stream_gbytes_1, 3), number.short(floor.stream_gbytes, 3))
  return table.concat(lines, "\n")
end

-- ---- tables ----

local function row(...) return "| " .. table.concat({ ... }, " | ") .. " |" end

local function mib(bytes) return ("%.0f"):format(bytes / 2 ^ 20) end

local function bars_of(record, key, form)
  local words = {}
  for _, bar in ipairs(record.bars or {}) do
    if bar.what == "time" and bar.key == key and bar.form == form then
      words[#words + 1] = ("%g %s"):format(bar.at_most, bar.met and "met" or "**not met**")
    end
  end
  return table.concat(words, ", ")
end

local function memory_bar(record)
  for _, bar in ipairs(record.bars or {}) do
    if bar.what == "memory" then
      return (" (at most %g: %s)"):format(bar.at_most, bar.met and "met" or "**not met**")
    end
  end
  return ""
end

local function table_of(records)
  local lines = {
    row("workload", "peer", "its time", "ours", "ratio", "at most", "its peak, MiB", "ours", "rate", "apart"),
    "|-|-|-|-|-|-|-|-|-|-|",
  }
  for _, record in ipairs(records) do
    for i, peer in ipairs(record.peers or {}) do
      local which = peer.key == "plain_seconds" and "plain_" or ""
      lines[#lines + 1] = row(i == 1 and record.case or "",
        peer.library .. " " .. peer.form .. (which ~= "" and ", plain step" or ""), number.time(peer.seconds),
        number.time(peer.ours_seconds), number.short(peer.ratio, 3), bars_of(record, peer.key, peer.form),
        mib(peer.peak_bytes), mib(record.ours.peak_bytes) .. (i == 1 and memory_bar(record) or ""),
        figures.rate(record.ours, which), number.short(peer.difference, 2))
    end
  end
  return table.concat(lines, "\n")
end

local function growth_table(result)
  local lines = { row("growth", "measured", "bar"), "|-|-|-|" }
  for _, bar in ipairs(figures.growth(result)) do
    lines[#lines + 1] = row(bar.about, number.short(bar.measured, 3),
      ("at %s %g: %s"):format(bar.at_most and "most" or "least", bar.at_most or bar.at_least,
                             bar.met and "met" or "**not met**"))
  end
  return table.concat(lines, "\n")
end

-- ---- the picture ----

--- Draws growth.
-- @tparam {table,...} rows of the workload `growth`
-- @tparam string picture path of a .png
function page.draw(rows, picture)
  local csv = os.tmpname()
  local columns = { "part", "problem", "x", "step_seconds", "plain_seconds", "stated_bytes", "held_bytes" }
  local full = {}
  for i, one in ipairs(rows) do              -- a column that no row has would be an error of the plot's
    full[i] = { plain_seconds = "nan", stated_bytes = "nan", held_bytes = "nan", step_seconds = "nan" }
    for key, value in pairs(one) do full[i][key] = value end
  end
  write(csv, report.csv({ { name = "growth", rows = full } }, columns))
  local command = ("gnuplot -c %s %s %s"):format(quote(tree.root .. "/bench/growth.gp"), quote(csv), quote(picture))
  local status = os.execute(command)
  os.remove(csv)
  if status ~= 0 then error("bench: --report: this failed: " .. command, 0) end
end

-- ---- the page ----

local function command_of(data, path)
  local words = { "./hyla bench" }
  for _, list in ipairs { data.chosen, data.options } do
    for _, word in ipairs(list) do words[#words + 1] = word end
  end
  words[#words + 1] = "--peers --report " .. path
  return table.concat(words, " ")
end

local function measured(data, path)
  local parts = {
    ("Written by `%s` on %s."):format(command_of(data, path), os.date "!%Y-%m-%d"),
    "Both sides read the same inputs and are measured in turns, each while the other is stopped; times are the least "
      .. "of the turns, the ratio is that of these. `apart` is the norm of the difference of the hypergradients, "
      .. "relative to the peer's. Rates count every product in full, zeros of the data included, so that a product "
      .. "that skips them may pass the floor.",
    machine(data), table_of(data.records),
  }
  if data.growth then
    local picture = path:gsub("%.md$", "") .. "_growth.png"
    page.draw(data.growth.rows, picture)
    parts[#parts + 1] = growth_table(data.growth)
    parts[#parts + 1] = ("![Growth of time and memory](%s)"):format(picture:match "[^/]*$")
  end
  return table.concat(parts, "\n\n")
end

--- Writes the measured part of a page between its markers. A page without them gets them at its end; one that is not
-- there is made.
-- @tparam string path
-- @tparam table data records (of figures.record), growth (what that workload measured, or nil), floor, chosen and
--   options (words of the command)
function page.write(path, data)
  local text = file.read(path) or NEW
  local from, to = text:find(BEGIN, 1, true), text:find(END, 1, true)
  if (from == nil) ~= (to == nil) or from and to < from then
    error(("bench: --report: %s: expected %s and then %s, each once"):format(path, BEGIN, END), 0)
  end
  if not from then
    text = text .. "\n" .. BEGIN .. "\n" .. END .. "\n"
    from, to = text:find(BEGIN, 1, true), text:find(END, 1, true)
  end
  write(path, text:sub(1, from + #BEGIN - 1) .. "\n" .. measured(data, path) .. "\n" .. text:sub(to))
end

--- Whether a page can be written, before hours of work: nil, or what is wrong.
-- @tparam string path
-- @treturn string|nil
function page.problem(path)
  local folder = path:match "^(.*)/[^/]*$" or "."
  if not path:match "%.md$" then return ("bench: --report: expected a page NAME.md, got '%s'"):format(path) end
  if lfs.attributes(folder, "mode") ~= "directory" then return ("bench: --report: no folder %s"):format(folder) end
end

return page
