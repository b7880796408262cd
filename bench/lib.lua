--- What benchmarks share: a clock, the process's memory, the best of several runs. A workload is a file of this folder
-- that returns { about, options = defaults, run = function(options) -> what was measured }; the command `hyla bench`
-- reads the options and prints the result.
-- @module bench.lib
local time = require "posix.time"

local lib = {}

--- Seconds on a clock that only moves forward.
-- @treturn number
function lib.seconds()
  local now = time.clock_gettime(time.CLOCK_MONOTONIC)
  return now.tv_sec + now.tv_nsec * 1e-9
end

--- The most memory that this process has held at once: its resident high-water mark, all libraries included.
-- @treturn number bytes; an error where the system does not tell
function lib.peak_bytes()
  local file = assert(io.open("/proc/self/status", "r"))
  local text = file:read "*a"
  file:close()
  local kilobytes = text:match "VmHWM:%s*(%d+) kB"
  if not kilobytes then error("bench: /proc/self/status has no VmHWM", 0) end
  return 1024 * tonumber(kilobytes)
end

--- The shortest of several runs; the first ones warm caches, threads and memory.
-- @tparam number repeats at least 1
-- @tparam function work what is measured
-- @tparam[opt] function before runs ahead of each, outside the clock
-- @treturn number seconds
function lib.best(repeats, work, before)
  if not (type(repeats) == "number" and repeats >= 1 and repeats % 1 == 0) then
    error(("bench: repeats: expected a whole number of at least 1, got %s"):format(tostring(repeats)), 2)
  end
  local best = math.huge
  for _ = 1, repeats do
    if before then before() end
    local start = lib.seconds()
    work()
    best = math.min(best, lib.seconds() - start)
  end
  return best
end

return lib
