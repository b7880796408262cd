-- What is made from hyperparameters alone is made once for as long as they stay, and again whenever they have changed.
local ffi = require "ffi"
local engine = require "hyla.ffi"
local hyla = require "hyla"
local profile = require "hyla.profile"
local tensor = require "hyla.tensor"
local C, check = engine.C, engine.check

local ROWS, WEIGHTS, STEPS = 60, 8, 6
local x = tensor.normal({ ROWS, WEIGHTS }, { seed = 1, dtype = "float64" })

-- Training with a decay for each weight and ties between weights; `of` makes a decay of the hyperparameter.
local function problem(of, changes)
  local w = hyla.weight("w", { WEIGHTS, 2 }, hyla.ones)
  local decay = hyla.hyper("decay", { size = WEIGHTS, init = -1 })
  local ties = hyla.hyper("ties", { shape = { WEIGHTS, WEIGHTS }, init = 0.05 })
  local tied = (ties + ties:t()):matmul(w) * w
  local given = {
    inner = (x:matmul(w) - 1):squared_norm():mean() + (of(decay):reshape { WEIGHTS, 1 } * w ^ 2):sum() + tied:sum(),
    outer = (x:matmul(w) + 0.5):squared_norm():mean(), dtype = "float64",
    train = hyla.gd { rate = 0.01, steps = STEPS },
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return hyla.problem(given)
end

local function exponential(decay) return decay:exp() end

local function some(seed) return { decay = tensor.normal({ WEIGHTS }, { seed = seed, dtype = "float64" }) } end

local function same(a, b)
  for name, value in pairs(a) do assert.same(value:totable(), b[name]:totable()) end
end

-- Of a method, the state as it stands.
local function weights(method)
  local view = ffi.new "hyla_tensor *[1]"
  check(C.hyla_method_state(method, 0, view))
  return tensor.adopt(view[0]):totable()
end

describe("what is made from hyperparameters alone", function()
  after_each(function()
    profile.stop()
    C.hyla_profile_drop()
  end)

  it("is made once a hypergradient, not at each step", function()
    local p = problem(exponential)
    p:hypergradient()
    assert.matches("= exp .- in kept <%- input decay", tostring(p.step_program))
    local seen = profile.collect(function() for _ = 1, 3 do p:hypergradient() end end)
    local steady = {}
    for _, program in ipairs(seen.programs) do
      for _, item in ipairs(program.items) do
        assert.equal(item.steady and 3 or program.runs, item.runs)
        if item.steady then
          steady[item.label] = true
          assert.equal(3 * item.units, item.calls)
        end
      end
    end
    assert.is_true(steady.exp)
  end)

  it("follows them, bit for bit", function()
    for _, method in ipairs { hyla.reverse(), hyla.reverse { memory = 1200 }, hyla.forward() } do
      local p = problem(exponential, { method = method })
      local first = p:hypergradient()
      local second = p:hypergradient(some(2))
      same(second, problem(exponential, { method = method }):hypergradient(some(2)))
      local back = p:hypergradient { decay = tensor.ones({ WEIGHTS }, "float64") * -1 }
      same(first, back)
      assert.not_same(first.decay:totable(), second.decay:totable())
    end
  end)

  it("is each training's own where two take turns", function()
    local p, names = problem(exponential), { "decay", "ties" }
    local function training(seed)
      local out, values = ffi.new "hyla_method *[1]", ffi.new "hyla_tensor *[2]"
      p:set(some(seed))
      for i, name in ipairs(names) do values[i - 1] = p:lambda()[name] end
      check(C.hyla_train_new(p.handle, out))
      local method = ffi.gc(out[0], C.hyla_method_drop)
      check(C.hyla_method_start(method, values))
      return method
    end
    local a, b, alone = training(2), training(3), training(2)
    check(C.hyla_method_advance(alone, STEPS))
    for _ = 1, STEPS do
      check(C.hyla_method_advance(a, 1))
      check(C.hyla_method_advance(b, 1))
    end
    assert.same(weights(alone), weights(a))
    assert.not_same(weights(a), weights(b))
  end)

  -- A step that leaves residuals behind is explained by the plain one, which then stops in what is steady.
  it("is not taken for whole where its making failed", function()
    local n, wide = 40, tensor.normal({ 40, 400 }, { seed = 4, dtype = "float64" })
    local w, decay = hyla.weight("w", { 400, 3 }, hyla.ones), hyla.hyper("decay", { size = 400, init = -1 })
    local loss = hyla.cross_entropy(wide:matmul(w), hyla.zeros({ n }, "int32")):mean()
    local p = hyla.problem { inner = loss + (decay:exp():reshape { 400, 1 } * w ^ 2):sum(), outer = loss,
                             dtype = "float64", train = hyla.gd { rate = 0.01, steps = STEPS } }
    p:hypergradient()
    assert.is_true(p:cost().residuals)
    local out, value = ffi.new "hyla_method *[1]", ffi.new "hyla_tensor *[1]"
    local function start(status, at)
      check(status)
      local method, values = ffi.gc(out[0], C.hyla_method_drop), tensor.ones({ 400 }, "float64") * at
      value[0] = values
      check(C.hyla_method_start(method, value))
      return method
    end
    local alone = start(C.hyla_train_new(p.handle, out), -2)
    check(C.hyla_method_advance(alone, 2))
    local a = start(C.hyla_train_new(p.handle, out), -2)
    check(C.hyla_method_advance(a, 1))
    local wild = start(C.hyla_reverse_new(p.handle, 0, 0, out), 1e4)
    assert.equal(C.HYLA_ENONFINITE, C.hyla_method_advance(wild, 1))
    check(C.hyla_method_advance(a, 1))
    assert.same(weights(alone), weights(a))
  end)

  it("is made at each step where it is large", function()
    local w, scale = hyla.weight("w", { 600 }, hyla.ones), hyla.hyper("scale", { shape = { 600, 600 }, init = 0 })
    local p = hyla.problem { inner = (scale:exp():matmul(w)):squared_norm(), outer = w:sum(), dtype = "float64",
                             train = hyla.gd { rate = 1e-9, steps = 2 } }
    local text = tostring(p.step_program)
    assert.matches("= exp ", text)
    assert.is_nil(text:find("in kept", 1, true), text)
  end)

  it("changes with them on the way", function()
    local changes = { method = hyla.rtho { every = 2 }, improve = hyla.gd { rate = 0.1 } }
    local p = problem(exponential, changes)
    local q = problem(function(decay) return decay end, changes)
    local training, other = p:realtime(), q:realtime()
    for k = 1, STEPS / 2 do
      local u = some(k)
      p:place(u)
      q:place { decay = u.decay:exp() }
      training:update()
      other:update()
      training:step(2)
      other:step(2)
    end
    local left, right = p:states().w:totable(), q:states().w:totable()
    for i, row in ipairs(left) do
      for j, value in ipairs(row) do assert.is_near(right[i][j], value, 1e-13) end
    end
  end)

  it("is named where it is not finite", function()
    local p = problem(exponential)
    p:hypergradient()
    assert.error_matches(function() p:hypergradient { decay = tensor.ones({ WEIGHTS }, "float64") * 1e4 } end,
      "not finite %(NaN or infinity%) from exp")
    assert.is_number((select(2, p:hypergradient(some(2)))))
  end)
end)
