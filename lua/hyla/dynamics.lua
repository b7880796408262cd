--- Dynamics: how a step of training moves the weights. Each is a short expression over (w, accessories, gradient,
-- settings), built-in or the user's own, and the same value moves hyperparameters when it is given as `improve`.
--
-- A setting is a number, a schedule (a function of t = 1, 2, ... of this stretch of training, or a list of numbers, one
-- a step), an expression (of hyperparameters, say), or a table of these by the weight's name. Numbers are checked to
-- lie where the method makes sense; hyperparameters stay in their own constraints.
-- @module hyla.dynamics
local model = require "hyla.model"
local names = require "hyla.names"
local options = require "hyla.options"
local site = require "hyla.site"
local stream = require "hyla.stream"
local trace = require "hyla.trace"

local dynamics = {}

local methods = trace.methods

local function is_setting(v, inside)
  if type(v) == "number" then return not inside or inside(v) end
  if trace.is_operand(v) then return true end
  if stream.is_schedule(v) then return true end
  if type(v) ~= "table" or next(v) == nil then return false end
  for name, each in pairs(v) do
    local group = type(each) == "table" and not trace.is(each) and not stream.is_schedule(each)
    if type(name) ~= "string" or group or not is_setting(each, inside) then return false end
  end
  return true
end

-- A field of options.read for a setting whose numbers satisfy `inside`.
local function setting(words, inside, more)
  return options.with({
    expected = words .. ", a schedule, an expression, or a table of these by weight",
    is = function(v) return is_setting(v, inside) end,
  }, more)
end

local rate = setting("a number >= 0", function(v) return v >= 0 and v < math.huge end, { required = true })
local function decay(more) return setting("a number in [0, 1)", function(v) return v >= 0 and v < 1 end, more) end

local function new(kind, o, settings, accessories, step)
  local value = {
    kind = kind, steps = o.steps, settings = {}, accessories = accessories, step = step, site = site.here(),
  }
  for _, name in ipairs(settings) do value.settings[name] = o[name] end
  return value
end

--- Gradient descent: w - rate g.
-- @tparam table given { rate =, steps = }
-- @treturn dynamics
function dynamics.gd(given)
  local o = options.read("gd", given, { rate = rate, steps = options.count })
  return new("gd", o, { "rate" }, {}, function(w, _, g, s) return w - s.rate * g, {} end)
end

--- Momentum: v = momentum v + g, w = w - rate v (Franceschi et al. 2017, section 2).
-- @tparam table given { rate =, momentum =, steps = }
-- @treturn dynamics
function dynamics.momentum(given)
  local o = options.read("momentum", given, {
    rate = rate, momentum = decay { required = true }, steps = options.count,
  })
  return new("momentum", o, { "rate", "momentum" }, { v = model.zeros_like }, function(w, a, g, s)
    local v = s.momentum * a.v + g
    return w - s.rate * v, { v = v }
  end)
end

--- Adam (Kingma and Ba 2015), with epsilon outside the root: w - rate m^ / (sqrt(v^) + epsilon). The derivative of the
-- root at a second moment of 0 is taken as 0, where it multiplies a zero.
-- @tparam table given { rate =, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, steps = }
-- @treturn dynamics
function dynamics.adam(given)
  local o = options.read("adam", given, {
    rate = rate, beta1 = decay { default = 0.9 }, beta2 = decay { default = 0.999 },
    epsilon = setting("a number > 0", function(v) return v > 0 end, { default = 1e-8 }), steps = options.count,
  })
  local accessories = { m = model.zeros_like, v = model.zeros_like, t = 0 }
  return new("adam", o, { "rate", "beta1", "beta2", "epsilon" }, accessories, function(w, a, g, s)
    local t = methods.stop_gradient(a.t) + 1                      -- a count: no function of any hyperparameter
    local m = s.beta1 * a.m + (1 - s.beta1) * g
    local v = s.beta2 * a.v + (1 - s.beta2) * g ^ 2
    local m_unbiased, v_unbiased = m / (1 - s.beta1 ^ t), v / (1 - s.beta2 ^ t)
    return w - s.rate * m_unbiased / (methods.sqrt0(v_unbiased) + s.epsilon), { m = m, v = v, t = t }
  end)
end

--- A user's own update.
-- @tparam table given { step = function(w, accessories, g, settings) -> w', accessories' (required); accessories = what
--   it keeps beside each weight, name -> number, tensor, expression of hyperparameters, or function(w) that gives one;
--   settings = name -> setting; steps = }
-- @treturn dynamics
function dynamics.update(given)
  local o = options.read("update", given, {
    step = { kind = "function", required = true }, accessories = { kind = "table", default = {} },
    settings = { kind = "table", default = {} }, steps = options.count,
  })
  for name, value in pairs(o.settings) do
    if not is_setting(value) then
      site.fail("update: setting '%s': expected a number, an expression or a table of these by weight, got %s",
                tostring(name), trace.show(value))
    end
  end
  for name, value in pairs(o.accessories) do
    if type(value) ~= "function" and not trace.is_operand(value) then
      site.fail("update: accessory '%s': expected a number, a tensor, an expression or a function of the weight, "
                .. "got %s", tostring(name), trace.show(value))
    end
  end
  local value = new("update", o, {}, o.accessories, o.step)
  value.settings = o.settings
  return value
