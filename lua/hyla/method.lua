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

local function budget(kind, memory) return memory and method.bytes(kind .. ": memory", memory) or 0 end

--- Reverse-HG (Franceschi et al. 2017, Algorithm 1): stores the trajectory, time independent of the number of
-- hyperparameters. Where the trajectory does not fit, it stores whole states at some steps and takes those between them
-- again (Griewank and Walther 2000): the same bits, in more time; `p:cost()` tells how much.
-- @tparam[opt] table given { memory = bytes, or "700M", that the trajectory may take; what the memory limit leaves
--   otherwise; two states at least.
--   truncate = K: only the last K steps are swept back, and what came before counts as constant: memory for K steps,
--   and the hypergradient is dE/dlambda + the sum of alpha_t B_t over these. From K = T on, and by default, all steps
--   and the initial state }
-- @treturn method
function method.reverse(given)
  local o = options.read("reverse", given, { memory = {}, truncate = options.count })
  local memory, last = budget("reverse", o.memory), o.truncate or 0
  return {
    kind = "reverse", settings = { memory = memory, truncate = o.truncate },
    new = function(problem) return made(C.hyla_reverse_new, problem, memory, last) end,
  }
end

--- Forward-HG (Franceschi et al. 2017, eq. 12-16): one tangent of the state for each component of the
-- hyperparameters, memory independent of the number of steps.
-- @tparam[opt] table given { memory = bytes, or "700M", for tangents, which run in groups that fit; what the memory
--   limit leaves otherwise }
-- @treturn method
function method.forward(given)
  local memory = budget("forward", options.read("forward", given, { memory = {} }).memory)
  return {
    kind = "forward", settings = { memory = memory },
    new = function(problem) return made(C.hyla_forward_new, problem, memory) end,
  }
end

return method
