-- What the engine collects of a profile: exact counts, no change of results, bounds, failures.
local ffi = require "ffi"
local builder = require "spec.engine.graph_builder"
local engine = require "hyla.ffi"
local hyla = require "hyla"
local lower = require "hyla.lower"
local profile = require "hyla.profile"
local support = require "spec.engine.support"
local tensor = require "hyla.tensor"
local C = engine.C

local n, k, m = 70, 90, 60                 -- too many columns for the kernels of few, so one product by panels

local function product()
  local x = hyla.weight("x", { n, k }, hyla.zeros)
  local y = hyla.weight("y", { k, m }, hyla.zeros)
  local program = lower.program({ x:matmul(y) }, "float32")
  local value = { [x] = tensor.normal({ n, k }, { seed = 1 }), [y] = tensor.normal({ k, m }, { seed = 2 }) }
  return program, function(leaf) return value[leaf] end
end

local function problem(changes)
  local x = tensor.normal({ 300, 20 }, { seed = 3 })
  local w, rate = hyla.weight("w", { 20, 3 }, hyla.zeros), hyla.hyper("rate", { init = 0.01 })
  local given = {
    inner = (x:matmul(w) - 1):exp():mean(), outer = (x:matmul(w) + 0.5):squared_norm():mean(),
    train = hyla.gd { rate = rate, steps = 12 },
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return hyla.problem(given)
end

local function find(collected, name, again)
  for _, program in ipairs(collected.programs) do
    if program.name == name and program.again == (again or false) then return program end
  end
end

local function event(i)
  local c = ffi.new "hyla_profiled_event"
  assert(C.hyla_profile_event(i, c) == 0, support.words())
  return c
end

describe("a profile", function()
  after_each(function()
    profile.stop()
    C.hyla_profile_drop()
  end)

  it("counts the operations of a product exactly, and its bytes", function()
    local program, value = product()
    local seen = profile.collect(function() for _ = 1, 5 do program:run(value) end end)
    local one, flops = seen.programs[1], 0
    assert.equal(1, #seen.programs)
    assert.equal(5, one.runs)
    for _, item in ipairs(one.items) do
      if item.label:match "matmul" then
        flops = flops + item.flops
        assert.is_true(item.calls >= 5)
        -- x, the packed y (whole panels), and the result
        assert.is_true(item.bytes >= 4 * (n * k + k * m + n * m) and item.bytes <= 4 * (n * k + k * (m + 64) + n * m))
      end
    end
    assert.equal(2 * n * k * m, flops)
  end)

  it("counts a factor packed sparse by the entries that are there", function()
    local values = {}
    for i = 1, 256 do
      values[i] = {}
      for j = 1, 256 do values[i][j] = (i + j) % 8 == 0 and 1 or 0 end
    end
    local w = hyla.weight("w", { 256, 3 }, hyla.zeros)
    local program = lower.program({ hyla.tensor(values):matmul(w) }, "float32")
    local seen = profile.collect(function() program:run(function() return hyla.ones { 256, 3 } end) end)
    local item = seen.programs[1].items[1]
    assert.equal("matmul rows sparse", item.label)
    assert.equal(1 / 8, item.density)                  -- 32 of 256 in each row: lists need no filling
    assert.equal(2 * 256 * 256 * 3 / 8, item.flops)
  end)

  it("leaves every bit of a result as it was", function()
    for _, method in ipairs { hyla.reverse(), hyla.reverse { memory = 2000 }, hyla.forward() } do
      local plain, timed = problem { method = method }, problem { method = method }
      local g, f = plain:hypergradient()
      local h, e
      profile.collect(function() h, e = timed:hypergradient() end, 1000)
      assert.equal(f, e)
      assert.equal(g.rate, h.rate)
    end
  end)

  it("names programs, and counts the steps forward, again and back", function()
    local p = problem { method = hyla.reverse { memory = 2000 } }   -- a few states of 240 bytes
    local seen = profile.collect(function() p:hypergradient() end)
    local cost = p:cost()
    assert.is_true(cost.extra > 0)
    assert.equal(12, find(seen, "step").runs)
    assert.equal(cost.extra, find(seen, "step", true).runs)
    assert.equal(12, find(seen, "step.vjp").runs)
    assert.equal(1, find(seen, "outer.vjp").runs)
    assert.equal(1, find(seen, "init").runs)
    local remade = 0
    for _, item in ipairs(find(seen, "step.vjp").items) do remade = remade + (item.remade and 1 or 0) end
    assert.is_true(remade > 0)                         -- the exponential, which the adjoint step reads
    for _, item in ipairs(find(seen, "outer.vjp").items) do assert.is_false(item.remade) end
  end)

  it("knows the recipe line of each operation", function()
    local here = debug.getinfo(1, "l").currentline
    local w = hyla.weight("w", { 400 }, hyla.ones)
    local e = w:exp()
    local f = e:sum()
    local program = lower.program({ f }, "float32")
    local seen = profile.collect(function() program:run(function() return hyla.ones { 400 } end) end)
    local lines = {}
    for _, item in ipairs(seen.programs[1].items) do lines[item.op] = item.site:match ":(%d+)$" end
    assert.equal(tostring(here + 2), lines.exp)
    assert.equal(tostring(here + 3), lines.sum)
  end)

  it("has times that lie within each other", function()
    local p, clock = problem(), require("hyla.report.progress").clock
    local wall
    local seen = profile.collect(function()
      local begun = clock()
      p:hypergradient()
      wall = clock() - begun
    end)
    local programs = 0
    for _, program in ipairs(seen.programs) do
      local items = 0
      for _, item in ipairs(program.items) do
        assert.is_true(item.calls > 0 and item.seconds >= 0 and item.seconds <= item.busy)
        items = items + item.seconds
      end
      assert.is_true(items <= program.seconds * 1.001 + 1e-7)
      programs = programs + program.seconds
    end
    assert.is_near(programs, seen.inside, 1e-9 + 1e-6 * programs)
    assert.is_true(seen.inside <= seen.methods and seen.methods <= wall * 1.001 + 1e-6)
    local parts = profile.parts(seen, wall)
    assert.is_near(wall, parts.items + parts.waiting + parts.between + parts.rest, 1e-12)
  end)

  it("collects nothing once it is off", function()
    local program, value = product()
    local seen = profile.collect(function() program:run(value) end, 100)
    program:run(value)
    local later = profile.collected()
    assert.equal(seen.calls, later.calls)
    assert.equal(1, later.programs[1].runs)
    assert.equal(seen.events, later.events)
    assert.equal(0, C.hyla_profile_on())
  end)

  it("keeps as many slices as there is room for, and counts the others", function()
    local p = problem()
    local seen = profile.collect(function() p:hypergradient() end, 8)
    local items, spans = 0, 0
    for i = 0, seen.events - 1 do
      if event(i).kind == C.HYLA_EVENT_ITEM then items = items + 1 else spans = spans + 1 end
    end
    assert.equal(8, items)
    assert.equal(seen.calls - items, seen.dropped)
    assert.is_true(spans > 0)
    assert.equal(0, profile.collect(function() p:hypergradient() end, 100000).dropped)
  end)

  it("closes what is open when it stops, and ends with a failure", function()
    profile.start(100)
    C.hyla_profile_begin "outer stage"
    C.hyla_profile_begin "inner stage"
    profile.stop()
    local names = {}
    for i = 0, 1 do names[i + 1] = ffi.string(event(i).name) end
    assert.same({ "inner stage", "outer stage" }, names)
    local ok, message = pcall(profile.collect, function() error("on the way", 0) end)
    assert.is_false(ok)
    assert.equal("on the way", message)
    assert.equal(0, C.hyla_profile_on())
  end)

  it("goes on after an interrupt in a sweep", function()
    local p, q = problem(), problem()
    local g = q:hypergradient()
    C.hyla_interrupt_at(17)                            -- 12 steps forward: the 5th adjoint step
    local ok
    profile.start(1000)
    ok = pcall(p.hypergradient, p)
    C.hyla_interrupt_clear()
    assert.is_false(ok)
    assert.equal(g.rate, p:hypergradient().rate)
    profile.stop()
    local seen = profile.collected()
    assert.equal(12, (find(seen, "step.vjp") or find(seen, "step.rich.vjp")).runs)
  end)

  it("refuses what makes no sense", function()
    assert.equal(C.HYLA_EVALUE, C.hyla_profile_start(-1))
    assert.equal(C.HYLA_EVALUE, C.hyla_profile_start(0 / 0))
    assert.equal(C.HYLA_EVALUE, C.hyla_profile_start(2 ^ 40))
    assert.equal(C.HYLA_ESTATE, C.hyla_profile_stop())
    local sums = ffi.new "hyla_profile_sums"
    assert.equal(C.HYLA_ESTATE, C.hyla_profile_total(sums))
    profile.start(10)
    assert.equal(C.HYLA_EVALUE, C.hyla_profile_program(0, ffi.new "hyla_profiled_program"))
    assert.truthy(support.words():find("a program", 1, true))
    assert.equal(C.HYLA_ESTATE, C.hyla_profile_event(0, ffi.new "hyla_profiled_event"))
  end)

  it("fails whole where memory does", function()
    local g = builder.new()
    local input = hyla.ones { 64 }
    local x = g:input(input)
    local root = g:apply("exp", nil, x)
    local made, bound = ffi.new "hyla_program *[1]", ffi.new("hyla_tensor *[1]", input)
    engine.check(C.hyla_program_new(g.handle, 1, ffi.new("int[1]", x), 1, ffi.new("int[1]", root), made))
    local program = ffi.gc(made[0], C.hyla_program_drop)
    local function run()
      local out = ffi.new "hyla_tensor *[1]"
      local status = C.hyla_program_run(program, bound, out)
      if status == 0 then C.hyla_tensor_drop(out[0]) end
      return status
    end
    assert.equal(0, run())                             -- has its scratch
    local failed = support.fail_each_allocation(function()
      local status = C.hyla_profile_start(16)
      if status == 0 then status = run() end
      if status < 0 then C.hyla_profile_drop() end
      return status, C.hyla_profile_drop
    end)
    assert.is_true(failed > 10)
    assert.equal(0, run())                             -- and its own kernels again
  end)
end)
