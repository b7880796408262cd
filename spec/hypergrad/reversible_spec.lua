-- Reversible momentum: what is re-created is what was, to the bit; the hypergradient is that of Reverse-HG; and the
-- memory is what the theory says.
local ffi = require "ffi"
local engine = require "hyla.ffi"
local hyla = require "hyla"
local support = require "spec.engine.support"
require "hyla.spec"
local C, check = engine.C, engine.check

local function hyper(name, value)
  return hyla.hyper(name, { init = value, size = type(value) ~= "number" and value.size or nil })
end

local function tensor(...) return hyla.tensor({ ... }, "float64") end

-- Softmax regression on digits, with a bias of its own rate.
local function classifier(o)
  local train, valid = hyla.data("digits", { n = 120 }):split({ 60, 60 }, 1)
  local W = hyla.weight("W", { train.width, 10 }, hyla.normal { seed = 3, deviation = 0.1 })
  local b = hyla.weight("b", { 10 }, hyla.zeros)
  local function loss(part) return hyla.cross_entropy(part.x:matmul(W) + b, part.y):mean() end
  local rate, decay = hyper("rate", 0.1), hyper("decay", 1e-3)
  return hyla.problem {
    inner = loss(train) + decay * (W ^ 2):sum(), outer = loss(valid), dtype = o.dtype or "float64",
    method = o.method or hyla.reversible(),
    train = o.train or hyla.momentum {
      rate = { W = rate, b = 2 * rate }, momentum = o.momentum or hyper("mu", o.mu or 0.9) + 0, steps = o.steps or 30,
    },
  }
end

