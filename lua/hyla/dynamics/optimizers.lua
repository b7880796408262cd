--- The built-in optimizers, each a few lines over (w, accessories, gradient, settings). Their settings are checked,
-- and a hyperparameter that is a setting stays in the setting's domain where it has no set of its own: rate >= 0,
-- decays and momentum in [0, 1), epsilon > 0. Each takes `steps`, and the settings of hyla.dynamics.common.
--
-- The derivative is that of the step taken. Where the gradient of a component is always zero, second moments are zero
-- too, and the derivative of their root is taken as 0, where it multiplies a zero.
-- @module hyla.dynamics.optimizers
local common = require "hyla.dynamics.common"
local functions = require "hyla.functions"
local model = require "hyla.model"
local options = require "hyla.options"
local setting = require "hyla.dynamics.setting"
local trace = require "hyla.trace"

local methods = functions.all
local sqrt0, maximum, where = methods.sqrt0, methods.maximum, methods.where
local zeros = model.zeros_like

local flag = { kind = "boolean", default = false }
local function rate(default)
  return setting.field("non_negative", "a learning rate", default and { default = default } or { required = true })
end
local function decay(default) return setting.field("decay", "a decay", { default = default }) end
local function momentum(more) return setting.field("decay", "a momentum", more) end
local function epsilon(default) return setting.field("positive", "an epsilon", { default = default }) end

-- The mean of powers of the gradient in which old ones fade.
local function fading(beta, mean, x) return beta * mean + (1 - beta) * x end

-- A count of steps: no function of any hyperparameter.
local function count(t) return methods.stop_gradient(t) + 1 end

-- name -> { settings = name -> field; options = the same of what is no setting; accessories = function(options) -> key
-- -> init; step = function(options) -> step; family = whose accessories a later stretch of training goes on with }
local optimizers = {}

--- Gradient descent: w - rate g.
-- @function gd
-- @tparam table given { rate (required), steps = }
-- @treturn dynamics
optimizers.gd = {
  settings = { rate = rate() },
  step = function() return function(w, _, g, s) return w - s.rate * g, {} end end,
}

--- Averaged gradient descent (Polyak and Juditsky 1992): w - rate g, judged by the mean of the weights. The steps go on
-- from the weights themselves; `problem:weights { raw = true }` gives those.
-- @function asgd
-- @tparam table given { rate (required), average_from = 0, steps = }
-- @treturn dynamics
optimizers.asgd = {
  settings = optimizers.gd.settings, step = optimizers.gd.step,
  options = { average_from = options.with(common.options.average_from, { default = 0 }) },
}

--- Momentum: v = momentum v + g, w - rate v (Franceschi et al. 2017, section 2).
-- @function momentum
-- @tparam table given { rate (required), momentum (required), steps = }
-- @treturn dynamics
optimizers.momentum = {
  settings = { rate = rate(), momentum = momentum { required = true } },
  accessories = function() return { v = zeros } end,
  step = function()
    return function(w, a, g, s)
      local v = s.momentum * a.v + g
      return w - s.rate * v, { v = v }, { velocity = "v", gradient = g, rate = s.rate, momentum = s.momentum }
    end
  end,
}

--- Nesterov's momentum at the looked-ahead point, which is where w is: v = momentum v + g, w - rate (g + momentum v)
-- (Sutskever et al. 2013, in the variables of Bengio et al. 2013).
-- @function nesterov
-- @tparam table given { rate (required), momentum (required), steps = }
-- @treturn dynamics
optimizers.nesterov = {
  family = "momentum", settings = optimizers.momentum.settings, accessories = optimizers.momentum.accessories,
  step = function()
    return function(w, a, g, s)
      local v = s.momentum * a.v + g
      return w - s.rate * (g + s.momentum * v), { v = v }
    end
  end,
}

local function adam_step(o)
  return function(w, a, g, s)
    local t = count(a.t)
    local m, v = fading(s.beta1, a.m, g), fading(s.beta2, a.v, g ^ 2)
    local kept, scale = { m = m, v = v, t = t }, v
    if o.amsgrad then
      scale = maximum(a.v_max, v)
      kept.v_max = scale
    end
    local m_unbiased, v_unbiased = m / (1 - s.beta1 ^ t), scale / (1 - s.beta2 ^ t)
    return w - s.rate * m_unbiased / (sqrt0(v_unbiased) + s.epsilon), kept
  end
end

--- Adam (Kingma and Ba 2015), with epsilon outside the root: w - rate m^ / (sqrt(v^) + epsilon). With amsgrad (Reddi,
-- Kale and Kumar 2018) the largest v so far is in v's place.
-- @function adam
-- @tparam table given { rate (required), beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, amsgrad = false, steps = }
-- @treturn dynamics
optimizers.adam = {
  settings = { rate = rate(), beta1 = decay(0.9), beta2 = decay(0.999), epsilon = epsilon(1e-8) },
  options = { amsgrad = flag },
  accessories = function(o) return { m = zeros, v = zeros, t = 0, v_max = o.amsgrad and zeros or nil } end,
  step = adam_step,
}

--- Adam with decoupled weight decay (Loshchilov and Hutter 2019): rate weight_decay w is taken away beside the step.
-- @function adamw
-- @tparam table given as for adam; weight_decay = 0.01
-- @treturn dynamics
optimizers.adamw = {
  family = "adam", options = optimizers.adam.options, accessories = optimizers.adam.accessories, step = adam_step,
  settings = {
    rate = rate(), beta1 = decay(0.9), beta2 = decay(0.999), epsilon = epsilon(1e-8),
    weight_decay = setting.field("non_negative", "a weight decay", { default = 0.01, partial = true }),
  },
}

