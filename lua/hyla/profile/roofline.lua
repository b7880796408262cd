--- What this machine can do, measured in this process, on the threads in use, by the engine's own kernels: the rate of
-- a large product of matrices, and the bandwidth of a stream through memory that no cache holds. The best of many short
-- runs, so that other work on the machine spoils some of them and not the figure.
-- @module hyla.profile.roofline
local clock = require("hyla.report.progress").clock
local lower = require "hyla.lower"
local profile = require "hyla.profile"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
require "hyla.functions"

local roofline = {}

local SIDE = 768                        -- of a product: 0.9 GFLOP
local STREAM = 12 * 2 ^ 20              -- elements of each of three arrays: 144 MiB in float32
local SECONDS, LEAST, MOST = 0.2, 5, 100  -- of runs of each of the two

-- The most that a program did in a second, of its runs. The figure, "flops" or "bytes", is that of its last item; those
-- before it prepare.
local function best(program, value, figure)
  local most, begun, runs = 0, clock(), 0
  while runs < LEAST or runs < MOST and clock() - begun < SECONDS do
    local seen = profile.collect(function() program:run(value) end).programs[1]
    most, runs = math.max(most, seen.items[#seen.items][figure] / seen.seconds), runs + 1
  end
  return most
end

--- Measures; takes well under a second. Nothing may be collected meanwhile.
-- @tparam[opt="float32"] string dtype
-- @treturn table { flops =, bandwidth = } a second
function roofline.measure(dtype)
  dtype = dtype or "float32"
  local function inputs(shape)
    local list = {}
    for i = 1, 2 do list[i] = trace.leaf("state", "x" .. i, shape, {}) end
    return list
  end
  local a = inputs { SIDE, SIDE }
  local one = tensor.ones({ SIDE, SIDE }, dtype)
  local flops = best(lower.program({ a[1]:matmul(a[2]) }, dtype), function() return one end, "flops")
  local n = dtype == "float64" and STREAM / 2 or STREAM
  local b = inputs { n / 1024, 1024 }
  local x, y = tensor.zeros({ n / 1024, 1024 }, dtype), tensor.zeros({ n / 1024, 1024 }, dtype)
  local stream = lower.program({ b[1] + b[2] }, dtype)
  local bandwidth = best(stream, function(leaf) return leaf == b[1] and x or y end, "bytes")
  collectgarbage()
  return { flops = flops, bandwidth = bandwidth }
end

return roofline
