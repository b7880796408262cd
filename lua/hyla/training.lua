--- What `train` names: stretches of training over one state, each a dynamics or a transition for a number of steps.
-- @module hyla.training
local dynamics = require "hyla.dynamics"
local site = require "hyla.site"

local training = {}

--- The stretches, each checked.
-- @param train a dynamics, a transition, or a list of them
-- @treturn {dynamics,...}
function training.stretches(train)
  local function fits(d) return dynamics.is(d) or dynamics.is_transition(d) end
  local list = fits(train) and { train } or train
  for i, d in ipairs(list) do
    if not fits(d) then site.fail("problem: train: expected a dynamics as element %d, got a %s", i, type(d)) end
    if not d.steps then site.fail_at(d.site, "%s: option 'steps' is missing, which training needs", d.kind) end
  end
  if #list == 0 then site.fail("problem: train: expected a dynamics such as hyla.gd { rate = 0.1, steps = 100 }") end
  return list
end

--- T, the steps of all stretches.
-- @tparam {dynamics,...} stretches
-- @treturn number
function training.steps(stretches)
  local steps = 0
  for _, d in ipairs(stretches) do steps = steps + d.steps end
  return steps
end

--- Stretches of `steps` in all, each shortened by the same part; each keeps at least one step.
-- @param train as for `stretches`
-- @tparam number steps
-- @treturn {dynamics,...}
function training.shortened(train, steps)
  local stretches = training.stretches(train)
  local part, list = math.min(1, steps / training.steps(stretches)), {}
  for i, d in ipairs(stretches) do
    list[i] = setmetatable({}, getmetatable(d))
    for key, value in pairs(d) do list[i][key] = value end
    list[i].steps = math.max(1, math.floor(d.steps * part + 0.5))
  end
  return list
end

return training
