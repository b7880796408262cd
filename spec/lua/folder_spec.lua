-- The folder of a run: what is written as the run goes on, and what is read back from it.
local json = require "hyla.report.json"
local lfs = require "lfs"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"
local files = require "hyla.run.folder"
local tensor = require "hyla.tensor"
local unistd = require "posix.unistd"
local yaml = require "hyla.yaml"
local runs = dofile "spec/lua/runs.lua"
local fails, read, write = runs.fails, runs.read, runs.write

after_each(runs.clean)

local RECIPE = [[
local hyla = require "hyla"
return hyla.recipe {
  about = "A parabola",
  options = { name = "1e5", steps = 5, list = { 1, 2 }, yes = true, file = "", fail = false },
  profiles = { quick = { steps = 3 } },
  columns = { "stage", "distance" },
  problems = { fit = function(o)
    local w = hyla.weight("w", { 2 }, hyla.zeros)
    local rate = hyla.hyper("rate", { init = 0.1, within = hyla.box(0, 1) })
    local c = hyla.hyper("a.c", { size = 2, init = 0.5, within = hyla.non_negative() })
    local made = hyla.problem {
      inner = ((w - c) ^ 2):sum(), outer = ((w - hyla.tensor { 1, 2 }) ^ 2):sum(),
      train = hyla.gd { rate = rate, steps = 4 }, method = hyla.reverse(),
      improve = hyla.gd { rate = 0.1, steps = o.steps }, watch = { distance = (w ^ 2):sum() },
    }
    return made
  end },
  run = function(o, lab)
    if o.file ~= "" then hyla.data { x = o.file, y = { 0, 1 } } end
    lab:train("plain", lab:problem("fit"))
    local best = lab:optimise("a, \"b\"/c", lab:problem("fit"),
      { early_stop = { watch = "distance", goal = "max" } })
    lab:result { stage = "learned", distance = best.values.distance }
    if o.fail then error("in the middle") end
    lab:compare("paper", { { stage = "learned", distance = 4.5 } })
    lab:images("weights", hyla.tensor { { { 0, 1 }, { 2, 3 } }, { { 1, 1 }, { 1, 1 } } },
      { captions = { "a \"first\"", 2 }, marks = { "wrong", "" } })
    lab:matrix("C", hyla.tensor { { 1 } }, { pictures = false })
    lab:note("a note")
  end,
}
]]

local function run(overrides, profile)
  local out, path = runs.new_folder(), runs.new_recipe(RECIPE)
  local loaded = recipe.load(path)
  local o = {}
  for key, value in pairs(overrides or {}) do o[key] = value end
  o.profile = profile
  local made = session.start(loaded, loaded:resolve(o), out, runs.silent, profile)
  local ok, message = pcall(made.run, made)
  made:finish(ok and "done" or "failed", not ok and message or nil)
  made:close()
  return out, made, path
end

