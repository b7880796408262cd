--- Implicit hypergradients: the method, and what belongs to a problem that uses it. The method's value has
-- begin(handle, k), which comes before hypergradient number k = 1, 2, ..., and report(handle), how the last one was
-- come by; `warm`, when training and the solve begin where the last one ended.
-- @module hyla.implicit
local ffi = require "ffi"
local engine = require "hyla.ffi"
local number = require "hyla.number"
local options = require "hyla.options"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local C, check = engine.C, engine.check

local implicit = { methods = {} }

local function number_where(words, is)
  return { expected = words, is = function(v) return type(v) == "number" and v < math.huge and is(v) end }
end
local positive = number_where("a number > 0", function(v) return v > 0 end)

local solvers = {
  cg = C.HYLA_SOLVE_CG, fixed_point = C.HYLA_SOLVE_FIXED_POINT, neumann = C.HYLA_SOLVE_NEUMANN,
  nystrom = C.HYLA_SOLVE_NYSTROM,
}
local implicit_fields = {
  solver = { expected = "\"cg\", \"fixed_point\", \"neumann\" or \"nystrom\"", default = "cg",
             is = function(v) return solvers[v] ~= nil end },
  iterations = options.count,
  tolerance = { expected = "a number > 0, a function of the hyper-iteration, or false", default = 1e-4,
                is = function(v) return v == false or type(v) == "function" or positive.is(v) end },
  warm = { kind = "boolean", default = true },
  damping = number_where("a number >= 0", function(v) return v >= 0 end),
  rank = options.count, rate = positive, seed = options.seed,
}
-- Options that one solver takes, and whether it needs them.
local own = { rate = { neumann = "needed" }, rank = { nystrom = "needed" }, seed = { nystrom = "taken" },
              damping = { cg = "taken", neumann = "taken", nystrom = "needed" },
              iterations = { cg = "taken", fixed_point = "taken", neumann = "taken" } }

local function want_own_options(o)
  for name, takers in pairs(own) do
    if o[name] ~= nil and not takers[o.solver] then
      site.fail("implicit: option '%s' is not one of solver \"%s\"", name, o.solver)
    elseif o[name] == nil and takers[o.solver] == "needed" then
      site.fail("implicit: option '%s' is missing, which solver \"%s\" needs", name, o.solver)
    end
  end
end

-- The tolerance of hyper-iteration k.
local function tolerance_at(tolerance, k)
  local value = tolerance
  if type(tolerance) == "function" then
    value = tolerance(k)
    if not positive.is(value) then
      site.fail("implicit: expected a tolerance > 0 for hyper-iteration %d, got %s", k, tostring(value))
    end
  end
  return value or 0
end

-- Why the hypergradient is not that of the limit of training, to rounding.
local function why_another(o)
  if o.solver == "nystrom" then return ("%d columns of the Hessian stand for it"):format(o.rank) end
  if (o.damping or 0) > 0 then return ("its Hessian has %s added"):format(number.short(o.damping)) end
  if type(o.tolerance) == "number" and o.tolerance <= 1e-8 then return nil end
  return o.tolerance and "its tolerance is larger than 1e-8" or "it has no tolerance"
end

local function solve_of(handle)
  local s = ffi.new "hyla_solve"
  check(C.hyla_implicit_solve(handle, s))
  return { steps = s.steps, gradient = s.gradient, iterations = s.iterations, residual = s.residual,
           tolerance = s.tolerance }
end

