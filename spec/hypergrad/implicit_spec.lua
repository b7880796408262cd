-- The implicit hypergradient: closed forms for every solver, agreement with differences and with Reverse-HG, and what
-- is refused. Quadratics converge to rounding, so tolerances of comparisons are those of the solves.
local engine = require "hyla.ffi"
local hyla = require "hyla"
local mistake = require "spec.lua.mistake"
local support = require "spec.engine.support"
local ffi = require "ffi"
require "hyla.spec"
local C = engine.C

local n, d, lambda = 30, 5, 0.3

local function drawn(seed, ...) return (hyla.normal { seed = seed } ({ ... }, "float64", 1)) end
local X, y, c = drawn(1, n, d), drawn(2, n, 1), drawn(3, d, 1)

-- A x = b by Gauss and Jordan, for reference; A is a list of rows.
local function solved(A, b)
  local m, x = {}, {}
  for i = 1, #A do
    m[i] = { unpack(A[i]) }
    m[i][#A + 1] = b[i]
  end
  for k = 1, #A do
    for i = 1, #A do
      local factor = i ~= k and m[i][k] / m[k][k] or 0
      for j = k, #A + 1 do m[i][j] = m[i][j] - factor * m[k][j] end
    end
  end
  for i = 1, #A do x[i] = m[i][#A + 1] / m[i][i] end
  return x
end

-- X'X + n lambda 1, X'y
local function normal_equations()
  local A, b, rows, targets = {}, {}, X:totable(), y:totable()
  for i = 1, d do
    A[i], b[i] = {}, 0
    for j = 1, d do
      A[i][j] = i == j and n * lambda or 0
      for k = 1, n do A[i][j] = A[i][j] + rows[k][i] * rows[k][j] end
    end
    for k = 1, n do b[i] = b[i] + rows[k][i] * targets[k][1] end
  end
  return A, b
end

local function ridge(method, given)
  given = given or {}
  local w = hyla.weight("w", { d, 1 }, hyla.zeros)
  local l = hyla.hyper("l", { init = lambda })
  local outer = given.outer and given.outer(w, l) or (w * c):sum()
  return hyla.problem {
    inner = ((X:matmul(w) - y) ^ 2):sum() / (2 * n) + l * (w ^ 2):sum() / 2, outer = outer, method = method,
    train = given.train or hyla.gd { rate = 0.4, steps = 2000 }, dtype = given.dtype or "float64",
  }
end

-- What a call is refused with.
local function refusal(call, ...)
  local ok, message = pcall(call, ...)
  assert.is_false(ok)
  return message
end

local function hypergradient(p) return p:hypergradient() end

describe("the implicit hypergradient of ridge regression", function()
  -- dw*/dlambda = -n (X'X + n lambda)^-1 w*
  local A, b = normal_equations()
  local w = solved(A, b)
  local dw, exact, terms = solved(A, w), 0, 0
  for i, ci in ipairs(c:totable()) do
    local term = -n * ci[1] * dw[i]
    exact, terms = exact + term, terms + math.abs(term)
  end

  -- Training and solve end within 1e-11 of what they begin with.
  for name, given in pairs {
    cg = {}, fixed_point = { solver = "fixed_point" }, neumann = { solver = "neumann", rate = 0.4 },
  } do
    it("has its closed form by " .. name, function()
      given.tolerance = 1e-11
      assert.is_near(exact, ridge(hyla.implicit(given)):hypergradient().l, 1e-9 * math.abs(exact))
    end)
  end

  it("has its damped closed form by nystrom with all columns", function()
    local rho, damped = 0.1, normal_equations()
    for i = 1, d do damped[i][i] = damped[i][i] + n * rho end
    local q, expected = solved(damped, (function()
      local list = {}
      for i, ci in ipairs(c:totable()) do list[i] = ci[1] end
      return list
    end)()), 0
    for i = 1, d do expected = expected - n * w[i] * q[i] end
    local p = ridge(hyla.implicit { solver = "nystrom", rank = d, damping = rho, tolerance = 1e-12 })
    assert.is_near(expected, p:hypergradient().l, 1e-10 * math.abs(expected))
    assert.is_true(p:report().residual < 1e-12)
    p = ridge(hyla.implicit { solver = "nystrom", rank = d - 2, damping = rho })
    p:hypergradient()
    assert.is_true(p:report().residual > 1e-3 and p:report().iterations == d - 2)
  end)

  it("is exact by conjugate gradients after as many iterations as there are weights", function()
    local p = ridge(hyla.implicit { tolerance = 1e-11, iterations = d })
    assert.is_near(exact, p:hypergradient().l, 1e-9 * math.abs(exact))
    assert.equal(d, p:report().iterations)
  end)

  it("comes of momentum's fixed point, and of its inner objective", function()
    local train = hyla.momentum { rate = 0.2, momentum = 0.8, steps = 2000 }
    for _, solver in ipairs { "fixed_point", "cg" } do
      local p = ridge(hyla.implicit { solver = solver, tolerance = 1e-11 }, { train = train })
      assert.is_near(exact, p:hypergradient().l, 1e-9 * math.abs(exact))
    end
  end)

  it("ends training when its gradient is small, and stores no trajectory", function()
    local p = ridge(hyla.implicit { tolerance = 1e-6 })
    p:hypergradient()
    assert.is_true(p.t > 5 and p.t < 100, "step " .. p.t)
    assert.equal(p.t, p:report().steps)
    local long = ridge(hyla.implicit { tolerance = 1e-6 }, { train = hyla.gd { rate = 0.4, steps = 1e6 } })
    long:hypergradient()
    assert.equal(p:bytes(), long:bytes())
  end)

  it("is float32 unless told", function()
    local p = ridge(hyla.implicit(), { dtype = "float32" })
    assert.is_near(exact, p:hypergradient().l, 1e-3 * terms)      -- which nearly cancel
  end)

  it("has the direct term of the outer objective", function()
    local function outer(v, l) return (v * c):sum() + l ^ 3 end
    local p = ridge(hyla.implicit { tolerance = 1e-11 }, { outer = outer })
    assert.is_near(exact + 3 * lambda ^ 2, p:hypergradient().l, 1e-9)
  end)
end)

-- J = a w^2 / 2 - s w, E = w^2 / 2: w* = s/a, H = a.
local function scalar(a, method, given)
  given = given or {}
  local w, s = hyla.weight("w", {}, given.init or 0), hyla.hyper("s", { init = 1.5 })
  return hyla.problem { inner = a * w ^ 2 / 2 - s * w, outer = w ^ 2 / 2, method = method, dtype = "float64",
    train = hyla.gd { rate = given.rate or 0.1, steps = given.steps or 2000 } }
end

describe("the implicit hypergradient of one weight", function()
  local a, w = 2, 0.75                                       -- dJ/dw ds = -1, so g = q

  it("has damping added to the Hessian", function()
    local p = scalar(a, hyla.implicit { tolerance = 1e-12, damping = 0.5 })
    assert.is_near(w / (a + 0.5), p:hypergradient().s, 1e-11)
  end)

  it("takes exactly its iterations where there is no tolerance", function()
    local K, rate = 3, 0.2
    local p = scalar(a, hyla.implicit { solver = "neumann", rate = rate, tolerance = false, iterations = K })
    local q = 0
    for j = 0, K - 1 do q = q + rate * (1 - rate * a) ^ j * w end
    assert.is_near(q, p:hypergradient().s, 1e-14)
    assert.is_near((1 - rate * a) ^ K, p:report().residual, 1e-14)
    assert.equal(K, p:report().iterations)
    assert.equal(2000, p:report().steps)
  end)

  it("is a true zero where the outer objective is flat", function()
    local v, s = hyla.weight("v", {}, 0), hyla.hyper("s", { init = 0 })
    local p = hyla.problem { inner = v ^ 2 / 2 - s * v, outer = v ^ 2, method = hyla.implicit(), dtype = "float64",
      train = hyla.gd { rate = 0.5, steps = 10 } }
    assert.equal(0, p:hypergradient().s)
  end)
end)

-- Logistic regression with a regulariser for each feature, and one hyperparameter that the outer objective sees, too.
local function logistic(method, given)
  given = given or {}
  local m, features = 40, 6
  local x, targets = drawn(4, m, features), drawn(5, m, 1):lt(0):cast("float")
  local w, bias = hyla.weight("w", { features, 1 }, hyla.zeros), hyla.weight("b", { 1 }, hyla.zeros)
  local l = hyla.hyper("l", { size = features, init = hyla.uniform { seed = 6, lo = 0.05, hi = 0.3 } })
  local scale = hyla.hyper("scale", { init = 1.2 })
  local function loss(on)
    local z = on:matmul(w) * scale + bias
    return (z:softplus() - targets * z):mean()
  end
  return hyla.problem {
    inner = loss(x) + (l:reshape { features, 1 } * w ^ 2):sum() / 2, outer = loss(x + 0.2), method = method,
    train = given.train or hyla.gd { rate = 1, steps = 3000 }, dtype = "float64",
  }
end

describe("implicit hypergradients of learned regularisers", function()
  for _, given in ipairs {
    { solver = "cg" }, { solver = "fixed_point" }, { solver = "neumann", rate = 1 },
  } do
    it("agree with central differences by " .. given.solver, function()
      given.tolerance = 1e-12
      assert.hypergradient(logistic(hyla.implicit(given)), { relative = 1e-7 })
    end)
  end

  it("agree with those of long Reverse-HG", function()
    local long = logistic(hyla.reverse()):hypergradient()
    local g = logistic(hyla.implicit { tolerance = 1e-12 }):hypergradient()
    for i = 1, 6 do assert.is_near(long.l:get(i), g.l:get(i), 1e-8 * math.abs(long.l:get(i))) end
    assert.is_near(long.scale, g.scale, 1e-8 * math.abs(long.scale))
  end)

  it("have the same bits twice, and on one and two threads", function()
    local threads = hyla.threads()
    local function bits(count)
      hyla.threads(count)
      local p = logistic(hyla.implicit { warm = false })
      local g, f = p:hypergradient()
      local again = p:hypergradient()
      assert.same(g.l:totable(), again.l:totable())
      return { f, g.l:totable() }
    end
    local one, two = bits(1), bits(2)
    hyla.threads(threads)
    assert.same(one, two)
  end)

  it("go on after an interrupt, to the same bits", function()
    local expected = logistic(hyla.implicit()):hypergradient().l:totable()
    local p = logistic(hyla.implicit())
    C.hyla_interrupt()
    assert.matches("interrupt", refusal(hypergradient, p))
    C.hyla_interrupt_clear()
    assert.same(expected, p:hypergradient().l:totable())
  end)

  it("need fewer steps and iterations from a warm start", function()
    local method = { tolerance = 1e-6, solver = "neumann", rate = 1 }
    local warm = logistic(hyla.implicit(method))
    method.warm = false
    local cold = logistic(hyla.implicit(method))
    local function total(p)
      local steps, iterations = 0, 0
      p:hypergradient()
      for k = 1, 3 do
        p:hypergradient { scale = 1.2 + k / 100 }
        steps, iterations = steps + p:report().steps, iterations + p:report().iterations
      end
      return steps, iterations
    end
    local steps, iterations = total(warm)
    local more_steps, more_iterations = total(cold)
    assert.is_true(steps < 0.8 * more_steps, steps .. " and " .. more_steps)
    assert.is_true(iterations < more_iterations, iterations .. " and " .. more_iterations)
  end)

  it("begin from what a checkpoint kept as from the last one, to the same bits", function()
    local function schedule(k) return 1e-3 * 0.1 ^ k end
    local p = logistic(hyla.implicit { tolerance = schedule })
    assert.is_nil(p:carried())
    p:hypergradient()
    local kept = p:carried()
    local expected, report = p:hypergradient { scale = 1.21 }, p:report()
    p = logistic(hyla.implicit { tolerance = schedule })
    p:carry(kept)
    assert.same(expected.l:totable(), p:hypergradient({ scale = 1.21 }).l:totable())
    assert.same(report, p:report())
    p:hypergradient()
    assert.is_true(#p:carried().carried > 0)
    assert.is_nil(logistic(hyla.reverse()):carried())
    p = logistic(hyla.implicit { tolerance = schedule, warm = false })
    p:hypergradient()
    assert.same({}, p:carried().carried)
  end)

  it("take their tolerance from a schedule over hyper-iterations", function()
    local asked = {}
    local p = logistic(hyla.implicit { tolerance = function(k)
      asked[#asked + 1] = k
      return 0.1 * 0.1 ^ k
    end, warm = false })
    local last = 0
    for k = 1, 3 do
      p:hypergradient()
      local report = p:report()
      assert.is_near(0.1 * 0.1 ^ k, report.tolerance, 1e-18)
      assert.is_true(report.residual <= report.tolerance)
      assert.is_true(report.steps > last)
      last = report.steps
    end
    assert.same({ 1, 2, 3 }, asked)
  end)
end)

describe("a fixed point of the recipe's own", function()
  -- x = tanh(a x + u), so dx/da = x (1 - x^2) / (1 - a (1 - x^2)).
  local function transition(method)
    local x, a = hyla.state("x", {}, 0.1), hyla.hyper("a", { init = 0.6 })
    return hyla.problem { outer = x ^ 2 / 2, method = method, dtype = "float64",
      train = hyla.transition { steps = 500, next = { x = (a * x + 0.3):tanh() } } }
  end

  it("has its closed form", function()
    local p = transition(hyla.implicit { solver = "fixed_point", tolerance = 1e-13 })
    local g = p:hypergradient().a
    local x = p:states().x:item()
    local slope = 1 - x ^ 2
    assert.is_near(x * x * slope / (1 - 0.6 * slope), g, 1e-11)
    assert.is_true(p.t < 200)
    assert.hypergradient(p)
  end)

  it("needs no inner objective, which the other solvers do", function()
    assert.matches("no inner objective, so only solver \"fixed_point\" is possible",
                   refusal(hypergradient, transition(hyla.implicit())))
  end)
end)

describe("an implicit hypergradient is refused", function()
  it("where the Hessian is indefinite, with the curvature", function()
    -- J = w1^2 - w2^2/2 + l w1 at (0, 0), where training stands still.
    local function saddle(method)
      local w, l = hyla.weight("w", { 2 }, { 0, 0 }), hyla.hyper("l", { init = 0 })
      local squares = hyla.tensor({ 1, -0.5 }, "float64")
      return hyla.problem { inner = (squares * w ^ 2):sum() + l * w:sum(), method = method,
        outer = (w + 1):square():sum(), train = hyla.gd { rate = 0.1, steps = 3 }, dtype = "float64" }
    end
    local message = refusal(hypergradient, saddle(hyla.implicit()))
    assert.matches("not positive definite.*iteration %d of cg its curvature is %-", message)
    assert.matches("a regulariser in the inner objective, or damping", message)
    assert.matches("implicit_spec.lua:%d+: implicit", message)
    local g = saddle(hyla.implicit { damping = 1.5 }):hypergradient().l      -- q = (2/3.5, 2/0.5)
    assert.is_near(-(2 / 3.5 + 2 / 0.5), g, 1e-3)
    assert.matches("neumann does not contract: the Hessian of the inner objective has a curvature of %-",
                   refusal(hypergradient, saddle(hyla.implicit { solver = "neumann", rate = 0.1, tolerance = false })))
    assert.matches("nystrom: the Hessian of the inner objective is not positive definite", refusal(hypergradient,
      saddle(hyla.implicit { solver = "nystrom", rank = 2, damping = 10 })))
  end)

  it("where the solve has not reached its tolerance, with the residual", function()
    local message = refusal(hypergradient, ridge(hyla.implicit { tolerance = 1e-9, iterations = 2 }))
    assert.matches("cg did not reach its tolerance: the residual is %S+ times |dE/dw| after 2 iterations, the "
      .. "tolerance is 1e%-09", message)
    message = refusal(hypergradient, ridge(hyla.implicit { solver = "neumann", rate = 0.4, iterations = 2 }))
    assert.matches("neumann did not reach its tolerance", message)
    message = refusal(hypergradient, ridge(hyla.implicit { solver = "fixed_point", iterations = 2 }))
    assert.matches("fixed_point did not reach its tolerance", message)
  end)

  it("where training has not, with the norm of its gradient", function()
    local p = ridge(hyla.implicit { tolerance = 1e-9 }, { train = hyla.gd { rate = 0.4, steps = 7 } })
    local message = refusal(hypergradient, p)
    assert.matches("training did not reach its tolerance: after 7 steps the norm of the inner gradient is %S+, %S+ "
      .. "times what it is at the start, and the tolerance is 1e%-09", message)
  end)

  it("where an iteration does not contract", function()
    assert.matches("neumann does not contract: the residual grew.*has a curvature of 2 or more, so the rate must stay "
      .. "below 1, and it is 1.1", refusal(hypergradient, scalar(2, hyla.implicit { solver = "neumann", rate = 1.1 })))
    local p = scalar(2, hyla.implicit { solver = "fixed_point", tolerance = false }, { rate = 1.1, steps = 1 })
    assert.matches("the last step of training does not contract", refusal(hypergradient, p))
  end)

  it("where training diverges, with op, line and step", function()
    local message = refusal(hypergradient, scalar(2, hyla.implicit(), { rate = 1e30, steps = 50, init = 1 }))
    assert.matches("diverged at step %d+ of 50 .*not finite", message)
  end)

  it("where the inner objective changes from step to step", function()
    local x = hyla.tensor({ { 1 }, { 2 }, { 3 }, { 4 } }, "float64")
    local function with(factor, solver)
      local w, l = hyla.weight("w", { 1 }, hyla.ones), hyla.hyper("l", { init = 1 })
      return hyla.problem { inner = (factor * w ^ 2):sum() + l * (w - 1):square():sum(), outer = (w ^ 2):sum(),
        method = hyla.implicit { solver = solver }, dtype = "float64", train = hyla.gd { rate = 0.01, steps = 3 } }
    end
    local data = hyla.data { x = x, y = { 0, 1, 0, 1 } }
    for _, solver in ipairs { "cg", "fixed_point" } do
      local message = refusal(hypergradient, with(data:batches { size = 2, seed = 1 }.x, solver))
      assert.matches("the inner objective reads mini%-batches .* full batches", message)
      assert.matches("the inner objective reads values", refusal(hypergradient, with(hyla.at_step(x), solver)))
    end
  end)

  it("where a hyperparameter is in how training gets there alone", function()
    local w, eta = hyla.weight("w", {}, 1), hyla.hyper("eta", { init = 0.1 })
    local p = hyla.problem { inner = w ^ 2, outer = w ^ 2, method = hyla.implicit(),
      train = hyla.gd { rate = eta, steps = 100 } }
    local message = refusal(hypergradient, p)
    assert.equal(eta.site, message:sub(1, #eta.site))
    assert.matches("hyperparameter 'eta' changes neither the inner objective nor the outer", message)
  end)

  it("where the outer objective sees more of the state than the weights", function()
    local w, l = hyla.weight("w", {}, 1), hyla.hyper("l", { init = 0.1 })
    local p = hyla.problem { inner = (w - l) ^ 2, cost = w ^ 2, method = hyla.implicit(),
      train = hyla.gd { rate = 0.1, steps = 100 } }
    assert.matches("the outer objective depends on 'cost'", refusal(hypergradient, p))
  end)

  for words, call in pairs {
    ["implicit: option 'rate' is not one of solver \"cg\""] = function() hyla.implicit { rate = 1 } end,
    ["option 'rate' is missing, which solver \"neumann\" needs"] = function() hyla.implicit { solver = "neumann" } end,
    ["option 'rank' is missing"] = function() hyla.implicit { solver = "nystrom", damping = 1 } end,
    ["option 'damping' is not one of"] = function() hyla.implicit { solver = "fixed_point", damping = 1 } end,
    ["option 'solver': expected \"cg\""] = function() hyla.implicit { solver = "lu" } end,
    ["option 'tolerance': expected a number > 0"] = function() hyla.implicit { tolerance = 0 } end,
  } do
    it("where its options do not fit: " .. words, function()
      assert.truthy(mistake(call):find(words, 1, true), mistake(call))
    end)
  end

  it("where the schedule of tolerances gives none", function()
    local p = ridge(hyla.implicit { tolerance = function() return -1 end })
    assert.matches("expected a tolerance > 0 for hyper%-iteration 1, got %-1", refusal(hypergradient, p))
  end)

  it("where nystrom's rank passes the weights", function()
    local p = ridge(hyla.implicit { solver = "nystrom", rank = 6, damping = 1 })
    assert.matches("expected a rank from 1 to the 5 weights, got 6", refusal(hypergradient, p))
  end)

  it("and leaves nothing behind for the next one", function()
    local exact = scalar(2, hyla.implicit { tolerance = 1e-12 }):hypergradient().s
    local asked = 0
    local p = scalar(2, hyla.implicit { solver = "neumann", rate = 0.1, iterations = 400, tolerance = function()
      asked = asked + 1
      return asked == 1 and 1e-200 or 1e-12
    end })
    refusal(hypergradient, p)
    assert.is_near(exact, p:hypergradient().s, 1e-10)
  end)
end)

describe("the engine's implicit method", function()
  -- J = sum exp(h w) + w^2 / 2 is built anew for each failure, since deriving makes its graph longer.
  local function attempt(solver)
    local graph, problem, made = ffi.new "hyla_graph *[1]", ffi.new "hyla_problem *[1]", ffi.new "hyla_method *[1]"
    local function need(status) return status >= 0 and status or error({ status }, 0) end
    local function apply(op, attr, ...)
      local index = need(C.hyla_op_find(op))
      return need(C.hyla_graph_apply(graph[0], index, attr, select("#", ...), ffi.new("int[?]", 2, { ... }), nil))
    end
    local function release()
      C.hyla_method_drop(made[0])
      C.hyla_problem_drop(problem[0])
      if graph[0] ~= nil then C.hyla_graph_drop(graph[0]) end
    end
    local ok, problem_met = pcall(function()
      need(C.hyla_graph_new(graph))
      local shape, none = ffi.new("hyla_shape", { dtype = C.HYLA_FLOAT64, rank = 1, dim = { 3 } }), ffi.new "hyla_attr"
      local w = need(C.hyla_graph_input(graph[0], "w", shape, nil))
      local h = need(C.hyla_graph_input(graph[0], "h", shape, nil))
      local square = apply("mul", none, w, w)
      local inside = apply("add", none, apply("exp", none, apply("mul", none, w, h)), square)
      local sum = apply("sum", ffi.new("hyla_attr", { n = 1 }), inside)
      local bar = ffi.new("int[1]")
      need(C.hyla_graph_vjp(graph[0], apply("reshape", none, sum), -1, 1, ffi.new("int[1]", w), bar))
      need(C.hyla_problem_new(graph[0], problem))
      need(C.hyla_problem_hyper(problem[0], "h", h, nil))
      need(C.hyla_problem_state(problem[0], "w", w, h, nil))
      local after = apply("sub", none, w, apply("mul", none, bar[0], square))
      need(C.hyla_problem_segment(problem[0], 1, 1, ffi.new("int[1]", after)))
      need(C.hyla_problem_outer(problem[0], sum))
      need(C.hyla_problem_inner(problem[0], sum, 1, ffi.new("int[1]", 0)))
      need(C.hyla_implicit_new(problem[0], solver, made))
    end)
    if ok then return 0, release end
    release()
    return type(problem_met) == "table" and problem_met[1] or error(problem_met, 0)
  end

  it("passes on every allocation that fails", function()
    for _, given in ipairs { { solver = C.HYLA_SOLVE_CG }, { solver = C.HYLA_SOLVE_FIXED_POINT },
                             { solver = C.HYLA_SOLVE_NYSTROM, rank = 2, damping = 1 } } do
      given.iterations, given.tolerance = 10, 1e-3
      local settings = ffi.new("hyla_implicit", given)
      assert.is_true(support.fail_each_allocation(function() return attempt(settings) end) > 100)
    end
  end)

  it("checks its settings", function()
    local p = ridge(hyla.implicit())
    local out = ffi.new "hyla_method *[1]"
    local function words(given)
      local settings = ffi.new("hyla_implicit", { iterations = 10 })
      for key, value in pairs(given) do settings[key] = value end
      assert.equal(C.HYLA_EVALUE, C.hyla_implicit_new(p.handle, settings, out))
      return support.words()
    end
    assert.matches("9 is no solver", words { solver = 9 })
    assert.matches("iterations >= 1, got 0", words { iterations = 0 })
    assert.matches("tolerance of at least 0, got nan", words { tolerance = 0 / 0 }:lower():gsub("%-nan", "nan"))
    assert.matches("damping >= 0, got %-1", words { damping = -1 })
    assert.matches("fixed_point has none", words { solver = C.HYLA_SOLVE_FIXED_POINT, damping = 1 })
    assert.matches("rate > 0, got 0", words { solver = C.HYLA_SOLVE_NEUMANN })
    assert.matches("damping > 0, got 0", words { solver = C.HYLA_SOLVE_NYSTROM, rank = 1 })
  end)

  it("predicts its cost: no trajectory", function()
    local p = ridge(hyla.implicit())
    local cost = p:cost()
    assert.equal(2000, cost.steps)
    assert.is_true(cost.bytes < 2000)
    p:hypergradient()
    assert.equal(p.t, p:cost().taken)
  end)

  it("is told apart from others", function()
    local p = ridge(hyla.reverse())
    assert.matches("method 'reverse' has none", refusal(p.report, p))
    p:hypergradient()
    assert.equal(C.HYLA_ESTATE, C.hyla_implicit_solve(p.current, ffi.new "hyla_solve"))
    assert.equal(C.HYLA_ESTATE, C.hyla_implicit_tolerance(p.current, 1))
    assert.equal(C.HYLA_ESTATE, C.hyla_implicit_warm(p.current, 1))
    assert.matches("there is no hypergradient yet", refusal(p.report, ridge(hyla.implicit())))
  end)
end)
