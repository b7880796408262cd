--- Random numbers of corpora as arrays of their own: a pure function of (seed, stream), and nothing to keep alive.
-- @module hyla.data.speech.draws
local ffi = require "ffi"
local engine = require "hyla.ffi"
local tensor = require "hyla.tensor"

local function copied(t)
  local array = ffi.new("double[?]", t.size)
  ffi.copy(array, engine.C.hyla_tensor_data(t), ffi.sizeof(array))
  return array
end

--- n uniform numbers in [lo, hi).
-- @treturn cdata double[n]
local function uniform(n, seed, stream, lo, hi)
  return copied(tensor.uniform({ n }, { seed = seed, stream = stream, lo = lo, hi = hi, dtype = "float64" }))
end

--- n normal numbers of deviation 1.
-- @treturn cdata double[n]
local function normal(n, seed, stream)
  return copied(tensor.normal({ n }, { seed = seed, stream = stream, dtype = "float64" }))
end

return { uniform = uniform, normal = normal }
