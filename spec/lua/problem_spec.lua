local engine = require "hyla.ffi"
local hyla = require "hyla"
local mistake = dofile "spec/lua/mistake.lua"

-- J = c/2 |w - 1|^2 and E = |w_T|^2, w from 0 by gradient descent: w_T = 1 - (1 - rate c)^T in each component.
local rate, T = 0.25, 6
local function setup(changes)
  local w = hyla.weight("w", { 2 }, hyla.zeros)
  local c = hyla.hyper("c", { init = 0.5, within = hyla.box(0, 2) })
  local given = {
    inner = c * ((w - 1) ^ 2):sum() / 2, outer = (w ^ 2):sum(), train = hyla.gd { rate = rate, steps = T },
    improve = hyla.gd { rate = 0.1, steps = 9 }, dtype = "float64",
    watch = { first = w:slice(1, 1, 1):sum(), w = w, c = c },
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return hyla.problem(given), w, c
end
local function expected(t, c) return 1 - (1 - rate * (c or 0.5)) ^ t end
local function near(want, got) assert.is_near(want, got, 1e-14) end

describe("several outer objectives", function()
  local function fit(outer, watch)
    local w, c = hyla.weight("w", { 2 }, hyla.ones), hyla.hyper("c", { init = 0.3 })
    local made = hyla.problem {
      inner = c * (w ^ 2):sum(), outer = outer(w, c), watch = watch and watch(w), dtype = "float64",
      train = hyla.gd { rate = 0.1, steps = 5 },
    }
    return made
  end

  it("count by their sum, and each is watched", function()
    local p = fit(function(w, c) return { near = (w - 1):squared_norm(), small = 0.1 * c:reshape { 1 } } end)
    local g, f = p:hypergradient()
    local whole = fit(function(w, c) return (w - 1):squared_norm() + 0.1 * c end)
    local h, e = whole:hypergradient()
    assert.is_near(e, f, 1e-15)
    assert.is_near(h.c, g.c, 1e-15)
    local watched = p:watch()
    assert.is_near(f, watched.near + watched.small, 1e-15)
    assert.is_near(0.03, watched.small, 1e-15)
  end)

  it("are refused where one is no number, or its name is watched already", function()
    assert.error_matches(function() fit(function(w) return { all = w } end) end,
      "expected outer 'all' to be one real number")
    assert.error_matches(function()
      fit(function(w) return { a = w:sum() } end, function(w) return { a = w:sum() } end)
    end, "'a' is an outer objective and a watched value")
    assert.error_matches(function() fit(function(w) return { w:sum() } end) end, "or several: { name = expression }")
  end)
end)

describe("a problem", function()
  it("trains to the last step", function()
    local p = setup()
    assert.same({ 0, T, 9 }, { p.t, p.steps, p.hyper_steps })
    p:train()
    assert.are.equal(T, p.t)
    near(expected(T), p:weights().w:get(2))
    near(2 * expected(T) ^ 2, p:response())
  end)

  it("trains step by step to the same bits", function()
    local p, q = setup(), setup()
    p:train()
    q:start()
    q:step(1)
    near(expected(1), q:weights().w:get(1))
    q:step(2)
    assert.are.equal(3, q.t)
    q:step(100)
    assert.are.equal(T, q.t)
    assert.same(p:weights().w:totable(), q:weights().w:totable())
  end)

  it("watches and evaluates at the state it is in", function()
    local p, w, c = setup()
    p:start()
    p:step(2)
    local watched = p:watch()
    near(expected(2), watched.first)
    assert.same({ expected(2), expected(2) }, watched.w:totable())
    assert.are.equal(0.5, watched.c)
    near(2 * expected(2) + 0.5, p:evaluate(w:sum() + c))
    p:hypergradient()
    near(expected(T), p:watch().first)
    near(2 * (1 - expected(T)) * -0.5, p:evaluate(hyla.gradient(c * ((w - 1) ^ 2):sum() / 2, w)):sum():item())
  end)

  it("takes hyperparameters by name", function()
    local p = setup()
    p:train { c = 1.5 }
    near(expected(T, 1.5), p:watch().first)
    assert.are.equal(1.5, p.hypers.c.value:item())
    assert.are.equal(0.5, p.hypers.c.init:item())
    p:set { c = hyla.tensor(1) }
    assert.are.equal(0, p.t)
    p:train()
    near(expected(T, 1), p:watch().first)
  end)

  it("gives its hyperparameters, numbers and tensors, and keeps them when it refuses others", function()
    local c = hyla.hyper("c", { init = 0.5 })
    local d = hyla.hyper("d", { shape = { 2, 2 }, init = 1, within = hyla.non_negative() })
    local w = hyla.weight("w", {}, 0)
    local p = setup { inner = c * w ^ 2, outer = w ^ 2 + d:sum() + c, watch = {} }
    p:set { c = 0.25, d = { { 1, 2 }, { 3, 4 } } }
    local message = select(2, pcall(p.set, p, { c = 3, d = { { 1, -1e-3 }, { -2, 4 } } }))
    assert.matches("set: 'd'%[3%] = %-2 lies outside of non_negative%(%); the nearest point is 0", message)
    p:set { d = { { 1, 2 }, { -1e-9, 4 } } }            -- as far as rounding takes a value over the edge
    local lambda = p:lambda()
    assert.are.equal(0.25, lambda.c)
    assert.same({ { 1, 2 }, { -1e-9, 4 } }, lambda.d:totable())
    lambda.d:set(7, 1, 1)
    assert.are.equal(1, p:lambda().d:get(1, 1))
  end)

  it("checks its hypergradient at the edge of a constraint, over which central differences step", function()
    local p = setup()
    p:set { c = 2 }
    assert.is_true(p:check().worst <= 1)
    p:place { c = 3 }
    p:train()
    near(expected(T, 3), p:watch().first)
  end)

  it("gives hypergradients by name, and the response", function()
    local p = setup()
    local g, f = p:hypergradient { c = 1 }
    near(2 * expected(T, 1) ^ 2, f)
    near(4 * expected(T, 1) * T * (1 - rate) ^ (T - 1) * rate, g.c)
  end)

  it("needs neither outer objective nor hyperparameters to train", function()
    local w = hyla.weight("w", {}, hyla.zeros)
    local p = hyla.problem { inner = (w - 1) ^ 2 / 2, train = hyla.gd { rate = 0.5, steps = 2 }, watch = { w = w } }
    p:train()
    near(0.75, p:watch().w)
    assert.matches("no outer objective", mistake(function() p:response() end))
    assert.matches("no outer objective", mistake(function() p:hypergradient() end))
  end)

  it("is float32 unless told", function()
    local p = setup { dtype = "float32" }
    p:train()
    assert.are.equal("float32", p:weights().w.dtype)
    assert.is_near(expected(T), p:watch().first, 1e-6)
  end)

  it("shows its programs", function()
    local p = setup()
    assert.truthy(tostring(p.step_program):find("problem_spec.lua", 1, true))
    assert.truthy(#tostring(p.adjoint_program) > 0)
    assert.matches("learned   c = 0.5 in box", tostring(p), 1, true)
  end)

  it("checks its hypergradient, and finds one that is wrong", function()
    local p = setup()
    assert.is_true(p:check().worst <= 1)
    local _, _, c = setup()
    local w = hyla.weight("v", {}, 0.5)
    -- stop_gradient hides a path from the derivative that central differences see.
    local wrong = hyla.problem {
      inner = c * (w - 1) ^ 2 / 2, outer = w ^ 2 + hyla.stop_gradient(c), train = hyla.gd { rate = rate, steps = T },
    }
    assert.matches("check: c: the hypergradient is", mistake(function() wrong:check() end))
  end)

  it("goes on after an interrupt", function()
    local p, q = setup(), setup()
    local function interrupted(work, ...)
      engine.C.hyla_interrupt()
      local ok, message = pcall(work, p, ...)
      engine.C.hyla_interrupt_clear()
      assert.is_false(ok)
      assert.matches("interrupt", message)
    end
    p:start()
    p:step(3)
    interrupted(p.step, 1)
    assert.are.equal(3, p.t)
    interrupted(p.train)                               -- at step 3 still, not back at the start
    assert.are.equal(3, p.t)
    p:train()
    q:train()
    assert.are.equal(q:response(), p:response())
    interrupted(p.hypergradient)
    assert.are.equal((q:hypergradient()).c, (p:hypergradient()).c)
  end)

  it("gives its memory back", function()
    -- What one collection finalises may hold what only the next one finds.
    local function settled()
      local bytes
      repeat
        bytes = engine.C.hyla_memory_current()
        for _ = 1, 3 do collectgarbage() end
      until engine.C.hyla_memory_current() == bytes
      return bytes
    end
    local before = settled()
    do
      local p = setup()
      p:hypergradient()
      p:watch()
      p:improver():step { c = 1 }
    end
    assert.are.equal(before, settled())
  end)
end)

describe("the hyper-optimizer", function()
  it("updates and projects", function()
    local p = setup()
    local improver = p:improver()
    improver:step { c = 2 }
    near(0.3, p.hypers.c.value:item())
    improver:step { c = 100 }
    assert.are.equal(0, p.hypers.c.value:item())
  end)

  it("has a rate for each hyperparameter by name", function()
    local a, b = hyla.hyper("a", { init = 0.5 }), hyla.hyper("b", { init = 0.5 })
    local w = hyla.weight("w", {}, hyla.zeros)
    local given = {
      inner = a * (w - b) ^ 2, outer = w ^ 2, train = hyla.gd { rate = rate, steps = T }, dtype = "float64",
      improve = hyla.gd { rate = { a = 0.25, b = 0.125 } },
    }
    local p = hyla.problem(given)
    p:improver():step { a = 1, b = 1 }
    assert.same({ a = 0.25, b = 0.375 }, p:lambda())
    given.improve = hyla.gd { rate = { a = 0.25 } }
    assert.matches("gd: setting 'rate' has no value for 'b'", select(2, pcall(function()
      return hyla.problem(given):improver()
    end)))
  end)

  it("goes on from its state to the same bits", function()
    local adam = hyla.adam { rate = 0.01 }
    local p, q = setup { improve = adam }, setup { improve = adam }
    local one, two = p:improver(), q:improver()
    one:step { c = 1 }
    one:step { c = -0.5 }
    assert.are.equal(2, one:state()["c.t"]:item())
    two:restore(one:state())
    q:set { c = p.hypers.c.value }
    one:step { c = 0.25 }
    two:step { c = 0.25 }
    assert.are.equal(p.hypers.c.value:item(), q.hypers.c.value:item())
    assert.same(one:state()["c.v"]:item(), two:state()["c.v"]:item())
  end)

  it("refuses what is not a hypergradient, and leaves everything as it was", function()
    local p = setup { improve = hyla.momentum { rate = 0.1, momentum = 0.5 } }
    local improver = p:improver()
    improver:step { c = 1 }
    local v = improver:state()["c.v"]:item()
    assert.matches("expected a hypergradient of the shape of 'c', got a nil", mistake(function() improver:step {} end))
    assert.is_false(pcall(improver.step, improver, { c = 0 / 0 }))
    near(0.4, p.hypers.c.value:item())
    assert.are.equal(v, improver:state()["c.v"]:item())
    local foreign = { ["c.v"] = hyla.tensor(0, "float64"), ["c.x"] = 1 }
    assert.matches("unknown accessory 'c.x'", mistake(function() improver:restore(foreign) end))
    assert.matches("expected 'c.v' as a float64", mistake(function() improver:restore {} end))
  end)

  it("has numbers as settings", function()
    local p = setup { improve = hyla.gd { rate = hyla.hyper("rate", { init = 1 }) } }
    assert.matches("improve: hyperparameter 'rate'", select(2, pcall(p.improver, p)))
  end)
end)

describe("a mistake in a problem", function()
  local w, b = hyla.weight("w", { 2 }, hyla.zeros), hyla.weight("b", { 2 }, hyla.zeros)
  local loss, gd = ((w - 1) ^ 2):sum(), hyla.gd { rate = 0.1, steps = 5 }
  local cases = {
    { function() hyla.problem { inner = loss } end, "problem: option 'train' is missing" },
    { function() hyla.problem { inner = loss, train = gd, outr = loss } end, "'outr'; did you mean 'outer'" },
    { function() hyla.problem { inner = 3, train = gd } end, "option 'inner': expected a traced expression" },
    { function() hyla.problem { inner = w, train = gd } end,
      "expected inner to be one real number, got float[2] weight" },
    { function() hyla.problem { inner = loss, train = { 3 } } end, "train: expected a dynamics as element 1" },
    { function() hyla.problem { inner = loss, train = {} } end, "train: expected a dynamics" },
    { function() hyla.problem { inner = loss, train = gd, dtype = "float" } end,
      "option 'dtype': expected \"float32\"" },
    { function() hyla.problem { inner = loss, train = gd, method = hyla.reverse } end,
      "a method such as hyla.reverse()" },
    { function() hyla.reverse { memory = "many" } end, "reverse: memory: expected bytes" },
    { function() hyla.problem { inner = loss, train = gd }:set { c = 1 } end,
      "unknown hyperparameter 'c'; there are: none" },
    { function() setup():set { c = { 1, 2 } } end, "set: expected 'c' as a number or a tensor of shape []" },
    { function() setup():set { c = 0 / 0 } end, "set: 'c' has NaN or infinity" },
    { function() setup():set { c = 2.5 } end, "set: 'c' = 2.5 lies outside of box(0, 2); the nearest point is 2" },
    { function() setup():train { c = -1 } end, "set: 'c' = -1 lies outside of box(0, 2); the nearest point is 0" },
    { function() setup():set { [1] = 0 } end, "set: unknown hyperparameter '1'" },
    { function() setup():watch() end, "nothing is trained yet" },
    { function() setup():step(0) end, "step: expected a whole number of steps >= 1" },
    { function() setup():trian() end, "a problem has no field or method 'trian'; did you mean 'train'" },
    { function() local p = setup() p:train() p:evaluate(w:sum()) end, "weight 'w'" },
  }
  for i, case in ipairs(cases) do
    it(("%d is told at its line: %s"):format(i, case[2]:sub(1, 40)), function()
      assert.truthy(mistake(case[1]):find(case[2], 1, true), mistake(case[1]))
    end)
  end

  -- The message of a problem that cannot be built, which begins with the place of what is wrong in it.
  local function refusal(given, leaf)
    given.train = given.train or gd
    local ok, message = pcall(hyla.problem, given)
    assert.is_false(ok)
    if leaf then assert.are.equal(leaf.site .. ": ", message:sub(1, #leaf.site + 2), message) end
    return message
  end

  it("is a weight that the inner objective does not use, told at the weight's line", function()
    assert.truthy(refusal({ inner = loss, outer = (w + b):sum() }, b):find(
      "weight 'b' is not used by the inner objective at " .. loss.site, 1, true))
  end)

  it("is a weight without a path to the inner objective", function()
    local inner = loss + hyla.stop_gradient(b):sum()
    local message = refusal { inner = inner }
    assert.truthy(message:find(("no path from weight 'b' (declared at %s) to the inner objective at %s"):format(b.site,
      inner.site), 1, true), message)
  end)

  it("is data with NaN, told where it is used", function()
    local x = hyla.tensor { 1, 0 / 0 }
    local used = x * w
    assert.matches("NaN or infinity in the data of the float32%[2%] tensor", refusal({ inner = used:sum() }, used))
  end)

  it("is a name for two things", function()
    local other = hyla.weight("w", { 2 }, hyla.zeros)
    local message = refusal { inner = loss + other:square():sum() }
    local words = ("the name 'w' stands for a weight at %s and a weight at %s"):format(w.site, other.site)
    assert.truthy(message:find(words, 1, true), message)
  end)

  it("is a hyperparameter without a path to the outer objective, told with its line", function()
    local c = hyla.hyper("c", { init = 1 })
    local message = refusal { inner = loss + c, outer = (w ^ 2):sum() }
    assert.truthy(message:find("'c'", 1, true) and message:find(c.site, 1, true), message)
  end)

  it("is told near its place where a tail call leaves no line", function()
    local function build()
      return hyla.problem { inner = loss, train = hyla.gd { rate = 0.1, steps = 1 }, methd = 1 }
    end
    local co = coroutine.create(function() return build() end) -- nothing of the user's is left below
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.matches("^after .*problem_spec.lua:%d+: problem: unknown option 'methd'", message)
  end)

  it("is a use that has no derivative, told with its line", function()
    local c = hyla.hyper("c", { init = 1 })
    for _, outer in ipairs { w:lt(c):sum(), w:argmax():cast("float") + 0 * c } do
      local message = refusal { inner = c * loss, outer = outer }
      assert.matches("spec/lua/problem_spec.lua:%d+: .*has no derivative", message)
    end
  end)

  it("is an initial value that depends on a weight, or lies outside its constraint", function()
    local v = hyla.weight("v", { 2 }, 2 * w)
    assert.matches("may depend on hyperparameters alone", refusal({ inner = loss + v:sum() }, v))
    local c = hyla.hyper("c", { init = 3, within = hyla.box(0, 1) })
    assert.matches("the initial value lies outside of box%(0, 1%); the nearest point is 2 away",
                   refusal({ inner = c * loss, outer = (w ^ 2):sum() }, c))
  end)

  it("is training that diverges: op, line and step are named, nothing is returned", function()
    local p = setup { train = hyla.gd { rate = 1e30, steps = 50 } }
    local ok, message = pcall(p.hypergradient, p)
    assert.is_false(ok)
    assert.matches("step %d+ of 50", message)
    assert.matches("problem_spec.lua:%d+: .* from mul", message)
  end)

  it("is a memory that cannot hold the trajectory: both sizes are told", function()
    local p = setup { method = hyla.reverse { memory = 100 }, train = hyla.gd { rate = rate, steps = 1000 } }
    local ok, message = pcall(p.hypergradient, p)
    assert.is_false(ok)
    assert.matches("the trajectory needs .*1000 steps of %d+ bytes.* are allowed", message)
  end)

  it("is an outer objective that is no number, told at its line", function()
    local c = hyla.hyper("c", { init = 1 })
    local outer = (w - 1):log():sum()
    local p = hyla.problem { inner = c * loss, outer = outer, train = gd }
    for _, work in ipairs { p.hypergradient, function() p:train() return p:response() end } do
      local ok, message = pcall(work, p)
      assert.is_false(ok)
      assert.truthy(message:find("outer objective", 1, true) and message:find("problem_spec.lua:", 1, true), message)
    end
  end)
end)

describe("a problem's training", function()
  local C = require "hyla.ffi".C
  local function problem(method)
    local w = hyla.weight("w", { 50000 }, hyla.ones)
    local eta = hyla.hyper("eta", { init = 0.25 })
    return hyla.problem { inner = (w ^ 2):sum() / 2, outer = (w ^ 2):mean(), method = method,
      train = hyla.momentum { rate = eta, momentum = 0.5, steps = 4 } }
  end

  it("is given back at once, starts afresh after it, and what was seen stays", function()
    local p = problem()
    p:train()
    local w, f, before = p:weights(), p:response(), C.hyla_memory_current()
    p:release()
    assert.is_true(before - C.hyla_memory_current() >= 2 * 4 * 50000)       -- w and its velocity, float32
    assert.equal(f, (w.w ^ 2):mean():item())
    assert.equal(0, p.t)
    assert.has_error(function() p:response() end)
    p:train()
    assert.equal(f, p:response())
    p:release()
    p:release()
  end)

  it("that goes along with hypergradients is refused once it is given back", function()
    local p = problem(hyla.rtho { every = 2 })
    local training = p:realtime()
    training:step(2)
    p:release()
    assert.has_error(function() training:step(1) end)
    assert.has_error(function() training:partial() end)
  end)

  it("writes its weights over those of an earlier look", function()
    local p = problem()
    p:step(1)
    local first = p:weights()
    local kept = first.w
    p:step(1)
    local second = p:weights { into = first }
    assert.is_true(second.w == kept)
    assert.equal(1 - 0.25 - 0.25 * (0.5 + 0.75), kept:get(1))               -- v = 1, then 0.5 + 0.75
  end)
end)
