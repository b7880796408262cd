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

local kind_of = {
  weight = "weight", state = "weight", hyperparameter = "hyperparameter", stream = "stream",
}

-- Leaves of a kind, each once, in the order in which expressions reach them: weights (and states), hyperparameters,
-- streams, others.
local function reached(roots)
  local found = { weight = {}, hyperparameter = {}, stream = {}, others = {} }
  for _, e in ipairs(lower.order(roots)) do
    if e.leaf then table.insert(found[kind_of[e.op] or "others"], e) end
  end
  return found
end

local function set_of(list)
  local set = {}
  for _, e in ipairs(list) do set[e] = true end
  return set
end

local function append(list, more)
  for _, e in ipairs(more) do list[#list + 1] = e end
  return list
end

-- Expressions in the settings of the dynamics, and the values of transitions.
local function settings_of(segments)
  local list = {}
  local function add(value)
    if trace.is(value) then
      list[#list + 1] = value
    elseif type(value) == "table" then
      for _, key in ipairs(names.keys(value)) do add(value[key]) end
    end
  end
  for _, d in ipairs(segments) do
    add(d.settings)
    add(d.next)
  end
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

-- An optimizer moves the weights that its objective uses; a state is moved by transitions alone.
local function want_inner_weights(inner, weights)
  local used = set_of(reached({ inner }).weight)
  for _, w in ipairs(weights) do
    if w.op == "weight" and not used[w] then
      site.fail_at(w.site, "weight '%s' is not used by the inner objective at %s, so training cannot move it", w.name,
                   inner.site)
    end
  end
end

local function want_finite(where, t)
  if t.dtype == "int32" or t:is_finite() then return end
  site.fail_at(where, "NaN or infinity in the data of the %s tensor used here", trace.show(t))
end

local function want_finite_constants(roots)
  for _, e in ipairs(lower.order(roots)) do
    if e.tensor then want_finite(e.site, e.tensor) end
    if e.source and e.source.table then want_finite(e.site, e.source.table) end
  end
end

-- s_0: the initial value of each leaf of the state; it may see hyperparameters, frozen ones too, nothing else.
local function initial_state(states, dtype)
  local list = {}
  for i, leaf in ipairs(states) do
    local init = model.initial(leaf, dtype)
    local leaves = reached { init }
    local wrong = leaves.weight[1] or leaves.others[1]
    for _, e in ipairs(leaves.stream) do
      if e.source.kind ~= "frozen" then wrong = wrong or e end
    end
    if wrong then
      site.fail_at(leaf.site, "the initial value of '%s' may depend on hyperparameters alone, not on the %s '%s'",
                   leaf.name, wrong.op, wrong.name)
    end
    list[i] = init
  end
  return list
end

-- One step of training by an optimizer: leaf of the state -> its value after the step; and of each weight the parts of
-- momentum, where it is that.
local function optimizer_step(d, inner, weights, accessories, at)
  local after, moved, momentum = {}, {}, {}
  for i, w in ipairs(weights) do
    if w.op == "weight" then moved[#moved + 1] = i end
  end
  local by = {}
  for k, i in ipairs(moved) do by[k] = weights[i] end
  dynamics.want_known(d, by)
  local gradients = dynamics.clip_together(d, trace.gradient(inner, by, "the inner objective"), at)
  for k, i in ipairs(moved) do
    local list = dynamics.accessories_of(d, weights[i], accessories[i], at)
    local kept
    after[weights[i]], kept, momentum[k] = dynamics.step(d, weights[i], list, gradients[k], at)
    for n, leaf in ipairs(list) do after[leaf] = kept[n] end
  end
  return after, momentum[1] and momentum or nil
end

-- What is seen in the weights' place by all that judges them: weight -> expression.
local function readouts(d, weights, accessories, at)
  local map = {}
  for i, w in ipairs(weights) do
    if w.op == "weight" and d.readout then
      map[w] = dynamics.readout(d, w, dynamics.accessories_of(d, w, accessories[i], at), at)
    end
  end
  return map
end

-- One step of the recipe's own: its values are checked against the states they are for.
local function transition_step(d, weights)
  local after, by_name = {}, {}
  for _, leaf in ipairs(weights) do by_name[leaf.name] = leaf end
  for _, name in ipairs(names.keys(d.next)) do
    local leaf = by_name[name]
    if not leaf then
      site.fail_at(d.site, "transition: nothing reaches a state or weight named '%s'%s", name,
                   names.hint(name, names.keys(by_name)))
    end
    local e = trace.lift("transition", d.next[name])
    if trace.show(e) ~= trace.show(leaf) then
      site.fail_at(d.site, "transition: expected the next value of '%s' as %s, got %s", name, trace.show(leaf),
                   trace.show(e))
    end
    after[leaf] = e
  end
  return after
end

-- The running cost, summed over the steps, is one more state: c_t = c_{t-1} + cost(s_t, lambda, x_t).
local function add_cost(cost, steps)
  local sum = trace.leaf("accessory", "cost", {}, { init = 0, site = cost.site })
  for _, after in ipairs(steps) do
    after[sum] = trace.methods.add(sum, trace.substitute(cost, after))
  end
  return sum
end

-- Learned leaves: those reached, and those that a stream takes rows of.
local function hypers_of(leaves)
  local list = append({}, leaves.hyperparameter)
  local known = set_of(list)
  for _, e in ipairs(leaves.stream) do
    local hyper = e.source.kind == "hyper" and e.source.hyper
    if hyper and not known[hyper] then
      known[hyper] = true
      list[#list + 1] = hyper
    end
  end
  return list
end

local function frozen_of(leaves)
  local list = {}
  for _, e in ipairs(leaves.stream) do
    if e.source.kind == "frozen" then list[#list + 1] = e end
  end
  return list
end

-- What each stretch of training makes of the state: a list of { leaf -> expression }; fills accessories. Then what the
-- last one has seen in the weights' place, and the parts of those that are momentum.
local function steps_of(p, weights, accessories)
  local steps, readout, momentum, first = {}, {}, {}, 1
  for i, d in ipairs(p.segments) do
    if dynamics.is_transition(d) then
      steps[i] = transition_step(d, weights)
    else
      if not p.inner then
        site.fail_at(d.site, "%s: training by an optimizer needs the objective that it goes down: inner = ...", d.kind)
      end
      want_inner_weights(p.inner, weights)
      local at = { first = first, steps = d.steps, streams = {} }
      steps[i], momentum[i] = optimizer_step(d, p.inner, weights, accessories, at)
      if i == #p.segments then readout = readouts(d, weights, accessories, at) end
    end
    first = first + d.steps
  end
  return steps, readout, momentum
end

local function roots_of(p)
  local roots = { p.inner }
  if p.outer then roots[#roots + 1] = p.outer end
  if p.cost then roots[#roots + 1] = p.cost end
  return append(append(roots, p.watch), settings_of(p.segments))
end

-- The leaves in which the inner objective is minimised: the weights that it sees, and its states where the recipe
-- itself moves them.
local function minimised_in(p, weights)
  if not p.inner then return {} end
  local used, own, list = set_of(reached({ p.inner }).weight), false, {}
  for _, d in ipairs(p.segments) do own = own or dynamics.is_transition(d) end
  for _, w in ipairs(weights) do
    if used[w] and (w.op == "weight" or own) then list[#list + 1] = w end
  end
  return list
end

--- Lays a problem out.
-- @tparam table p { inner, outer, cost (each may be nil), watch (list), segments (dynamics and transitions), dtype }
-- @treturn table { weights (states too), hypers, frozen, streams (frozen too), states: lists of leaves;
--   init: list of expressions, one a state; segments: list of { steps =, next = list of expressions, one a state;
--   momentum = of each weight the parts that dynamics.step gives, or nil };
--   inner: what training goes down, or nil, and minimised: the leaves it does so in;
--   outer: what is judged, or nil; cost: the state that sums the running cost, or nil; readout: weight -> what outer,
--   cost and watch see in its place, where that is not the weight itself }
function layout.new(p)
  local roots = roots_of(p)
  want_finite_constants(roots)
  local weights = reached(roots).weight
  if #weights == 0 then site.fail("problem: its expressions use no weight and no state") end

  local accessories = {}
  for i = 1, #weights do accessories[i] = {} end
  local steps, readout, momentum = steps_of(p, weights, accessories)
  local states = {}
  for i, w in ipairs(weights) do
    states[#states + 1] = w
    for _, key in ipairs(names.keys(accessories[i])) do states[#states + 1] = accessories[i][key] end
  end
  local outer, sum = p.outer and trace.substitute(p.outer, readout), nil
  if p.cost then
    sum = add_cost(trace.substitute(p.cost, readout), steps)
    states[#states + 1] = sum
    outer = outer and trace.methods.add(outer, sum) or sum
  end

  local segments = {}
  for i, d in ipairs(p.segments) do
    local after = {}
    for k, leaf in ipairs(states) do after[k] = steps[i][leaf] or leaf end
    segments[i] = { steps = d.steps, next = after, momentum = momentum[i] }
    append(roots, after)
  end
  for _, w in ipairs(weights) do append(roots, { readout[w] }) end
  local init = initial_state(states, p.dtype)
  local leaves = reached(append(append({}, roots), init))
  local hypers, frozen = hypers_of(leaves), frozen_of(leaves)
  want_distinct_names(append(append(append({}, hypers), frozen), states))
  return {
    weights = weights, hypers = hypers, frozen = frozen, streams = leaves.stream, states = states, init = init,
    segments = segments, inner = p.inner, minimised = minimised_in(p, weights), outer = outer, cost = sum,
    readout = readout,
  }
end

local ALIGNED = 64   -- bytes: where each part begins

--- Bytes of a state, or of hyperparameters, as the engine lays them out.
-- @tparam {leaf,...} leaves
-- @tparam string dtype
-- @treturn number
function layout.bytes(leaves, dtype)
  local bytes, each = 0, dtype == "float64" and 8 or 4
  for _, leaf in ipairs(leaves) do bytes = bytes + ALIGNED * math.ceil(each * leaf.size / ALIGNED) end
  return bytes
end

return layout