end

--- Whether a value is a dynamics.
-- @return boolean
function dynamics.is(x) return type(x) == "table" and not trace.is(x) and type(rawget(x, "step")) == "function" end

--- The recipe's own dynamics s_t = Phi_t(s_{t-1}, lambda): what each state is after a step, as expressions of states,
-- weights, hyperparameters and streams (hyla.at_step). States it does not name stay as they are.
-- @tparam table given { next = { name of a state or weight = expression } (required); steps = }
-- @treturn transition, for `train`
function dynamics.transition(given)
  local o = options.read("transition", given, {
    next = { kind = "table", required = true }, steps = options.count,
  })
  for name, value in pairs(o.next) do
    if type(name) ~= "string" or not trace.is_operand(value) then
      site.fail("transition: expected next = { name = expression }, got %s = %s", tostring(name), trace.show(value))
    end
  end
  if next(o.next) == nil then site.fail("transition: next names no state") end
  return { kind = "transition", steps = o.steps, next = o.next, settings = {}, site = site.here() }
end

--- Whether a value is a transition.
-- @return boolean
function dynamics.is_transition(x) return type(x) == "table" and not trace.is(x) and x.kind == "transition" end

local function accessory(d, w, key)
  local init, shape = d.accessories[key], {}
  if type(init) == "function" then init = init(w) end
  if not trace.is_operand(init) then
    site.fail_at(d.site, "%s: accessory '%s' of '%s': expected a number, a tensor or an expression, got %s", d.kind,
                 key, w.name, trace.show(init))
  end
  if type(init) ~= "number" then shape = init.shape end
  return trace.leaf("accessory", w.name .. "." .. key, shape, { init = init, site = d.site, key = key })
end

--- The accessories of one leaf, such as "W.v", with their initial values.
-- @tparam dynamics d
-- @tparam expression w
-- @tparam table known key -> leaf, of an earlier stretch of training, which goes on with them; new ones are added
-- @treturn {expression,...} in the order of their keys
function dynamics.accessories_of(d, w, known)
  local list = {}
  for _, key in ipairs(names.keys(d.accessories)) do
    local leaf = accessory(d, w, key)
    local earlier = known[key]
    if earlier and trace.show(earlier) ~= trace.show(leaf) then
      site.fail_at(d.site, "%s: accessory '%s' is %s here and %s at %s", d.kind, leaf.name, trace.show(leaf),
                   trace.show(earlier), earlier.site)
    end
    known[key] = earlier or leaf
    list[#list + 1] = known[key]
  end
  return list
end

-- The settings as one leaf sees them. Weights that share a schedule share its stream.
local function settings_for(d, w, at)
  local s = {}
  for name, value in pairs(d.settings) do
    if type(value) == "table" and not trace.is(value) and not stream.is_schedule(value) then
      if value[w.name] == nil then
        site.fail_at(d.site, "%s: setting '%s' has no value for '%s'", d.kind, name, w.name)
      end
      value = value[w.name]
    end
    if stream.is_schedule(value) then
      at.streams[value] = at.streams[value] or stream.schedule(name, value, at.first, at.steps)
      value = at.streams[value]
    end
    s[name] = value
  end
  return s
end

local function want_like(d, what, leaf, value)
  if not trace.is_operand(value) then
    site.fail_at(d.site, "%s: expected the step to return %s '%s', got %s", d.kind, what, leaf.name,
                 trace.show(value))
  end
  local e = trace.lift(d.kind, value)
  if trace.show(e) ~= trace.show(leaf) and e.rank > 0 then
    site.fail_at(d.site, "%s: expected the step to return '%s' as %s, got %s (%s)", d.kind, leaf.name, trace.show(leaf),
                 trace.show(e), tostring(e))
  end
  return trace.broadcast_to(e, leaf.shape)
end

--- One step of one leaf.
-- @tparam dynamics d
-- @tparam expression w
-- @tparam {expression,...} accessories from `accessories_of`
-- @tparam expression g gradient of the objective by w
-- @tparam table at the stretch of training: first and steps (nil: no end), which schedules count from; streams = {},
--   filled
-- @treturn expression w after the step
-- @treturn {expression,...} the accessories after it, in the same order
function dynamics.step(d, w, accessories, g, at)
  local before = {}
  for _, leaf in ipairs(accessories) do before[leaf.key] = leaf end
  local after, kept = d.step(w, before, g, settings_for(d, w, at))
  local moved = want_like(d, "the weight", w, after)
  kept = kept or {}
  for name in pairs(kept) do
    if not before[name] then
      site.fail_at(d.site, "%s: the step returned an accessory '%s' that is not declared", d.kind, tostring(name))
    end
  end
  local list = {}
  for i, leaf in ipairs(accessories) do list[i] = want_like(d, "the accessory", leaf, kept[leaf.key]) end
  return moved, list
end

return dynamics
