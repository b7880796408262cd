-- method = "auto": the choices at the corners of the cost model, and that the model counts as the engine does.
local auto = require "hyla.auto"
local hyla = require "hyla"
local mistake = require "spec.lua.mistake"

local function choose(f)
  return auto.choose { m = f.m or 1, T = f.T or 100, state = f.state or 1000, hypers = f.hypers or 0,
    memory = f.memory or math.huge }
end

describe("the choice of a method", function()
  it("is forward for one component, reverse for two", function()
    local kind, why, cost = choose { m = 1 }
    assert.same({ "forward", 3 }, { kind, cost })
    assert.equal("auto: forward with 1 tangent, which takes about 3 plain trainings; reverse would take about 4 plain "
      .. "trainings; a trajectory of 97.66 KiB fits into memory without a limit", why)
    kind, why, cost = choose { m = 2 }
    assert.same({ "reverse", 4 }, { kind, cost })
    assert.equal("auto: reverse, which takes about 4 plain trainings; forward with 2 tangents would take about 5 plain "
      .. "trainings; a trajectory of 97.66 KiB fits into memory without a limit", why)
  end)

  it("is reverse, stored, where the trajectory just fits", function()
    local _, _, stored = choose { m = 5000, memory = 100000 }
    assert.equal(4, stored)
    local kind, why, cost = choose { m = 5000, memory = 50000 }
    assert.equal("reverse", kind)
    assert.is_true(cost > 4)
    assert.matches("^auto: reverse with 48 checkpoints, which takes about %S+ plain trainings; forward with "
      .. "5,000 tangents would take about 10,313 plain trainings; "
      .. "a trajectory of 97.66 KiB does not fit into 48.83 KiB$", why)
  end)

  it("turns to forward where few checkpoints cost more than its tangents", function()
    -- Three checkpoints: 100 steps back take some 9 trainings forward, and 3 for the adjoint steps.
    local kind, why, cost = choose { m = 2, memory = 4100 }
    assert.same({ "forward", 5 }, { kind, cost })
    assert.matches("reverse with 3 checkpoints would take about", why)
    assert.equal("reverse", (choose { m = 20, memory = 4000 }))
  end)

  it("counts a further training for each group of tangents", function()
    local function cost(m, memory) return select(3, choose { m = m, memory = memory, T = 1e9 }) end
    assert.equal(2 + 2 * 2, cost(2, 1999))               -- one at a time
    assert.equal(1 + 2 * 2, cost(2, 2000))
  end)

  it("says so where nothing fits, and leaves the refusal to the method", function()
    local kind, why, cost = choose { m = 3, memory = 999 }
    assert.same({ "reverse", math.huge }, { kind, cost })
    assert.matches("takes more memory than there is; forward with 3 tangents would take more memory than there is", why)
  end)

  it("counts the steps of checkpoints as the engine does", function()
    for _, T in ipairs { 3, 7, 20, 57 } do
      for states = 2, T - 1, 3 do
        local w = hyla.weight("w", { 16 }, hyla.ones)
        local c = hyla.hyper("c", { size = 40, init = 0.01 })
        local p = hyla.problem {
          inner = (c:sum() * hyla.cos(w)):sum(), outer = (w ^ 2):sum(), train = hyla.gd { rate = 0.1, steps = T },
          method = hyla.reverse { memory = states * 72 },
        }
        local predicted = p:cost()
        local kind, _, cost = choose { m = 1e6, T = T, state = 64, memory = states * 72 }
        assert.equal("reverse", kind)
        if predicted.checkpoints > 0 then
          assert.equal(states - 1, predicted.checkpoints)
          assert.is_near(predicted.steps, (cost - 3) * T, 1e-9 * T)
        end
      end
    end
  end)
end)

describe("method = \"auto\"", function()
  local function problem(method, size)
    local w, c = hyla.weight("w", {}, 0.5), hyla.hyper("c", { init = 0.1, size = size })
    return hyla.problem { inner = c:sum() * (w - 1) ^ 2, outer = w ^ 2, method = method,
      train = hyla.gd { rate = 0.1, steps = 50 } }
  end

  it("chooses, computes the same, and says why", function()
    local one = problem "auto"
    assert.equal("forward", one.method.kind)
    assert.matches("^auto: forward with 1 tangent", one.method_reason)
    assert.same({ one.method_reason }, one.notes)
    assert.is_near(problem(hyla.reverse()):hypergradient().c, one:hypergradient().c, 1e-6)
    assert.equal("reverse", problem("auto", 3).method.kind)
    assert.is_false(problem(hyla.forward()).method_reason)
    one:check { costs = false }
  end)

  it("holds to a budget, its own or the memory limit", function()
    local p = problem(hyla.auto { memory = 640 }, 30)
    assert.matches("^auto: reverse with 8 checkpoints, .* does not fit into 640 bytes", p.method_reason)
    p:hypergradient()
    assert.is_true(p:cost().checkpoints > 0)
    local engine = require "hyla.ffi"
    hyla.memory_limit(engine.C.hyla_memory_current() + 2 ^ 20)
    local ok, limited = pcall(problem, "auto", 3)
    hyla.memory_limit()
    assert.is_true(ok)
    assert.matches("fits into %S+ [KM]iB$", limited.method_reason)
  end)

  it("chooses nothing where there is no hypergradient", function()
    local w = hyla.weight("w", {}, 0.5)
    local p = hyla.problem { inner = w ^ 2, train = hyla.gd { rate = 0.1, steps = 2 }, method = "auto" }
    assert.same({ false, 0 }, { p.method_reason, #p.notes })
  end)

  it("is refused misspelt", function()
    assert.matches("option 'method': expected a method such as hyla.reverse%(%), or \"auto\", got \"atuo\"",
                   mistake(function() problem "atuo" end))
    assert.matches("auto: unknown option 'memry'", mistake(function() hyla.auto { memry = 1 } end))
  end)
end)
