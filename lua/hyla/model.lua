--- What a problem is about: weights, which training moves, and hyperparameters, which the hypergradient moves.
--
-- An initialiser is a function (shape, dtype, stream) -> tensor; `hyla.zeros` and `hyla.ones` are, too. Random ones
-- draw from (seed, stream), and the stream of a weight comes from its name: weights with one seed start differently.
-- @module hyla.model
local names = require "hyla.names"
local options = require "hyla.options"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"

local model = {}

local function want_name(what, name)
  if type(name) == "string" and name:find "^[%a_][%w_%.%-]*$" then return end
  site.fail("%s: expected a name of letters, digits, '_', '.' or '-' as first argument, got %s", what,
            type(name) == "string" and ("%q"):format(name) or trace.show(name))
end

local function want_shape(what, name, shape)
  local fine = type(shape) == "table" and not trace.is(shape)
  for _, n in ipairs(fine and shape or {}) do
    fine = fine and type(n) == "number" and n >= 1 and n % 1 == 0
  end
  if not fine then
    site.fail("%s '%s': expected a shape such as { 784, 10 }, of whole numbers >= 1, got %s", what, name,
              fine == false and type(shape) == "table" and "other elements" or trace.show(shape))
  end
end

local function show_shape(shape) return "[" .. table.concat(shape, ", ") .. "]" end

local function want_same_shape(what, name, shape, got)
  if show_shape(shape) ~= show_shape(got) then
    site.fail("%s '%s': expected an initial value of shape %s, got %s", what, name, show_shape(shape), show_shape(got))
  end
end

-- What was given as an initial value, checked now, at the line that gives it: a function, or an operand.
local function initial(what, name, shape, init)
  if type(init) == "table" and not trace.is(init) then init = tensor.from(init, "float64") end
  if type(init) == "function" or type(init) == "number" then return init end
  if not trace.is_operand(init) then
    site.fail("%s '%s': expected an initial value (hyla.zeros, hyla.normal { seed = 1 }, a number, a tensor), got %s",
              what, name, trace.show(init))
  end
  if init.size > 1 then want_same_shape(what, name, shape, init.shape) end
  if tensor.is(init) and not init:is_finite() then
    site.fail("%s '%s': the initial value has NaN or infinity", what, name)
  end
  return init
end

--- A weight: a part of the state that training moves.
-- @tparam string name
-- @tparam {number,...} shape
-- @param init required: an initialiser, a number, tensor or table, or an expression of hyperparameters
-- @treturn expression
function model.weight(name, shape, init)
  want_name("weight", name)
  want_shape("weight", name, shape)
  if init == nil then
    site.fail("weight '%s': an initial value is required: hyla.zeros, hyla.normal { seed = 1 }, a tensor ...", name)
  end
  return trace.leaf("weight", name, shape, { init = initial("weight", name, shape, init) })
end

--- A part of the state that the recipe's own transition moves (hyla.transition), no optimizer.
-- @tparam string name
-- @tparam {number,...} shape
-- @param init as for weight
-- @treturn expression
function model.state(name, shape, init)
  want_name("state", name)
  want_shape("state", name, shape)
  if init == nil then site.fail("state '%s': an initial value is required: hyla.zeros, a tensor ...", name) end
  return trace.leaf("state", name, shape, { init = initial("state", name, shape, init) })
end

local hyper_fields = {
  size = options.count,
  shape = { kind = "table" },
  init = {},
  frozen = { kind = "boolean", default = false },
  tied = {},
  scale = { expected = "\"log\" or \"logit\"", is = function(v) return v == "log" or v == "logit" end },
  within = {
    expected = "a constraint such as hyla.box(0, 1)",
    is = function(v) return type(v) == "table" and not trace.is(v) and v.project ~= nil end,
  },
}

-- The same hyperparameter under another name: whatever is learned for one holds for both.
local function tied(name, o, given)
  for key in pairs(given) do
    if key ~= "tied" then site.fail("hyper '%s': tied to another one it takes no option '%s' of its own", name, key) end
  end
  if not trace.is(o.tied) or o.tied.op ~= "hyperparameter" and not (o.tied.op == "stream" and o.tied.init) then
    site.fail("hyper '%s': expected the hyperparameter it is tied to, got %s", name,
              trace.is(o.tied) and tostring(o.tied) or trace.show(o.tied))
  end
  return o.tied
end

local function check_scale(name, scale, within)
  if scale == "logit" and not (within and within:bounds()) then
    site.fail("hyper '%s': a logit scale needs a box with two finite ends: within = hyla.box(0, 1)", name)
  end
end