describe("the folder of a run", function()
  it("has what was run, with which options, on what", function()
    local out, _, path = run({ list = { 3 } }, "quick")
    local config = files.open(out).config
    assert.same({ name = "1e5", steps = 3, list = { 3 }, yes = true, file = "", fail = false }, config.options)
    assert.equal("stages", config.recipe)
    assert.equal(path, config.path)
    assert.equal("quick", config.profile)
    assert.equal(RECIPE, read(out .. "/recipe.lua"))
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", config.began)
    assert.equal(require "hyla.ffi".C.hyla_threads(0), config.machine.threads)
    assert.is_true(#config.machine.cpu > 2)
    assert.equal(jit.version, config.versions.luajit)
    assert.is_nil(config.commit)                       -- the recipe lies in no repository
  end)

  it("says which files the data came from, with checksums, and does not go on with others", function()
    local path = runs.new_folder() .. ".npy"
    tensor({ { 1, 2 }, { 3, 4 } }):save(path)
    local sum = io.popen("sha256sum " .. path):read "*l":match "^%x+"
    local out = run { file = path }
    assert.same({ { name = "data", files = { { path = path, bytes = lfs.attributes(path, "size"), sha256 = sum } } } },
      files.open(out).config.data)
    tensor({ { 1, 2 }, { 3, 5 } }):save(path)
    local again = session.resume(out, runs.silent)
    fails(path .. " has changed since this run began", again.run, again)
    again:close()
    os.remove(path)
  end)

  it("has every number as it came, and the series at the end", function()
    local out, made = run()
    local metrics = files.open(out).metrics()
    assert.same({ "plain", 'a, "b"/c' }, { metrics[1].stage, metrics[2].stage })
    assert.equal(2, #metrics)
    assert.same({ 4 }, metrics.plain.of.distance.iterations)
    local stage = metrics['a, "b"/c']
    assert.same({ 0, 1, 2, 3, 4, 5 }, stage.of.response.iterations)
    local series = made.lab:all_series()[1].rows
    for i, row in ipairs(series) do
      assert.equal(row.response, stage.of.response.values[i])
      assert.equal(row.distance, stage.of.distance.values[i])
    end
    assert.same({ "a.c max", "a.c mean", "a.c min", "distance", "rate", "response", "|g a.c|", "|g rate|", "|g|" },
      stage.names)
    assert.equal(0.5, stage.of["a.c mean"].values[1])
    assert.equal(5, #stage.of["|g|"].values)           -- at the last lambda nothing is improved
    assert.is_truthy(read(out .. "/series.csv"):find('\n"a, ""b""/c",0,', 1, true))
  end)

  it("has results with the figures of others, hyperparameters, pictures and a log", function()
    local out, made = run()
    local kept = files.open(out)
    assert.same(made.lab.results, kept.results)
    assert.same({ label = "paper", rows = { { stage = "learned", distance = 4.5 } } }, kept.reference)
    assert.same({ "stage", "distance" }, kept.columns)
    assert.matches("^stage,distance,distance %(paper%)\nlearned,[%d.]+,4.5\n$", read(out .. "/results.csv"))
    local outcome = made.lab.state.stages[2].outcome
    local hypers = kept.hypers['a, "b"/c']
    assert.equal(outcome.hypers.rate, tensor.load(hypers.best.rate):item())
    assert.equal(outcome.last.rate, tensor.load(hypers.last.rate):item())
    assert.same(outcome.hypers["a.c"]:totable(), tensor.load(hypers.best["a.c"]):totable())
    assert.equal("C", kept.pictures[1].name)
    local images = kept.pictures[2]
    assert.same({ "images", "weights", { 'a "first"', "2" }, { "wrong", "" } },
      { images.kind, images.title, images.captions, images.marks })
    assert.same({ { { 0, 1 }, { 2, 3 } }, { { 1, 1 }, { 1, 1 } } }, tensor.load(images.path):totable())
    assert.matches("%d%d:%d%d:%d%dZ a note\n", read(out .. "/log.txt"))
    assert.equal("done", kept.status.status)
  end)

  it("keeps all metrics and says why where a recipe fails in the middle", function()
    local out = run { fail = true }
    local kept = files.open(out)
    assert.equal("failed", kept.status.status)
    assert.matches("stages.lua:%d+: in the middle", kept.status.message)
    assert.equal(6, #kept.metrics()['a, "b"/c'].of.response.values)
    assert.equal(1, #kept.results)
    assert.matches("Z hyla: [^\n]*in the middle\n", read(out .. "/log.txt"))
  end)

  it("is read without the line that a crash has cut", function()
    local out = run()
    local text = read(out .. "/metrics.csv")
    write(out .. "/metrics.csv", text:sub(1, -3))
    assert.equal(5, #files.metrics(out)['a, "b"/c'].of.response.values)
  end)

  it("has its metrics again although the machine lost what was not flushed to disk", function()
    local out, made = run()
    local text = read(out .. "/metrics.csv")
    assert.is_true(#made.record.tail > 1000 and #made.record.tail < 2 ^ 16)
    write(out .. "/metrics.csv", text:sub(1, #text - #made.record.tail) .. ("\0"):rep(100))
    session.resume(out, runs.silent):close()
    assert.equal(text, read(out .. "/metrics.csv"))
    write(out .. "/metrics.csv", "")
    session.resume(out, runs.silent):close()
    assert.equal(text, read(out .. "/metrics.csv"))    -- all of it is in the checkpoint of so short a run
  end)

  it("flushes metrics that are too long for a checkpoint", function()
    local out, made = run { steps = 400 }
    local text = read(out .. "/metrics.csv")
    assert.is_true(#text > 2 ^ 16 and #made.record.tail < 2 ^ 16 and #made.record.tail < #text)
    write(out .. "/metrics.csv", text:sub(1, #text - #made.record.tail))
    session.resume(out, runs.silent):close()
    assert.equal(text, read(out .. "/metrics.csv"))
    write(out .. "/metrics.csv", text:sub(1, #text - #made.record.tail - 1))
    fails("it has been changed since", session.resume, out, runs.silent)
  end)

  it("says that a run whose process is gone is interrupted", function()
    local out = run()
    -- The number of a process may be another's by now; in a container it is, often.
    for _, pid in ipairs { 1, unistd.getpid() } do
      write(out .. "/status.json", ('{"status":"running","pid":%d}'):format(pid))
      assert.equal("interrupted", files.status(out).status)
    end
    local holder = require "hyla.run.store".resume(out)          -- in this process: another has to ask
    local pipe = io.popen(("luajit -e 'package.path = \"%s\" print(require \"hyla.run.folder\".status(\"%s\").status)'")
      :format(package.path, out))
    assert.equal("running", pipe:read "*l")
    pipe:close()
    assert.equal("running", files.status(out).status)
    holder:close()
    assert.equal("interrupted", files.status(out).status)
  end)

  it("gets a name of its own in the home of runs", function()
    local home = runs.new_folder() .. "/deep"
    local first, second = files.fresh(home, "it", 0), files.fresh(home, "it", 0)
    assert.matches("/deep/it%-%d%d%d%d%d%d%d%d%-%d%d%d%d%d%d$", first)
    assert.equal(first .. "-2", second)
    assert.same({}, files.list(home))
    write(second .. "/status.json", json.encode { status = "done" })
    assert.same({ second }, files.list(home))
    local opened, message = files.open(first)
    assert.is_nil(opened)
    assert.matches("not a run: .*status.json", message)
    assert.matches("no such folder", select(2, files.open(home .. "/none")))
  end)

  it("encodes any name as a file's, and back", function()
    for _, name in ipairs { "DH-1000, last round", "../x", ".", "a%2Fb", "\n\0\127", "ü" } do
      local text = files.encoded(name)
      assert.is_nil(text:find "[/%c]")
      assert.is_nil(text:find "^%.")
      assert.equal(name, files.decoded(text))
    end
  end)
end)

describe("folders that several processes make at once", function()
  it("are made", function()
    local out, mkdir = runs.new_folder(), lfs.mkdir
    -- Another process is always faster.
    lfs.mkdir = function(path)   -- luacheck: ignore 122
      assert(mkdir(path))
      return mkdir(path)
    end
    local ok, message = pcall(files.make, out .. "/a/b")
    lfs.mkdir = mkdir   -- luacheck: ignore 122
    assert.is_true(ok, message)
    assert.equal("directory", lfs.attributes(out .. "/a/b", "mode"))
  end)

  it("have a name", function() fails("expected a folder's path", files.make, "") end)
end)

describe("images", function()
  it("that are none are refused at the recipe's line", function()
    for words, made in pairs {
      ["expected a tensor [n, height, width], got [1, 2]"] = "'x', hyla.tensor { { 1, 2 } }",
      ["expected a tensor [n, height, width], got a table"] = "'x', {}",
      ["captions: expected 1, got 2"] = "'x', hyla.tensor { { { 1 } } }, { captions = { 1, 2 } }",
      ["unknown option 'mark'"] = "'x', hyla.tensor { { { 1 } } }, { mark = {} }",
      ["expected a name of letters"] = "'a/x', hyla.tensor { { { 1 } } }",
    } do
      local made_session = runs.start(runs.new_recipe("local hyla = require 'hyla'\n"
        .. "return hyla.recipe { about = 'wrong', run = function(_, lab)\nlab:images(" .. made .. ")\nend }"))
      fails(words, made_session.run, made_session)
      fails("stages.lua:3", made_session.run, made_session)
    end
  end)
end)

describe("YAML as it is written", function()
  it("is read as the same, and text stays text", function()
    local map = { n = 1e5, x = 0.1, small = 5e-324, s = "1e5", no = "no", empty = "", q = 'a"b\\\n\tü\1',
      list = { 1, 2, "x y", "3" }, deep = { a = { b = true } },
      files = { { name = "x", of = { { n = 1 }, { n = 2 } } } } }
    local text = yaml.text(map, { "x" })
    assert.matches("^x: 0.1\n", text)
    assert.same(map, yaml.load(text, yaml.any, "it"))
    assert.same({ path = "/lat\u{e9}/\u{fc}\u{ff}" }, yaml.load(yaml.text { path = "/lat\233/\u{fc}\255" },
      yaml.any, "it"))
    local pipe = io.popen("python3 -c 'import yaml' 2>&1")         -- another reader, where there is one
    local missing = pipe:read "*a" ~= ""
    pipe:close()
    if missing then return end
    local path = runs.new_folder()
    write(path, text)
    pipe = io.popen("python3 -c 'import yaml, json, sys; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))' "
      .. path)
    assert.same(map, json.decode(pipe:read "*a"))
    pipe:close()
    os.remove(path)
  end)
end)
