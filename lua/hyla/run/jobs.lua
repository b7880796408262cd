--- Several runs: each a process of its own with a folder of its own, some at a time, so that one which fails takes no
-- other with it; then a table of all.
-- @module hyla.run.jobs
local fcntl = require "posix.fcntl"
local signal = require "posix.signal"
local time = require "posix.time"
local unistd = require "posix.unistd"
local wait = require "posix.sys.wait"
local C = require("hyla.ffi").C
local file = require "hyla.file"
local folder = require "hyla.run.folder"
local json = require "hyla.report.json"
local number = require "hyla.number"
local overview = require "hyla.run.overview"
local progress = require "hyla.report.progress"
local report = require "hyla.report"
local sweep = require "hyla.run.sweep"

local jobs = {}

local cli = debug.getinfo(1, "S").source:match "^@(.*)run/jobs%.lua$" .. "cli.lua"
local LOOK = { tv_sec = 0, tv_nsec = 2e7 }   -- between two looks at the processes

-- Takes the place of this process, with its output in files.
local function become(words, out, err)
  for fd, path in pairs { out, err } do
    unistd.dup2(fcntl.open(path, fcntl.O_WRONLY + fcntl.O_TRUNC), fd)
  end
  unistd.setpid("p", 0, 0)                             -- Ctrl-C is for the process that waits, which passes it on
  unistd.execp("luajit", words)
  unistd._exit(127)
end

