-- Real-time updates: partial hypergradients, what is carried along, and training that goes on under other
-- hyperparameters.
local hyla = require "hyla"
local tensor = require "hyla.tensor"
local C = require("hyla.ffi").C
local shell = dofile "spec/lua/shell.lua"

local parts = { hyla.data("digits"):split({ 60, 40 }, 1) }

-- Softmax regression on mini-batches, judged on mini-batches.
local function batched(method, given)
  given = given or {}
  local dtype = given.dtype or "float64"
  local train, valid = parts[1]:to(dtype), parts[2]:to(dtype)
  local a, b = train:batches { size = 10, seed = 1 }, valid:batches { size = 8, seed = 2 }
  local W = hyla.weight("W", { train.width, 10 }, hyla.zeros)
  local eta = hyla.hyper("eta", { init = given.eta or 0.05, within = hyla.non_negative() })
  local mu = hyla.hyper("mu", { init = given.mu or 0.5, within = hyla.box(0, 0.95) })
  local classes = hyla.hyper("classes", { size = 20, init = 0.01 })
  local function loss(part) return hyla.cross_entropy(part.x:matmul(W) * 0.2, part.y):mean() end
  local decay = (W ^ 2):sum(1) * classes:rows(1, 10) + classes:rows(11, 20) * W:mean(1)
  local p = hyla.problem {
    inner = loss(a) + decay:sum(), outer = loss(b), method = method, dtype = dtype,
    train = hyla.momentum { rate = eta, momentum = mu, steps = given.steps or 24 },
    improve = hyla.adam { rate = given.hyper_rate or 0.01 },
    watch = { accuracy = hyla.accuracy(valid.x:matmul(W), valid.y) },
  }
  return p
end

