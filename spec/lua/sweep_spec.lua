-- Several runs of one command: values of options, configuration files, processes; and the commands that list them.
local files = require "hyla.run.folder"
local json = require "hyla.report.json"
local lfs = require "lfs"
local names = require "hyla.names"
local settings = require "hyla.run.settings"
local sweep = require "hyla.run.sweep"
local runs = dofile "spec/lua/runs.lua"
local shell = dofile "spec/lua/shell.lua"

local RECIPE = [[
local hyla = require "hyla"
return hyla.recipe {
  about = "Says what it was given",
  options = { n = 1, name = "a", list = { 1 }, yes = true, fail = 0, wait = false },
  profiles = { quick = { n = 10 }, slow = { n = 20 } },
  bounds = { n = { -5, 100 } },
  columns = { "name", "score" },
  run = function(o, lab)
    lab:result { name = o.name, score = o.n * 2 }
    if o.fail == o.n then error("in the middle") end
    local w = hyla.weight("w", {}, hyla.zeros)
    if o.wait then
      lab:train("long", hyla.problem { inner = (w - 1) ^ 2, train = hyla.gd { rate = 0.1, steps = 1e9 } })
    end
  end,
}
]]

local root = lfs.currentdir()
local folder, recipe

before_each(function()
  recipe = runs.new_recipe(RECIPE)
  folder = recipe:match "^(.*)/"
end)
after_each(runs.clean)

