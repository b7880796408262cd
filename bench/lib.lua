--- What benchmarks share: a clock, the process's memory, the best of several runs, and how a session is measured.
--
-- A workload is a file of this folder that returns { about, options = defaults, bounds, run = function(options) ->
-- what was measured }; the command `hyla bench` reads the options and prints the result. One that peers are measured
-- beside has `open` in the place of `run`: function(options) -> a session, warm and ready,
--
--     { round = function() -> { seconds =, ... }      one measurement; the least of several is what counts
--       result = function() -> { ... }                what else is told, such as flops, of `seconds`
--       inputs = function() -> { name = tensor or number }       what a peer works on
--       outputs = function() -> { name = tensor or number } }      hypergradients that a peer must agree with
-- @module bench.lib
local ffi = require "ffi"
local time = require "posix.time"
local stat = require "posix.sys.stat"
local C = require("hyla.ffi").C
local tensor = require "hyla.tensor"

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

--- The kernels in use: "avx512", "avx2" or "generic".
-- @treturn string
function lib.kernels() return ffi.string(C.hyla_kernel_variant()) end

--- Seconds that work takes.
-- @tparam function work
-- @treturn number
function lib.time(work)
  local start = lib.seconds()
  work()
  return lib.seconds() - start
end

local function want_repeats(repeats)
  if type(repeats) == "number" and repeats >= 1 and repeats % 1 == 0 then return end
  error(("bench: repeats: expected a whole number of at least 1, got %s"):format(tostring(repeats)), 3)
end

--- The shortest of several runs; the first ones warm caches, threads and memory.
-- @tparam number repeats at least 1
-- @tparam function work what is measured
-- @tparam[opt] function before runs ahead of each, outside the clock
-- @treturn number seconds
function lib.best(repeats, work, before)
  want_repeats(repeats)
  local best = math.huge
  for _ = 1, repeats do
    if before then before() end
    best = math.min(best, lib.time(work))
  end
  return best
end

-- ---- sessions ----

local function make_folder(path)
  if not stat.stat(path) then assert(stat.mkdir(path)) end
end

--- Writes tensors and numbers into a folder, NAME.npy each; the folder is made, and one around it.
-- @tparam string folder
-- @tparam table values name -> tensor or number
function lib.save(folder, values)
  local around = folder:match "^(.*)/[^/]+$"
  if around and around ~= "" then make_folder(around) end
  make_folder(folder)
  for name, value in pairs(values) do
    if type(value) == "number" then value = tensor.from(value, "float64") end
    value:contiguous():save(("%s/%s.npy"):format(folder, name))
  end
end

local function opened(workload, o)
  C.hyla_threads(o.threads)
  local session = workload.open(o)
  if o.export ~= "" then lib.save(o.export .. "/inputs", session.inputs()) end
  collectgarbage()
  return session
end

-- What the process held is asked before the outputs, which may take work of their own.
local function closed(workload, name, o, session, best)
  local result = session.result()
  for key, value in pairs(best) do result[key] = value end
  result.workload, result.threads, result.peak_bytes = name, o.threads, result.peak_bytes or lib.peak_bytes()
  if workload.ratio then result.ratio = workload.ratio(result) end
  if o.export ~= "" then lib.save(o.export .. "/ours", session.outputs()) end
  return result
end

local function keep_least(best, round)
  for key, value in pairs(round) do best[key] = math.min(best[key] or math.huge, value) end
  return best
end

--- Measures a session by itself: the least of o.repeats rounds.
-- @tparam table workload with `open`
-- @tparam string name
-- @tparam table o its options
-- @treturn table what was measured
function lib.measure(workload, name, o)
  want_repeats(o.repeats)
  local session, best = opened(workload, o), {}
  for _ = 1, o.repeats do keep_least(best, session.round()) end
  return closed(workload, name, o, session, best)
end

--- Measures a session at another's beat: a round for every line "go" that `ask` gives, until there is none.
-- @tparam table workload with `open`
-- @tparam string name
-- @tparam table o its options
-- @tparam function ask -> line or nil
-- @tparam function answer takes a table: { ready = true }, the figures of each round, and the whole result at last
function lib.serve(workload, name, o, ask, answer)
  local session, best = opened(workload, o), {}
  answer { ready = true }
  local line = ask()
  while line == "go" do
    local round = session.round()
    keep_least(best, round)
    answer(round)
    line = ask()
  end
  answer(closed(workload, name, o, session, best))
end

return lib
