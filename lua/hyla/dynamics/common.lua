--- What every dynamics can do beside its own step. In the order in which a step does it:
--
--   clip_global = c      gradients of all weights together: g min(1, c / |g|), one Euclidean norm over all of them
--   clip_norm = c        the same for the gradient of each weight on its own
--   clip_value = c       each component of the gradient limited to [-c, c]
--   l2 = a               a w added to the gradient, as if the objective had a |w|^2 / 2 more
--   weight_decay = a     rate a w taken from the weight beside the step (Loshchilov and Hutter 2019)
--   average_from = n     from step n + 1 on, the mean of the weights after each step is kept (Polyak and Juditsky
--                        1992); the outer objective and the watched values see it instead of the weights
--
-- They are settings like any other, but that a table by weight may leave weights out, which do without: l2 = { W = 1 }
-- spares the biases. average_from is a whole number >= 0. The derivative is that of the step taken: a gradient that is
-- not clipped has none by c, and a zero gradient stays zero with a finite derivative.
-- @module hyla.dynamics.common
local functions = require "hyla.functions"
local model = require "hyla.model"
local setting = require "hyla.dynamics.setting"
local site = require "hyla.site"
local trace = require "hyla.trace"

local common = {}

local methods = functions.all

--- Settings of every dynamics, for options.read.
common.settings = {
  clip_global = setting.field("positive", "a bound of gradients", { whole = true }),
  clip_norm = setting.field("positive", "a bound of gradients", { partial = true }),
  clip_value = setting.field("positive", "a bound of gradients", { partial = true }),
  l2 = setting.field("non_negative", "an L2 penalty", { partial = true }),
  weight_decay = setting.field("non_negative", "a weight decay", { partial = true }),
}

--- Options of every dynamics that are no settings.
common.options = {
  average_from = {
    expected = "a whole number >= 0",
    is = function(v) return type(v) == "number" and v >= 0 and v % 1 == 0 and v < math.huge end,
  },
}

-- The factor min(1, c / norm). The quotient stays finite where it is not taken, so its derivative does not spoil that
-- of the branch that is.
local function clipping(squares, c)
  local norm = methods.sqrt0(squares)
  return methods.where(methods.gt(norm, c), c / methods.maximum(norm, c), 1)
end

--- Gradients of all leaves after clip_global.
-- @tparam dynamics d
-- @tparam {expression,...} gradients
-- @tparam table at as for setting.of
-- @treturn {expression,...}
function common.clip_together(d, gradients, at)
  local c = setting.whole(d, "clip_global", at)
  if c == nil then return gradients end
  local squares = 0
  for _, g in ipairs(gradients) do squares = squares + methods.squared_norm(g) end
  local factor, list = clipping(squares, c), {}
  for i, g in ipairs(gradients) do list[i] = g * factor end
  return list
end

local function changed_gradient(w, g, s)
  if s.clip_norm then g = g * clipping(methods.squared_norm(g), s.clip_norm) end
  if s.clip_value then g = methods.clip(g, -s.clip_value, s.clip_value) end
  if s.l2 then g = g + s.l2 * w end
  return g
end

-- w after the decay that is beside the step: what the step itself returned is checked later, where it is no operand.
local function decayed(w, moved, s)
  if s.weight_decay and trace.is_operand(moved) then return moved - s.rate * s.weight_decay * w end
  return moved
end

-- A mean over one value is that value to the bit: 0 average + 1 w.
local function averaged(moved, a, kept, from)
  if not trace.is_operand(moved) then return end
  local steps = methods.stop_gradient(a.average_steps) + 1
  local share = 1 / methods.maximum(steps - from, 1)
  kept.average_steps = steps
  kept.average = (1 - share) * a.average + share * moved
end

local function add_average(d)
  for _, key in ipairs { "average", "average_steps" } do
    if d.accessories[key] ~= nil then
      site.fail("%s: average_from keeps '%s' itself; the accessory of this name needs another one", d.kind, key)
    end
  end
  if d.readout then site.fail("%s: expected readout or average_from, got both", d.kind) end
  local accessories = { average = model.zeros_like, average_steps = 0 }
  for key, init in pairs(d.accessories) do accessories[key] = init end
  d.accessories = accessories
  d.readout = function(w, a) return methods.where(methods.gt(a.average_steps, 0), a.average, w) end
end

--- Makes a dynamics do what its settings ask of every dynamics.
-- @tparam dynamics d under construction, with its settings
-- @tparam table o its options
function common.extend(d, o)
  local own, s, from = d.step, d.settings, o.average_from
  if s.weight_decay ~= nil and s.rate == nil then
    site.fail("%s: weight_decay takes rate * weight_decay * w from the weight: expected a setting 'rate' beside it",
              d.kind)
  end
  if from then add_average(d) end
  if not (s.clip_norm or s.clip_value or s.l2 or s.weight_decay or from) then return end
  d.step = function(w, a, g, mine)
    local moved, kept, parts = own(w, a, changed_gradient(w, g, mine), mine)
    moved = decayed(w, moved, mine)
    if from then
      local with_average = {}
      for key, value in pairs(kept or {}) do with_average[key] = value end
      kept = with_average
      averaged(moved, a, kept, from)
    end
    return moved, kept, parts
  end
end

return common
