--- How time and memory grow: a part of it, or all.
--
--   steps     small: time a step, and memory, against T
--   size      small: time a step against d, the number of weights
--   tangents  realtime: a forward step against m, its tangents; the slope in plain steps
--   threads   cleaning and realtime: one thread, and all
--   memory    tasks, cleaning and realtime: what was stated before the run, and what the engine held
--
-- Stated is p:estimate().bytes, which counts data and programs; held is the engine's own peak.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local C = require("hyla.ffi").C
local method = require "hyla.method"

local SPANS = 21                                       -- of as many steps as the longest training has, at each T
local SECONDS = 0.25                                   -- that the repeats of a short measurement should take

local function workload(name) return dofile(here .. name .. ".lua") end

-- A workload's options with some of them changed.
local function options(one, changes)
  local o = {}
  for key, value in pairs(one.options) do o[key] = value end
  for key, value in pairs(changes) do o[key] = value end
  return o
end

-- Seconds of a hypergradient: the least of as many as fit, and of o.repeats at least.
local function hypergradient_seconds(p, o)
  local first = lib.time(function() p:hypergradient() end)
  return lib.best(math.max(o.repeats, math.ceil(SECONDS / first)), function() p:hypergradient() end)
end

-- What is stated of a problem, and what its hypergradient then holds.
local function memory_of(p)
  local stated = p:estimate().bytes
  collectgarbage()
  C.hyla_memory_reset_peak()
  p:hypergradient()
  return stated, C.hyla_memory_peak()
end

local parts = {}

local function spread(list)
  return math.max(unpack(list)) / math.min(unpack(list)) - 1
end

-- A problem of T steps, and what it holds beside what was there.
local function of_steps(small, T)
  local before = C.hyla_memory_current()
  local p = small.problem(options(small, { steps = T }))
  local stated, held = memory_of(p)
  return { problem = "small", x = T, step_seconds = math.huge, stated_bytes = stated - before,
           held_bytes = held - before }, p
end

-- All T take spans of as many steps, in turns, and as many of them: the least of a thousand short spans would be
-- luckier than that of three long ones.
function parts.steps(o, add)
  local small, rows, problems, times, T = workload "small", {}, {}, {}, 100
  while T <= o.most_steps do
    rows[#rows + 1], problems[#problems + 1] = of_steps(small, T)
    T = T * 10
  end
  for _ = 1, math.max(o.repeats, SPANS) do
    for i, row in ipairs(rows) do
      local times_over = rows[#rows].x / row.x
      local seconds = lib.time(function()
        for _ = 1, times_over do problems[i]:hypergradient() end
      end)
      row.step_seconds = math.min(row.step_seconds, seconds / times_over / row.x)
    end
  end
  for i, row in ipairs(rows) do
    times[i] = row.step_seconds
    add(row)
  end
  return { steps_spread = spread(times) }
end

function parts.size(o, add)
  local small, d = workload "small", 20
  while d <= o.most_weights do
    local p = small.problem(options(small, { features = d }))
    add { problem = "small", x = d, step_seconds = hypergradient_seconds(p, o) / p.steps }
    d = d * 10
  end
  return {}
end

-- The least seconds of a plain and of a forward step, measured in turns.
local function realtime_steps(realtime, o, changes)
  local given = options(realtime, changes)
  local p = realtime.problem(given)
  local plain, forward = math.huge, math.huge
  for _ = 1, o.repeats do
    plain = math.min(plain, realtime.seconds_of(p, method.train(), given))
    forward = math.min(forward, realtime.seconds_of(p, p.method, given))
  end
  return plain, forward
end

function parts.tangents(o, add)
  local realtime, plain, forward = workload "realtime", math.huge, {}
  for m = 1, 3 do
    local step
    step, forward[m] = realtime_steps(realtime, o, { batch = o.batch, tangents = m })
    plain = math.min(plain, step)
    collectgarbage()
  end
  for m = 1, 3 do add { problem = "realtime", x = m, step_seconds = forward[m], plain_seconds = plain } end
  return { tangent_slope = (forward[3] - forward[1]) / 2 / plain }
end

function parts.threads(o, add)
  local cleaning, realtime = workload "cleaning", workload "realtime"
  local p = cleaning.problem(options(cleaning, { steps = o.cleaning_steps }))
  local times = { cleaning = {}, realtime = {}, realtime_plain = {} }
  for i, threads in ipairs { 1, o.threads } do
    C.hyla_threads(threads)
    times.cleaning[i] = hypergradient_seconds(p, o) / p.steps
    times.realtime_plain[i], times.realtime[i] = realtime_steps(realtime, o, { batch = o.batch })
    for name, list in pairs(times) do add { problem = name, x = threads, step_seconds = list[i] } end
  end
  local summary = {}
  for name, list in pairs(times) do summary[name .. "_speedup"] = list[1] / list[2] end
  return summary
end

function parts.memory(o, add)
  local worst = 0
  local function one(name, make)
    local p = make()
    local stated, held = memory_of(p)
    worst = math.max(worst, math.abs(held / stated - 1))
    add { problem = name, x = p.steps, stated_bytes = stated, held_bytes = held }
    p = nil   -- luacheck: ignore 311 (its memory goes before the next one's comes)
    collectgarbage()
  end
  local cleaning, realtime, tasks = workload "cleaning", workload "realtime", workload "tasks"
  one("tasks", function() return (tasks.problem(options(tasks, { steps = o.memory_steps }))) end)
  for _, memory in ipairs { "", "100M" } do
    local name = memory == "" and "cleaning" or "cleaning within 100 MiB"
    one(name, function()
      return (cleaning.problem(options(cleaning, { steps = o.memory_steps, memory = memory })))
    end)
  end
  one("realtime", function() return (realtime.problem(options(realtime, { batch = o.batch, steps = 1 }))) end)
  return { memory_deviation = worst }
end

local order = { "steps", "size", "tangents", "threads", "memory" }

local function chosen(what)
  if what == "all" then return order end
  if parts[what] then return { what } end
  error(("bench growth: what: expected all or one of %s, got '%s'"):format(table.concat(order, ", "), what), 0)
end

return {
  about = "Time and memory against steps, weights, tangents and threads",
  options = { what = "all", threads = 2, repeats = 3, most_steps = 1e5, most_weights = 2e4, batch = 200,
              cleaning_steps = 200, memory_steps = 2000 },
  bounds = { repeats = { 1, integer = true }, most_steps = { 100 }, most_weights = { 20 },
             batch = { 1, integer = true }, cleaning_steps = { 1, integer = true },
             memory_steps = { 1, integer = true }, threads = { 1, integer = true } },

  run = function(o)
    local result, rows = { workload = "growth", threads = o.threads, what = o.what }, {}
    for _, part in ipairs(chosen(o.what)) do
      C.hyla_threads(o.threads)
      local summary = parts[part](o, function(row)
        row.part = part
        rows[#rows + 1] = row
      end)
      for key, value in pairs(summary) do result[key] = value end
    end
    result.rows = rows
    result.peak_bytes = lib.peak_bytes()
    return result
  end,
}
