--- A problem before the engine sees it: the leaves its objectives reach, the state and its order, and what one step of
-- each stretch of training makes of it. Mistakes of the recipe are found here.
-- @module hyla.layout
local dynamics = require "hyla.dynamics"
local lower = require "hyla.lower"
local model = require "hyla.model"
local names = require "hyla.names"
local site = require "hyla.site"
local trace = require "hyla.trace"

local layout = {}

-- Leaves of a kind, each once, in the order in which expressions reach them.
local function reached(roots)
  local found = { weight = {}, hyperparameter = {}, others = {} }
  for _, e in ipairs(lower.order(roots)) do
    if e.leaf then table.insert(found[e.op] or found.others, e) end
  end
  return found
end

local function set_of(list)
  local set = {}
  for _, e in ipairs(list) do set[e] = true end
  return set
end

local function settings_of(segments)
  local list = {}
  local function add(value)
    if trace.is(value) then
      list[#list + 1] = value
    elseif type(value) == "table" then
      for _, key in ipairs(names.keys(value)) do add(value[key]) end
    end
  end
  for _, d in ipairs(segments) do add(d.settings) end
  return list
end

local function want_distinct_names(leaves)
  local by_name = {}
  for _, leaf in ipairs(leaves) do
    local other = by_name[leaf.name]
    if other then
      site.fail("problem: the name '%s' stands for a %s at %s and a %s at %s", leaf.name, other.op, other.site, leaf.op,
                leaf.site)
    end
    by_name[leaf.name] = leaf
  end
end

local function want_inner_weights(inner, weights)
  local used = set_of(reached { inner }.weight)
  for _, w in ipairs(weights) do
    if not used[w] then
      site.fail_at(w.site, "weight '%s' is not used by the inner objective at %s, so training cannot move it", w.name,
                   inner.site)
    end
  end
end

local function want_finite_constants(roots)
  for _, e in ipairs(lower.order(roots)) do
    if e.tensor and e.dtype == "float" and not e.tensor:is_finite() then
      site.fail_at(e.site, "NaN or infinity in the data of the %s tensor used here", trace.show(e.tensor))
    end
  end
end

-- s_0: the initial value of each leaf of the state; it may see hyperparameters, nothing else.
local function initial_state(states, dtype)
  local list = {}
  for i, leaf in ipairs(states) do
    local init = model.initial(leaf, dtype)
    local leaves = reached { init }
    local wrong = leaves.weight[1] or leaves.others[1]
    if wrong then
      site.fail_at(leaf.site, "the initial value of '%s' may depend on hyperparameters alone, not on the %s '%s'",
                   leaf.name, wrong.op, wrong.name)
    end
    list[i] = init
  end
  return list
end

-- One step of training: leaf of the state -> its value after the step.
local function one_step(d, inner, weights, accessories)
  local after = {}
  local gradients = trace.gradient(inner, weights, "the inner objective")
  for i, w in ipairs(weights) do
    local list = dynamics.accessories_of(d, w, accessories[i])
    local kept
    after[w], kept = dynamics.step(d, w, list, gradients[i])
    for k, leaf in ipairs(list) do after[leaf] = kept[k] end
  end
  return after
end

local function hypers_of(roots, inits)
  local all = {}
  for _, e in ipairs(roots) do all[#all + 1] = e end
  for _, e in ipairs(inits) do all[#all + 1] = e end
  return reached(all).hyperparameter
end

--- Lays a problem out.
-- @tparam table p { inner, outer (or nil), watch (list), segments (list of dynamics), dtype }
-- @treturn table { weights, hypers, states: lists of leaves; init: list of expressions, one a state;
--   segments: list of { steps =, next = list of expressions, one a state } }
function layout.new(p)
  local objectives = { p.inner, p.outer }
  local settings = settings_of(p.segments)
  local roots = {}
  for _, list in ipairs { objectives, p.watch, settings } do
    for _, e in ipairs(list) do roots[#roots + 1] = e end
  end
  want_finite_constants(roots)
  local weights = reached(roots).weight
  if #weights == 0 then site.fail_at(p.inner.site, "problem: the inner objective uses no weight") end
  want_inner_weights(p.inner, weights)

  local accessories, steps = {}, {}
  for i = 1, #weights do accessories[i] = {} end
  for i, d in ipairs(p.segments) do steps[i] = one_step(d, p.inner, weights, accessories) end
  local states = {}
  for i, w in ipairs(weights) do
    states[#states + 1] = w
    for _, key in ipairs(names.keys(accessories[i])) do states[#states + 1] = accessories[i][key] end
  end

  local segments = {}
  for i, d in ipairs(p.segments) do
    local after = {}
    for k, leaf in ipairs(states) do after[k] = steps[i][leaf] or leaf end
    segments[i] = { steps = d.steps, next = after }
    for _, e in ipairs(after) do roots[#roots + 1] = e end
  end
  local init = initial_state(states, p.dtype)
  local hypers = hypers_of(roots, init)
  local leaves = {}
  for _, list in ipairs { hypers, states } do
    for _, leaf in ipairs(list) do leaves[#leaves + 1] = leaf end
  end
  want_distinct_names(leaves)
  return { weights = weights, hypers = hypers, states = states, init = init, segments = segments }
end

return layout