--- AdaMax (Kingma and Ba 2015, section 7.1): u = max(beta2 u, |g|), w - rate m^ / u; a component whose u is 0 stays.
-- @function adamax
-- @tparam table given { rate (required), beta1 = 0.9, beta2 = 0.999, steps = }
-- @treturn dynamics
optimizers.adamax = {
  settings = { rate = rate(), beta1 = decay(0.9), beta2 = decay(0.999) },
  accessories = function() return { m = zeros, u = zeros, t = 0 } end,
  step = function()
    return function(w, a, g, s)
      local t = count(a.t)
      local m, u = fading(s.beta1, a.m, g), maximum(s.beta2 * a.u, methods.abs(g))
      return w - s.rate / (1 - s.beta1 ^ t) * m * methods.recip0(u), { m = m, u = u, t = t }
    end
  end,
}

--- RMSProp (Tieleman and Hinton 2012): v = decay v + (1 - decay) g^2, w - rate g / (sqrt(v) + epsilon). Centered, the
-- root is of the variance, v less the squared mean of g (Graves 2013); below 0 by rounding, it counts as 0. (Of a
-- gradient that hardly changes it is a difference of near numbers, and so is the derivative: a larger epsilon helps.)
-- With momentum the quotients add up as in `momentum`.
-- @function rmsprop
-- @tparam table given { rate (required), decay = 0.99, epsilon = 1e-8, centered = false, momentum = (none), steps = }
-- @treturn dynamics
optimizers.rmsprop = {
  settings = { rate = rate(), decay = decay(0.99), epsilon = epsilon(1e-8), momentum = momentum() },
  options = { centered = flag },
  accessories = function(o)
    return { v = zeros, mean = o.centered and zeros or nil, velocity = o.momentum and zeros or nil }
  end,
  step = function(o)
    return function(w, a, g, s)
      local v = fading(s.decay, a.v, g ^ 2)
      local kept, variance = { v = v }, v
      if o.centered then
        kept.mean = fading(s.decay, a.mean, g)
        variance = methods.relu(v - kept.mean ^ 2)
      end
      local move = g / (sqrt0(variance) + s.epsilon)
      if s.momentum then
        move = s.momentum * a.velocity + move
        kept.velocity = move
      end
      return w - s.rate * move, kept
    end
  end,
}

--- Adagrad (Duchi, Hazan and Singer 2011): v = v + g^2, w - rate g / (sqrt(v) + epsilon).
-- @function adagrad
-- @tparam table given { rate (required), epsilon = 1e-10, steps = }
-- @treturn dynamics
optimizers.adagrad = {
  settings = { rate = rate(), epsilon = epsilon(1e-10) },
  accessories = function() return { v = zeros } end,
  step = function()
    return function(w, a, g, s)
      local v = a.v + g ^ 2
      return w - s.rate * g / (sqrt0(v) + s.epsilon), { v = v }
    end
  end,
}

--- Adadelta (Zeiler 2012): v = decay v + (1 - decay) g^2, d = g sqrt((u + epsilon) / (v + epsilon)),
-- u = decay u + (1 - decay) d^2, w - rate d.
-- @function adadelta
-- @tparam table given { rate = 1, decay = 0.9, epsilon = 1e-6, steps = }
-- @treturn dynamics
optimizers.adadelta = {
  settings = { rate = rate(1), decay = decay(0.9), epsilon = epsilon(1e-6) },
  accessories = function() return { v = zeros, u = zeros } end,
  step = function()
    return function(w, a, g, s)
      local v = fading(s.decay, a.v, g ^ 2)
      local d = g * methods.sqrt((a.u + s.epsilon) / (v + s.epsilon))
      return w - s.rate * d, { v = v, u = fading(s.decay, a.u, d ^ 2) }
    end
  end,
}

--- Rprop without backtracking (Igel and Huesken 2003, iRprop-): each component moves by its own size against the sign
-- of its gradient. The size, at first `rate`, is multiplied by `grow` where the sign stayed and by `shrink` where it
-- turned (there the component waits for a step), within [smallest, largest].
--
-- The sign is flat: the derivative flows through the sizes alone, that is by these five settings and the initial
-- weights. A hyperparameter of the inner objective has no path to the weights, which is an error when it is asked for.
-- @function rprop
-- @tparam table given { rate (required), shrink = 0.5, grow = 1.2, smallest = 1e-6, largest = 50, steps = }
-- @treturn dynamics
optimizers.rprop = {
  settings = {
    rate = rate(), shrink = setting.field("shrinking", "a factor that shrinks", { default = 0.5 }),
    grow = setting.field("growing", "a factor that grows", { default = 1.2 }),
    smallest = setting.field("positive", "a step's size", { default = 1e-6 }),
    largest = setting.field("positive", "a step's size", { default = 50 }),
  },
  accessories = function()
    return { g = zeros, size = function(w, s) return trace.broadcast_to(trace.lift("rprop", s.rate), w.shape) end }
  end,
  step = function()
    return function(w, a, g, s)
      g = methods.stop_gradient(g)
      local turn = g * methods.stop_gradient(a.g)
      local turned = methods.lt(turn, 0)
      local factor = where(methods.gt(turn, 0), s.grow, where(turned, s.shrink, 1))
      local size = methods.clip(a.size * factor, s.smallest, s.largest)
      local used = where(turned, 0, g)
      return w - methods.sign(used) * size, { g = used, size = size }
    end
  end,
}

return optimizers
