--- The hyper-optimizer: a dynamics over (lambda, accessories, hypergradient), followed by the projection of each
-- hyperparameter on its constraint. A hyperparameter with a scale is moved on that scale: u = log lambda, or the logit
-- of its place in its box, with the hypergradient by u.
-- @module hyla.improver
local dynamics = require "hyla.dynamics"
local lower = require "hyla.lower"
local model = require "hyla.model"
local names = require "hyla.names"
local options = require "hyla.options"
local scale = require "hyla.scale"
local site = require "hyla.site"
local stream = require "hyla.stream"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"

local Improver = {}
Improver.__index = Improver

-- A step in lambda as a step in u: the same expressions, of u and of dE/du = dE/dlambda dlambda/du. What is put in the
-- place of every lambda and its gradient (which clipping together sees in every step), and the ways back.
local function on_scales(hypers, gradients)
  local map, back = {}, {}
  for i, hyper in ipairs(hypers) do
    back[i] = function(u) return u end
    local s = scale.of(hyper)
    if s then map[hyper.leaf], map[gradients[i]], back[i] = s.u, gradients[i] * s.slope, s.back end
  end
  return map, back
end

-- Lays out one step of every hyperparameter and the accessories' first values.
local function trace_step(self, d, hypers)
  local after, inits, leaves, gradients, at = {}, {}, {}, {}, { first = 1, streams = {} }
  for i, hyper in ipairs(hypers) do
    leaves[i] = hyper.leaf
    gradients[i] = trace.leaf("hypergradient", hyper.name .. ".gradient", hyper.shape)
    self.gradients[gradients[i]] = hyper.name
  end
  dynamics.want_known(d, leaves)
  local clipped = dynamics.clip_together(d, gradients, at)
  local map, back = on_scales(hypers, gradients)
  for k, lambda in ipairs(leaves) do
    local accessories = dynamics.accessories_of(d, lambda, {}, at)
    local moved, kept = dynamics.step(d, lambda, accessories, clipped[k], at)
    moved = back[k](trace.substitute(moved, map))
    self.targets[#self.targets + 1] = lambda
    after[#after + 1] = moved
    for i, leaf in ipairs(accessories) do
      self.accessories[#self.accessories + 1] = leaf
      self.targets[#self.targets + 1] = leaf
      after[#after + 1] = trace.substitute(kept[i], map)
      inits[#inits + 1] = model.initial(leaf, self.dtype)
    end
  end
  return after, inits
end

--- The hyper-optimizer of a problem.
-- @tparam dynamics d
-- @tparam table problem with hypers (list of { name, leaf, set, value }), dtype and place(values)
-- @treturn Improver
local function new(d, problem)
  local self = setmetatable({
    problem = problem, dtype = problem.dtype, gradients = {}, targets = {}, accessories = {}, values = {},
    iteration = 0,
  }, Improver)
  if d.readout then
    site.fail_at(d.site, "improve: %s has a readout (an average, say), which a hyper-optimizer cannot have: training "
                 .. "uses the hyperparameters themselves", d.kind)
  end
  local after, inits = trace_step(self, d, problem.hypers)
  local foreign = {}
  for _, hyper in ipairs(problem.hypers) do foreign[hyper.leaf] = "known" end
  for _, leaf in ipairs(self.accessories) do foreign[leaf] = "known" end
  self.program = lower.program(after, self.dtype)
  for _, leaf in ipairs(self.program.leaves) do
    local scheduled = stream.is(leaf) and leaf.source.kind == "schedule"
    if not foreign[leaf] and not self.gradients[leaf] and not scheduled then
      site.fail_at(d.site, "improve: %s '%s' (%s) is not a number; settings of a hyper-optimizer are numbers, or "
                   .. "schedules over hyper-iterations", leaf.op, leaf.name, leaf.site)
    end
  end
  if #inits > 0 then
    local first = lower.program(inits, self.dtype):run(function(leaf)
      site.fail_at(d.site, "improve: an accessory's initial value depends on the %s '%s'", leaf.op, leaf.name)
    end)
    for i, leaf in ipairs(self.accessories) do self.values[leaf] = first[i] end
  end
  return self
end

local function want_gradient(g, hyper, dtype)
  local value = g[hyper.name]
  if type(value) == "number" then value = tensor.from(value, dtype) end
  if not tensor.is(value) or table.concat(value.shape, ",") ~= table.concat(hyper.shape, ",") then
    site.fail("improver: expected a hypergradient of the shape of '%s', got %s", hyper.name, trace.show(value))
  end
  return value.dtype == dtype and value or value:to(dtype)
end

--- Updates every hyperparameter of the problem, and projects it on its constraint.
-- @tparam table g hypergradient by name, as problem:hypergradient() gives it
function Improver:step(g)
  local current = {}
  for leaf, value in pairs(self.values) do current[leaf] = value end
  for _, hyper in ipairs(self.problem.hypers) do current[hyper.leaf] = hyper.value end
  local by_name = {}
  for _, hyper in ipairs(self.problem.hypers) do by_name[hyper.name] = want_gradient(g, hyper, self.dtype) end
  local results = self.program:run(function(leaf)
    if stream.is(leaf) then return tensor.from(stream.value(leaf, self.iteration + 1), self.dtype) end
    return current[leaf] or by_name[self.gradients[leaf]]
  end)
  local moved, kept = {}, {}
  for i, target in ipairs(self.targets) do
    if target.op == "accessory" then kept[target] = results[i] else moved[target.name] = results[i] end
  end
  for _, hyper in ipairs(self.problem.hypers) do
    if hyper.set then hyper.set:project(moved[hyper.name], hyper.site) end
  end
  self.problem:place(moved)                            -- refuses NaN; the accessories change only with the hypers
  self.values, self.iteration = kept, self.iteration + 1
end

--- What a checkpoint keeps.
-- @treturn table accessory's name ("lambda.m") -> tensor, and `iteration`: steps done
function Improver:state()
  local state = { iteration = self.iteration }
  for leaf, value in pairs(self.values) do state[leaf.name] = value:clone() end
  return state
end

--- Goes back to a state.
-- @tparam table state as `state` gave it
function Improver:restore(state)
  local values, known = {}, { iteration = true }
  for _, leaf in ipairs(self.accessories) do
    local value = state[leaf.name]
    if not tensor.is(value) or table.concat(value.shape, ",") ~= table.concat(leaf.shape, ",")
        or value.dtype ~= self.dtype then
      site.fail("improver: expected '%s' as a %s tensor of shape [%s], got %s", leaf.name, self.dtype,
                table.concat(leaf.shape, ", "), trace.show(value))
    end
    known[leaf.name] = true
    values[leaf] = value:clone()
  end
  for _, name in ipairs(names.keys(state)) do
    if not known[name] then site.fail("improver: unknown accessory '%s'", name) end
  end
  if not options.seed.is(state.iteration) then
    site.fail("improver: expected 'iteration' as a whole number >= 0, got %s", tostring(state.iteration))
  end
  self.values, self.iteration = values, state.iteration
end

return { new = new }
