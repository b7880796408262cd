-- Checkpointed Reverse-HG: the bits of the stored trajectory, in the steps that the theory promises.
local hyla = require "hyla"
local engine = require "hyla.ffi"
local support = require "spec.engine.support"
local unrolled = require "spec.hypergrad.unrolled"
local C = engine.C
local budget, run, state_bytes = unrolled.budget, unrolled.run, unrolled.state_bytes

-- s' = h s in float64, one state of 64 bytes, whose every step costs next to nothing.
local function small(T)
  local w = hyla.weight("w", {}, 1.5)
  return hyla.problem { inner = w ^ 2 / 2, outer = w ^ 2, dtype = "float64",
    train = hyla.gd { rate = hyla.hyper("eta", { init = 1 / T }), steps = T } }
end

local function choose(n, k)
  local c = 1
  for i = 1, k do c = c * (n - k + i) / i end
  return c
end

-- Griewank and Walther (2000): t(T, s) = r T - beta(s + 1, r - 1), the last step of each stretch not counted; training
-- takes that of the first stretch, too. s: c checkpoints, and s_0, which the init program makes again.
local function theory(T, s)
  local r = 0
  while choose(s + r, s) < T do r = r + 1 end
  return r * T - (r > 0 and choose(s + r, s + 1) or 0) + 1
end

-- The same from the recursion that defines the optimum: the first stretch, then two problems of their own.
local function recursion()
  local known = {}
  local function t(l, s)
    if l == 1 then return 0 end
    if s == 1 then return l * (l - 1) / 2 end
    local key = l * 1000 + s
    if not known[key] then
      local best = math.huge
      for m = 1, l - 1 do best = math.min(best, m + t(m, s) + t(l - m, s - 1)) end
      known[key] = best
    end
    return known[key]
  end
  return function(T, s) return t(T, s) + 1 end
end