local function handle(p, make, ...)
  local out, lambda = ffi.new "hyla_method *[1]", ffi.new("hyla_tensor *[?]", math.max(#p.hypers, 1))
  local arguments = { ... }
  arguments[#arguments + 1] = out
  check(make(p.handle, unpack(arguments)))
  local m = ffi.gc(out[0], C.hyla_method_drop)
  for i, h in ipairs(p.hypers) do lambda[i - 1] = h.value end
  check(C.hyla_method_start(m, lambda))
  return m
end

local function reversible(p, fraction) return handle(p, C.hyla_reversible_new, 0, fraction or 48) end

-- The bytes of every state of a method.
local function bits(p, m)
  local all = {}
  for i = 1, #p.layout.states do
    local view = ffi.new "hyla_tensor *[1]"
    check(C.hyla_method_state(m, i - 1, view))
    local t = ffi.gc(view[0], C.hyla_tensor_drop)
    all[i] = ffi.string(C.hyla_tensor_data(t), C.hyla_tensor_size(t) * (p.dtype == "float64" and 8 or 4))
  end
  return table.concat(all)
end

local function flat(g)
  local list, names = {}, {}
  for name in pairs(g) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = g[name]
    for _, v in ipairs(type(value) == "number" and { value } or value:reshape({ value.size }):totable()) do
      list[#list + 1] = v
    end
  end
  return list
end

local function distance(a, b)
  local x, y, difference, norm = flat(a), flat(b), 0, 0
  assert.equal(#x, #y)
  for i = 1, #x do difference, norm = difference + (x[i] - y[i]) ^ 2, norm + x[i] ^ 2 end
  return math.sqrt(difference / norm)
end

local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe("reversible momentum, backwards,", function()
  for _, mu in ipairs { 0.9, 0.5, 0.99, 0.3, 1e-3, 0, 1, 0.7310585786300049 } do
    for _, dtype in ipairs { "float64", "float32" } do
      it(("re-creates every state to the bit: mu = %g, %s"):format(mu, dtype), function()
        local p = classifier { mu = mu, dtype = dtype }
        local m, there = reversible(p), {}
        for t = 0, 30 do
          there[t] = bits(p, m)
          if t < 30 then check(C.hyla_method_advance(m, 1)) end
        end
        assert.are_not.equal(there[29], there[30])
        for t = 29, 0, -1 do
          check(C.hyla_reversible_back(m, 1))
          assert.equal(t, C.hyla_method_step(m))
          assert.is_true(there[t] == bits(p, m), "another state at step " .. t)
        end
      end)
    end
  end

  it("does so over many full buffers, in any order of steps", function()
    math.randomseed(5)
    local mu = {}
    for t = 1, 400 do mu[t] = ({ 0.3, 0.9, 0, 1, math.random() })[math.random(5)] end
    -- Gradients of any size up to the range's: numbers of all 62 bits.
    local push = hyla.at_step(hyla.normal { seed = 2, deviation = 3e4 } ({ 400, 40 }, "float64", 1))
    local w, rate = hyla.weight("w", { 40 }, hyla.normal { seed = 1 }), hyper("rate", 0.125)
    local p = hyla.problem {
      inner = (w * push):sum() + (w ^ 2):sum() / 8, outer = (w ^ 2):sum(), dtype = "float64",
      method = hyla.reversible(),
      train = hyla.momentum { rate = rate, momentum = hyla.at_step(tensor(unpack(mu))), steps = 400 },
    }
    local m, there = reversible(p, 40), {}
    there[0] = bits(p, m)
    local t = 0
    for _ = 1, 60 do
      local forward = t == 0 or t < 400 and math.random() < 0.6
      local n = math.random(forward and math.min(60, 400 - t) or math.min(60, t))
      for _ = 1, n do
        check(forward and C.hyla_method_advance(m, 1) or C.hyla_reversible_back(m, 1))
        t = t + (forward and 1 or -1)
        there[t] = there[t] or bits(p, m)
        assert.is_true(there[t] == bits(p, m), "another state at step " .. t)
      end
    end
    check(C.hyla_reversible_back(m, t))
    assert.is_true(there[0] == bits(p, m))
  end)

  it("rounds training to its resolution alone", function()
    -- mu = 1/2 is a number of the fixed point; each step rounds three times by at most 2^-48, and the loss is convex.
    local p = classifier { mu = 0.5, steps = 60 }
    p:hypergradient()
    local there = p:weights()
    p:train()
    for name, value in pairs(p:weights()) do
      assert.is_true((value - there[name]):abs():max():item() <= 60 * 4 * 2 ^ -48)
      assert.is_true((value - there[name]):abs():max():item() > 0)
    end
  end)

  it("refuses more steps than were taken, other methods, and a state that the hypergradient has taken back", function()
    local p = classifier { steps = 5 }
    local m = reversible(p)
    check(C.hyla_method_advance(m, 3))
    assert.matches("expected a number of steps from 0 to 3, got 4", message_of(check, C.hyla_reversible_back(m, 4)))
    assert.matches("method 'train' cannot go back",
                   message_of(check, C.hyla_reversible_back(handle(p, C.hyla_train_new), 0)))
    local f, g = ffi.new "double[1]", ffi.new("hyla_tensor *[?]", #p.hypers)
    local room = {}
    for i, h in ipairs(p.hypers) do
      room[i] = hyla.zeros(h.shape, "float64")
      g[i - 1] = room[i]
    end
    check(C.hyla_method_hypergradient(m, f, g))
    assert.matches("has gone back already", message_of(check, C.hyla_reversible_back(m, 1)))
  end)
end)

-- Of a hypergradient: each made anew for its method.
local problems = {
  ["classification"] = function(method) return classifier { method = method, mu = 0.75, steps = 40 } end,
  ["a learned start, and an outer objective of hyperparameters"] = function(method)
    local start, c = hyper("start", tensor(0.3, -0.6)), hyper("c", 0.75)
    local w = hyla.weight("w", { 2 }, start:tanh() * 2)
    return hyla.problem {
      inner = (w ^ 2 * tensor(1, 3)):sum() + w:exp():sum(), outer = (w - 1):abs():sum() * c + c ^ 2, method = method,
      dtype = "float64",
      train = hyla.momentum { rate = hyper("eta", 0.05), momentum = hyper("mu", 0.625), steps = 25 },
    }
  end,
  ["stretches, a rate for each element"] = function(method)
    local w, u = hyla.weight("w", { 3 }, tensor(1, -2, 0.5)), hyla.weight("u", {}, 0.7)
    local rate, mu = hyper("rate", tensor(0.02, 0.05, 0.03)), hyper("mu", 0.5)
    return hyla.problem {
      inner = (w ^ 2 * w ^ 2):sum() / 8 + (w * u):sum() + u ^ 2 * 3, outer = (w ^ 2):sum() + u ^ 2, method = method,
      dtype = "float64",
      train = {
        hyla.momentum { rate = { w = rate, u = 0.05 }, momentum = mu, steps = 12 },
        hyla.momentum { rate = { w = rate / 2, u = 0.02 }, momentum = { w = 0.25, u = mu / 2 }, steps = 9 },
      },
    }
  end,
  ["mini-batches, a rate and a momentum for each step and weight"] = function(method)
    local train, valid = hyla.data("digits", { n = 120 }):split({ 60, 60 }, 1)
    local batch, T = train:batches { size = 16, seed = 4 }, 20
    local W, b = hyla.weight("W", { train.width, 10 }, hyla.zeros), hyla.weight("b", { 10 }, hyla.zeros)
    local function loss(part) return hyla.cross_entropy(part.x:matmul(W) + b, part.y):mean() end
    local rates = hyla.at_step(hyla.hyper("rates", { shape = { T, 2 }, init = 0.2 }))
    local mus = hyla.at_step(hyla.hyper("mus", { shape = { T, 2 }, init = 0.5 }))
    return hyla.problem {
      inner = loss(batch), outer = loss(valid), method = method, dtype = "float64",
      train = hyla.momentum {
        rate = { W = rates:slice(1, 1, 1), b = rates:slice(1, 2, 2) },
        momentum = { W = mus:slice(1, 1, 1), b = mus:slice(1, 2, 2) }, steps = T,
      },
    }
  end,
  ["a running cost"] = function(method)
    local w, c = hyla.weight("w", { 2 }, tensor(1.5, -1)), hyper("c", 0.25)
    return hyla.problem {
      inner = (w ^ 2):sum() * c + w:cos():sum(), outer = (w ^ 2):sum(), cost = (w - 1):abs():sum() * 0.1,
      method = method, dtype = "float64", train = hyla.momentum { rate = 0.0625, momentum = 0.5, steps = 15 },
    }
  end,
}

describe("the hypergradient by reversible momentum", function()
  for name, make in pairs(problems) do
    -- Momenta here are multiples of 2^-32, so that what is left is a rounding of 2^-48 a step, of some 40 steps.
    it("equals Reverse-HG to 1e-10 of its norm: " .. name, function()
      local expected, f = make(hyla.reverse()):hypergradient()
      local got, same = make(hyla.reversible()):hypergradient()
      assert.is_near(f, same, 1e-11 * math.abs(f))
      assert.is_true(distance(expected, got) <= 1e-10)
    end)

    it("agrees with central differences to 1e-6: " .. name, function()
      assert.hypergradient(make(hyla.reversible()), { components = 12, step = 2 ^ -12 })
    end)
  end

  it("is that of the fixed-point trajectory, at a momentum that is rounded", function()
    -- J = a w^2 / 2: v' = mu v + a w, w' = w - eta v'. The adjoint of w_T^2 / 2, by hand along the states there were.
    local a, eta, mu, T = 3, 0.05, 0.9, 30
    local w = hyla.weight("w", {}, 1.5)
    local p = hyla.problem {
      inner = a * w ^ 2 / 2, outer = w ^ 2 / 2, dtype = "float64", method = hyla.reversible(),
      train = hyla.momentum { rate = hyper("eta", eta), momentum = hyper("mu", mu), steps = T },
    }
    local m, state = reversible(p), {}
    for t = 0, T do
      local here = {}
      for i = 1, 2 do
        local view = ffi.new "hyla_tensor *[1]"
        check(C.hyla_method_state(m, i - 1, view))
        here[i] = ffi.cast("double *", C.hyla_tensor_data(ffi.gc(view[0], C.hyla_tensor_drop)))[0]
      end
      state[t] = here
      check(C.hyla_method_advance(m, 1))
    end
    local to_w, to_v, d_eta, d_mu = state[T][1], 0, 0, 0
    for t = T, 1, -1 do
      local v = mu * state[t - 1][2] + a * state[t - 1][1]
      d_eta = d_eta - to_w * v
      local through = to_v - eta * to_w
      d_mu = d_mu + through * state[t - 1][2]
      to_w, to_v = to_w + a * through, mu * through
    end
    local g = p:hypergradient()
    assert.is_near(d_eta, g.eta, 1e-13 * math.abs(d_eta))
    assert.is_near(d_mu, g.mu, 1e-13 * math.abs(d_mu))
  end)

  it("may be asked for again, at other hyperparameters", function()
    local p = classifier { mu = 0.75 }
    local first = flat((p:hypergradient()))
    p:hypergradient { mu = 0.3 }
    assert.same(first, flat((p:hypergradient { mu = 0.75 })))
  end)

  it("leaves the state of the last step in place", function()
    local p = classifier { mu = 0.75 }
    local _, f = p:hypergradient()
    assert.equal(f, p:response())
  end)

  it("has the same bits on one and two threads", function()
    local threads = hyla.threads()
    local p = classifier {}
    hyla.threads(1)
    local one = flat((p:hypergradient()))
    hyla.threads(2)
    local two = flat((classifier {}:hypergradient()))
    hyla.threads(threads)
    assert.same(one, two)
  end)

  it("goes on after an interrupt, in training and in the sweep, to the same bits", function()
    local p = classifier { mu = 0.8 }
    local expected = flat((p:hypergradient()))
    for _, steps in ipairs { 10, 30 } do
      local q = classifier { mu = 0.8 }
      local m = reversible(q)
      check(C.hyla_method_advance(m, steps))
      local f, g, room = ffi.new "double[1]", ffi.new("hyla_tensor *[?]", #q.hypers), {}
      for i, h in ipairs(q.hypers) do
        room[h.name] = hyla.zeros(h.shape, "float64")
        g[i - 1] = room[h.name]
      end
      C.hyla_interrupt()
      assert.equal(C.HYLA_EINTR, C.hyla_method_hypergradient(m, f, g))
      C.hyla_interrupt_clear()
      check(C.hyla_method_hypergradient(m, f, g))
      assert.same(expected, flat(room))
    end
  end)

  it("starts warm", function()
    local function problem(method) return classifier { method = method, mu = 0.5, steps = 20 } end
    local donor = problem(hyla.reverse())
    donor:step(8)
    local states = {}
    local m = handle(donor, C.hyla_train_new)
    check(C.hyla_method_advance(m, 8))
    local function from(p, make, ...)
      local out, lambda = ffi.new "hyla_method *[1]", ffi.new("hyla_tensor *[?]", #p.hypers)
      local arguments = { ... }
      arguments[#arguments + 1] = out
      check(make(p.handle, unpack(arguments)))
      local made = ffi.gc(out[0], C.hyla_method_drop)
      for i, h in ipairs(p.hypers) do lambda[i - 1] = h.value end
      local start = ffi.new("hyla_tensor *[?]", #p.layout.states)
      for i = 1, #p.layout.states do
        local view = ffi.new "hyla_tensor *[1]"
        check(C.hyla_method_state(m, i - 1, view))
        states[i] = ffi.gc(view[0], C.hyla_tensor_drop)
        start[i - 1] = states[i]
      end
      check(C.hyla_method_start_from(made, lambda, 8, start))
      local f, g, room = ffi.new "double[1]", ffi.new("hyla_tensor *[?]", #p.hypers), {}
      for i, h in ipairs(p.hypers) do
        room[h.name] = hyla.zeros(h.shape, "float64")
        g[i - 1] = room[h.name]
      end
      check(C.hyla_method_hypergradient(made, f, g))
      return room
    end
    local expected = from(donor, C.hyla_reverse_new, 0, 0)
    assert.is_true(distance(expected, from(problem(hyla.reversible()), C.hyla_reversible_new, 0, 48)) <= 1e-10)
  end)
end)

describe("the memory of reversible momentum", function()
  local T, n = 1500, 2000
  -- rate and mu are learned, so storing keeps w and v.
  local function chain(method, mu, steps)
    local w = hyla.weight("w", { n }, hyla.normal { seed = 1 })
    return hyla.problem {
      inner = (w ^ 2):sum() / 2, outer = (w ^ 2):sum(), method = method,
      train = hyla.momentum { rate = hyper("rate", 0.01), momentum = hyper("mu", mu) + 0, steps = steps or T },
    }
  end

  it("is below a fortieth of storing at mu = 0.9", function()
    local function own(p)
      p:hypergradient()
      local all = p:bytes()
      p:train()
      return all - p:bytes()
    end
    local storing = T * n * 2 * 4
    assert.is_true(own(chain(hyla.reverse(), 0.9)) > 0.99 * storing)
    -- The buffer alone takes 1500 log2(1 / 0.9) = 228 bits a component: seven planes of 32 bits and a word, of 96,000.
    assert.is_true(own(chain(hyla.reversible(), 0.9)) < storing / 40)
  end)

  it("is bounded by the memory that it is allowed, before it starts", function()
    -- At mu = 1/2 a plane of 32 bits lasts 32 steps. At 0.99 the word lasts; at 1 nothing is lost, at 0 all of v.
    for _, case in ipairs { { 0.9, 7 }, { 0.5, 46 }, { 0.99, 0 }, { 1, 0 }, { 0, 2 * T } } do
      local mu, planes = unpack(case)
      local need = n * (8 + 4 * planes)
      chain(hyla.reversible { memory = need }, mu):hypergradient()
      local message = message_of(function() chain(hyla.reversible { memory = need - 1 }, mu):hypergradient() end)
      assert.matches(("the information buffer needs %d bytes .1500 steps.*and %d are allowed"):format(need, need - 1),
                     message)
    end
  end)

  it("is told before it begins, and by what it took", function()
    local p = chain(hyla.reversible(), 0.9)
    local cost = p:cost()
    assert.same({ T, 0, 0, n * (8 + 4 * 7) }, { cost.steps, cost.extra, cost.taken, cost.bytes })
    p:hypergradient()
    cost = p:cost()
    assert.same({ T, T, n * (8 + 4 * 7) }, { cost.steps, cost.taken, cost.bytes })
    p:set { mu = 0.5 }
    assert.equal(n * (8 + 4 * 46), p:cost().bytes)
    assert.matches("^1500 steps forward; 375 KiB stored$", tostring(p:cost()))
    local stored = chain(hyla.reverse(), 0.9)
    assert.is_true(p:cost().bytes < stored:cost().bytes / 40)
  end)

  it("is all given back whichever allocation fails", function()
    local p = chain(hyla.reversible(), 0.3, 60)
    p:hypergradient()                                  -- the problem keeps its programs
    local lambda, g, room = ffi.new("hyla_tensor *[?]", #p.hypers), ffi.new("hyla_tensor *[?]", #p.hypers), {}
    for i, h in ipairs(p.hypers) do
      room[i] = hyla.zeros(h.shape)
      lambda[i - 1], g[i - 1] = h.value, room[i]
    end
    local out, f = ffi.new "hyla_method *[1]", ffi.new "double[1]"
    local failed = support.fail_each_allocation(function()
      local status = C.hyla_reversible_new(p.handle, 0, 48, out)
      if status < 0 then return status end
      local function release() C.hyla_method_drop(out[0]) end
      status = C.hyla_method_start(out[0], lambda)
      if status >= 0 then status = C.hyla_method_hypergradient(out[0], f, g) end
      if status < 0 then release() end
      return status, release
    end)
    assert.is_true(failed > 20)
  end)
end)

describe("what reversible momentum refuses:", function()
  it("other dynamics, at their line", function()
    for _, train in ipairs {
      hyla.adam { rate = 0.1, steps = 5 },
      hyla.nesterov { rate = 0.1, momentum = 0.9, steps = 5 },
      { hyla.momentum { rate = 0.1, momentum = 0.9, steps = 5 }, hyla.gd { rate = 0.1, steps = 5 } },
      hyla.transition { next = { W = 0 }, steps = 5 },
    } do
      local message = message_of(classifier, { train = train })
      assert.matches("reversible_spec.lua:%d+: reversible: %a+ overwrites", message)
      assert.matches("holds for hyla.momentum, and hyla.reverse for any dynamics", message)
    end
  end)

  it("what is beside momentum and overwrites, not what changes the gradient", function()
    local function train(more)
      local o = { rate = 0.1, momentum = 0.9, steps = 5 }
      for name, value in pairs(more) do o[name] = value end
      return { train = hyla.momentum(o), method = hyla.reversible() }
    end
    local decayed = train { weight_decay = 0.1 }
    assert.matches("reversible: weight_decay multiplies the weights", message_of(classifier, decayed))
    local averaged = classifier(train { average_from = 1 })
    assert.matches("a step reads the state 'W.average_steps'", message_of(averaged.hypergradient, averaged))
    local changed = train { l2 = 0.1, clip_norm = 0.3, clip_global = 0.4, clip_value = 0.1 }
    local got = classifier(changed):hypergradient()
    changed.method = hyla.reverse()
    assert.is_true(distance(classifier(changed):hypergradient(), got) <= 1e-8)
  end)

  it("a momentum for each element, or of the state", function()
    local w = hyla.weight("w", { 2 }, tensor(1, 2))
    local function problem(rate, mu)
      return hyla.problem { inner = (w ^ 2):sum() * hyper("c", 1), outer = (w ^ 2):sum(), method = hyla.reversible(),
        train = hyla.momentum { rate = rate, momentum = mu, steps = 5 } }
    end
    assert.matches("momentum of 'w': expected one number, got", message_of(problem, 0.1, tensor(0.5, 0.6)))
    assert.matches("a rate or momentum depends on the state 'w'", message_of(problem, 0.1 / (1 + (w ^ 2):sum()), 0.5))
  end)

  it("a momentum outside of [0, 1]", function()
    local p = classifier { momentum = hyper("mu", 0.9) + 0 }     -- a hyperparameter itself is kept in [0, 1)
    for _, mu in ipairs { -0.1, 1.001 } do
      local message = message_of(p.hypergradient, p, { mu = mu })
      assert.matches(("reversible: step 1: expected a momentum of 'W' in [0, 1], got %g"):format(mu), message, 1, true)
    end
  end)

  it("values beyond the range of fixed point, naming weight and step; fewer bits hold more", function()
    local function growing(fraction, start)
      local w = hyla.weight("w", { 3 }, start or 1)
      return hyla.problem {
        inner = -(w ^ 2):sum() * hyper("c", 0.5), outer = w:sum(), method = hyla.reversible { bits = fraction },
        train = hyla.momentum { rate = 0.5, momentum = 0.5, steps = 20 },
      }
    end
    local message = message_of(function() growing(48):hypergradient() end)
    assert.matches("reversible_spec.lua:%d+: reversible: 'w' or its velocity reaches 16384 at step %d+ of 20", message)
    growing(36):hypergradient()
    assert.matches("at step 0 of 20", message_of(function() growing(48, 2e4):hypergradient() end))
  end)

  it("the step at which a sum of small moves does so", function()
    -- A gradient of 1000 and a range of 16384: v_t = 1000 t at mu = 1, and w_t = -1000 t at mu = 0 and a rate of 1.
    for _, setting in ipairs { { rate = 0, momentum = hyper("mu", 1) + 0 }, { rate = 1, momentum = hyper("mu", 0) } } do
      local w = hyla.weight("w", {}, 0)
      setting.steps = 20
      local p = hyla.problem {
        inner = 1000 * w, outer = w ^ 2, method = hyla.reversible(), train = hyla.momentum(setting),
      }
      assert.matches("at step 17 of 20", message_of(p.hypergradient, p))
    end
  end)

  it("bits that are none", function()
    for _, given in ipairs { 7, 57, 48.5, "48" } do
      assert.matches("a whole number of bits from 8 to 56", message_of(hyla.reversible, { bits = given }))
    end
  end)

  it("what is not finite, naming op, line and step", function()
    local w = hyla.weight("w", { 2 }, tensor(1, 2))
    local p = hyla.problem {
      inner = (w - 1.9):sqrt():sum() * hyper("c", 1), outer = w:sum(), method = hyla.reversible(),
      train = hyla.momentum { rate = 0.1, momentum = 0.5, steps = 20 },
    }
    assert.matches("diverged at step %d+ of 20", message_of(p.hypergradient, p))
    local q = hyla.problem {
      inner = (w ^ 2):sum() * hyper("c", 1), outer = (w * 0):sqrt():sum(), method = hyla.reversible(),
      train = hyla.momentum { rate = 0.1, momentum = 0.5, steps = 20 },
    }
    assert.matches("adjoint of the outer objective: .*reversible_spec.lua:%d+", message_of(q.hypergradient, q))
  end)
end)
