--- Dynamics: how a step of training moves the weights. Each is a short expression over (w, accessories, gradient,
-- settings), built-in (hyla.dynamics.optimizers) or the user's own, and the same value moves hyperparameters when it is
-- given as `improve`. What every dynamics can do beside its step is in hyla.dynamics.common; settings, which may differ
-- by weight and by step and be learned, in hyla.dynamics.setting. A transition is the recipe's own step as a whole.
-- @module hyla.dynamics
local common = require "hyla.dynamics.common"
local members = require "hyla.members"
local names = require "hyla.names"
local optimizers = require "hyla.dynamics.optimizers"
local options = require "hyla.options"
local setting = require "hyla.dynamics.setting"
local site = require "hyla.site"
local trace = require "hyla.trace"

local dynamics = {}

--- Refuses tables by weight that name what is not there: see hyla.dynamics.setting.
dynamics.want_known = setting.want_known

--- Gradients of all leaves that move together, clipped where the dynamics clips them together.
dynamics.clip_together = common.clip_together

-- A dynamics from its options. `fields` are those of its settings; the common ones are added here.
local function new(kind, family, o, fields)
  local d = {
    kind = kind, family = family, steps = o.steps, settings = {}, domains = {}, accessories = {}, site = site.here(),
    readout = false,
  }
  for _, list in ipairs { common.settings, fields } do
    for name, field in pairs(list) do d.settings[name], d.domains[name] = o[name], field.domain end
  end
  return d
end

local function all_fields(...)
  local fields = { steps = options.count }
  for _, list in ipairs { common.settings, common.options, ... } do
    for name, field in pairs(list) do fields[name] = field end
  end
  return fields
end

--- Names of the built-in optimizers, each a function of this module: see hyla.dynamics.optimizers.
dynamics.names = names.keys(optimizers)

for _, kind in ipairs(dynamics.names) do
  local definition = optimizers[kind]
  local fields = all_fields(definition.settings, definition.options or {})
  dynamics[kind] = function(given)
    local o = options.read(kind, given, fields)
    local d = new(kind, definition.family or kind, o, definition.settings)
    if definition.accessories then d.accessories = definition.accessories(o) end
    d.step = definition.step(o)
    common.extend(d, o)
    return d
  end
end

local update_fields = all_fields {
  step = { kind = "function", required = true }, accessories = { kind = "table", default = {} },
  settings = { kind = "table", default = {} }, readout = { kind = "function" },
}

local function want_own_settings(settings)
  for name, value in pairs(settings) do
    if not setting.is(value) then
      site.fail("update: setting '%s': expected a number, an expression or a table of these by weight, got %s",
                tostring(name), trace.show(value))
    end
    if common.settings[name] then
      site.fail("update: setting '%s' belongs to every dynamics: expected it beside `settings`, or another name", name)
    end
  end
end

