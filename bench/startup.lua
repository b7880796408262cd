--- From the start of a process to its first hypergradient, of the problem `small`: the launcher, LuaJIT, the engine,
-- the trace, the plan, and the training. A round is a process of its own, which runs `bench/startup/first.lua`.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local small = dofile(here .. "small.lua")
local quote = require "hyla.quote"
local json = require "hyla.report.json"

-- The launcher of a clone; an installation's is elsewhere, but what it starts is not.
local function launcher()
  local file = io.open(here .. "../hyla", "r")
  if not file then return "luajit " .. quote(require "hyla.cli.tree".command) end
  file:close()
  return quote(here .. "../hyla")
end

-- Seconds until the process says its line, and what it says.
local function first(o)
  local command = ("exec %s %s %d %d %d"):format(launcher(), quote(here .. "startup/first.lua"), o.steps,
                                              o.threads, o.seed)
  local start = lib.seconds()
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  local seconds = lib.seconds() - start
  pipe:close()
  local told = line and json.decode(line)
  if not told then error("bench startup: no hypergradient from: " .. command, 0) end
  return seconds, told
end

return {
  about = "From the start of a process to the first hypergradient (of small)",
  options = { steps = 100, threads = 2, repeats = 10, seed = 0 },
  bounds = { steps = { 1, integer = true } },

  open = function(o)
    local given = { steps = o.steps, seed = o.seed, threads = o.threads }
    for _, key in ipairs { "examples", "features", "iterations" } do given[key] = small.options[key] end
    local session = small.open(given)
    local _, told = first(o)
    local all = {}
    return {
      inputs = session.inputs, outputs = session.outputs,
      round = function()
        local seconds
        seconds, told = first(o)
        all[#all + 1] = seconds
        return { seconds = seconds }
      end,
      -- The process that is measured is not this one.
      result = function()
        table.sort(all)
        return { steps = o.steps, median_seconds = all[math.ceil(#all / 2)], response = told.response,
                 peak_bytes = told.peak_bytes }
      end,
    }
  end,
}
