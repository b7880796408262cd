-- Runs that are killed at any moment and resumed end in the same bits, by every method.
local fcntl = require "posix.fcntl"
local files = require "hyla.run.folder"
local lfs = require "lfs"
local runs = dofile "spec/lua/runs.lua"
local signal = require "posix.signal"
local time = require "posix.time"
local unistd = require "posix.unistd"
local wait = require "posix.sys.wait"

-- Kills in all. Sanitizers take several times as long for the start of a process alone.
local KILLS = os.getenv "HYLA_CHECK_LEAKS" and 8 or 50
local EARLIEST = 0.02            -- seconds after a process began; the latest moment is in the middle of a whole run

-- w goes to c, at a learned rate, and is judged by a target.
local RECIPE = [[
local hyla = require "hyla"
local methods = {
  reverse = function() return hyla.reverse() end,
  forward = function() return hyla.forward() end,
  reversible = function() return hyla.reversible() end,
  implicit = function() return hyla.implicit() end,
  rtho = function() return hyla.rtho { every = 20 } end,
  marthe = function() return hyla.marthe { every = 20 } end,
}
return hyla.recipe {
  about = "For killing",
  options = { method = "reverse", hyper_steps = 60, steps = 200, restarts = 0, trials = 0 },
  problems = { fit = function(o)
    local w = hyla.weight("w", { 12 }, hyla.zeros)
    local implicit = o.method == "implicit"            -- which wants a fixed rate, and carries something along
    local rate = implicit and 0.05 or hyla.hyper("rate", { init = 0.01, within = hyla.box(0, 0.1) })
    local c = hyla.hyper("c", { size = 12, init = 0.5, within = hyla.box(0, 2) })
    local target = hyla.tensor { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } * (1 / 6)
    local made = hyla.problem {
      inner = ((w - c) ^ 2):sum() + 0.01 * (w ^ 4):sum(), outer = ((w - target) ^ 2):sum(),
      train = hyla.momentum { rate = rate, momentum = 0.5, steps = o.steps },
      method = methods[o.method](),
      improve = (implicit and hyla.hoag or hyla.adam) { rate = 0.01, steps = o.hyper_steps },
      watch = { distance = ((w - target) ^ 2):sum() },
    }
    return made
  end },
  run = function(o, lab)
    local plain = lab:train("plain", lab:problem("fit"))
    lab:result { stage = "plain", distance = plain.values.distance }
    local draw = { rate = hyla.distribution.log_uniform(1e-3, 1e-1) }
    if o.trials > 0 then
      local found = lab:search("found", lab:problem("fit"), { trials = o.trials, seed = 1, draw = draw })
      lab:result { stage = "found", distance = found.values.distance }
    end
    local many = o.restarts > 0 and o.restarts or nil
    local best = lab:optimise("learned", lab:problem("fit"), { restarts = many, seed = many, draw = many and draw,
      early_stop = { watch = "distance", goal = "min" } })
    lab:result { stage = "learned", distance = best.values.distance, iteration = best.iteration }
  end,
}
]]

local kinds = {
  { method = "reverse" },
  { method = "forward" },
  { method = "reversible" },
  { method = "implicit" },
  { method = "rtho", steps = 4000, hyper_steps = 200 },
  { method = "marthe", steps = 4000, hyper_steps = 200 },
  { method = "reverse", restarts = 3, hyper_steps = 30, trials = 60 },
}

after_each(runs.clean)

local function start(line)
  local child = assert(unistd.fork())
  if child == 0 then
    local nowhere = fcntl.open("/dev/null", fcntl.O_WRONLY)
    for fd = 1, 2 do unistd.dup2(nowhere, fd) end
    unistd.execp("luajit", { "-e", line })
    unistd._exit(127)
  end
  return child
end

-- A process that runs a recipe, or goes on with a run, with one thread.
local function process(path, out, given)
  local words = {}
  for key, value in pairs(given) do words[#words + 1] = ("%q"):format(key .. "=" .. tostring(value)) end
  return start(([[package.path = %q
    require("hyla.ffi").C.hyla_threads(1)
    local run = require "hyla.run"
    if require("lfs").attributes(%q .. "/checkpoint.hyla") or require("lfs").attributes(%q .. "/checkpoint.previous")
    then os.exit(run.resume { out = %q, quiet = true }) end
    local one = require("hyla.run.sweep").expand({ %q, %s })[1]
    os.exit(run.main(one, { out = %q, quiet = true }))]]):format(package.path, out, out, out,
      path, table.concat(words, ", "), out))
end

local function sleep(seconds)
  time.nanosleep { tv_sec = math.floor(seconds), tv_nsec = math.floor(seconds % 1 * 1e9) }
end

-- Goes on with a run until it has ended, each process being killed when `moment()` has passed where that gives one.
-- Returns how many were.
local function run(path, out, given, moment)
  local killed = 0
  while true do
    local child, seconds = process(path, out, given), moment(killed)
    if seconds then
      sleep(seconds)
      signal.kill(child, signal.SIGKILL)
    end
    local _, how, code = wait.wait(child)
    if how == "exited" then
      assert.equal(0, code)
      return killed
    end
    killed = killed + 1
  end
end

local function clock()
  local t = time.clock_gettime(time.CLOCK_MONOTONIC)
  return t.tv_sec + t.tv_nsec * 1e-9
end

-- Everything that a run leaves, but for times.
local function left(out)
  local kept = { series = runs.read(out .. "/series.csv"), results = runs.read(out .. "/results.csv"),
    metrics = runs.read(out .. "/metrics.csv"):gsub("\n[%d.]+,", "\n"), status = files.status(out).status }
  for stage, of in pairs(files.open(out).hypers) do
    for which, paths in pairs(of) do
      for name, path in pairs(paths) do kept[("%s %s %s"):format(stage, which, name)] = runs.read(path) end
    end
  end
  return kept
end

describe("a run that is killed and resumed", function()
  local share = KILLS / #kinds
  for i, given in ipairs(kinds) do
    local about = given.restarts and given.method .. ", restarts and a search" or given.method
    it("ends in the same bits: " .. about, function()
      local path, whole, began = runs.new_recipe(RECIPE), runs.new_folder(), clock()
      assert.equal(0, run(path, whole, given, function() end))
      local expected, latest = left(whole), (clock() - began) / 2
      local u = require("hyla.tensor").uniform({ 200 }, { seed = i })
      local wanted, killed, drawn = math.floor(i * share) - math.floor((i - 1) * share), 0, 0
      while killed < wanted do
        local out = runs.new_folder()
        killed = killed + run(path, out, given, function(before)
          drawn = drawn + 1
          return killed + before < wanted and EARLIEST + (latest - EARLIEST) * u:get(drawn) or nil
        end)
        assert.same(expected, left(out))
        assert.is_nil(lfs.attributes(out .. "/checkpoint.next"))
      end
    end)
  end
end)
