local lfs = require "lfs"
local tensor = require "hyla.tensor"
local json = require "hyla.report.json"
local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local record = require "hyla.run.record"
local report = require "hyla.report"
local session = require "hyla.run.session"
local store = require "hyla.run.store"

local runs = dofile "spec/lua/runs.lua"
local new_folder, remove_folder, write, read, fails = runs.new_folder, runs.remove_folder, runs.write, runs.read,
  runs.fails
local silent, start, run_with_signal = runs.silent, runs.start, runs.with_signal

after_each(runs.clean)

describe("a record", function()
  local numbers = { 0.1, 1 / 3, -0.0, 2 ^ -1074, 1.7976931348623157e308, 123456789012345678, 5e-324, 4999 }

  it("keeps every bit of numbers and tensors", function()
    local f64 = tensor(numbers, "float64")
    local back = assert(record.decode(record.encode {
      numbers = numbers, text = 'a "b"\n\1', yes = true, nested = { list = { { x = 1 }, { x = 2 } } },
      f32 = tensor({ { 0.1, 2 }, { 3, -0.0 } }), f64 = f64, i32 = tensor({ -1, 2 ^ 31 - 1 }, "int32"),
      view = f64:slice(1, 2, 3), scalar = tensor(0.1, "float64"),
    }, "x"))
    for i, x in ipairs(numbers) do
      assert.equal(x, back.numbers[i])
      assert.equal(1 / x, 1 / back.numbers[i])
      assert.equal(x, back.f64:get(i))
    end
    assert.equal('a "b"\n\1', back.text)
    assert.is_true(back.yes)
    assert.same({ { x = 1 }, { x = 2 } }, back.nested.list)
    assert.same({ "float32", { 2, 2 } }, { back.f32.dtype, back.f32.shape })
    assert.equal(-math.huge, 1 / back.f32:get(2, 2))
    assert.equal(2 ^ 31 - 1, back.i32:get(2))
    assert.same({ 1 / 3, -0.0 }, back.view:totable())
    assert.equal(0.1, back.scalar:item())
  end)

  it("is written to the same bytes, and Lua's collector gets nothing to do", function()
    local value = { n = 3, large = tensor.normal({ 700, 1000 }, { seed = 1 }), empty = tensor.zeros({ 0 }) }
    local path = new_folder()
    collectgarbage() collectgarbage "stop"
    local before = collectgarbage "count"
    assert(record.write(path, value))
    assert.is_true(collectgarbage "count" - before < 500)
    collectgarbage "restart"
    local bytes = read(path)
    os.remove(path)
    assert.is_true(bytes == record.encode(value))
    assert.is_true(#bytes > 2.8e6)
    assert.same({ nil, path .. "/none: No such file or directory" }, { record.write(path .. "/none", value) })
  end)

  it("that a full disk cuts short is an error, and no file", function()
    local path = new_folder()
    local script = ([[
      local record, tensor = require "hyla.run.record", require "hyla.tensor"
      print(record.write("%s", { t = tensor.zeros { 100000 } }))
    ]]):format(path)
    local pipe = io.popen(("ulimit -f 8; trap '' XFSZ; luajit -e 'package.path = \"%s\"' -e '%s'"):format(package.path,
      script))
    local printed = pipe:read "*a"
    pipe:close()
    assert.matches("^nil\t" .. path:gsub("%p", "%%%0") .. ": File too large", printed)
    assert.is_nil(lfs.attributes(path))
  end)

  it("refuses what cannot be kept", function()
    fails("expected a finite number, got nan", record.encode, { x = 0 / 0 })
    fails("cannot write a function", record.encode, { x = print })
  end)

  it("is known to be damaged wherever a byte is changed or missing", function()
    local bytes = record.encode { x = 1.5, t = tensor { 1, 2, 3 } }
    for i = 1, #bytes do
      local value, message = record.decode(bytes:sub(1, i - 1) .. string.char((bytes:byte(i) + 1) % 256)
        .. bytes:sub(i + 1), "run/checkpoint.hyla")
      assert.is_nil(value)
      assert.is_truthy(message:find("run/checkpoint.hyla", 1, true), message)
      assert.is_nil((record.decode(bytes:sub(1, i - 1), "x")))
    end
    assert.is_nil((record.decode(bytes .. "x", "x")))
    assert.is_truthy(select(2, record.decode("hyla checkpoint 99 1 1 00000000\n", "x")):find("format 99", 1, true))
  end)
end)

describe("the folder of a run", function()
  it("gives back the newest checkpoint", function()
    local out = new_folder() .. "/deeper"
    local kept = store.create(out)
    kept:save { n = 1 }
    kept:save { n = 2 }
    kept:close()
    local again, value, troubles = store.resume(out)
    again:close()
    assert.same({ n = 2 }, value)
    assert.same({}, troubles)
    fails("holds a run already", store.create, out)
    remove_folder(out)
  end)

  it("is made in a folder that has other files, but writes over none of them", function()
    local out = new_folder()
    lfs.mkdir(out)
    lfs.mkdir(out .. "/other")
    write(out .. "/other/x.1-1.tmp", "of another process")
    write(out .. "/config.yaml", "of the user")
    for _ = 1, 2 do
      fails("config.yaml is there already and is no run's", store.create, out)
      fails("nothing to resume from", store.resume, out)
    end
    os.rename(out .. "/config.yaml", out .. "/mine.yaml")
    write(out .. "/left.1-1.tmp", "of a run")
    store.create(out):close()
    assert.is_nil(lfs.attributes(out .. "/left.1-1.tmp"))
    assert.equal("of another process", read(out .. "/other/x.1-1.tmp"))
    write(out .. "/config.yaml", "of a run that was killed before its first checkpoint")
    store.create(out):close()
    remove_folder(out)
  end)

  it("falls back on the checkpoint before a damaged or missing one, and says so", function()
    local out = new_folder()
    local kept = store.create(out)
    kept:save { n = 1 }
    kept:save { n = 2 }
    kept:close()
    local path = out .. "/checkpoint.hyla"
    local bytes = read(path)
    for _, bad in ipairs { bytes:sub(1, -2), "", bytes:gsub("n", "m") } do
      write(path, bad)
      local again, value, troubles = store.resume(out)
      again:close()
      assert.same({ n = 1 }, value)
      assert.is_truthy(troubles[1]:find(path, 1, true), troubles[1])
    end
    os.remove(path)
    store.resume(out):close()
    write(out .. "/checkpoint.previous", "rubbish")
    fails("nothing to resume from", store.resume, out)
    fails("no such folder", store.resume, out .. "/none")
  end)

  it("loses nothing when a write fails", function()
    local out = new_folder()
    local kept = store.create(out)
    kept:save { n = 1 }
    kept:save { n = 2 }
    assert(lfs.mkdir(out .. "/checkpoint.next"))      -- in the way of the next one, for root as well
    fails("checkpoint.next", kept.save, kept, { n = 3 })
    assert(lfs.rmdir(out .. "/checkpoint.next"))
    kept:close()
    local again, value = store.resume(out)
    again:close()
    assert.same({ n = 2 }, value)
  end)

  it("must be one that can be written", function()
    local file = os.tmpname()
    fails(file, store.create, file .. "/out")
    os.remove(file)
  end)
end)

-- A run of two stages; w goes to c, faster where lambda is larger, and is judged by where it got.
local RECIPE = [[
local hyla = require "hyla"
local function fit(o)
  local c, target = hyla.tensor { 1, -2, 3 }, hyla.tensor { 0.5, -2, 1 }
  local w = hyla.weight("w", { 3 }, hyla.zeros)
  local lambda = hyla.hyper("lambda", { size = 3, init = 0.2, within = hyla.box(0, 1):with(hyla.l1(1.5)) })
  local made = hyla.problem {
    inner = (lambda * (w - c) ^ 2):sum(), outer = ((w - target) ^ 2):sum(),
    train = hyla.gd { rate = o.step, steps = 20 },
    method = hyla.reverse(), improve = hyla.adam { rate = o.rate, steps = o.hyper_steps },
    watch = { distance = ((w - target) ^ 2):sum(), w = w },
  }
  return made
end
return hyla.recipe {
  about = "Two stages",
  options = { hyper_steps = 6, rate = 0.05, step = 0.1, fail = "", patience = 0 },
  columns = { "stage" },
  problems = { fit = fit },
  run = function(o, lab)
    local plain = lab:train("plain", lab:problem("fit"), { weights = true })
    lab:result { stage = "plain", distance = plain.values.distance, w1 = plain.weights.w:get(1) }
    local best = lab:optimise("learned", lab:problem("fit"),
      { early_stop = { watch = "distance", goal = "min", patience = o.patience } })
    lab:result { stage = "learned", distance = best.values.distance, iteration = best.iteration,
      lambda1 = best.hypers.lambda:get(1) }
    if o.fail == "nan" then lab:result { stage = "nan", distance = 0 / 0 } end
    if o.fail == "name" then lab:train("plain", lab:problem("fit")) end
    if o.fail == "watch" then
      lab:optimise("more", lab:problem("fit"), { early_stop = { watch = "distanze" } })
    end
    if o.fail == "step" then o.step = 1e9 lab:train("far", lab:problem("fit")) end
  end,
}
]]

local function new_recipe() return runs.new_recipe(RECIPE) end

-- Runs a session to its end; its results, series and learned lambda, all bits of which are compared.
local function outcome_of(made)
  local the_lab = made:run()
  made:close()
  local lambda = the_lab.state.stages[2].outcome.hypers.lambda:totable()
  return { results = the_lab.results, series = the_lab:all_series(), lambda = lambda }
end

describe("a run", function()
  it("does its stages and gives results, series and lambda", function()
    local path = new_recipe()
    local whole = outcome_of(start(path))
    assert.equal(2, #whole.results)
    assert.same({ "plain", "learned" }, { whole.results[1].stage, whole.results[2].stage })
    assert.is_true(whole.results[2].distance < whole.results[1].distance)
    local rows = whole.series[1].rows
    assert.equal(7, #rows)                         -- six updates, each looked at before, and the last lambda
    assert.equal(0, rows[1].iteration)
    assert.equal(rows[1].distance, whole.results[1].distance)   -- at the first lambda both are plain training
    assert.equal(rows[1].response, rows[1].distance)
    local sum = 0
    for _, x in ipairs(recipe.load(path):build({}, "fit"):hypergradient().lambda:totable()) do sum = sum + x * x end
    assert.is_near(sum ^ 0.5, rows[1]["|g|"], 1e-12)             -- a float64 sum of three squares
    assert.is_nil(rows[7]["|g|"])                                  -- nothing is improved there
    sum = 0
    for _, x in ipairs(whole.lambda) do sum = sum + x end
    assert.is_true(sum <= 1.5 + 1e-6)
  end)

  it("ends in the same bits after kill -9 at any checkpoint", function()
    local path = new_recipe()
    local whole = outcome_of(start(path))
    for _, n in ipairs { 1, 2, 3, 5, 9 } do
      local out = new_folder()
      assert.equal(137, (run_with_signal(path, out, "SIGKILL", n)))
      assert.same(whole, outcome_of(session.resume(out, silent)))
      assert.same(whole, outcome_of(session.resume(out, silent)))   -- of a finished run: nothing is done again
    end
  end)

  it("does not resume with kernels that round otherwise, and says with what it does", function()
    local path, out = new_recipe(), new_folder()
    run_with_signal(path, out, "SIGKILL", 2)
    for key, variable in pairs { kernels = "HYLA_KERNELS", blas = "OPENBLAS_CORETYPE" } do
      local kept, value = store.resume(out)
      local here = value[key]
      value[key] = "quantum"
      kept:save(value)
      fails(("quantum kernels, here they are %s; to the same bits it resumes with %s=quantum only"):format(here,
        variable), session.resume, out, silent)
      value[key] = here
      kept:save(value)
      kept:close()
    end
    assert.same(outcome_of(start(path)), outcome_of(session.resume(out, silent)))
  end)

  it("is checkpointed on Ctrl-C and SIGTERM, says how to go on and exits with 130", function()
    local path = new_recipe()
    local whole = outcome_of(start(path))
    for _, signal in ipairs { "SIGINT", "SIGTERM" } do
      local out = new_folder()
      local code, text = run_with_signal(path, out, signal, 4)
      assert.equal(130, code)
      assert.is_truthy(text:find("interrupted; resume with hyla resume " .. out, 1, true), text)
      assert.same(whole, outcome_of(session.resume(out, silent)))
    end
  end)

  it("ends with one JSON line and leaves its files", function()
    local path, out = new_recipe(), new_folder()
    local code, text = run_with_signal(path, out, "SIGCONT", 1)
    assert.equal(0, code)
    local line = text:match("\n([^\n]*)\ncode 0")
    local object = assert(json.decode(line))
    assert.equal("stages", object.recipe)
    assert.is_number(object.seconds)
    assert.equal("learned", object.results[2].stage)
    assert.equal(object.results[2].distance, outcome_of(start(path)).results[2].distance)
    assert.same(object.results, json.decode(read(out .. "/results.json")).results)
    assert.is_truthy(read(out .. "/series.csv"):find("series,iteration,distance,response,|g|\nlearned,0,", 1, true))
    assert.is_truthy(read(out .. "/config.yaml"):find("hyper_steps: 6", 1, true))
  end)

  it("stops early by patience and keeps the best lambda", function()
    local path = new_recipe()
    local made = start(path, { hyper_steps = 200, rate = 0.2, patience = 3 })
    made:run()
    local outcome = made.lab.state.stages[2].outcome
    assert.equal("patience", outcome.stopped)
    assert.equal(outcome.iteration + 3, outcome.iterations)
    for _, row in ipairs(outcome.series) do assert.is_true(row.distance >= outcome.values.distance) end
    assert.equal(outcome.values.distance, outcome.series[outcome.iteration + 1].distance)
  end)

  it("fails with a message that names stage or line, never with a hole in the results", function()
    local path = new_recipe()
    local function run(fail) start(path, { fail = fail }):run() end
    fails("result: 'distance' is nan", run, "nan")
    fails("stages.lua:26: result:", run, "nan")
    fails("a stage named 'plain' exists already", run, "name")
    fails("stage 'more': early_stop: 'distanze' is no number that the problem watches", run, "watch")
    fails("stage 'far': ", run, "step")
    fails("diverged at step 5 of 20", run, "step")  -- each multiplies the distance by -4e8: past 3.4e38 at the 5th
  end)

  it("loses nothing to Ctrl-C where checkpoints would have taken too much of the time", function()
    local path, out = new_recipe(), new_folder()
    assert.equal(130, (runs.in_process(path, out, [[
      local session, marks = require "hyla.run.session", 0
      local mark = session.mark
      require("hyla.run.pace").share.checkpoints = 1e-9
      function session.mark(...)
        mark(...)
        marks = marks + 1
        if marks == 6 then signal.kill(unistd.getpid(), signal.SIGINT) end
      end
    ]])))
    local kept, value = store.resume(out)
    kept:close()
    assert.equal(4, value.state.running.state.iteration)        -- marked first: the beginning, and the plain stage
    assert.same(outcome_of(start(path)), outcome_of(session.resume(out, silent)))
  end)

  it("goes on with the copy of its recipe where the recipe is gone", function()
    local path, out = new_recipe(), new_folder()
    run_with_signal(path, out, "SIGKILL", 5)
    local whole = outcome_of(start(path))
    os.remove(path)
    assert.same(whole, outcome_of(session.resume(out, silent)))
    os.remove(out .. "/recipe.lua")
    fails("its recipe cannot be loaded", session.resume, out, silent)
  end)

  it("does not resume with a recipe whose options are others", function()
    local path, out = new_recipe(), new_folder()
    start(path, nil, out):close()
    write(path, (RECIPE:gsub("hyper_steps", "updates")))
    fails("its options do not fit the recipe any more", session.resume, out, silent)
  end)
end)

describe("the pace of checkpoints", function()
  it("is one at once, and then such that they keep to their share of the time", function()
    local pace, clock, now, written = require "hyla.run.pace", progress.clock, 100, 0
    finally(function() progress.clock = clock end)
    function progress.clock() return now end
    local checkpoints = pace.new "checkpoints"
    local function try(later, forced)
      now = now + later
      return checkpoints:write(function() now, written = now + 1, written + 1 end, forced)
    end
    assert.is_true(try(0))
    assert.is_false(try(1 / pace.share.checkpoints - 0.01))
    assert.is_true(try(0.02))
    assert.is_true(try(0, true))
    assert.is_false(try(0))
    assert.equal(3, written)
  end)
end)

describe("a report", function()
  it("aligns columns, strings first, figures of others beside", function()
    local rows = { { method = "a", n = 3, x = 0.5 }, { method = "longer", x = 0.25 } }
    assert.equal("method  n       x\na       3  0.5000\nlonger     0.2500\n", report.table(rows))
    assert.equal("method       x  x (paper)  n\na       0.5000     0.4000  3\nlonger  0.2500\n",
      report.table(rows, { "method", "x" }, { label = "paper", rows = { { method = "a", x = 0.4 } } }))
    assert.equal("", report.table {})
  end)

  it("writes JSON in order, empty results as a list, and refuses NaN", function()
    assert.equal('{"recipe":"r","seconds":1.5,"results":[{"method":"m","a":0.1}],"columns":["method"]}',
      report.json { recipe = "r", seconds = 1.5, results = { { a = 0.1, method = "m" } }, columns = { "method" } })
    assert.equal('{"recipe":"r","seconds":1,"results":[]}', report.json { recipe = "r", seconds = 1, results = {} })
    fails("expected a finite number, got nan", report.json, { recipe = "r", seconds = 0 / 0, results = {} })
  end)

  it("writes series as CSV with the columns of all", function()
    assert.equal('series,iteration,x,y\n"a,b",0,0.1,\nc,0,,2\n', report.csv {
      { name = "a,b", rows = { { iteration = 0, x = 0.1 } } }, { name = "c", rows = { { iteration = 0, y = 2 } } } })
  end)
end)

describe("progress", function()
  local function shown(terminal, quiet)
    local now, out = 0, {}
    local stream = { flush = function() end,
      write = function(_, ...) for _, text in ipairs { ... } do out[#out + 1] = text end end }
    local display = progress.new { terminal = terminal, quiet = quiet, stream = stream,
      clock = function() return now end }
    display:begin("DH-1000", 0, 500, "hyper-iteration")
    for done = 0, 3 do
      display:update(done, { response = 0.25, valid_accuracy = 0.9 }, "valid_accuracy")
      now = now + 3
    end
    display:say("done")
    return table.concat(out)
  end

  it("is a line every few seconds where there is no terminal", function()
    assert.equal("DH-1000  hyper-iteration 2/500  24 min 54 s left  valid_accuracy 0.9  response 0.25\ndone\n",
      shown(false))
  end)

  it("is one line rewritten on a terminal", function()
    local text = shown(true)
    local _, lines = text:gsub("\n", "")
    local _, rewrites = text:gsub("\rDH%-1000", "")
    assert.same({ 1, 4 }, { lines, rewrites })
    for line in text:gmatch("[^\r\n]+") do assert.is_true(#line < 80) end
  end)

  it("is silent when asked to", function() assert.equal("", shown(false, true)) end)
end)
