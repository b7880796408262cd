--- HOAG's hyper-optimizer (Pedregosa 2016, section 4): a projected gradient step whose size 1/L follows an estimate L
-- of the Lipschitz constant of the hypergradient.
--
-- After a step of length D from lambda_{k-1} to lambda_k, an L-smooth response f has fallen by L D^2 / 2 at least; f
-- and its gradient g are known up to eps_k |f| and eps_{k-1} |g|. So L is right where
--
--   f_k <= f_{k-1} + C eps_k |f_{k-1}| + (C + M) eps_{k-1} |g_{k-1}| D - L D^2 / 2,   C = 1/4, M = 1
--
-- Then L shrinks by a twentieth; otherwise it grows by one, and where f_k has grown by a fifth, the step is taken back
-- and L doubles. All of it on the scales of the hyperparameters.
-- @module hyla.hoag
local lower = require "hyla.lower"
local options = require "hyla.options"
local scale = require "hyla.scale"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"

local hoag = {}

local C, M = 0.25, 1
local SHRINK, GROW, BACK, WORSE = 0.95, 1.05, 2, 0.2

local function positive(v) return type(v) == "number" and v > 0 and v < math.huge end

local fields = {
  rate = { expected = "a number > 0", is = positive },
  tolerance = { expected = "a number >= 0, or a function of the hyper-iteration",
                is = function(v) return type(v) == "function" or v == 0 or positive(v) end },
  steps = options.count,
}

--- The hyper-optimizer as a value, for `improve`.
-- @tparam[opt] table given { rate = the first step size 1/L; by default such that the first step is one unit long in
--   each component on average, on its scale, which every hyperparameter must then have;
--   tolerance = of response and hypergradient, relative: a number or function(k) of the hyper-iteration; by default
--   that of the method (hyla.implicit), and 0 for others; steps = hyper-iterations }
-- @treturn hoag
function hoag.new(given)
  local o = options.read("hoag", given, fields)
  return { kind = "hoag", rate = o.rate or false, tolerance = o.tolerance, steps = o.steps, site = site.here() }
end

--- Whether a value is one.
-- @return boolean
function hoag.is(x) return type(x) == "table" and not trace.is(x) and x.kind == "hoag" end

local Hoag = {}
Hoag.__index = Hoag

-- ---- a step of all hyperparameters, as programs ----

-- From lambda, its gradient and the rate: the gradient on its scale, and lambda after a step.
local function step_program(self, hypers)
  local roots = {}
  self.rate_leaf = trace.leaf("accessory", "rate", {})
  for i, hyper in ipairs(hypers) do
    local g, s = trace.leaf("hypergradient", hyper.name .. ".gradient", hyper.shape), scale.of(hyper)
    self.gradient_of[g] = i
    local slope = s and g * s.slope or g
    local u = (s and s.u or hyper.leaf) - self.rate_leaf * slope
    roots[i], roots[#hypers + i] = slope, s and s.back(u) or u
  end
  return lower.program(roots, self.dtype)
end

local function scale_program(self, hypers)
  local roots = {}
  for i, hyper in ipairs(hypers) do
    local s = scale.of(hyper)
    roots[i] = s and s.u or hyper.leaf + 0
  end
  return lower.program(roots, self.dtype)
end

-- Gradients on their scales, and where a step of this rate leads from these values.
local function run_step(self, values, gradients, rate)
  local size = tensor.from(rate, self.dtype)
  local n, results = #self.hypers, self.program:run(function(leaf)
    if leaf == self.rate_leaf then return size end
    if self.gradient_of[leaf] then return gradients[self.gradient_of[leaf]] end
    return values[self.position[leaf]]
  end)
  local slopes, moved = {}, {}
  for i = 1, n do slopes[i], moved[i] = results[i], results[n + i] end
  return slopes, moved
end

local function scaled(self, values) return self.scales:run(function(leaf) return values[self.position[leaf]] end) end

local function norm(list)
  local sum = 0
  for _, t in ipairs(list) do sum = sum + (t * t):sum():item() end
  return math.sqrt(sum)
end

local function difference(a, b)
  local list = {}
  for i = 1, #a do list[i] = a[i] - b[i] end
  return list
end

-- ---- the improver ----

local function want_rate(d, hypers)
  if d.rate then return end
  for _, hyper in ipairs(hypers) do
    if not hyper.scale then
      site.fail_at(d.site, "hoag: option 'rate' is missing, the size of the first step, which '%s' needs: it has no "
                   .. "scale", hyper.name)
    end
  end
end

-- The tolerance that the problem's method works with.
local function of_method(problem)
  local settings = problem.method.kind == "implicit" and problem.method.settings
  return settings and settings.tolerance or 0
end

