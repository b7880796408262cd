--- `hyla run` and `hyla resume`: a session with its progress line, its table, its JSON and its exit code.
-- @module hyla.run

local C = require("hyla.ffi").C
local folder = require "hyla.run.folder"
local foresee = require "hyla.run.foresee"
local jobs = require "hyla.run.jobs"
local json = require "hyla.report.json"
local make = require "hyla.report.make"
local profile = require "hyla.profile"
local progress = require "hyla.report.progress"
local report = require "hyla.report"
local session = require "hyla.run.session"
local site = require "hyla.site"
local trace = require "hyla.report.trace"

local run = {}

local NOWHERE = "none"
local DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

-- A result that cannot be told (a full disk, a reader that is gone) is a failure, not a success without words.
local function say(text)
  local ok, why = io.stdout:write(text)
  if ok then ok, why = io.stdout:flush() end
  if not ok then error("standard output: " .. tostring(why), 0) end
end

local function display_of(asked)
  local shown = progress.new { quiet = asked.quiet }
  return { progress = shown, print = function(text)
    shown:clear()
    say(text)
  end }
end

-- --quiet silences progress alone, never results or messages.
local function complain(display, text)
  display.progress:clear()
  io.stderr:write("hyla: ", text, "\n")
  io.stderr:flush()
end

-- While `work` runs, Ctrl-C and SIGTERM ask the engine to come back; afterwards they end the process again.
local function interruptible(work)
  C.hyla_interrupt_clear()
  C.hyla_interrupt_on_sigint(2)
  local ok, result = pcall(work)
  local interrupted = not ok and C.hyla_interrupted() == 1
  C.hyla_interrupt_on_sigint(0)
  C.hyla_interrupt_clear()
  return ok, result, interrupted
end

-- Whatever became of the run, its trace is of use.
local function save_trace(asked, display, made)
  profile.stop()
  if made then
    local path = asked.profile.path or made.store.folder .. "/trace.json"
    display.print(trace.save(path, made.recipe.name) .. "\n")
  end
  C.hyla_profile_drop()
end

-- How a run that did not get to its end ended: exit code, status and message.
local function ending(made, message, interrupted)
  if not interrupted then return FAILED, "failed", site.explained(tostring(message)) end
  local text = "interrupted"
  if made and made.store then
    text = ("%s; resume with hyla resume %s"):format(text, made.store.folder)
  elseif made then
    text = text .. "; nothing was kept (without --out none a run is kept, so that it can be resumed)"
  end
  return INTERRUPTED, "interrupted", text
end

-- The page of a run that has ended is no part of it: where it cannot be made that is told alone.
local function make_page(display, made)
  if not made.store then return end
  local ok, trouble = pcall(make.page, made.store.folder)
  if not ok then complain(display, ("no %s: %s"):format(make.PAGE, site.explained(tostring(trouble)))) end
end

-- Results, on standard output.
local function show(asked, made)
  made.print(made:table())
  if asked.json then say(report.json(made:summary()) .. "\n") end
end

-- Does what may fail without harm to the run; what fails is told. Whether it was done.
local function attempt(display, work, ...)
  local ok, trouble = pcall(work, ...)
  if not ok then complain(display, site.explained(tostring(trouble))) end
  return ok
end

-- The end of a run's record, before anything else that may go wrong; then its results and its page. Whether the record
-- is whole and the results were shown.
local function finished(asked, display, made, status, message)
  local kept = attempt(display, made.finish, made, status, message)
  local shown = status ~= "done" or attempt(display, show, asked, made)
  made:close()
  if kept then make_page(display, made) end
  return kept and shown
end

local function conduct(asked, display, make_session)
  local made
  if asked.profile then profile.start(trace.EVENTS) end
  local ok, message, interrupted = interruptible(function()
    made = make_session()
    made:run()
  end)
  local code, status, words = DONE, "done", nil
  if not ok then code, status, words = ending(made, message, interrupted) end
  local whole = not asked.profile or attempt(display, save_trace, asked, display, made)
  if words then complain(display, words) end
  if made then whole = finished(asked, display, made, status, words) and whole end
  return not whole and code == DONE and FAILED or code
end

-- Figures of a dry run as they are written.
local function plain(stages)
  local list = {}
  for i, stage in ipairs(stages) do
    local row = {}
    for key, value in pairs(stage) do row[key] = key ~= "cost" and value or nil end
    list[i] = row
  end
  return json.list(list)
end

local function dry(asked, display, loaded, o)
  local ok, stages, interrupted = interruptible(function()
    return foresee.run(loaded, o, display, session.conduct)
  end)
  if interrupted then
    complain(display, "interrupted")
    return INTERRUPTED
  end
  if not ok then
    complain(display, tostring(stages))
    return FAILED
  end
  if asked.json then
    local object = { recipe = loaded.name, stages = plain(stages) }
    say(json.encode(object, loaded.name, { "recipe", "stages", "stage" }) .. "\n")
  end
  return DONE
end

local function fresh(name)
  local ok, out = pcall(folder.fresh, folder.HOME, name)
  if not ok then error(out .. "; --out DIR keeps the run elsewhere, --out none keeps nothing", 0) end
  return out
end

--- Runs a recipe.
-- @tparam table one what hyla.run.sweep gives
-- @tparam table asked json, quiet: booleans; out: a folder, "none" to keep nothing, or nil for a new one in runs/; dry:
--   whether to tell alone what the stages will take (hyla.run.foresee); profile: nil, or { path = a file for a trace,
--   nil: trace.json in the folder }
-- @treturn number exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted
-- @treturn string|nil what is wrong with the usage
function run.main(one, asked)
  local display, loaded, o = display_of(asked), one.recipe, one.options
  if asked.dry and asked.out then return USAGE, "--dry-run keeps nothing: it goes without --out" end
  if asked.dry and asked.profile then return USAGE, "--dry-run runs nothing: it goes without --profile" end
  if asked.dry then return dry(asked, display, loaded, o) end
  return conduct(asked, display, function()
    local out = asked.out or fresh(loaded.name)
    if out == NOWHERE then out = nil end
    local made = session.start(loaded, o, out, display, one.overrides.profile)
    if not asked.out then display.progress:say("kept in " .. out) end
    return made
  end)
end

--- Runs several, each in a process of its own.
-- @tparam {table,...} runs what hyla.run.sweep gives
-- @tparam table asked as for run.main, without profile and dry, `out` being the folder around theirs; jobs: how many at
--   a time, or nil for one; threads: of each, or nil
-- @treturn number exit code: 0 all done, 1 when any failed, 130 interrupted
function run.several(runs, asked)
  local display = display_of(asked)
  local counts, troubles = jobs.run(runs, { jobs = asked.jobs or 1, threads = asked.threads, out = asked.out,
    json = asked.json }, display)
  for _, words in ipairs(troubles) do complain(display, words) end
  if counts.interrupted or counts["not begun"] then return INTERRUPTED end
  return counts.failed and FAILED or DONE
end

--- Goes on with a run that was cut short.
-- @tparam table asked out: its folder; json, quiet: booleans; profile: as for run.main
-- @treturn number exit code as for run.main
function run.resume(asked)
  local display = display_of(asked)
  return conduct(asked, display, function() return session.resume(asked.out, display) end)
end

return run
