-- Reverse-HG within a budget: whole states at some steps, and records, which take less, of what the adjoint steps read.
local ffi = require "ffi"
local hyla = require "hyla"
local engine = require "hyla.ffi"
local unrolled = require "spec.hypergrad.unrolled"
local C, run, state_bytes = engine.C, unrolled.run, unrolled.state_bytes

local NOTE = 8   -- of the step a checkpoint is of

-- Momentum on sum h w^3 / 6 in float64: (w, v) is a state, w alone is what its adjoint step reads.
local RECORD = 128
local function cubic(T)
  local w, h = hyla.weight("w", { RECORD / 8 }, 1.5), hyla.hyper("h", { init = 0.125, size = RECORD / 8 })
  return hyla.problem { inner = (w ^ 3 * h):sum() / 6, outer = (w ^ 2):sum(), dtype = "float64",
    train = hyla.momentum { rate = 0.5 / T, momentum = 0.5, steps = T } }
end

-- Softmax regression whose adjoint reads its 300 x 3 weights, for their decay is learned, and for which the softmax of
-- 20 rows is worth storing beside them.
local function decayed(T)
  local labels = {}
  for i = 1, 20 do labels[i] = i % 3 end
  local W, decay = hyla.weight("W", { 300, 3 }, hyla.zeros), hyla.hyper("decay", { init = 0.01 })
  local x, y = hyla.tensor.normal({ 20, 300 }, { seed = 1, dtype = "float64" }), hyla.tensor(labels, "int32")
  local loss = hyla.cross_entropy(x:matmul(W), y):mean()
  return hyla.problem { inner = loss + decay * (W ^ 2):sum(), outer = loss, dtype = "float64",
    train = hyla.gd { rate = 0.1, steps = T } }
end

-- The fewest steps forward with s states, s_0 included, and k records, the last of a stretch not counted: leave a state
-- after m steps, or go to the end and take back the steps recorded, by trying all.
local function fewest()
  local known = {}
  local function t(l, s, k)
    if l <= k + 2 then return l - 1 end
    local key = (l * 64 + s) * 64 + k
    if not known[key] then
      local best = l - 1 + t(l - k - 1, s, k)
      for m = 1, s > 1 and l - 1 or 0 do best = math.min(best, m + t(m, s, k) + t(l - m, s - 1, k)) end
      known[key] = best
    end
    return known[key]
  end
  return t
end