local function flat(g)
  local list = {}
  for _, name in ipairs { "classes", "eta", "mu" } do
    if type(g[name]) == "number" then list[#list + 1] = g[name]
    else for _, v in ipairs(g[name]:totable()) do list[#list + 1] = v end end
  end
  return list
end

local function improve_along(p)
  local training, improver = p:realtime(), p:improver()
  while training.t < p.steps do
    training:step(p.method.every)
    improver:step((training:partial()))
    training:update()
  end
  return training
end

describe("real-time updates", function()
  it("at a hyper learning rate of 0 are plain training, bit for bit", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local p = batched(hyla.rtho { every = 5 }, { hyper_rate = 0, dtype = dtype })
      improve_along(p)
      local along = p:states()
      p:train()
      for name, value in pairs(p:states()) do assert.same(value:totable(), along[name]:totable()) end
    end
  end)

  it("with one hyperbatch are one update of Forward-HG", function()
    local p, q = batched(hyla.rtho { every = 24 }), batched(hyla.forward())
    improve_along(p)
    q:improver():step((q:hypergradient()))
    for _, name in ipairs { "eta", "mu", "classes" } do
      assert.same(q.hypers[name].value:totable(), p.hypers[name].value:totable())
    end
  end)

  it("have at every step the hypergradient of a training that ends there", function()
    local p = batched(hyla.forward())
    local training = p:realtime()
    for _, t in ipairs { 1, 2, 7, 24 } do
      training:step(t - training.t)
      local g, f = training:partial()
      local shorter = batched(hyla.reverse(), { steps = t })
      local expected, e = shorter:hypergradient()
      assert.is_near(e, f, 1e-14)
      local got, want, apart, norm = flat(g), flat(expected), 0, 0
      for i = 1, #want do apart, norm = apart + (got[i] - want[i]) ^ 2, norm + want[i] ^ 2 end
      assert.is_true(math.sqrt(apart / norm) <= 1e-10)
    end
  end)

  it("give the same bits with as many tangents in a program as the budget holds", function()
    local expected
    for _, memory in ipairs { "40M", "2800K" } do
      local p = batched(hyla.rtho { every = 6, memory = memory })
      local training = improve_along(p)
      local got = { flat((training:partial())), p:weights().W:totable() }
      expected = expected or got
      assert.same(expected, got)
    end
    local p = batched(hyla.rtho { memory = 500000 })
    assert.error_matches(function() p:realtime() end, "the tangents of 22 components need %d+ bytes, and 500000")
  end)

  it("repeat to the bit, a hundred times", function()
    local expected
    local p = batched(hyla.rtho { every = 4 }, { dtype = "float32", steps = 12 })
    local first = { eta = p.hypers.eta.value, mu = p.hypers.mu.value, classes = p.hypers.classes.value }
    for _ = 1, 100 do
      p:set(first)
      improve_along(p)
      local got = p:weights().W:totable()
      expected = expected or got
      assert.same(expected, got)
    end
  end)

  -- w' = w - r c w with E = w^2 / 2: the tangent by r after t steps, carried by a share, in plain Lua.
  it("carry what they are told of the tangents", function()
    local c, w0, r = 0.5, 2, 0.3
    local cases = { { hyla.one_step(), 0 }, { hyla.marthe { carry = 0.7 }, 0.7 }, { hyla.rtho { every = 1 }, 1 } }
    for _, case in ipairs(cases) do
      local w, rate = hyla.weight("w", {}, w0), hyla.hyper("rate", { init = r })
      local p = hyla.problem {
        inner = 0.5 * c * w ^ 2, outer = 0.5 * w ^ 2, dtype = "float64", method = case[1],
        train = hyla.gd { rate = rate, steps = 6 },
      }
      local training, value, z = p:realtime(), w0, 0
      for _ = 1, 6 do
        training:step(1)
        z = case[2] * (1 - r * c) * z - c * value
        value = value - r * c * value
        local g, f = training:partial()
        assert.is_near(0.5 * value ^ 2, f, 1e-14)
        assert.is_near(value * z, g.rate, 1e-13)
      end
    end
  end)

  it("have derivatives that are truly 0 where the learning rate is 0", function()
    local p = batched(hyla.rtho { every = 3 }, { eta = 0, mu = 0 })
    local training = p:realtime()
    training:step(6)
    local g = training:partial()
    assert.equal(0, g.mu)
    assert.is_true(g.eta ~= 0)
    for _, value in ipairs(g.classes:totable()) do assert.equal(0, value) end
  end)

  it("begin a running cost anew with each update", function()
    local x = tensor.normal({ 8 }, { seed = 1, dtype = "float64" })
    local a = hyla.hyper("a", { init = 0.6 })
    local h = hyla.state("h", {}, 0)
    local p = hyla.problem {
      train = hyla.transition { steps = 8, next = { h = a * h + hyla.at_step(x) } }, cost = h ^ 2, dtype = "float64",
      method = hyla.rtho { every = 4 },
    }
    local training, value, z = p:realtime(), 0, 0
    for _ = 1, 2 do
      training:step(4)
      local cost, slope = 0, 0
      for t = training.t - 3, training.t do
        z = 0.6 * z + value
        value = 0.6 * value + x:totable()[t]
        cost, slope = cost + value ^ 2, slope + 2 * value * z
      end
      local g, f = training:partial()
      assert.is_near(cost, f, 1e-13)
      assert.is_near(slope, g.a, 1e-13)
      training:update()
    end
  end)

  it("go on from a kept state to the same bits", function()
    local function run(stop)
      local p = batched(hyla.rtho { every = 5 }, { dtype = "float32" })
      local training, improver = p:realtime(), p:improver()
      local kept
      while training.t < p.steps do
        training:step(5 - training.t % 5)
        improver:step((training:partial()))
        training:update()
        if training.t == stop then
          kept = { training:state(), improver:state(), { eta = p.hypers.eta.value, mu = p.hypers.mu.value,
            classes = p.hypers.classes.value } }
          p = batched(hyla.rtho { every = 5 }, { dtype = "float32" })
          p:set(kept[3])
          training, improver = p:realtime(), p:improver()
          training:restore(kept[1])
          improver:restore(kept[2])
        end
      end
      return { p:weights().W:totable(), p.hypers.classes.value:totable(), p.hypers.eta.value:item() }
    end
    assert.same(run(nil), run(10))
  end)

  it("go on after an interrupt", function()
    local p, q = batched(hyla.rtho()), batched(hyla.rtho())
    local training = p:realtime()
    C.hyla_interrupt()
    assert.error_matches(function() training:step(9) end, "interrupted")
    C.hyla_interrupt_clear()
    training:step(9)
    local whole = q:realtime()
    whole:step(9)
    assert.same(flat((whole:partial())), flat((training:partial())))
  end)

  it("name the state and the step where training diverges after an update", function()
    local p = batched(hyla.rtho { every = 2 }, { eta = 1e18, steps = 60 })
    local training = p:realtime()
    training:step(1)
    training:update()
    local ok, message = pcall(training.step, training, 59)
    assert.is_false(ok)
    assert.matches("^training, or its tangents, diverged at step %d+ of 60 .*not finite", message)
  end)

  it("take as much memory for many steps as for few", function()
    local function bytes(steps)
      local p = batched(hyla.rtho { every = 5 }, { steps = steps })
      local training = improve_along(p)
      return C.hyla_method_bytes(training.handle)
    end
    assert.equal(bytes(10), bytes(200))
  end)

  -- In a process of its own, in which nothing else comes and goes but a few pages for what LuaJIT compiles. Sanitizers
  -- keep freed memory.
  it("keep to the memory of the first thousand steps for a hundred thousand", function()
    if os.getenv "LD_PRELOAD" then return end
    local script = [[
      local hyla = require "hyla"
      local function resident()
        collectgarbage()
        local file = assert(io.open("/proc/self/statm", "r"))
        local pages = tonumber((file:read "*a"):match "^%d+ (%d+)")
        file:close()
        return pages
      end
      for _, method in ipairs { hyla.rtho { every = 1000 }, hyla.forward() } do
        local w, rate = hyla.weight("w", { 40 }, hyla.ones), hyla.hyper("rate", { init = 1e-4 })
        local x = hyla.random_uniform { shape = { 40 }, seed = 1 }
        local p = hyla.problem {
          inner = ((w - x) ^ 2):sum(), outer = (w ^ 2):sum(), method = method,
          train = hyla.momentum { rate = rate, momentum = 0.5, steps = 100000 }, improve = hyla.gd { rate = 1e-9 },
        }
        local training, improver = p:realtime(), p:improver()
        for k = 1, 100 do
          training:step(1000)
          improver:step((training:partial()))
          if method.every then training:update() end
          local pages = resident()
          if k == 1 or k == 100 then print("resident", pages) end
        end
      end]]
    local done = shell.run("./hyla -e " .. shell.quote(script))
    assert.equal(0, done.code, done.err)
    local pages = {}
    for n in done.out:gmatch "resident%s+(%d+)" do pages[#pages + 1] = tonumber(n) end
    assert.equal(4, #pages)
    for i = 1, 3, 2 do
      assert.is_true(pages[i + 1] <= 1.01 * pages[i] + 40, ("%d pages after %d"):format(pages[i + 1], pages[i]))
    end
  end)

  it("refuse what needs all tangents where Forward-HG trains in groups", function()
    local training = batched(hyla.forward { memory = 500000 }):realtime()
    training:step(2)
    assert.error_matches(function() training:partial() end, "a partial hypergradient needs all 22 tangents at once")
    assert.error_matches(function() training:update() end, "an update of the hyperparameters on the way needs all 22")
  end)

  it("refuse methods, budgets and shares that do not fit", function()
    assert.error_matches(function() batched(hyla.reverse()):realtime() end,
      "the problem's method is reverse; method = hyla.rtho")
    assert.error_matches(function() hyla.rtho { every = 0 } end, "option 'every': expected a whole number >= 1")
    assert.error_matches(function() hyla.marthe { carry = 1.5 } end, "option 'carry': expected a share from 0 to 1")
  end)
end)
