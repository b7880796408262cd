-- The memory that programs work in: that of one graph's programs is one, and is there when somebody runs them.
local hyla = require "hyla"
local ffi = require "ffi"
local C = require("hyla.ffi").C

local ROWS, WIDTH = 300, 400

-- A network whose steps, there and back, need room for several matrices [ROWS, WIDTH].
local function problem(method)
  local function weight(name, shape) return hyla.weight(name, shape, hyla.zeros) end
  local x = hyla.tensor.ones { ROWS, 8 }
  local h = x:matmul(weight("A", { 8, WIDTH })):tanh()
  local loss = (h:matmul(weight("B", { WIDTH, WIDTH })):tanh():matmul(weight("C", { WIDTH, 1 })) - 1):abs():mean()
  local rate = hyla.hyper("rate", { init = 0.01 })
  return hyla.problem { inner = loss, outer = loss, method = method, train = hyla.gd { rate = rate, steps = 15 } }
end

local function current()
  collectgarbage() collectgarbage()
  return C.hyla_memory_current()
end

-- The arenas of the programs whose names match, in bytes.
local function arenas(p, ...)
  local list = {}
  for i, name in ipairs { ... } do
    list[i] = tonumber(ffi.string(C.hyla_problem_print(p.handle, name)):match "arena (%d+) bytes")
  end
  return unpack(list)
end

describe("the workspace of a problem", function()
  local MATRIX = ROWS * WIDTH * 4

  it("comes with the method that needs it, and is as large as the largest program", function()
    local before = current()
    local p = problem(hyla.reverse())
    local made = current() - before
    local step, outer, vjp, outer_vjp = arenas(p, "step", "outer", "step.vjp", "outer.vjp")
    assert.is_true(vjp >= 2 * MATRIX and outer_vjp >= MATRIX)
    assert.is_true(made < vjp / 2)
    p:train()
    local trained = current() - before - made
    p:hypergradient()
    local swept = current() - before - made - trained
    local state = (8 * WIDTH + WIDTH * WIDTH + WIDTH) * 4
    assert.is_true(trained >= math.max(step, outer) + state and trained < step + outer + state)
    -- Reverse-HG: a state and its adjoint, the trajectory, and what its programs need beyond those of training.
    local stored = p:cost().bytes
    assert.is_true(swept - stored - 2 * state < vjp)
  end)

  it("has no room for adjoints where tangents go forward", function()
    local p = problem(hyla.forward())
    local before = current()
    p:hypergradient()
    local vjp = arenas(p, "step.vjp")
    local reverse = p:with { method = hyla.reverse() }
    local forward = current() - before
    reverse:hypergradient()
    assert.is_true(current() - before - forward > vjp)
  end)

  it("is there before the trajectory takes what a limit leaves", function()
    local p = problem(hyla.reverse())
    local before = current()
    C.hyla_memory_limit(before + 2 * arenas(p, "step.vjp"))
    local ok, message = pcall(p.hypergradient, p)
    C.hyla_memory_limit(0)
    assert.is_true(ok, message)
  end)

  it("of a program by itself is let go after its run", function()
    local x = hyla.tensor.ones { ROWS, WIDTH }
    local w = hyla.weight("w", {}, 1)
    local p = hyla.problem { inner = (w - 1) ^ 2, train = hyla.gd { rate = 0.1, steps = 1 },
                             watch = { sum = ((x * w):exp() - (x * w):exp():mean(1)):sum() } }
    p:train()
    p:watch()
    local before = current()
    C.hyla_memory_reset_peak()
    p:watch()
    assert.is_true(C.hyla_memory_peak() - before > MATRIX)
    assert.equal(before, current())
  end)
end)
