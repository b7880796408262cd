local C = require "hyla.ffi".C
local hyla = require "hyla"

-- Softmax regression with a learned rate and three weight decays.
local function problem(method, steps)
  local x, y = hyla.tensor.normal({ 300, 40 }, { seed = 1 }), hyla.tensor.zeros({ 300 }, "int32")
  local W = hyla.weight("W", { 40, 10 }, hyla.zeros)
  local rate = hyla.hyper("rate", { init = 0.01 })
  local decay = hyla.hyper("decay", { size = 3, init = 0.01 })
  local loss = hyla.cross_entropy(x:matmul(W), y):mean()
  local made = hyla.problem {
    inner = loss + decay:sum() * (W ^ 2):sum(), outer = loss, method = method,
    train = hyla.momentum { rate = rate, momentum = 0.9, steps = steps },
  }
  return made
end

describe("an estimate", function()
  local methods = {
    reverse = hyla.reverse(), truncated = hyla.reverse { truncate = 20 },
    ["reverse with checkpoints"] = hyla.reverse { memory = "300K" }, forward = hyla.forward(),
    ["real time"] = hyla.rtho(),
  }
  for name, method in pairs(methods) do
    it("states the memory that is then held: " .. name, function()
      for _, steps in ipairs { 1, 2, 3, 400 } do
        collectgarbage() collectgarbage()
        local p = problem(method, steps)
        local estimate = p:estimate()
        C.hyla_memory_reset_peak()
        p:hypergradient()
        local held = C.hyla_memory_peak()
        assert.is_true(math.abs(estimate.bytes - held) <= 0.1 * held,
          ("stated %d, held %d with %d steps"):format(estimate.bytes, held, steps))
        assert.is_true(estimate.step_seconds > 0 and estimate.hypergradient_seconds > 0)
        assert.equal(p:cost().steps, estimate.cost.steps)
      end
    end)
  end

  it("counts none of what it measures with: states are most of the memory here", function()
    local W = hyla.weight("W", { 2000, 200 }, hyla.zeros)
    local rate = hyla.hyper("rate", { init = 0.01 })
    local loss = (hyla.tensor.ones { 2, 2000 }:matmul(W) - 1):abs():mean()
    local p = hyla.problem { inner = loss, outer = loss, method = hyla.forward(),
                             train = hyla.momentum { rate = rate, momentum = 0.9, steps = 3 } }
    collectgarbage() collectgarbage()
    local stated = p:estimate().bytes
    collectgarbage()
    C.hyla_memory_reset_peak()
    p:hypergradient()
    assert.is_near(C.hyla_memory_peak(), stated, 0.02 * stated)
  end)

  it("of training alone has no hypergradient", function()
    local p = problem(nil, 10)
    assert.is_number(p:estimate().hypergradient_seconds)
    local w = hyla.weight("w", {}, 0)
    local plain = hyla.problem { inner = (w - 1) ^ 2, train = hyla.gd { rate = 0.1, steps = 5 } }
    local estimate = plain:estimate()
    assert.is_nil(estimate.hypergradient_seconds)
    assert.is_nil(estimate.cost)
    assert.matches("^%d.* held, .* a step$", tostring(estimate))
    assert.matches("steps forward", tostring(p:estimate()))
  end)

  it("leaves the problem as it is, and holds nothing afterwards", function()
    local p = problem(nil, 50)
    p:train()
    p:estimate()                                         -- the problem's programs keep the scratch they first needed
    local before, W = p:response(), p:weights().W:totable()
    collectgarbage() collectgarbage()
    local held = C.hyla_memory_current()
    p:estimate()
    collectgarbage() collectgarbage()
    assert.equal(held, C.hyla_memory_current())
    assert.equal(50, p.t)
    assert.equal(before, p:response())
    assert.same(W, p:weights().W:totable())
  end)

  it("tells that memory will be refused", function()
    local p = problem(hyla.reverse { memory = 100 }, 50)
    local ok, message = pcall(p.estimate, p)
    assert.is_false(ok)
    assert.matches("100 are allowed", message)
  end)

  it("does without a time where the measured steps are not finite", function()
    local w = hyla.weight("w", {}, 0)
    local rate = hyla.hyper("rate", { init = 0.5 })
    local p = hyla.problem {                             -- log(0) at s_0, from which the last step alone is measured
      inner = (w - 1) ^ 2 / 2, outer = (w - 0.5):log(), train = hyla.gd { rate = rate, steps = 3 },
    }
    assert.is_nil(p:estimate().hypergradient_seconds)
    assert.is_true((p:hypergradient()).rate ~= 0)
  end)
end)
