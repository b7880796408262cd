--- For specs of dynamics: their trajectories by the engine, and by plain Lua, one component at a time.
local hyla = require "hyla"
local dynamics = require "hyla.dynamics"
local lower = require "hyla.lower"
local model = require "hyla.model"

local reference = {}

--- The gradient in both: 3 w - 1, but 0 always in the last component.
local function gradient(w) return 3 * w - 1 end

--- Values of w after each step of a dynamics, in float64.
function reference.trajectory(d, w0, steps)
  local w = hyla.weight("w", { #w0 }, w0)
  local moving, at = {}, { first = 1, steps = steps, streams = {} }
  for i = 1, #w0 do moving[i] = i < #w0 and 1 or 0 end
  local accessories = dynamics.accessories_of(d, w, {}, at)
  local g = dynamics.clip_together(d, { hyla.tensor(moving, "float64") * gradient(w) }, at)[1]
  local after, kept = dynamics.step(d, w, accessories, g, at)
  local leaves, roots, inits = { w, unpack(accessories) }, { after, unpack(kept) }, {}
  for i, leaf in ipairs(leaves) do inits[i] = model.initial(leaf, "float64") end
  local values, list = lower.program(inits, "float64"):run(), {}
  local program, position = lower.program(roots, "float64"), {}
  for i, leaf in ipairs(leaves) do position[leaf] = i end
  for t = 1, steps do
    values = program:run(function(leaf) return values[position[leaf]] end)
    list[t] = values[1]:totable()
  end
  return list
end

--- The same by plain Lua: update(w_i, memory, gradient, t) -> w_i'. Memory is a table of a component, in which what is
-- not there yet is 0.
function reference.plainly(update, w0, steps)
  local list, w, memory = {}, { unpack(w0) }, {}
  for i = 1, #w do memory[i] = setmetatable({}, { __index = function() return 0 end }) end
  for t = 1, steps do
    for i = 1, #w do w[i] = update(w[i], memory[i], i < #w and gradient(w[i]) or 0, t) end
    list[t] = { unpack(w) }
  end
  return list
end

--- Both agree but for rounding: components are of size 1, and a step makes a few roundings of 2^-53.
function reference.near(expected, got)
  assert(#expected == #got)
  for t = 1, #expected do
    for i = 1, #expected[t] do
      local apart = math.abs(expected[t][i] - got[t][i])
      if not (apart <= 1e-14) then
        error(("step %d, component %d: expected %.17g, got %.17g"):format(t, i, expected[t][i], got[t][i]), 2)
      end
    end
  end
end

return reference
