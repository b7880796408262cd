--- For busted: `require "hyla.spec"` adds assert.hypergradient(problem, options), which compares the hypergradient with
-- central differences (hyla.differences has the options).
-- @module hyla.spec
local assert = require "luassert"
local say = require "say"

local function hypergradient(state, arguments)
  local problem, given = arguments[1], arguments[2]
  local agrees, message = pcall(problem.check, problem, given)
  state.failure_message = not agrees and tostring(message) or nil
  return agrees
end

say:set("assertion.hypergradient.positive", "Expected the hypergradient to equal central differences.")
say:set("assertion.hypergradient.negative", "Expected the hypergradient to differ from central differences.")
assert:register("assertion", "hypergradient", hypergradient, "assertion.hypergradient.positive",
                "assertion.hypergradient.negative")

return assert