-- The cheapest of all ways to step (cost 1), hold or let go of a state or a record of where it stands, and go back to a
-- state held or to s_0 (cost 0), until every step from T down has been taken back. Breadth first, free moves first.
local function search(T, most_states, most_records)
  local distance, layer, steps = {}, { { T, 0, 0, 0, 0, 0 } }, 0
  local function has(set, i) return math.floor(set / 2 ^ i) % 2 == 1 end
  while true do
    local after = {}
    while #layer > 0 do
      local last, at, held, n, recorded, k = unpack(table.remove(layer))
      if last == 0 then return steps + 1 end
      local key = ((last * 16 + at) * 256 + held) * 256 + recorded
      if not distance[key] then
        distance[key] = steps
        local function free(...) layer[#layer + 1] = { ... } end
        if at == last - 1 or has(recorded, last - 1) then free(last - 1, at, held, n, recorded, k) end
        if not has(held, at) and n < most_states then free(last, at, held + 2 ^ at, n + 1, recorded, k) end
        if not has(recorded, at) and k < most_records then free(last, at, held, n, recorded + 2 ^ at, k + 1) end
        free(last, 0, held, n, recorded, k)
        for i = 0, T - 1 do
          if has(held, i) then
            free(last, at, held - 2 ^ i, n - 1, recorded, k)
            free(last, i, held, n, recorded, k)
          end
          if has(recorded, i) then free(last, at, held, n, recorded - 2 ^ i, k - 1) end
        end
        if at < last then after[#after + 1] = { last, at + 1, held, n, recorded, k } end
      end
    end
    layer, steps = after, steps + 1
  end
end

-- Over every split of the memory beside the work state.
local function best_split(memory, state, steps)
  local best, room = math.huge, memory - state
  for c = 0, math.floor(room / (state + NOTE)) do
    best = math.min(best, steps(c, math.floor((room - c * (state + NOTE)) / RECORD)))
  end
  return best
end

describe("Reverse-HG within a budget takes", function()
  it("the fewest steps that any split into states and records does, and stays within it", function()
    local t, seen = fewest(), {}
    for _, T in ipairs { 3, 5, 8, 13, 21, 34, 50 } do
      local p = cubic(T)
      local state, stored = state_bytes(p), run(p, hyla.reverse())
      assert.equal(2 * RECORD, state)
      for memory = 2 * state + NOTE, T * RECORD - 1, RECORD / 2 do
        local g, cost = run(p, hyla.reverse { memory = memory })
        assert.same(stored, g)
        assert.equal(best_split(memory, state, function(c, k) return t(T, c + 1, k) + 1 end), cost.taken)
        assert.same({ cost.taken, cost.taken - T, false }, { cost.steps, cost.extra, cost.residuals })
        assert.is_true(cost.bytes <= memory)
        seen[math.min(cost.checkpoints, 3)] = true
      end
    end
    assert.same({ [0] = true, true, true, true }, seen)   -- with records alone, and with states among them
  end)

  it("as many as a search through all schedules of its states and records finds", function()
    for T = 3, 6 do
      local p = cubic(T)
      local state = state_bytes(p)
      for memory = 2 * state + NOTE, T * RECORD - 1, RECORD do
        local _, cost = run(p, hyla.reverse { memory = memory })
        local records = math.floor((cost.bytes - state - cost.checkpoints * (state + NOTE)) / RECORD)
        assert.equal(search(T, cost.checkpoints, records), cost.taken)
      end
    end
  end)

  it("one more pass over what the first did not record, where all but a little fits", function()
    local T = 40
    local p = cubic(T)
    local _, cost = run(p, hyla.reverse { memory = state_bytes(p) + 30 * RECORD })
    -- 30 records and the work state serve the last 31 steps; s_0 is made again for the 9 before.
    assert.same({ 0, 8, T + 8 }, { cost.checkpoints, cost.extra, cost.taken })
  end)
end)

describe("Reverse-HG within a budget", function()
  for name, make in pairs(unrolled.problems) do
    it("has the bits of the stored trajectory at every budget, and never holds more: " .. name, function()
      for _, T in ipairs { 2, 9, 24 } do
        local p = hyla.problem(make(T))
        local state, stored, all = state_bytes(p), run(p, hyla.reverse())
        for _, from in ipairs { 0, T > 2 and 2 or 0 } do
          local expected = from > 0 and run(p, hyla.reverse(), from) or stored
          for share = 0, 1.05, 0.15 do
            local memory = 2 * state + NOTE + math.floor(share * math.max(all.bytes - 2 * state, 0))
            local g, cost = run(p, hyla.reverse { memory = memory }, from > 0 and from or nil)
            assert.same(expected, g)
            assert.is_true(cost.bytes <= memory)
            assert.equal(cost.steps, cost.taken)
          end
        end
      end
    end)
  end

  it("takes no more than it said", function()
    local p = hyla.problem(unrolled.problems["softmax regression in stretches"](40))
    local lambda, f = ffi.new("hyla_tensor *[2]", { p.hypers[1].value, p.hypers[2].value }), ffi.new "double[1]"
    local out = { hyla.tensor({ 0 }, "float32"):reshape {}, hyla.tensor(p.hypers[2].value:totable(), "float32") }
    if p.hypers[1].size > 1 then out = { hyla.tensor(p.hypers[1].value:totable(), "float32"),
      hyla.tensor({ 0 }, "float32"):reshape {} } end
    local g = ffi.new("hyla_tensor *[2]", out)
    -- What is held at most beside what the cost states: headers of blocks, handles of results.
    local function beside(method)
      local bytes = select(2, run(p, method)).bytes    -- programs keep their scratch
      collectgarbage() collectgarbage()
      local handle = method.new(p.handle)
      local base = C.hyla_memory_current()
      C.hyla_memory_reset_peak()
      engine.check(C.hyla_method_start(handle, lambda))
      engine.check(C.hyla_method_hypergradient(handle, f, g))
      return C.hyla_memory_peak() - base - bytes, bytes
    end
    local least, all = beside(hyla.reverse())
    for _, part in ipairs { 0.1, 0.2, 0.5, 0.8, 0.95 } do
      local more, bytes = beside(hyla.reverse { memory = part * all })
      assert.is_true(bytes <= part * all)
      assert.is_true(more <= least + 3 * 64)   -- another block: its header, and the ends of both
    end
  end)

  it("stores residuals of as many of the last steps as fit", function()
    local p = hyla.problem(unrolled.problems["softmax regression in stretches"](40))
    local stored, all = run(p, hyla.reverse())
    assert.is_true(all.residuals)
    local some, within = run(p, hyla.reverse { memory = all.bytes - 1 })
    assert.same(stored, some)
    assert.is_true(within.residuals and within.bytes < all.bytes)
  end)

  it("stores residuals beside the records of some steps, with the bits of those of all", function()
    local T = 20
    local p = decayed(T)
    local stored, all = run(p, hyla.reverse { memory = "64M" })
    local lean, residual = 300 * 3 * 8, 20 * 3 * 8
    assert.is_true(all.residuals and all.bytes >= T * (lean + residual))
    for some = 1, T - 1 do
      local g, within = run(p, hyla.reverse { memory = all.bytes - some * 512 })   -- 480 bytes in lines of 64
      assert.same(stored, g)
      assert.same({ 0, true }, { within.extra, within.residuals })
    end
  end)

  it("goes on after an interrupt at any step, and takes no step twice for it", function()
    for _, name in ipairs { "cubic", "softmax regression in stretches" } do
      local p = name == "cubic" and cubic(14) or hyla.problem(unrolled.problems[name](14))
      local stored, all = run(p, hyla.reverse())
      local method = hyla.reverse { memory = math.max(2 * state_bytes(p) + NOTE, 0.4 * all.bytes) }
      local steps = select(2, run(p, method)).steps
      assert.is_true(steps > 14)
      finally(function()
        C.hyla_interrupt_at(0)
        C.hyla_interrupt_clear()
      end)
      assert.is_true(unrolled.interrupt_everywhere(p, method, stored) > steps)
    end
  end)

  it("is the same choice every time, before and after the start", function()
    local p = cubic(60)
    for memory = 2 * state_bytes(p) + NOTE, 60 * RECORD, 500 do
      p.method = hyla.reverse { memory = memory }
      local before = p:cost()
      p:hypergradient()
      local after = p:cost()
      before.taken = after.taken
      assert.same(before, after)
    end
  end)
end)
