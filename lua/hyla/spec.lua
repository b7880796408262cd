--- For busted: `require "hyla.spec"` adds assert.hypergradient(problem, options), which compares the problem's method
-- with every other exact one and with central differences (hyla.check has the options); a failure names the
-- hyperparameter, what came, what was expected and their ratio. Costs are measured where costs = true asks for it.
-- @module hyla.spec
local assert = require "luassert"
local say = require "say"

local function hypergradient(state, arguments)
  local problem, given = arguments[1], { costs = false }
  for key, value in pairs(arguments[2] or {}) do given[key] = value end
  local agrees, message = pcall(problem.check, problem, given)
  state.failure_message = not agrees and tostring(message) or nil
  return agrees
end

say:set("assertion.hypergradient.positive",
        "Expected the hypergradient to agree with the other methods and central differences.")
say:set("assertion.hypergradient.negative",
        "Expected the hypergradient to disagree with the other methods or central differences.")
assert:register("assertion", "hypergradient", hypergradient, "assertion.hypergradient.positive",
                "assertion.hypergradient.negative")

return assert
