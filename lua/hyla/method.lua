--- Methods: how the hypergradient is computed. A method is a value { kind, settings, new, want }, where `new` makes the
-- engine's object for a problem; `want`, where there is one, refuses a list of dynamics that the method does not hold
-- for; `cost_of_lambda` says that its cost depends on the hyperparameters.
-- @module hyla.method
local ffi = require "ffi"
local engine = require "hyla.ffi"
local implicit = require "hyla.implicit"
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
-- hyperparameters. Where the trajectory does not fit, it stores whole states at some steps (Griewank and Walther 2000)
-- and what the way back reads of as many steps as fit beside them, and takes the others again: the same bits, in more
-- time; `p:cost()` tells how much.
-- @tparam[opt] table given { memory = bytes, or "700M", that the trajectory may take, two states at least; otherwise
--   what the memory limit leaves or, without one, three quarters of the machine's memory.
--   truncate = K: only the last K steps are swept back, and what came before counts as constant: memory for K steps,
--   and the hypergradient is dE/dlambda + the sum of alpha_t B_t over these. From K = T on, and by default, all steps
--   and the initial state }
-- @treturn method
function method.reverse(given)
  local o = options.read("reverse", given, { memory = {}, truncate = options.count })
  local memory, last = budget("reverse", o.memory), o.truncate or 0
  return {
    kind = "reverse", settings = { memory = memory, truncate = o.truncate },
    approximates = function(steps)
      return last > 0 and last < steps and ("it sweeps the last %d of %d steps"):format(last, steps) or nil
    end,
    new = function(problem) return made(C.hyla_reverse_new, problem, memory, last) end,
  }
end