local function start(job, asked, threads)
  if asked.out ~= "none" then job.out = folder.fresh(asked.out or folder.HOME, job.run.recipe.name) end
  job.stdout, job.stderr = os.tmpname(), os.tmpname()
  local words = { cli, "run" }
  for _, word in ipairs(sweep.words(job.run)) do words[#words + 1] = word end
  for _, word in ipairs { "--json", "--quiet", "--threads", tostring(threads), "--out", job.out or "none" } do
    words[#words + 1] = word
  end
  job.began = progress.clock()
  local child, message = unistd.fork()
  if not child then error("cannot start a process: " .. message, 0) end
  if child == 0 then become(words, job.stdout, job.stderr) end
  job.process = child
end

local function take(path)
  local text = file.read(path) or ""
  os.remove(path)
  return text
end

local states = { [0] = "done", [130] = "interrupted" }

-- What a process that has ended has left: in its folder, or else as it told on its standard output.
local function finish(job, how, code, stopped)
  job.process, job.seconds = nil, progress.clock() - job.began
  job.state = how == "exited" and states[code] or "failed"
  if stopped and how == "killed" then job.state = "interrupted" end       -- before it listened to signals
  local told = json.decode(take(job.stdout):match "([^\n]*)\n$" or "")
  job.told = job.out and folder.open(job.out) or type(told) == "table" and told or {}
  local err = take(job.stderr):gsub("\n+$", "")
  if job.state == "done" then return end
  job.message = how == "killed" and "killed by signal " .. code or err:gsub("^hyla: ", "")
end

local function title(job)
  local words = { job.run.recipe.name }
  local keys, texts = sweep.varying(job.run)
  for _, key in ipairs(keys) do words[#words + 1] = ("%s=%s"):format(key, texts[key]) end
  return table.concat(words, " ")
end

local function each_running(list, act)
  for _, job in ipairs(list) do
    if job.process then act(job) end
  end
end

-- Ends those that have ended, after a signal to all where they are stopped; how many still run.
local function look(list, display, stopped)
  local count = 0
  each_running(list, function(job)
    local child, how, code = wait.wait(job.process, wait.WNOHANG)
    if child == job.process then
      finish(job, how, code, stopped)
      display.progress:say(("%s: %s after %s"):format(title(job), job.state, progress.span(job.seconds)))
    else
      count = count + 1
    end
  end)
  return count
end

local function pass_on(list, what)
  each_running(list, function(job) signal.kill(job.process, what) end)
end

-- Runs all, `asked.jobs` at a time. Ctrl-C and SIGTERM are passed on, and no other begins; a second one kills.
local function run_all(list, asked, display, threads)
  local begun, stopped = 0, false
  while true do
    local running = look(list, display, stopped)
    if C.hyla_interrupted() == 1 then
      C.hyla_interrupt_clear()
      pass_on(list, stopped and signal.SIGKILL or signal.SIGTERM)
      stopped = true
    end
    while not stopped and running < asked.jobs and begun < #list do
      begun, running = begun + 1, running + 1
      start(list[begun], asked, threads)
    end
    if running == 0 and (stopped or begun == #list) then return stopped end
    time.nanosleep(LOOK)
  end
end

local function row_of(job, i)
  local keys, texts = sweep.varying(job.run)
  local row = { run = job.out or i, state = job.state or "not begun", seconds = job.seconds }
  local own = { run = true, recipe = true, state = true, seconds = true }
  for k, key in ipairs(keys) do
    keys[k] = own[key] and "option " .. key or key
    row[keys[k]] = texts[key]
  end
  local name, value = overview.figure(job.told.results or {}, job.told.columns or {})
  if name then row[row[name] == nil and name or "result " .. name] = value end
  return row, keys
end

-- The table, and what became of those that failed.
local function tell(list, say, recipes)
  local rows, first, seen, counts = {}, { "run" }, { run = true }, {}
  if recipes > 1 then first[2] = "recipe" end
  for i, job in ipairs(list) do
    local row, keys = row_of(job, i)
    if recipes > 1 then row.recipe = job.run.recipe.name end
    for _, key in ipairs(keys) do
      if not seen[key] then first[#first + 1], seen[key] = key, true end
    end
    rows[i], counts[row.state] = row, (counts[row.state] or 0) + 1
  end
  first[#first + 1], first[#first + 2] = "state", "seconds"
  say(report.table(rows, first))
  local words = {}
  for _, state in ipairs { "done", "failed", "interrupted", "not begun" } do
    if counts[state] then words[#words + 1] = ("%d %s"):format(counts[state], state) end
  end
  say(("%s: %s\n"):format(number.count(#list, "run"), table.concat(words, ", ")))
  return counts
end

local function as_json(list)
  local runs = {}
  for i, job in ipairs(list) do
    runs[i] = { run = job.out, recipe = job.run.recipe.name, options = job.run.overrides,
      state = job.state or "not begun", seconds = job.seconds, message = job.message,
      results = json.list(job.told.results or {}) }
  end
  return json.encode({ runs = json.list(runs) }, "runs", { "run", "recipe", "options", "state", "seconds" })
end

--- Runs several.
-- @tparam {table,...} runs what hyla.run.sweep gives
-- @tparam table asked jobs: how many at a time; threads: of each, or nil for an equal share of all; out: the folder
--   that their folders are made in, "none" to keep nothing, or nil for runs/; json: whether JSON is wanted
-- @tparam table display progress; print: function that shows a text
-- @treturn table counts by state: done, failed, interrupted, ["not begun"]
-- @treturn {string,...} words about each run that failed
function jobs.run(runs, asked, display)
  local list, names, recipes = {}, {}, 0
  for i, run in ipairs(runs) do
    list[i] = { run = run, told = {} }
    if not names[run.recipe.word] then names[run.recipe.word], recipes = true, recipes + 1 end
  end
  local threads = asked.threads or math.max(1, math.floor(C.hyla_threads(0) / math.min(asked.jobs, #list)))
  C.hyla_interrupt_clear()
  C.hyla_interrupt_on_sigint(2)
  local ok, message = pcall(run_all, list, asked, display, threads)
  if not ok then
    pass_on(list, signal.SIGTERM)
    repeat time.nanosleep(LOOK) until look(list, display, true) == 0
  end
  C.hyla_interrupt_on_sigint(0)
  C.hyla_interrupt_clear()
  if not ok then error(message, 0) end
  local counts = tell(list, display.print, recipes)
  if asked.json then display.print(as_json(list) .. "\n") end
  local words = {}
  for _, job in ipairs(list) do
    if job.state == "failed" then words[#words + 1] = ("%s: %s"):format(title(job), job.message) end
  end
  return counts, words
end

return jobs