--- The implicit hypergradient (Pedregosa 2016; Lorraine et al. 2020; Grazzi et al. 2020; Hataya and Yamada 2023).
-- Training goes on for at most its steps, until the norm of the inner gradient is at most `tolerance` times what it was
-- at the start; with H its Hessian there, H q = dE/dw is solved and g = dE/dlambda - (d2J/dw dlambda)' q. No trajectory
-- is stored, and how training gets there plays no part: a learning rate has no hypergradient. The inner objective must
-- be the same at every step (full batches) and its Hessian positive definite at the end; training or a solve that does
-- not reach the tolerance is an error with the figures. `p:report()` tells the steps, iterations and residual of the
-- last one.
-- @tparam[opt] table given {
--   solver = "cg"; "neumann": q <- q + rate (dE/dw - H q); "nystrom": a low-rank inverse from random columns of H;
--     "fixed_point": q <- A' q + dE/ds with A and B of the last step, g = dE/dlambda + B' q, which takes any training
--     that contracts to a fixed point, transitions too;
--   tolerance = 1e-4, relative, of training and of the solve (nystrom's residual is reported alone); or function(k) of
--     the hyper-iteration k = 1, 2, ..., decreasing as in HOAG; or false: all steps and iterations, whatever is left;
--   iterations = 1000, the most of the solver (not of nystrom);
--   warm = true: training and q begin where the last hypergradient left them;
--   damping = 0, added to the Hessian's diagonal (nystrom needs it; not of fixed_point);
--   rate = of neumann, below 2 over the largest eigenvalue; rank = columns of nystrom; seed = 1, of their choice }
-- @treturn method
function implicit.new(given)
  local o = options.read("implicit", given, implicit_fields)
  want_own_options(o)
  local settings = ffi.new("hyla_implicit", {
    solver = solvers[o.solver], warm = o.warm and 1 or 0, rank = o.rank or 0, iterations = o.iterations or 1000,
    damping = o.damping or 0, rate = o.rate or 0, seed = o.seed or 1,
  })
  return {
    kind = "implicit", settings = o, warm = o.warm,
    approximates = function() return why_another(o) end,
    new = function(problem)
      local out = ffi.new "hyla_method *[1]"
      check(C.hyla_implicit_new(problem, settings, out))
      return ffi.gc(out[0], C.hyla_method_drop)
    end,
    begin = function(handle, k) check(C.hyla_implicit_tolerance(handle, tolerance_at(o.tolerance, k))) end,
    report = solve_of,
  }
end

-- ---- of a problem ----

--- How the last hypergradient was come by, where its method can tell.
-- @treturn table steps of training; gradient: the norm of the inner gradient after them (of a step's way, without inner
--   objective); iterations of the solver; residual relative to |dE/dw|; tolerance (0: none)
function implicit.methods:report()
  if not self.method.report then site.fail("report: the method '%s' has none", self.method.kind) end
  local handle = self.handles[self.method.kind]
  if not handle then site.fail("report: there is no hypergradient yet") end
  return self.method.report(handle)
end

local function carried_view(handle, i)
  local out = ffi.new "hyla_tensor *[1]"
  check(C.hyla_method_carry(handle, i, out))
  return tensor.adopt(out[0])
end

--- What the next hypergradient begins with besides the hyperparameters, for a checkpoint.
-- @treturn table|nil hypergradients: how many were done; carried: a list of tensors. nil where the method begins afresh
function implicit.methods:carried()
  local handle = self.handles[self.method.kind]
  if not self.method.begin or not handle then return nil end
  local list = {}
  for i = 1, C.hyla_method_carried(handle) do list[i] = carried_view(handle, i - 1):clone() end
  return { hypergradients = self.hypergradients, carried = list }
end

--- Goes back to what `carried` gave; the hyperparameters have been set before.
-- @tparam table state
function implicit.methods:carry(state)
  local handle = self.handles[self.method.kind] or self.method.new(self.handle)
  local values = ffi.new("hyla_tensor *[?]", #self.hypers)
  for i, hyper in ipairs(self.hypers) do values[i - 1] = hyper.value end
  check(C.hyla_method_start(handle, values))
  for i, value in ipairs(state.carried) do check(C.hyla_tensor_copy(carried_view(handle, i - 1), value)) end
  if self.method.warm then check(C.hyla_implicit_warm(handle, 1)) end
  self.handles[self.method.kind], self.hypergradients = handle, state.hypergradients
end

return implicit