--- The hyper-optimizer of a problem, at its start.
-- @tparam hoag d
-- @tparam table problem with hypers, dtype, method and place(values)
-- @treturn Hoag step(g, response), state(), restore(state), as hyla.improver
function hoag.improver(d, problem)
  want_rate(d, problem.hypers)
  local self = setmetatable({
    definition = d, problem = problem, hypers = problem.hypers, dtype = problem.dtype, position = {}, gradient_of = {},
    iteration = 0, rate = d.rate, last = false,
    tolerance = d.tolerance == nil and of_method(problem) or d.tolerance,
  }, Hoag)
  for i, hyper in ipairs(self.hypers) do self.position[hyper.leaf] = i end
  self.program, self.scales = step_program(self, self.hypers), scale_program(self, self.hypers)
  return self
end

local function tolerance_at(self, k)
  local value = self.tolerance
  if type(value) == "function" then value = value(k) end
  if value ~= 0 and not positive(value) then
    site.fail_at(self.definition.site, "hoag: expected a tolerance >= 0 for hyper-iteration %d, got %s", k,
                 trace.show(value))
  end
  return value
end

local function want_gradients(self, g)
  local list = {}
  for i, hyper in ipairs(self.hypers) do
    local value = g[hyper.name]
    if type(value) == "number" then value = tensor.from(value, self.dtype) end
    if not tensor.is(value) or table.concat(value.shape, ",") ~= table.concat(hyper.shape, ",") then
      site.fail("hoag: expected a hypergradient of the shape of '%s', got %s", hyper.name, trace.show(value))
    end
    list[i] = value.dtype == self.dtype and value or value:to(self.dtype)
  end
  return list
end

local function want_response(response)
  if type(response) == "number" and response == response and math.abs(response) < math.huge then return end
  site.fail("hoag: expected the response beside the hypergradient, a finite number, got %s; it goes with methods of "
            .. "whole trainings", trace.show(response))
end

-- What the last step was worth: the rate from now on, and whether the step is taken back.
local function judge(self, response, tolerance)
  local last, rate = self.last, self.rate
  local slack = C * tolerance * math.abs(last.response) + (C + M) * last.tolerance * last.norm * last.way
  if response <= last.response + slack - last.way ^ 2 / (2 * rate) then return rate / SHRINK, false end
  if response > last.response + slack + WORSE * math.abs(last.response) then return rate / BACK, true end
  return rate / GROW, false
end

-- One unit a component.
local function first_rate(length, hypers)
  local size = 0
  for _, hyper in ipairs(hypers) do size = size + hyper.size end
  return length > 0 and math.sqrt(size) / length or 1
end

--- Judges the last step and takes the next one, projected on the constraints.
-- @tparam table g hypergradient by name, as problem:hypergradient() gives it
-- @tparam number response that it gives, too
function Hoag:step(g, response)
  want_response(response)
  local gradients, values = want_gradients(self, g), {}
  local tolerance, rate, back = tolerance_at(self, self.iteration + 1), self.rate, false
  for i, hyper in ipairs(self.hypers) do values[i] = hyper.value end
  local from = { response = response, tolerance = tolerance, values = values, gradients = gradients }
  if self.last then rate, back = judge(self, response, tolerance) end
  if back then from = self.last end
  if not rate then rate = first_rate(norm((run_step(self, values, gradients, 1))), self.hypers) end
  local slopes, moved = run_step(self, from.values, from.gradients, rate)
  local named = {}
  for i, hyper in ipairs(self.hypers) do
    if hyper.set then hyper.set:project(moved[i], hyper.site) end
    named[hyper.name] = moved[i]
  end
  self.problem:place(named)
  self.last = {
    response = from.response, tolerance = from.tolerance, values = from.values, gradients = from.gradients,
    norm = norm(slopes), way = norm(difference(scaled(self, moved), scaled(self, from.values))),
  }
  self.rate, self.iteration = rate, self.iteration + 1
end

--- What a checkpoint keeps.
-- @treturn table
function Hoag:state()
  local state, last = { iteration = self.iteration }, self.last
  if not last then return state end
  state.rate = self.rate
  state.last = { response = last.response, tolerance = last.tolerance, norm = last.norm, way = last.way, values = {},
                 gradients = {} }
  for i in ipairs(self.hypers) do
    state.last.values[i], state.last.gradients[i] = last.values[i]:clone(), last.gradients[i]:clone()
  end
  return state
end

local function want_state(self, state)
  local fine = type(state) == "table" and options.seed.is(state.iteration)
  if fine and state.iteration > 0 then
    local last = state.last
    fine = positive(state.rate) and type(last) == "table"
    for i, hyper in ipairs(self.hypers) do
      for _, list in ipairs { fine and last.values or {}, fine and last.gradients or {} } do
        fine = fine and tensor.is(list[i]) and list[i].dtype == self.dtype
          and table.concat(list[i].shape, ",") == table.concat(hyper.shape, ",")
      end
    end
    for _, key in ipairs { "response", "tolerance", "norm", "way" } do
      fine = fine and type(last[key]) == "number"
    end
  end
  if not fine then site.fail("hoag: this is no state of it for these hyperparameters") end
end

--- Goes back to a state.
-- @tparam table state as `state` gave it
function Hoag:restore(state)
  want_state(self, state)
  self.iteration, self.rate = state.iteration, state.rate or self.definition.rate
  self.last = state.last or false
end

return hoag
