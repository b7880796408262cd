--- Hyla: hyperparameters learned by gradient. `local hyla = require "hyla"` gives this table, the whole language:
--
--   operations   hyla.exp(x), hyla.concat {...}: also methods, x:exp()            (hyla.functions)
--   tensors      tensor, zeros, ones, full, arange, permutation                   (hyla.tensor)
--   functions    custom, straight_through: with derivative rules of one's own      (hyla.custom)
--   leaves       weight, state, hyper; initialisers constant, normal, uniform, xavier, he, zeros_like   (hyla.model)
--   streams      at_step: values that differ from step to step                    (hyla.stream)
--   random       noise, random_uniform, dropout: fresh numbers at every step       (hyla.random)
--   constraints  box, non_negative, sum, l1, l2, simplex, symmetric, zero_diagonal               (hyla.constraint)
--   dynamics     gd asgd momentum nesterov adam adamw adamax rmsprop adagrad adadelta rprop, update: to train and to
--                improve; transition                        (hyla.dynamics, hyla.dynamics.optimizers)
--   hoag         a step of adaptive size, to improve                              (hyla.hoag)
--   methods      reverse forward reversible implicit rtho one_step marthe, auto: the cheapest
--                (hyla.method, hyla.implicit, hyla.auto)
--   problems     problem, gradient                                                (hyla.problem, hyla.trace)
--   experiments  recipe, load, data                                               (hyla.recipe, hyla.data)
--   weights      load_weights; p:save_weights, p:apply                            (hyla.weights)
--   searches     distribution.uniform, log_uniform, normal, exponential, integer, choice    (hyla.distribution)
--
-- Reading a name that is not there is an error that hints at near ones.
-- @module hyla
local auto = require "hyla.auto"
local constraint = require "hyla.constraint"
local custom = require "hyla.custom"
local dynamics = require "hyla.dynamics"
local engine = require "hyla.ffi"
local functions = require "hyla.functions"
local hoag = require "hyla.hoag"
local method = require "hyla.method"
local model = require "hyla.model"
local names = require "hyla.names"
local problem = require "hyla.problem"
local random = require "hyla.random"
local site = require "hyla.site"
local stream = require "hyla.stream"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
local ffi = require "ffi"

local hyla = {}

for name, operation in pairs(functions.all) do hyla[name] = operation end

hyla.tensor = tensor
for _, name in ipairs { "zeros", "ones", "full", "arange", "permutation" } do hyla[name] = tensor[name] end

for _, name in ipairs { "weight", "state", "hyper", "constant", "normal", "uniform", "xavier", "he", "zeros_like" } do
  hyla[name] = model[name]
end

for _, name in ipairs { "box", "non_negative", "l1", "l2", "simplex", "symmetric", "zero_diagonal" } do
  hyla[name] = constraint[name]
end
--- Of an expression or tensor: the sum over axes. Of a number: the constraint that the elements' sum is at most that.
function hyla.sum(x, ...)
  if type(x) ~= "number" then return trace.methods.sum(x, ...) end
  local set = constraint.sum(x)
  return set
end

for _, name in ipairs(dynamics.names) do hyla[name] = dynamics[name] end
hyla.update, hyla.transition = dynamics.update, dynamics.transition
hyla.hoag = hoag.new
hyla.at_step = stream.at_step
hyla.reverse, hyla.auto = method.reverse, auto.auto
for _, name in ipairs { "forward", "implicit", "reversible", "rtho", "one_step", "marthe" } do
  hyla[name] = method[name]
end
hyla.problem = problem.new

for _, name in ipairs { "noise", "random_uniform", "dropout" } do hyla[name] = random[name] end

hyla.custom = custom.new
hyla.straight_through = custom.straight_through

--- Derivatives of a scalar expression by an expression, or by each of a list: see hyla.trace.
function hyla.gradient(y, x) return trace.gradient(y, x) end

--- The engine's version, a text.
hyla.version = ffi.string(engine.C.hyla_version())

--- The number of threads; results never depend on it.
-- @tparam[opt] number n sets it
-- @treturn number
function hyla.threads(n) return engine.check(engine.C.hyla_threads(n or 0)) end

--- Bytes that tensors and programs may take altogether: a number or a text such as "2G"; nil lifts the limit.
-- @tparam[opt] number|string bytes
function hyla.memory_limit(bytes)
  engine.C.hyla_memory_limit(bytes and method.bytes("memory_limit", bytes) or 0)
end

-- Modules that a short script may never need; each is loaded when its name is first read.
local lazy = {
  data = function() return require "hyla.data" end,
  distribution = function() return require("hyla.distribution").public end,
  load_weights = function() return require("hyla.weights").load end,
  recipe = function() return require "hyla.recipe" end,
  load = function() return require("hyla.recipe").load end,
}

return setmetatable(hyla, {
  members = { what = "hyla", methods = {}, computed = lazy, optional = {} },
  __index = function(_, name)
    if lazy[name] then
      local value = lazy[name]()
      rawset(hyla, name, value)
      return value
    end
    local known = names.keys(hyla)
    for _, each in ipairs(names.keys(lazy)) do known[#known + 1] = each end
    site.fail("hyla has no op, option or function '%s'%s", tostring(name), names.hint(name, known))
  end,
})
