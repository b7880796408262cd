-- The command `profile`, and the traces of it and of `run --profile`.
local json = require "hyla.report.json"
local show = require "hyla.profile.table"
local shell = dofile "spec/lua/shell.lua"

local text = [[
local hyla = require "hyla"
local function fit(o)
  local w = hyla.weight("w", { 30, 4 }, hyla.zeros)
  local rate = hyla.hyper("rate", { init = 0.1, within = hyla.box(0, 1) })
  local x = hyla.tensor.normal({ 200, 30 }, { seed = 1 })
  local e = x:matmul(w):tanh() - 1
  return hyla.problem {
    inner = (e ^ 2):mean(), outer = ((x:matmul(w) - 1) ^ 2):mean(), watch = { rate = rate }, train = hyla.gd {
      rate = rate, steps = o.steps }, method = hyla.reverse { memory = o.memory },
    improve = hyla.gd { rate = 0.01, steps = 3 },
  }
end
return hyla.recipe {
  about = "For the spec of profiles",
  options = { steps = 8, memory = 1e6, fail = false },
  problems = {
    long = function(o) return fit(o) end, late = function(o, found) return fit(o) + found end,
    short = function(o) return fit { steps = 3, memory = o.memory } end,
  },
  run = function(o, lab)
    lab:optimise("learned", lab:problem("long"))
    if o.fail then error("on purpose", 0) end
    lab:result { done = true }
  end,
}
]]

