--- Methods of problems for trying things out: the curve of a training, and the outer loop in pieces. Ctrl-C ends both
-- with what they have done.
-- @module hyla.explore
local names = require "hyla.names"
local interrupt = require "hyla.interrupt"
local optimisation = require "hyla.optimisation"
local options = require "hyla.options"
local site = require "hyla.site"
local trace = require "hyla.trace"

local methods = {}

local trajectory_fields = {
  every = options.with(options.count, { default = 1 }), watch = { kind = "table", default = {} },
}

-- Scalars alone are points of a curve.
local function put_scalars(row, values)
  for name, value in pairs(values) do
    if type(value) == "number" then row[name] = value end
  end
end

local function look(self, watch)
  local row = { step = self.t }
  if self.outer then row.response = self:response() end
  put_scalars(row, self:watch())
  for _, name in ipairs(names.keys(watch)) do row[name] = self:evaluate(watch[name]) end
  return row
end

local function want_scalars(watch)
  for name, e in pairs(watch) do
    if trace.lift("trajectory: watch '" .. tostring(name) .. "'", e).rank > 0 then
      site.fail("trajectory: watch '%s': expected a scalar, got %s", tostring(name), trace.show(e))
    end
  end
end

--- Plain training from its first step to its last, looked at on the way: the outer objective, the watched numbers, and
-- those that are asked for. Ctrl-C ends it with the steps that were done; `p:step(n)` goes on from there.
-- @tparam[opt] table given { every = 1: steps between two looks; watch = { name = expression }, more to look at }
-- @treturn {table,...} a row a look, the first at step 0: step, response, and numbers by name
function methods:trajectory(given)
  local o = options.read("trajectory", given, trajectory_fields)
  want_scalars(o.watch)
  local rows = {}
  return interrupt.guard(function()
    self:start()
    rows[1] = look(self, o.watch)
    while self.t < self.steps do
      self:step(math.min(o.every, self.steps - self.t))
      rows[#rows + 1] = look(self, o.watch)
    end
  end, function() return rows end)
end

--- The outer loop: hypergradient, step of the hyper-optimizer, projection, again and again. The problem is left at the
-- last hyperparameters; Ctrl-C ends the loop with what it has done, and `run:go_on()` goes on.
-- @tparam[opt] table given { steps = hyper-iterations (default: those of `improve`); early_stop = { watch =, goal =,
--   patience = } (default: the lowest response is the best, and all steps are done) }
-- @treturn Optimisation series, best and more: see hyla.optimisation
function methods:optimise(given)
  local run = optimisation.new(self, given)
  return run:go_on()
end

return { methods = methods }
