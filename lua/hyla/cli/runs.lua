--- Commands on runs that are kept: runs, show.
-- @module hyla.cli.runs
local file = require "hyla.file"
local folder = require "hyla.run.folder"
local number = require "hyla.number"

local LINES = 10   -- of the log

local function say(text) io.stdout:write(text) end

local function table_of(...) return require "hyla.report".table(...) end

-- All runs at some paths, in order of their beginning; what could not be read is told.
local function opened(paths)
  local list, wrong = {}, {}
  for _, path in ipairs(paths) do
    local kept, message = folder.open(path)
    if kept then list[#list + 1] = kept else wrong[#wrong + 1] = message end
  end
  return list, wrong
end

local function list_home(home)
  local list, wrong = opened(folder.list(home))
  table.sort(list, function(a, b)
    local i, j = tostring(a.status.began), tostring(b.status.began)
    if i ~= j then return i < j end
    return a.name < b.name
  end)
  local overview, rows = require "hyla.run.overview", {}
  for i, kept in ipairs(list) do rows[i] = overview.row(kept) end
  say(#rows > 0 and table_of(rows, overview.columns) or ("no runs in %s\n"):format(home))
  if #wrong > 0 then return 1, table.concat(wrong, "\n") end
  return 0
end

-- What the runs are called in the heads of columns: their names, or their paths where names are the same.
local function heads_of(list)
  local heads, count = {}, {}
  for _, kept in ipairs(list) do count[kept.name] = (count[kept.name] or 0) + 1 end
  for i, kept in ipairs(list) do heads[i] = count[kept.name] == 1 and kept.name or kept.path end
  return heads
end

local function compare(list)
  local overview, heads, rows = require "hyla.run.overview", heads_of(list), {}
  for i, kept in ipairs(list) do
    rows[i] = overview.row(kept)
    rows[i].run = heads[i]
  end
  say(table_of(rows, overview.columns))
  local keys, texts = overview.differing(list)
  local options = {}
  for k, key in ipairs(keys) do
    options[k] = { option = key }
    for i, head in ipairs(heads) do options[k][head] = texts[i][key] or "-" end
  end
  say("\n" .. (#keys > 0 and table_of(options, { "option", unpack(heads) }) or "the same recipe and options\n"))
  local results = overview.beside(list, heads)
  if #results > 0 then say("\n" .. table_of(results, { "result", unpack(heads) })) end
end

local function runs(a)
  local words = a.runs
  if #words == 0 then return list_home(folder.HOME) end
  local first = folder.find(words[1])
  if #words == 1 and not folder.is(first) and #folder.list(first) > 0 then return list_home(first) end
  local paths = {}
  for i, word in ipairs(words) do paths[i] = folder.find(word) end
  local list, wrong = opened(paths)
  if #wrong > 0 then return 1, table.concat(wrong, "\n") end
  compare(list)
  return 0
end

local function last_lines(path)
  local lines = {}
  for line in (file.read(path) or ""):gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return { unpack(lines, math.max(1, #lines - LINES + 1)) }
end

local function files_text(entry)
  if entry.generated then return "generated" end
  if entry.count then return ("%s, SHA-256 %s"):format(number.count(entry.count, "file"), entry.sha256) end
  local words = {}
  for i, one in ipairs(entry.files or {}) do words[i] = ("%s, SHA-256 %s"):format(one.path, one.sha256) end
  return table.concat(words, "; ")
end

local function show(a)
  local kept, message = folder.open(folder.find(a.run))
  if not kept then return 1, message end
  local config, status = kept.config, kept.status
  local function line(name, text) if text then say(("%-10s %s\n"):format(name, text)) end end
  line("run", kept.path)
  line("recipe", ("%s (%s)"):format(config.recipe, config.path))
  line("state", status.message and ("%s: %s"):format(status.status, status.message) or status.status)
  line("began", config.began)
  line("seconds", status.seconds and number.short(status.seconds))
  line("record", status.recording and number.time(status.recording) .. " to keep it")
  line("profile", config.profile)
  local settings = require "hyla.run.settings"
  local options = config.options or {}
  for _, key in ipairs(require "hyla.names".keys(options)) do
    line("option", ("%s=%s"):format(key, settings.text(options[key])))
  end
  for _, entry in ipairs(config.data or {}) do line("data", ("%s: %s"):format(entry.name, files_text(entry))) end
  line("commit", config.commit)
  local machine, versions = config.machine, config.versions
  line("machine", ("%s; %s; kernels %s, OpenBLAS %s"):format(machine.cpu, number.count(machine.threads, "thread"),
    machine.kernels, machine.blas))
  line("versions", ("hyla %s, %s"):format(versions.hyla, versions.luajit))
  if #kept.results > 0 then say("\n" .. table_of(kept.results, kept.columns, kept.reference)) end
  local log = last_lines(kept.path .. "/" .. folder.LOG)
  if #log > 0 then say("\n" .. table.concat(log, "\n") .. "\n") end
  return 0
end

--- Declares the commands.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "runs":summary "List the runs that are kept, or compare some."
  command:argument "runs":args "*":argname "RUN"
    :description ("folders of runs, or names in runs/, to be compared: options in which they differ, and results. One "
      .. "folder that holds runs is listed; runs/ where nothing is named.")
  command = parser:command "show":summary "Show a run: its configuration, state, results, and the end of its log."
  command:argument "run":argname "RUN":description "its folder, or its name in runs/"
  return { runs = runs, show = show }
end