describe("profile", function()
  local folder, path

  setup(function()
    folder = shell.folder()
    path = folder .. "/small.lua"
    shell.write(path, text)
  end)
  teardown(function() shell.remove(folder) end)

  local function hyla(words)
    return shell.run(("COLUMNS=80 ./hyla %s"):format(words:gsub("RECIPE", path):gsub("DIR", folder)))
  end

  local function read(name)
    local file = assert(io.open(folder .. "/" .. name))
    local bytes = file:read "*a"
    file:close()
    return assert(json.decode(bytes))
  end

  -- Slices of a row lie within or after each other, and come in order; the names at each depth.
  local function expect_nesting(trace)
    local open, before, names, rows = {}, {}, {}, {}
    for _, e in ipairs(trace.traceEvents) do
      if e.ph == "M" then
        if e.name == "thread_name" then rows[e.tid] = e.args.name end
      else
        assert.equal("X", e.ph)
        assert.is_true(e.dur >= 0 and e.ts >= (before[e.tid] or 0))
        before[e.tid] = e.ts
        local stack = open[e.tid] or {}
        open[e.tid] = stack
        while #stack > 0 and stack[#stack] <= e.ts + 1e-6 do stack[#stack] = nil end
        if #stack > 0 then assert.is_true(e.ts + e.dur <= stack[#stack] + 2e-3) end  -- rounded to a nanosecond each
        stack[#stack + 1] = e.ts + e.dur
        assert.truthy(rows[e.tid])
        names[e.name] = math.max(names[e.name] or 0, #stack)
      end
    end
    return names
  end

  it("tells each operation with its line, and parts that add up", function()
    local seen = hyla "profile RECIPE --problem long --json"
    assert.equal(0, seen.code, seen.err)
    local told = assert(json.decode(seen.out))
    local p, lines, sum = told.problems[1], {}, 0
    assert.equal(1, #told.problems)
    assert.equal("long", p.name)
    assert.equal(8, p.forward)
    assert.equal(8, p.adjoint)
    for _, row in ipairs(p.rows) do
      lines[row.op] = lines[row.op] or {}
      lines[row.op][row.line or ""] = true
      sum = sum + row.seconds
      assert.is_true(row.share >= 0)
    end
    assert.is_true(lines.tanh[path .. ":6"])
    assert.is_true(lines.matmul[path .. ":6"] and lines.matmul[path .. ":8"])
    local parts = p.parts
    assert.is_near(sum, parts.items, 1e-9)
    assert.is_near(p.seconds, parts.items + parts.waiting + parts.between + parts.rest, 1e-9)
    assert.is_true(p.peak_flops > 0 and p.peak_bandwidth > 0)
  end)

  it("profiles all that can be built first, and shows steps that are taken again", function()
    local seen = hyla "profile RECIPE memory=2600 --top 3"
    assert.equal(0, seen.code, seen.err)
    assert.truthy(seen.out:find("long: one hypergradient, method reverse, 8 steps", 1, true))
    assert.truthy(seen.out:find("short: one hypergradient", 1, true))
    assert.truthy(seen.out:find("late is not profiled: it is built from earlier results", 1, true))
    local again = tonumber(seen.out:match "taken: 8 steps forward, (%d+) steps? again")
    assert.is_true(again > 0)
    assert.truthy(seen.out:find("more (--top N shows more)", 1, true))
    for line in seen.out:gmatch "[^\n]+" do assert.is_true(#line <= 80 or line:find "^lines: of" ~= nil, line) end
  end)

  it("refuses words that mean nothing", function()
    for words, message in pairs {
      ["profile RECIPE --problem lang"] = "no problem 'lang' that can be built first",
      ["profile RECIPE --problem late"] = "there are: long, short",
      ["profile RECIPE --top 0"] = "expected a whole number of rows from 1",
      ["profile RECIPE --steps few"] = "expected a whole number of steps",
      ["profile RECIPE stops=3"] = "unknown option 'stops'",
      ["profile no_such"] = "no_such",
      ["run RECIPE --out none --profile"] = "--profile FILE.json says, where nothing is kept",
      ["run RECIPE --profile steps=3"] = "expected a file that ends in .json, got 'steps=3'",
      ["run RECIPE --profile none/t.json"] = "--profile: no such folder: none",
      ["run RECIPE --dry-run --profile DIR/x.json"] = "goes without --profile",
    } do
      local seen = hyla(words)
      assert.equal(2, seen.code, words .. seen.err)
      assert.truthy(seen.err:find(message, 1, true), words .. ": " .. seen.err)
    end
  end)

  it("writes a trace of a run into its folder, with stages, programs, phases and operations in each other", function()
    local seen = hyla "run RECIPE --quiet --out DIR/kept --profile"
    assert.equal(0, seen.code, seen.err)
    assert.truthy(seen.out:find("trace in " .. folder .. "/kept/trace.json", 1, true))
    local trace = read "kept/trace.json"
    local depth = expect_nesting(trace)
    assert.equal(0, trace.otherData.dropped)
    assert.equal(1, depth["optimise learned"])
    assert.equal(2, depth["hyper-iteration"])
    assert.equal(3, depth.training)
    assert.equal(3, depth.reverse)
    assert.equal(4, depth["step.rich"] or depth.step)
    assert.equal(6, depth.tanh)
  end)

  it("changes nothing of a run's results", function()
    local plain = hyla "run RECIPE --quiet --out DIR/plain"
    local traced = hyla "run RECIPE --quiet --out DIR/traced --profile"
    assert.equal(0, plain.code + traced.code)
    local function series(name)
      local file = assert(io.open(folder .. "/" .. name .. "/series.csv"))
      local bytes = file:read "*a"
      file:close()
      return bytes
    end
    assert.equal(series "plain", series "traced")
  end)

  it("writes a whole trace where a run fails or is interrupted", function()
    local seen = hyla "run RECIPE --out none --quiet fail=true --profile DIR/failed.json"
    assert.equal(1, seen.code)
    assert.equal(1, expect_nesting(read "failed.json")["optimise learned"])
    shell.write(folder .. "/interrupt.lua", ([[
      require("hyla.ffi").C.hyla_interrupt_at(13)
      local one = require("hyla.run.sweep").expand({ %q })[1]
      os.exit(require("hyla.run").main(one, { quiet = true, out = "none", profile = { path = %q } }))
    ]]):format(path, folder .. "/cut.json"))
    assert.equal(130, hyla "DIR/interrupt.lua".code)
    local depth = expect_nesting(read "cut.json")
    assert.equal(2, depth["hyper-iteration"])
    assert.truthy(depth.tanh)
  end)
end)

describe("a profile's table", function()
  it("cuts long words, keeps the columns, and says what came from a cache", function()
    local item = {
      op = "matmul", label = "a label of an operation that is longer than its column", site = "here.lua:3",
      shape = { 2 }, phase = 1, chain = 0, units = 1, width = 1, block = 2, rows = 2, origin = 1, output = -1,
      density = 1, flops = 1e4, bytes = 1e6, runs = 2, calls = 1, busy = 1e-3, seconds = 1e-3, remade = true,
      shared = false,
    }
    local once = setmetatable({ label = "exp", site = "here.lua:4", steady = true, runs = 1, seconds = 0, busy = 0 },
      { __index = item })
    local told = {
      name = "p", method = "reverse", steps = 1, dtype = "float32", runs = 2, seconds = 2e-3, top = 5, forward = 1,
      again = 0, adjoint = 1, residuals = {}, roof = { flops = 1e9, bandwidth = 1e6 },
      parts = { items = 1e-3, waiting = 5e-4, between = 4e-4, rest = 1e-4 }, cost = setmetatable({}, {
        __tostring = function() return "1 steps forward; 8 bytes stored" end }),
      collected = { threads = 1, calls = 1, measuring = 1e-6, programs = {
        { name = "step.vjp", again = true, runs = 2, seconds = 1.5e-3, graph = 1, items = { item, once, once } } } },
    }
    local lines = show.text(told, 80)
    for line in lines:gmatch "[^\n]+" do assert.is_true(#line <= 80, line) end
    assert.truthy(lines:find("1 ms 50.0   0.020 2.00 cache  matmul: a label", 1, true))
    assert.truthy(lines:find("step.vjp again", 1, true))
    assert.truthy(lines:find("2 hypergradients", 1, true))
    assert.truthy(lines:find("once:  made from hyperparameters alone: exp :4\n", 1, true), lines)
    assert.truthy(show.text(told, 120):find("1.907 MiB", 1, true))
  end)
end)
