-- Steps overwrite the state: whatever the order in which the parts of it are read, each is read before it is gone, and
-- no second copy of a large one is made.
local hyla = require "hyla"
local tensor = require "hyla.tensor"

local N = 40

-- Weight w and accessory v, both [N, N], moved by `step`; the same from tensors, without a plan.
local function train(step, steps)
  local w0 = tensor.uniform({ N, N }, { seed = 1, lo = -.1, hi = .1, dtype = "float64" })
  local v0 = tensor.uniform({ N, N }, { seed = 2, lo = -.1, hi = .1, dtype = "float64" })
  local W = hyla.weight("W", { N, N }, w0)
  local p = hyla.problem {
    inner = W:sum(), outer = W:sum(), dtype = "float64",
    train = hyla.update {
      accessories = { v = v0 }, steps = steps,
      step = function(w, a) local after, v = step(w, a.v) return after, { v = v } end,
    },
  }
  p:train()
  local w, v = w0, v0
  for _ = 1, steps do w, v = step(w, v) end
  return p, p:weights().W, w
end

local function turned(x) return x:transpose { 2, 1 } end

local cases = {
  ["swaps two parts"] = function(w, v) return v, w end,
  ["turns a part in its own place"] = function(w, v) return turned(w) * 2, v + 1 end,
  ["turns what another part becomes"] = function(w, v) return turned(v), turned(w) end,
  ["reads a part row by row after it should be gone"] = function(w, v) return w + v, w - v end,
  ["makes each part of both"] = function(w, v) return w:matmul(v), v:matmul(w) end,
  ["reads the whole of a part that another has replaced"] = function(w, v)
    local after = v + w
    return after, after:matmul(w)
  end,
  ["lets rows wait that both parts are made of"] = function(w, v)
    local early = w * 2 + v:tanh()
    local late = v:matmul(w):matmul(v)
    return late + early, early * w - late
  end,
  ["lets rows wait beside others that go at once"] = function(w, v)
    local early, sums = (w - v):tanh(), (w * v):sum(2):reshape { N, 1 }
    return (v + sums:sum()) * early, turned(w):matmul(v) + early
  end,
  ["reads a part late"] = function(w, v)
    local late = ((v:matmul(v)):matmul(v)):tanh()
    return late * w, late + w:sum(1):reshape { 1, N }
  end,
}

describe("a step in place", function()
  for name, step in pairs(cases) do
    it(name, function()
      local _, got, expected = train(step, 3)
      local apart = (got - expected):abs():max():item()
      assert.is_true(apart <= 1e-13, ("%g apart"):format(apart))  -- sums of 40 products of order one in another order
    end)
  end

  it("makes no copy where an order spares it", function()
    local p = train(function(w, v)
      local moved = 0.5 * v + w:tanh()
      return w - moved, moved
    end, 1)
    assert.is_nil(tostring(p.step_program):find "copy")
    local swap = train(cases["swaps two parts"], 1)
    assert.is_truthy(tostring(swap.step_program):find "copy")
  end)

  -- What goes into a layer's update is made where it goes, block by block; tangents overwrite theirs, too.
  it("keeps no value of the size of the state", function()
    local layers, width, rows = 4, 400, 8
    local h = tensor.normal({ rows, width }, { seed = 3 })
    for i = 1, layers do
      h = h:matmul(hyla.weight("W" .. i, { width, width }, hyla.normal { seed = i, deviation = .05 })):relu()
    end
    local p = hyla.problem {
      inner = (h * h):mean(), outer = h:mean(), method = hyla.forward(),
      train = hyla.momentum { rate = hyla.hyper("rate", { init = .1 }), momentum = hyla.hyper("mu", { init = .5 }),
        steps = 3 },
    }
    local weight, activation = 4 * width ^ 2, 4 * width * rows
    local arena = tonumber(tostring(p.step_program):match "arena (%d+) bytes")
    assert.is_true(arena <= 5 * layers * activation and arena < weight, ("arena of %d bytes"):format(arena))
    p:train()
    local plain = p:bytes()
    p:hypergradient()
    local tangents = p:bytes() - plain - 2 * 2 * layers * weight
    assert.is_true(tangents < 3 * weight, ("%d bytes"):format(tangents)) -- blocks of rows; none of 12 gradients
  end)

  -- Outputs are looked at as they are written: by rows, in chains of maps on long rows, and in strips of a product.
  it("says at which step a part of the state stops being finite", function()
    local function diverges(shape, step)
      local W = hyla.weight("W", shape, hyla.ones)
      local p = hyla.problem { inner = W:sum(), train = hyla.update {
        accessories = { v = hyla.zeros_like, u = hyla.zeros_like }, steps = 3,
        step = function(w, a)
          local after, v, u = step(w, a.v, a.u)
          return after, { v = v, u = u }
        end,
      } }
      local ok, message = pcall(p.train, p)
      assert.is_false(ok)
      assert.matches("diverged at step 2 of 3", message, 1, true)
      return message
    end
    assert.matches(" from mul", diverges({ 3, 3 }, function(w, v, u) return w * 1e30, v, u end), 1, true)
    assert.matches(" from mul", diverges({ 32, 5000 }, function(w, v)
      return w - 1e-9 * v, v + 1, (v + 1) * 3e38 - w
    end), 1, true)
    -- the second of two maps that are one kernel, from either side; above it was the first
    assert.matches(" from add", diverges({ 32, 50 }, function(w, v, u) return w, v, w * 3e38 + u end), 1, true)
    assert.matches(" from sub", diverges({ 32, 50 }, function(w, v, u) return w, v, u - w * 3e38 end), 1, true)
    assert.matches(" from matmul", diverges({ 80, 80 }, function(w, _, u) return w * 1e19, w:matmul(w), u end), 1, true)
  end)
end)