-- The same from no theory at all: the cheapest of all ways to step (cost 1), hold a state, let one go, and go back to
-- one held or to s_0 (cost 0), until every step from T down has been taken back. Breadth first, free moves first.
local function search(T, c)
  local function key(last, at, held) return (held * 16 + at) * 16 + last end
  -- { steps to go back, where, mask of those held, how many }
  local distance, layer, steps = {}, { { T, 0, 0, 0 } }, 0
  while true do
    local after = {}
    while #layer > 0 do
      local last, at, held, n = unpack(table.remove(layer))
      if last == 0 then return steps + 1 end                   -- and the step to s_T
      local k = key(last, at, held)
      if not distance[k] then
        distance[k] = steps
        local function free(...) layer[#layer + 1] = { ... } end
        local function has(i) return math.floor(held / 2 ^ i) % 2 == 1 end
        if at == last - 1 then free(last - 1, at, held, n) end
        if not has(at) and n < c then free(last, at, held + 2 ^ at, n + 1) end
        free(last, 0, held, n)
        for i = 0, T - 1 do
          if has(i) then
            free(last, at, held - 2 ^ i, n - 1)
            free(last, i, held, n)
          end
        end
        if at < last - 1 then after[#after + 1] = { last, at + 1, held, n } end
      end
    end
    layer, steps = after, steps + 1
  end
end

describe("checkpointed Reverse-HG takes", function()
  it("the fewest steps there can be, for every number of steps up to 40 and every number of checkpoints", function()
    local optimum, seen = recursion(), 0
    for T = 3, 40 do
      local p = small(T)
      local stored = run(p, hyla.reverse())
      for c = 1, T do
        local memory = budget(p, c)
        if memory >= T * state_bytes(p) then break end         -- then all of it fits
        local g, cost = run(p, hyla.reverse { memory = memory })
        assert.same(stored, g)
        assert.equal(c, cost.checkpoints)
        assert.equal(theory(T, c + 1), cost.taken)
        assert.equal(optimum(T, c + 1), cost.taken)
        assert.same({ cost.taken, cost.taken - T }, { cost.steps, cost.extra })
        seen = seen + 1
      end
    end
    assert.is_true(seen > 600)
  end)

  it("as many as a search through all schedules finds", function()
    for T = 3, 8 do
      local p = small(T)
      for c = 1, 3 do
        local _, cost = run(p, hyla.reverse { memory = budget(p, c) })
        if cost.checkpoints == c then assert.equal(search(T, c), cost.taken) end
      end
    end
  end)

  it("what theory says for long training in little memory, 100,000 steps at most", function()
    for _, case in ipairs { { 1000, 1 }, { 1000, 7 }, { 4097, 64 }, { 30000, 3 }, { 100000, 60 } } do
      local T, c = unpack(case)
      local p = small(T)
      local g, cost = run(p, hyla.reverse { memory = budget(p, c) })
      assert.same({ c, theory(T, c + 1), theory(T, c + 1) - T }, { cost.checkpoints, cost.taken, cost.extra })
      assert.same(run(p, hyla.reverse()), g)
    end
  end)
end)

describe("checkpointed Reverse-HG", function()
  for name, make in pairs(unrolled.problems) do
    it("has the bits of the stored trajectory: " .. name, function()
      for _, T in ipairs { 1, 2, 3, 7, 20, 33 } do
        local p = hyla.problem(make(T))
        local stored, all = run(p, hyla.reverse())
        assert.equal(0, all.checkpoints)
        for _, c in ipairs { 1, 2, 3, 5, 8, 13 } do
          local g, cost = run(p, hyla.reverse { memory = budget(p, c) })
          assert.same(stored, g)
          assert.is_true(cost.bytes <= budget(p, c))
        end
      end
    end)
  end

  it("needs two states, and tells both figures when there is less", function()
    local p = hyla.problem(unrolled.problems["adam in float32"](30))
    local state = state_bytes(p)
    assert.equal(1, select(2, run(p, hyla.reverse { memory = 2 * state })).checkpoints)
    local ok, message = pcall(run, p, hyla.reverse { memory = 2 * state - 1 })
    assert.is_false(ok)
    assert.matches("the trajectory needs %d+ bytes %(30 steps of %d+ bytes%)", message)
    local words = ("checkpoints at least %d (two states of %d bytes), and %d are allowed"):format(2 * state, state,
      2 * state - 1)
    assert.is_truthy(message:find(words, 1, true))
  end)

  it("fits what the memory limit leaves, with something left for others", function()
    local p = hyla.problem(unrolled.problems["momentum from a learned start"](2000))
    local stored = run(p, hyla.reverse())
    run(p, hyla.reverse { memory = budget(p, 3) })   -- programs keep their scratch
    collectgarbage() collectgarbage()
    C.hyla_memory_limit(C.hyla_memory_current() + 100000)
    finally(function() C.hyla_memory_limit(0) end)
    local g, cost = run(p, hyla.reverse())
    assert.is_true(cost.checkpoints > 500 and cost.bytes < 100000)
    assert.same(stored, g)
  end)

  it("is refused where the memory limit leaves less than two states", function()
    local w = hyla.weight("w", { 2000 }, hyla.zeros)
    local p = hyla.problem { inner = (w ^ 2 * w):sum(), outer = w:sum(), dtype = "float64",
      train = hyla.gd { rate = hyla.hyper("eta", { init = 0.1 }), steps = 50 } }
    local handle, lambda = hyla.reverse().new(p.handle), require "ffi".new("hyla_tensor *[1]", { p.hypers[1].value })
    finally(function() C.hyla_memory_limit(0) end)
    C.hyla_memory_limit(C.hyla_memory_current() + 30000)
    assert.equal(C.HYLA_ENOMEM, C.hyla_method_cost(handle, require "ffi".new "hyla_cost"))
    assert.equal(C.HYLA_ENOMEM, C.hyla_method_start(handle, lambda))
    assert.matches("checkpoints at least 32000 %(two states of 16000 bytes%), and %d+ are allowed", support.words())
    C.hyla_memory_limit(C.hyla_memory_current() + 100000)
    assert.equal(0, C.hyla_method_start(handle, lambda))
  end)

  it("serves one set of hyperparameters after another", function()
    local make = unrolled.problems["momentum from a learned start"]
    local p = hyla.problem(make(25))
    p.method = hyla.reverse { memory = budget(p, 3) }
    for _, eta in ipairs { 0.05, 0.01, 0.08, 0.05 } do
      local fresh = hyla.problem(make(25))
      assert.same(fresh:hypergradient { eta = eta }.mu, p:hypergradient { eta = eta }.mu)
      assert.equal(p:cost().steps, p:cost().taken)
      assert.equal(fresh:response(), p:response())   -- the last state is there still
    end
  end)

  it("goes back to the states of a warm start, which take no slot either", function()
    for _, name in ipairs { "momentum from a learned start", "mini-batches, and a learning rate for each step" } do
      local p = hyla.problem(unrolled.problems[name](30))
      local stored = run(p, hyla.reverse(), 7)
      assert.are_not.same(stored, (run(p, hyla.reverse())))
      for _, c in ipairs { 1, 3, 6 } do
        local g, cost = run(p, hyla.reverse { memory = budget(p, c) }, 7)
        assert.same(stored, g)
        assert.equal(cost.steps, cost.taken)
        if unrolled.whole_states[name] then
          assert.same({ c, theory(23, c + 1) }, { cost.checkpoints, cost.taken })
        else
          assert.is_true(cost.taken <= theory(23, c + 1))   -- records take less than states
        end
      end
      assert.same(stored, (run(p, hyla.reverse { truncate = 23 }, 7)))
      local last = run(p, hyla.reverse { truncate = 9 }, 7)
      assert.same(last, (run(p, hyla.reverse { truncate = 9, memory = budget(p, 2) }, 7)))
      assert.same(last, (run(p, hyla.reverse { truncate = 9 })))   -- the same steps, from the same states
    end
  end)

  it("goes on after an interrupt at any step, and takes no step twice for it", function()
    local p = hyla.problem(unrolled.problems["momentum from a learned start"](14))
    local method, stored = hyla.reverse { memory = budget(p, 2) }, run(p, hyla.reverse())
    finally(function()
      C.hyla_interrupt_at(0)
      C.hyla_interrupt_clear()
    end)
    local steps = select(2, run(p, method)).steps
    -- Each step was a boundary, and each adjoint step.
    assert.is_true(unrolled.interrupt_everywhere(p, method, stored) > steps)
  end)

  it("frees everything when any allocation fails", function()
    local p = hyla.problem(unrolled.problems["gradient descent"](20))
    run(p, hyla.reverse { memory = budget(p, 3) })   -- programs keep their scratch
    local ffi = require "ffi"
    local lambda, f, g = ffi.new "hyla_tensor *[1]", ffi.new("double[1]", 7), ffi.new "hyla_tensor *[1]"
    local room = hyla.tensor({ 3 }, "float64"):reshape({})
    lambda[0], g[0] = p.hypers[1].value, room
    local failed = support.fail_each_allocation(function()
      local m = ffi.new "hyla_method *[1]"
      local status = C.hyla_reverse_new(p.handle, budget(p, 3), 0, m)
      if status < 0 then return status end
      status = C.hyla_method_start(m[0], lambda)
      if status >= 0 then status = C.hyla_method_hypergradient(m[0], f, g) end
      if status < 0 then
        C.hyla_method_drop(m[0])
        assert.same({ 7, 3 }, { f[0], room:item() })
      end
      return status, function() C.hyla_method_drop(m[0]) end
    end)
    assert.is_true(failed >= 7)
  end)

  it("tells a step that is not finite when it is taken again", function()
    -- Only a value that changes behind the engine's back can make one so.
    local shift = hyla.tensor({ 0.5, 0.25 }, "float64")
    local w, h = hyla.weight("w", { 2 }, 1), hyla.hyper("h", { init = 1 })
    local train = hyla.update { steps = 20, accessories = {}, step = function(v) return v:sin() * h + shift end }
    local p = hyla.problem { inner = w:sum(), outer = (w ^ 2):sum(), train = train, dtype = "float64" }
    local handle = unrolled.start(p, hyla.reverse { memory = budget(p, 3) })
    engine.check(C.hyla_method_advance(handle, 20))
    local value = require "ffi".cast("double *", C.hyla_tensor_data(shift))
    value[1] = math.huge
    local ok, message = pcall(unrolled.finish, p, handle)
    assert.is_false(ok)
    assert.matches("training diverged at step %d+ of 20 .*: .*checkpoint_spec.lua:%d+: .*not finite", message)
    value[1] = 0.25
    assert.same(run(p, hyla.reverse()), unrolled.finish(p, handle))   -- nothing else was lost
  end)

  it("tells a derivative that is not finite as the stored trajectory does", function()
    -- The states are 0, the adjoints 1e30, 1e60, ...
    local w = hyla.weight("w", {}, 0)
    local h = hyla.hyper("h", { init = 1e30 })
    local train = hyla.update { steps = 40, accessories = {}, step = function(v) return v * h end }
    local p = hyla.problem { inner = w, outer = w:sin(), train = train, dtype = "float64" }
    local _, expected = pcall(run, p, hyla.reverse())
    local _, message = pcall(run, p, hyla.reverse { memory = budget(p, 3) })
    assert.matches("hypergradient: adjoint of step 30: .*checkpoint_spec.lua:%d+", expected)
    assert.equal(expected, message)
  end)
end)

describe("the cost of a hypergradient", function()
  local p = hyla.problem(unrolled.problems["softmax regression in stretches"](60))

  it("is known before it begins, and is that of the run", function()
    for _, method in ipairs { hyla.reverse(), hyla.reverse { memory = budget(p, 4) }, hyla.reverse { truncate = 9 },
      hyla.forward(), hyla.forward { memory = 20000 } } do
      local q = hyla.problem(unrolled.problems["softmax regression in stretches"](60))
      q.method = method
      local before = q:cost()
      q:hypergradient()
      local after = q:cost()
      assert.equal(0, before.taken)
      assert.equal(before.steps, after.taken)
      before.taken = after.taken
      assert.same(before, after)
    end
  end)

  it("is within the machine's memory where nobody set a limit", function()
    local w = hyla.weight("w", { 1e6 }, hyla.zeros)
    local q = hyla.problem { inner = (w ^ 2 * w):sum(), outer = w:sum(),
      train = hyla.gd { rate = hyla.hyper("eta", { init = 0.1 }), steps = 1e9 } }
    local cost = q:cost()
    local total = tonumber(support.read("/proc/meminfo"):match "MemTotal:%s*(%d+)") * 1024
    assert.is_true(cost.bytes > 0.5 * total and cost.bytes < 0.75 * total)
    assert.equal(1e9 + cost.extra, cost.steps)
    assert.is_near(theory(1e9, cost.checkpoints + 1), cost.steps, 1)
  end)

  it("states bytes that are within 10 % of what is taken", function()
    for _, method in ipairs { hyla.reverse(), hyla.reverse { memory = budget(p, 4) }, hyla.reverse { truncate = 9 } } do
      local handle = method.new(p.handle)
      local lambda = require "ffi".new("hyla_tensor *[2]", { p.hypers[1].value, p.hypers[2].value })
      collectgarbage() collectgarbage()                -- or what earlier specs made may go meanwhile
      local before = C.hyla_memory_current()
      assert.equal(0, C.hyla_method_start(handle, lambda))
      local taken = C.hyla_memory_current() - before
      assert.is_near(taken, require "hyla.cost".of(handle).bytes, 0.1 * taken)
    end
  end)

  it("is one line of text", function()
    local q = hyla.problem(unrolled.problems["gradient descent"](100))
    assert.equal("100 steps forward; 6.25 KiB stored", tostring(q:cost()))
    q = hyla.problem(unrolled.problems["softmax regression in stretches"](100))
    assert.matches("^100 steps forward; [%d.]+ KiB stored, residuals included$", tostring(q:cost()))
    q = small(100)
    q.method = hyla.reverse { memory = 64 + 4 * 72 }
    assert.equal("317 steps forward, 217 of them taken again; 352 bytes stored, 4 checkpoints", tostring(q:cost()))
    q = small(4)
    q.method = hyla.reverse { memory = 64 + 72 }
    assert.equal("5 steps forward, 1 of them taken again; 136 bytes stored, 1 checkpoint", tostring(q:cost()))
  end)

  it("is refused where there is no hypergradient", function()
    local w = hyla.weight("w", {}, 1)
    local idle = hyla.problem { inner = w ^ 2, outer = w, train = hyla.gd { rate = 0.1, steps = 3 } }
    assert.has_error(function() idle:cost() end, "cost: the problem has no hyperparameter")
  end)
end)
