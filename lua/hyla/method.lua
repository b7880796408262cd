--- Methods: how the hypergradient is computed. A method is a value { kind, settings, new }, where `new` makes the
-- engine's object for a problem.
-- @module hyla.method
local ffi = require "ffi"
local engine = require "hyla.ffi"
local options = require "hyla.options"
local site = require "hyla.site"
local C, check = engine.C, engine.check

local method = {}

local units = { [""] = 1, K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30, T = 2 ^ 40 }

--- Bytes from a number or from a text such as "700M" (K, M, G, T: powers of 1024).
-- @tparam string what for messages
-- @tparam number|string size
-- @treturn number
function method.bytes(what, size)
  local number, unit
  if type(size) == "string" then
    number, unit = size:match "^%s*([%d%.]+)%s*([KMGT]?)i?B?%s*$"
  elseif type(size) == "number" then
    number, unit = size, ""
  end
  number = tonumber(number)
  if not number or number <= 0 or number == math.huge then
    site.fail("%s: expected bytes, a number > 0 or a text such as \"700M\", got %s", what, tostring(size))
  end
  return math.floor(number * units[unit])
end

-- Runs a constructor of the engine and owns what it makes.
local function made(construct, problem, ...)
  local out = ffi.new("hyla_method *[1]")
  local arguments = { ... }
  arguments[#arguments + 1] = out
  check(construct(problem, unpack(arguments)))
  return ffi.gc(out[0], C.hyla_method_drop)
end

--- Plain training: no hypergradient.
-- @treturn method
function method.train()
  return { kind = "train", settings = {}, new = function(problem) return made(C.hyla_train_new, problem) end }
end

-- A method whose one setting is the memory it may take.
local function within_memory(kind, construct, given)
  local o = options.read(kind, given, { memory = {} })
  local memory = o.memory and method.bytes(kind .. ": memory", o.memory) or 0
  return {
    kind = kind, settings = { memory = memory },
    new = function(problem) return made(construct, problem, memory) end,
  }
end

--- Reverse-HG (Franceschi et al. 2017, Algorithm 1): stores the trajectory, time independent of the number of
-- hyperparameters.
-- @tparam[opt] table given { memory = bytes, or "700M", that the trajectory may take; what the memory limit leaves
--   otherwise }
-- @treturn method
function method.reverse(given) return within_memory("reverse", C.hyla_reverse_new, given) end

--- Forward-HG (Franceschi et al. 2017, eq. 12-16): one tangent of the state for each component of the
-- hyperparameters, memory independent of the number of steps.
-- @tparam[opt] table given { memory = bytes, or "700M", for tangents, which run in groups that fit; what the memory
--   limit leaves otherwise }
-- @treturn method
function method.forward(given) return within_memory("forward", C.hyla_forward_new, given) end

return method