-- What would be run: the values of each run as words, without the recipe.
local function expanded(words, config)
  local list, message = sweep.expand(words, config)
  if not list then return nil, message end
  local all = {}
  for i, run in ipairs(list) do
    local texts = {}
    for _, key in ipairs(names.keys(run.overrides)) do
      texts[#texts + 1] = key .. "=" .. settings.text(run.overrides[key])
    end
    all[i] = table.concat(texts, " ")
  end
  return all
end

describe("a sweep", function()
  it("takes several values by the declared type of an option", function()
    for words, expected in pairs {
      ["n=1,2"] = { "n=1", "n=2" },
      ["n=1..3"] = { "n=1", "n=2", "n=3" },
      ["n=-2..-1,7"] = { "n=-2", "n=-1", "n=7" },
      ["yes=true,false"] = { "yes=true", "yes=false" },
      ["list=1,2"] = { "list=1,2" },                   -- one list
      ["list=1,2 list=3"] = { "list=1,2", "list=3" },
      ["name=a,b"] = { "name=a,b" },                   -- one text
      ["name=1..3"] = { "name=1..3" },
      ["name=1e5 name=007"] = { "name=1e5", "name=007" },
      ["n=1 n=2,3"] = { "n=1", "n=2", "n=3" },
      ["profile=quick profile=slow"] = { "profile=quick", "profile=slow" },
      ["n=1,2 list=3 list=4"] = { "list=3 n=1", "list=4 n=1", "list=3 n=2", "list=4 n=2" },
      [""] = { "" },
    } do
      local list = { recipe }
      for word in words:gmatch "%S+" do list[#list + 1] = word end
      assert.same(expected, expanded(list))
    end
    assert.equal(4, #expanded { recipe, recipe, "n=1,2" })
  end)

  it("refuses what means nothing before anything begins", function()
    for words, message in pairs {
      ["n=1,x"] = "option 'n': expected number, got '1,x'",
      ["n=3..1"] = "option 'n': expected number, or LOWEST..HIGHEST of at most 10000, got '3..1'",
      ["n=1..2..3"] = "expected number",
      ["n=1,1"] = "option 'n': the value 1 is given twice",
      ["n=1,101"] = "option 'n': expected -5 to 100, got 101",
      ["list=1;2"] = "expected list of numbers",
      ["m=3"] = "unknown option 'm'",
      ["profile=quik"] = "unknown profile 'quik'; did you mean 'quick'?",
      ["n=-5..100 list=1 list=2 list=3 list=4 list=5 list=6 list=7 list=8 list=9 fail=1..12"] = "at most 10000 runs",
    } do
      local list = { recipe }
      for word in words:gmatch "%S+" do list[#list + 1] = word end
      local got, said = expanded(list)
      assert.is_nil(got)
      assert.is_truthy(said:find(message, 1, true), said)
    end
    assert.matches("expected a recipe", select(2, expanded {}))
    assert.matches("^quickstart: unknown option 'list'", select(2, expanded { recipe, "quickstart", "list=1" }))
  end)
end)

describe("a configuration file", function()
  local function config(text)
    local path = folder .. "/it.yaml"
    runs.write(path, text)
    return path
  end

  it("says recipe, options and sweep; words of the command go before it", function()
    local path = config(("recipe: %s\nprofile: quick\noptions:\n  name: 1e5\n  list: [3, 4]\nsweep:\n  n: [1, 2]\n")
      :format(recipe))
    assert.same({ "list=3,4 n=1 name=1e5 profile=quick", "list=3,4 n=2 name=1e5 profile=quick" }, expanded({}, path))
    assert.same({ "list=3,4 n=7 name=no profile=quick" }, expanded({ "n=7", "name=no" }, path))
    local list = sweep.expand({}, config(("recipe: %s\nsweep:\n  list: [[1], [2, 3]]\n"):format(recipe)))
    assert.same({ { 1 }, { 2, 3 } }, { list[1].overrides.list, list[2].overrides.list })
    assert.matches("expected options alone beside it, got 'quickstart'", select(2, expanded({ "quickstart" }, path)))
  end)

  it("is refused with file and line where something is wrong", function()
    local head = ("recipe: %s\n"):format(recipe)
    for text, message in pairs {
      [head .. "options:\n  nme: x\n"] = "it.yaml:3: options: unknown key 'nme'; did you mean 'name'",
      [head .. "option:\n  n: 1\n"] = "it.yaml:2: document: unknown key 'option'",
      [head .. "options:\n  n: many\n"] = "it.yaml:3: n: expected number, got 'many'",
      [head .. "options:\n  n: \"1\"\n"] = "it.yaml:3: n: expected number, got the quoted text '1'",
      [head .. "options:\n  list: 1\n"] = "it.yaml:3: list: expected a list, got text",
      [head .. "options:\n  yes: yes\n"] = "it.yaml:3: yes: expected boolean, got 'yes'",
      [head .. "options:\n\tn: 1\n"] = "it.yaml:3: ",
      [head .. "options:\n  n: &a 1\n"] = "it.yaml:3: an anchor (&a) is not allowed",
      ["a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"] = "it.yaml:1: ",
      [head .. "options: {n: 1}\n---\nrecipe: x\n"] = "it.yaml:3: a second document is not allowed",
      [head .. "options: {n: 1, n: 2}\n"] = "it.yaml:2: options: key 'n' is given twice",
      [head .. "options: {n: 200}\n"] = "option 'n': expected -5 to 100, got 200",
      [head .. "options: {n: 2}\nsweep: {n: [1]}\n"] = "it.yaml: 'n' is given both in options and in sweep",
      [head .. "sweep: {n: []}\n"] = "it.yaml: sweep: 'n' has no value",
      ["options: {}\n"] = "it.yaml:1: document: key 'recipe' is missing",
      ["recipe: no_such\n"] = "it.yaml: no recipe 'no_such'",
      [""] = "it.yaml: expected a document, the file is empty",
    } do
      local got, said = expanded({}, config(text))
      assert.is_nil(got, text)
      assert.is_truthy(said:find(message, 1, true), said)
    end
    assert.matches("none.yaml: No such file", select(2, expanded({}, folder .. "/none.yaml")))
  end)

  it("may be that of a run, which begins anew", function()
    local out = folder .. "/first"
    local line = ("./hyla run %s --quiet --out %s"):format(recipe, out)
    assert.equal(0, shell.run(line .. " n=7 name=1e5 list=1,2 profile=slow").code)
    assert.same({ "fail=0 list=1,2 n=7 name=1e5 profile=slow wait=false yes=true" },
      expanded({}, out .. "/config.yaml"))
    local again = shell.run(("./hyla run --config %s/config.yaml --quiet --json --out none"):format(out))
    assert.equal(0, again.code)
    assert.equal(14, json.decode(again.out:match "([^\n]*)\n$").results[1].score)
  end)
end)

describe("several runs", function()
  local function hyla(words)
    return shell.run(("cd %s && %s/hyla %s"):format(folder, root, words))
  end

  it("have a process and a folder each, and one that fails takes no other with it", function()
    local r = hyla "run ./stages.lua n=1..3 fail=2 name=x --jobs 2 --json"
    assert.equal(1, r.code)
    assert.matches("\nruns/stages%-[%d-]+ +2 +failed +[%d.]+ +4\n", r.out)
    assert.matches("3 runs: 2 done, 1 failed\n", r.out)
    assert.matches("hyla: stages n=2: ./stages.lua:%d+: in the middle\n", r.err)
    local told = json.decode(r.out:match "([^\n]*)\n$").runs
    for i, state in ipairs { "done", "failed", "done" } do
      assert.equal(state, told[i].state)
      local kept = files.open(folder .. "/" .. told[i].run)
      assert.equal(state, kept.status.status)
      assert.equal(i, kept.config.options.n)
      assert.equal(1, kept.config.machine.threads)     -- two jobs share what there is
      assert.same({ { name = "x", score = 2 * i } }, kept.results)
    end
  end)

  it("tell options and results of one name, and of a column's, apart", function()
    runs.write(folder .. "/alike.lua", [[return require "hyla".recipe {
      about = "alike", options = { seconds = 1, gain = 3 }, columns = { "method", "seconds", "gain" },
      run = function(o, lab) lab:result { method = "a", seconds = 1e-9, gain = o.gain * 1e20 } end,
    }]])
    local r = hyla "run ./alike.lua seconds=5 gain=3,4 seconds=6 --out none"
    assert.matches("^run +option seconds +gain +state +seconds +result gain\n", r.out)
    assert.matches("\n +1 +5 +3 +done +%d[%d.]* +3e%+20\n", r.out)
  end)

  it("are listed, compared and shown", function()
    assert.equal("no runs in runs\n", hyla "runs".out)
    hyla "run ./stages.lua n=1,2 fail=2 --quiet --out home"
    local list = files.list(folder .. "/home")
    assert.equal(2, #list)
    local first, second = list[1]:match "[^/]*$", list[2]:match "[^/]*$"
    local r = hyla "runs home"
    assert.matches("run +recipe +state +seconds +result\n", r.out)
    assert.matches(first:gsub("%-", "%%-") .. " +stages +done +[%d.]+ +score 2\n", r.out)
    assert.matches(second:gsub("%-", "%%-") .. " +stages +failed +[%d.]+ +score 4\n", r.out)
    r = hyla(("runs home/%s home/%s"):format(first, second))
    assert.matches("\noption +[%w-]+ +[%w-]+\nn +1 +2\n\n", r.out)
    assert.matches("\na score +2 +4\n", r.out)
    r = hyla("show home/" .. second)
    for _, words in ipairs { "recipe     stages %(", "state      failed: ./stages.lua:%d+: in the middle\n",
      "seconds    [%d.]+\n", "record     [%d.]+ m?s to keep it\n", "option     n=2\n", "\nname  score\na         4\n",
      "Z hyla: ./stages.lua:%d+: in the middle\n$" } do
      assert.matches(words, r.out)
    end
    r = hyla "show nothing"
    assert.equal(1, r.code)
    assert.matches("nothing: no such folder", r.err)
    shell.run(("mkdir -p %s/runs && cp -r %s %s/runs/it"):format(folder, list[1], folder))
    assert.matches("^run +runs/it\n", hyla "show it".out)   -- by its name in runs/
    assert.equal(0, hyla("resume it").code)
    assert.equal(1, hyla("runs it gone").code)
    runs.write(folder .. "/runs/it/config.yaml", "recipe: [")
    r = hyla "runs"
    assert.equal(1, r.code)
    assert.matches("runs/it: not a run: config.yaml is damaged", r.err)
  end)

  it("are all told of an interrupt; no other begins", function()
    local r = shell.run(([[cd %s
      %s/hyla run ./stages.lua n=1..3 wait=true --jobs 2 --out home & all=$!
      until [ "$(ls home/*/checkpoint.hyla 2>/dev/null | wc -l)" = 2 ]; do sleep 0.05; done
      kill -TERM $all; wait $all]]):format(folder, root))
    assert.equal(130, r.code)
    assert.matches("3 runs: 2 interrupted, 1 not begun\n", r.out)
    for _, path in ipairs(files.list(folder .. "/home")) do
      assert.equal("interrupted", files.status(path).status)
    end
  end)

  it("go without what is for one", function()
    assert.equal(2, hyla("run ./stages.lua n=1,2 --dry-run").code)
    assert.equal(2, hyla("run ./stages.lua n=1,2 --profile x.json").code)
    assert.equal(2, hyla("run ./stages.lua n=1,2 --jobs 0").code)
  end)
end)
