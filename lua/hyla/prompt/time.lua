--- time: how long something takes, measured often enough to say how sure that is.
-- @module hyla.prompt.time
local interrupt = require "hyla.interrupt"
local members = require "hyla.members"
local number = require "hyla.number"
local progress = require "hyla.report.progress"
local site = require "hyla.site"

local SECONDS, FEWEST, MOST = 1, 5, 1000   -- of measuring, unless runs are so long that they are fewer
local LONG = 5                             -- seconds that a run may take to be measured again
local SHORTEST = 1e-4                      -- seconds of a sample: what is faster is run several times in one

local Timing = {}

-- The value below which a share of a sorted list lies.
local function quantile(sorted, share)
  local at = 1 + share * (#sorted - 1)
  local below = math.floor(at)
  local above = math.min(below + 1, #sorted)
  return sorted[below] + (at - below) * (sorted[above] - sorted[below])
end

local function timing(samples)
  table.sort(samples)
  return setmetatable({
    runs = #samples, median = quantile(samples, 0.5), low = quantile(samples, 0.25), high = quantile(samples, 0.75),
    fastest = samples[1], slowest = samples[#samples],
  }, Timing)
end

function Timing:__tostring()
  if self.runs == 1 then return number.time(self.median) .. ", measured once" end
  return ("%s (median of %d; half of them %s to %s; all %s to %s)"):format(number.time(self.median), self.runs,
    number.time(self.low), number.time(self.high), number.time(self.fastest), number.time(self.slowest))
end

members.define(Timing, { what = "a timing", methods = {} })

-- Seconds of each sample, in `samples`; the first call, which may make what later ones find, counts where it is alone.
local function measure(samples, work)
  local clock = progress.clock
  local function sample(times)
    local began = clock()
    for _ = 1, times do work() end
    return (clock() - began) / times
  end
  local first = sample(1)
  samples[1] = first
  if first > LONG then return end
  local times, spent = math.max(1, math.ceil(SHORTEST / math.max(first, 1e-7))), 0
  local n = 0
  while n < FEWEST or n < MOST and spent < SECONDS do
    local seconds = sample(times)
    n = n + 1
    samples[n], spent = seconds, spent + seconds * times
  end
end

-- A text as a function of the caller's globals.
local function compiled(text, env)
  local chunk, problem = loadstring("return " .. text, "=time")
  if not chunk then chunk, problem = loadstring(text, "=time") end
  if not chunk then site.fail("time: %s", problem) end
  return setfenv(chunk, env)
end

--- How long something takes: it is run over and over for about a second, five times at least (once where it takes more
-- than five seconds). Ctrl-C ends that with the runs that were done.
-- @tparam function|string what a function, or an expression or statements of the caller's globals
-- @param ... arguments of the function
-- @treturn Timing seconds: median, low and high (half of the runs lie between), fastest, slowest; runs; tostring is
--   readable
local function time(what, ...)
  if type(what) == "string" then what = compiled(what, getfenv(2)) end
  if type(what) ~= "function" then
    site.fail("time: expected a function or a text, as in time(function() p:train() end) or time \"p:train()\", "
              .. "got a %s", type(what))
  end
  local samples, arguments, n = {}, { ... }, select("#", ...)
  return interrupt.guard(function()
    measure(samples, function() what(unpack(arguments, 1, n)) end)
  end, function()
    if #samples == 0 then error("interrupted", 0) end
    return timing(samples)
  end)
end

return time