--- Forward-HG (Franceschi et al. 2017, eq. 12-16): one tangent of the state for each component of the
-- hyperparameters, memory independent of the number of steps.
-- @tparam[opt] table given { memory = bytes, or "700M", for tangents, which run in groups that fit; otherwise what the
--   memory limit leaves or, without one, three quarters of the machine's memory }
-- @treturn method
function method.forward(given)
  local memory = budget("forward", options.read("forward", given, { memory = {} }).memory)
  return {
    kind = "forward", partial = true, settings = { memory = memory },
    new = function(problem) return made(C.hyla_forward_new, problem, memory) end,
  }
end

local carry = {
  expected = "a share from 0 to 1", is = function(v) return type(v) == "number" and v >= 0 and v <= 1 end,
}

-- Methods that go along with training.
local function along(kind, given, defaults)
  local o = options.read(kind, given, {
    every = options.with(options.count, { default = defaults.every }), memory = {},
    carry = options.with(carry, { default = defaults.carry }),
    rate = { kind = "string" }, patience = options.with(options.count, { default = 5 }),
  })
  local memory = o.memory and method.bytes(kind .. ": memory", o.memory) or 0
  return {
    kind = kind, partial = true, every = o.every, rate = o.rate, patience = o.patience,
    settings = { memory = memory, every = o.every, carry = o.carry },
    approximates = function()
      return o.carry < 1 and ("it carries %.9g of the tangents on"):format(o.carry) or nil
    end,
    new = function(problem) return made(C.hyla_realtime_new, problem, memory, o.carry) end,
  }
end

--- RTHO (Franceschi et al. 2017, eq. 17): hyperparameters are improved while training goes on, by the partial
-- hypergradient of every hyperbatch of steps; tangents are carried on, memory is that of Forward-HG.
-- @tparam[opt] table given { every = 200: steps of a hyperbatch (Delta); rate = name of the hyperparameter that is the
--   learning rate: training ends by itself when, having been positive, it is held at 0 for `patience` = 5 hyperbatches;
--   carry = 1: what of the tangents a step takes on; memory = bytes for tangents, or "700M" }
-- @treturn method
function method.rtho(given) return along("rtho", given, { every = 200, carry = 1 }) end

--- Hypergradient descent on the one step that was taken, no tangent being carried (Baydin et al. 2018; Almeida et al.
-- 1998).
-- @tparam[opt] table given as for rtho; every = 1, carry = 0
-- @treturn method
function method.one_step(given) return along("one_step", given, { every = 1, carry = 0 }) end

--- MARTHE (Donini et al. 2020): between the two, Z_t = carry A_t Z_{t-1} + B_t.
-- @tparam[opt] table given as for rtho; every = 1, carry = 0.9
-- @treturn method
function method.marthe(given) return along("marthe", given, { every = 1, carry = 0.9 }) end

-- Why a dynamics cannot be taken back, or nil.
local function irreversible(d)
  if d.kind ~= "momentum" then
    return d.kind .. " overwrites what it comes from, so it cannot be taken back; this method holds for hyla.momentum, "
      .. "and hyla.reverse for any dynamics"
  end
  if d.settings.weight_decay then
    return "weight_decay multiplies the weights, which cannot be taken back; l2 = ... adds a decay to the gradient "
      .. "instead"
  end
end

local function want_reversible(segments)
  for _, d in ipairs(segments) do
    local why = irreversible(d)
    if why then site.fail_at(d.site, "reversible: %s", why) end
  end
end

local fraction = {
  expected = "a whole number of bits from 8 to 56", default = 48,
  is = function(v) return type(v) == "number" and v % 1 == 0 and v >= 8 and v <= 56 end,
}

--- Reverse-HG without a stored trajectory (Maclaurin, Duvenaud and Adams 2015): hyla.momentum in fixed point, run
-- backwards to the bit. It keeps what multiplying the velocity by the momentum mu loses, log2(1/mu) bits a component
-- and step and about a tenth more: at mu = 0.9 a four-hundredth of what storing weights and velocities takes. Training
-- rounds to 2^-bits, and mu to 2^-32; the range of weights and velocities ends at 2^(62 - bits), and passing it is an
-- error, as is a momentum outside of [0, 1].
-- @tparam[opt] table given { memory = bytes, or "700M", that the lost bits may take; what the memory limit leaves
--   otherwise; bits = 48, of the fraction }
-- @treturn method
function method.reversible(given)
  local o = options.read("reversible", given, { memory = {}, bits = fraction })
  local memory = budget("reversible", o.memory)
  return {
    kind = "reversible", settings = { memory = memory, bits = o.bits }, want = want_reversible, cost_of_lambda = true,
    rounding = 1e-6, may_refuse = true,
    new = function(problem) return made(C.hyla_reversible_new, problem, memory, o.bits) end,
  }
end

-- Where tangents are too many, a method with one for each component is left out.
local function tangents(make)
  return function(about)
    if about.size <= about.tangents then return make() end
    return nil, ("%d tangents, one for each component of the hyperparameters"):format(about.size)
  end
end

--- The methods whose hypergradient is exact, for checks: each { name, make = function(about) -> method, or nil and why
-- it does not hold }; a method may have `rounding`, how far from others its own arithmetic brings it, relative;
-- `may_refuse` where it finds out while it runs that it does not hold; and `approximates`, a function of T that says
-- why its hypergradient is another one, or nil. What it is about: { size = components of hyperparameters, steps = T,
-- state_bytes = of one state in float64, tangents = the most that are worth running, train = dynamics, or a list }.
method.exact = {
  { name = "reverse", make = function() return method.reverse() end },
  { name = "checkpointed", make = function(about)
    local states = 3 + math.ceil(math.log(about.steps) / math.log(2))
    return method.reverse { memory = states * (about.state_bytes + 8) }
  end },
  { name = "truncated at T", make = function(about) return method.reverse { truncate = about.steps } end },
  { name = "forward", make = tangents(method.forward) },
  { name = "rtho", make = tangents(method.rtho) },
  { name = "reversible", make = function(about)
    for _, d in ipairs(about.train.kind and { about.train } or about.train) do
      if irreversible(d) then return nil, irreversible(d) end
    end
    return method.reversible()
  end },
}

method.implicit = implicit.new

return method
