--- Scales of hyperparameters: a hyper-optimizer steps in u, the recipe sees x. u = log x, or the logit of the place of
-- x in its box; without a scale u = x.
-- @module hyla.scale
local trace = require "hyla.trace"

local methods = trace.methods

local scale, kinds = {}, {}

function kinds.log(x)
  return { u = methods.log(x), slope = x, back = methods.exp }
end

-- Both ends are kept a little away: there u is infinite.
function kinds.logit(x, set)
  local lo, hi = set:bounds()
  local margin = 1e-6 * (hi - lo)
  local inside = methods.clip(x, lo + margin, hi - margin)
  return {
    u = methods.log((inside - lo) / (hi - inside)), slope = (inside - lo) * (hi - inside) / (hi - lo),
    back = function(u) return lo + (hi - lo) * methods.sigmoid(u) end,
  }
end

--- The scale of a hyperparameter of a problem.
-- @tparam table hyper { leaf, scale = "log", "logit" or nil, set }
-- @treturn table|nil u and slope = dx/du: expressions of its leaf; back: function of an expression u that gives x. nil:
--   it has no scale
function scale.of(hyper)
  return hyper.scale and kinds[hyper.scale](hyper.leaf, hyper.set) or nil
end

return scale
