--- Early stopping: which hyper-iteration was best by a watched value, and whether to go on.

local options = require "hyla.options"

local stopper = {}

local fields = {
  watch = { kind = "string", required = true },
  patience = { kind = "number", default = 0, expected = "a whole number >= 0",
    is = function(v) return type(v) == "number" and v >= 0 and v % 1 == 0 end },
  goal = { default = "max", expected = "'max' or 'min'", is = function(v) return v == "max" or v == "min" end },
}

--- Reads the rule `early_stop = {...}` of a stage.
-- @tparam table rule watch: the value's name; goal: "max" (default) or "min"; patience: hyper-iterations without a
--   better value after which the stage ends, 0 (default) for never
-- @treturn table
function stopper.rule(rule) return options.read("early_stop", rule, fields) end

--- Is a value better than the best until now? Among equals the first stays.
-- @tparam table rule from stopper.rule
-- @tparam number|nil best
-- @tparam number value
function stopper.better(rule, best, value)
  if best == nil then return true end
  if rule.goal == "max" then return value > best end
  return value < best
end

--- Has patience run out?
-- @tparam table rule from stopper.rule
-- @tparam number best hyper-iteration of the best value
-- @tparam number now this hyper-iteration
function stopper.done(rule, best, now) return rule.patience > 0 and now - best >= rule.patience end

return stopper