--- A user's own update.
-- @tparam table given { step = function(w, accessories, g, settings) -> w', accessories' (required); accessories = what
--   it keeps beside each weight, name -> number, tensor, expression of hyperparameters, or function(w, settings) that
--   gives one; settings = name -> setting; readout = function(w, accessories, settings) -> what the outer objective and
--   the watched values see in the weight's place; steps =; and what every dynamics takes: hyla.dynamics.common }
-- @treturn dynamics
function dynamics.update(given)
  local o = options.read("update", given, update_fields)
  want_own_settings(o.settings)
  for name, value in pairs(o.accessories) do
    if type(value) ~= "function" and not trace.is_operand(value) then
      site.fail("update: accessory '%s': expected a number, a tensor, an expression or a function of the weight, "
                .. "got %s", tostring(name), trace.show(value))
    end
  end
  local d = new("update", "update", o, {})
  for name, value in pairs(o.settings) do d.settings[name] = value end
  d.accessories, d.step, d.readout = o.accessories, o.step, o.readout or false
  common.extend(d, o)
  return d
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
  return { kind = "transition", steps = o.steps, next = o.next, settings = {}, domains = {}, site = site.here() }
end

--- Whether a value is a transition.
-- @return boolean
function dynamics.is_transition(x) return type(x) == "table" and not trace.is(x) and x.kind == "transition" end

local function accessory(d, w, key, known, at)
  local init, shape = d.accessories[key], {}
  if type(init) == "function" then init = init(w, setting.of(d, w, at)) end
  if not trace.is_operand(init) then
    site.fail_at(d.site, "%s: accessory '%s' of '%s': expected a number, a tensor or an expression, got %s", d.kind,
                 key, w.name, trace.show(init))
  end
  if type(init) ~= "number" then shape = init.shape end
  local name = w.name .. "." .. key
  for _, leaf in pairs(known) do                       -- another family's, which means something else by this key
    if leaf.key == key and leaf.family ~= d.family then name = ("%s.%s.%s"):format(w.name, d.family, key) end
  end
  return trace.leaf("accessory", name, shape, { init = init, site = d.site, key = key, family = d.family })
end

--- The accessories of one leaf, such as "W.v", with their initial values.
-- @tparam dynamics d
-- @tparam expression w
-- @tparam table known those of earlier stretches of training, which a dynamics of their family goes on with; new ones
--   are added. Its keys are "family.key"
-- @tparam table at the stretch of training: first and steps (nil: no end), which schedules count from; streams = {},
--   filled
-- @treturn {expression,...} in the order of their keys
function dynamics.accessories_of(d, w, known, at)
  local list = {}
  for _, key in ipairs(names.keys(d.accessories)) do
    local leaf = accessory(d, w, key, known, at)
    local earlier = known[d.family .. "." .. key]
    if earlier and trace.show(earlier) ~= trace.show(leaf) then
      site.fail_at(d.site, "%s: accessory '%s' is %s here and %s at %s", d.kind, leaf.name, trace.show(leaf),
                   trace.show(earlier), earlier.site)
    end
    list[#list + 1] = earlier or leaf
    known[d.family .. "." .. key] = earlier or leaf
  end
  return list
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

local function by_key(d, accessories)
  local table_of = {}
  for _, leaf in ipairs(accessories) do table_of[leaf.key] = leaf end
  return members.strict(table_of, "the accessories of " .. d.kind, names.keys(d.accessories))
end

-- The parts of a step of momentum as expressions of the shapes that the engine wants.
local function parts_of_momentum(d, w, accessories, parts)
  local by = trace.lift(d.kind, parts.rate)
  return {
    weight = w, velocity = accessories[parts.velocity], gradient = parts.gradient,
    rate = by.rank > 0 and trace.broadcast_to(by, w.shape) or by, momentum = trace.lift(d.kind, parts.momentum),
  }
end

--- One step of one leaf.
-- @tparam dynamics d
-- @tparam expression w
-- @tparam {expression,...} accessories from `accessories_of`
-- @tparam expression g gradient of the objective by w, after `clip_together`
-- @tparam table at as for `accessories_of`
-- @treturn expression w after the step
-- @treturn {expression,...} the accessories after it, in the same order
-- @treturn[opt] table where the step is momentum and nothing else, its parts, which hyla.reversible takes:
--   { weight, velocity = leaves; gradient, rate (of the weight's shape, or a scalar), momentum = expressions }
function dynamics.step(d, w, accessories, g, at)
  local before = by_key(d, accessories)
  local after, kept, parts = d.step(w, before, g, setting.of(d, w, at))
  local moved = want_like(d, "the weight", w, after)
  kept = kept or {}
  for name in pairs(kept) do
    if not rawget(before, name) then
      site.fail_at(d.site, "%s: the step returned an accessory '%s' that is not declared", d.kind, tostring(name))
    end
  end
  local list = {}
  for i, leaf in ipairs(accessories) do list[i] = want_like(d, "the accessory", leaf, kept[leaf.key]) end
  return moved, list, d.kind == "momentum" and parts_of_momentum(d, w, before, parts) or nil
end

--- What the outer objective and the watched values see in a weight's place.
-- @tparam dynamics d with a readout
-- @tparam expression w
-- @tparam {expression,...} accessories from `accessories_of`
-- @tparam table at as for `accessories_of`
-- @treturn expression of the shape of w
function dynamics.readout(d, w, accessories, at)
  local value = d.readout(w, by_key(d, accessories), setting.of(d, w, at))
  if not trace.is_operand(value) or type(value) ~= "number" and trace.show(value) ~= trace.show(w) then
    site.fail_at(d.site, "%s: expected the readout of '%s' as %s, got %s", d.kind, w.name, trace.show(w),
                 trace.show(value))
  end
  return trace.broadcast_to(trace.lift(d.kind, value), w.shape)
end

--- Where hyperparameters stay that are settings and have no set of their own: in the domains of these settings.
-- @tparam {dynamics,...} list
-- @treturn table leaf -> { set, words = "a learning rate" }
function dynamics.domains(list)
  local by_leaf = {}
  local function add(one)
    local known = by_leaf[one.leaf]
    if not known then
      by_leaf[one.leaf] = { set = one.set, words = one.words, sets = { [one.set] = true } }
    elseif not known.sets[one.set] then
      known.set, known.words = known.set:with(one.set), known.words .. " and of " .. one.words
      known.sets[one.set] = true
    end
  end
  for _, d in ipairs(list) do
    for _, one in ipairs(setting.domains(d)) do
      if not one.leaf.within then add(one) end
    end
  end
  return by_leaf
end

return dynamics