--- A hyperparameter: a scalar, unless `size` or `shape` is given.
-- @tparam string name
-- @tparam table given { init = number, tensor, table or initialiser (required); size = n or shape = {...};
--   within = the set in which it stays (hyla.constraint); scale = "log" or "logit": the hyper-optimizer steps in
--   log x, or in log((x - lo) / (hi - x)) of its box, while the recipe sees x; frozen = true: not learned, though it
--   can be set; or tied = another hyperparameter, which it then is }
-- @treturn expression
function model.hyper(name, given)
  want_name("hyper", name)
  local o = options.read("hyper '" .. name .. "'", given, hyper_fields)
  if o.tied ~= nil then return tied(name, o, given) end
  if o.init == nil then site.fail("hyper '%s': option 'init' is missing: a number, a tensor, hyla.zeros ...", name) end
  if o.size and o.shape then site.fail("hyper '%s': expected size or shape, got both", name) end
  local shape = o.shape or { o.size }
  want_shape("hyper", name, shape)
  local init = initial("hyper", name, shape, o.init)
  if trace.is(init) then
    site.fail("hyper '%s': expected an initial value, got the expression %s", name, tostring(init))
  end
  check_scale(name, o.scale, o.within)
  local more = { init = init, within = o.within, scale = o.scale }
  if not o.frozen then return trace.leaf("hyperparameter", name, shape, more) end
  more.source = { kind = "frozen" }
  return trace.leaf("stream", name, shape, more)
end

--- The initial value of a leaf as an expression: of constants, or of hyperparameters.
-- @tparam expression leaf with `init`
-- @tparam string dtype "float32" or "float64", which random draws have
-- @treturn expression of the leaf's shape
function model.initial(leaf, dtype)
  local init = leaf.init
  if type(init) == "function" then
    init = init(leaf.shape, dtype, names.stream(leaf.name))
    if not trace.is_operand(init) then
      site.fail_at(leaf.site, "%s '%s': the initialiser gave %s, no tensor", leaf.op, leaf.name, trace.show(init))
    end
  end
  local e = trace.lift("init", init)
  if e.size ~= leaf.size and e.size ~= 1 then
    site.fail_at(leaf.site, "%s '%s': expected an initial value of shape %s, got %s", leaf.op, leaf.name,
                 show_shape(leaf.shape), show_shape(e.shape))
  end
  return trace.broadcast_to(e, leaf.shape)
end

-- ---- initialisers ----

--- The same value everywhere.
-- @tparam number value
-- @treturn function initialiser
function model.constant(value)
  if type(value) ~= "number" then site.fail("constant: expected a number, got %s", trace.show(value)) end
  return function(shape, dtype) return tensor.full(shape, value, dtype) end
end

local seed = options.with(options.seed, { required = true })
local number = { kind = "number" }

--- Normal numbers: { seed =, deviation = 1, mean = 0 }.
-- @treturn function initialiser
function model.normal(given)
  local o = options.read("normal", given, {
    seed = seed, deviation = options.with(number, { default = 1 }), mean = options.with(number, { default = 0 }),
  })
  return function(shape, dtype, stream)
    return tensor.normal(shape, {
      seed = o.seed, stream = stream or 0, mean = o.mean, deviation = o.deviation, dtype = dtype,
    })
  end
end

--- Uniform numbers in [lo, hi): { seed =, lo =, hi = }.
-- @treturn function initialiser
function model.uniform(given)
  local o = options.read("uniform", given, {
    seed = seed, lo = options.with(number, { required = true }), hi = options.with(number, { required = true }),
  })
  return function(shape, dtype, stream)
    return tensor.uniform(shape, { seed = o.seed, stream = stream or 0, lo = o.lo, hi = o.hi, dtype = dtype })
  end
end

local function fans(what, shape)
  if #shape ~= 2 then
    site.fail("%s: expected the shape of a matrix, { inputs, outputs }, got %s", what, show_shape(shape))
  end
  return shape[1], shape[2]
end

--- Uniform in +-sqrt(6/(inputs + outputs)), for matrices [inputs, outputs] (Glorot and Bengio 2010): { seed = }.
-- @treturn function initialiser
function model.xavier(given)
  local o = options.read("xavier", given, { seed = seed })
  return function(shape, dtype, stream)
    local inputs, outputs = fans("xavier", shape)
    local bound = math.sqrt(6 / (inputs + outputs))
    return tensor.uniform(shape, { seed = o.seed, stream = stream or 0, lo = -bound, hi = bound, dtype = dtype })
  end
end

--- Normal with deviation sqrt(2/inputs), for matrices [inputs, outputs] before a ReLU (He et al. 2015): { seed = }.
-- @treturn function initialiser
function model.he(given)
  local o = options.read("he", given, { seed = seed })
  return function(shape, dtype, stream)
    local deviation = math.sqrt(2 / (fans("he", shape)))
    return tensor.normal(shape, { seed = o.seed, stream = stream or 0, deviation = deviation, dtype = dtype })
  end
end

--- Zeros of the shape of an operand.
-- @param x expression or tensor
-- @return expression or tensor, as x
function model.zeros_like(x)
  if tensor.is(x) then return tensor.zeros(x.shape, x.dtype) end
  return trace.fill(0, x.shape, x.dtype)
end

return model
