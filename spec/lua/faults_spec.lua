-- What goes wrong around a run: no room, no right to write, a second process, signals, terminals and locales.
local files = require "hyla.run.folder"
local lfs = require "lfs"
local runs = dofile "spec/lua/runs.lua"
local shell = dofile "spec/lua/shell.lua"
local terminal = dofile "spec/lua/terminal.lua"

local RECIPE = [[
local hyla = require "hyla"
return hyla.recipe {
  about = "Learns c",
  options = { size = 2, hyper_steps = 120, steps = 5, name = "Übung 学习, with a name that is longer than a line" },
  problems = { fit = function(o)
    local w = hyla.weight("w", { o.size }, hyla.zeros)
    local c = hyla.hyper("c", { size = o.size, init = 0.5, within = hyla.box(0, 2) })
    local made = hyla.problem {
      inner = ((w - c) ^ 2):sum(), outer = ((w - 1) ^ 2):sum(), train = hyla.gd { rate = 0.1, steps = o.steps },
      method = hyla.reverse(), improve = hyla.adam { rate = 0.01, steps = o.hyper_steps },
    }
    return made
  end },
  run = function(o, lab)
    local best = lab:optimise(o.name, lab:problem("fit"))
    lab:result { stage = o.name, response = best.response }
    lab:result { stage = "short", response = best.response }
  end,
}
]]

local hyla = lfs.currentdir() .. "/hyla"
local path, folder

before_each(function()
  path = runs.new_recipe(RECIPE)
  folder = path:match "^(.*)/"
end)
after_each(runs.clean)

local function run(line) return shell.run((line:gsub("HYLA", hyla):gsub("RECIPE", path):gsub("DIR", folder))) end

-- What two runs must have alike, to the last bit.
local function left(name)
  local out = folder .. "/" .. name
  return { series = runs.read(out .. "/series.csv"), results = runs.read(out .. "/results.csv"),
    metrics = runs.read(out .. "/metrics.csv"):gsub("\n[%d.]+,", "\n"), status = files.status(out).status }
end

describe("a run without room on the disk", function()
  for name, given in pairs {
    metrics = { words = "", limit = 32 },                        -- blocks of 512 bytes: that is 16 KiB a file
    ["checkpoint.next"] = { words = "size=3000 hyper_steps=5", limit = 32 },
  } do
    it("fails with words about " .. name .. ", and goes on when there is some", function()
      local line = "HYLA run RECIPE --quiet " .. given.words .. " --out DIR/"
      assert.equal(0, run(line .. "whole").code)
      local r = run(("trap '' XFSZ; ulimit -f %d; "):format(given.limit) .. line .. "cut")
      assert.equal(1, r.code)
      assert.matches(name:gsub("%p", "%%%0") .. "%S*: .*File too large", r.err)
      assert.equal("failed", files.status(folder .. "/cut").status)
      r = run "HYLA resume DIR/cut --quiet"
      assert.equal(0, r.code, r.err)
      assert.same(left "whole", left "cut")
    end)
  end

  it("on a file system that is full keeps what it had, as well", function()
    if run("unshare -rm mount -t tmpfs none DIR").code ~= 0 then
      pending "no user namespaces here"
      return
    end
    assert.equal(0, run("HYLA run RECIPE --quiet --out DIR/whole").code)
    local r = run [[mkdir DIR/small; unshare -rm sh -c '
      mount -t tmpfs -o size=1m none DIR/small || exit 77
      head -c 990000 /dev/zero >DIR/small/filler
      HYLA run RECIPE --quiet --out DIR/small/cut; echo "first $?"
      HYLA runs DIR/small
      rm DIR/small/filler
      HYLA resume DIR/small/cut --quiet; echo "second $?"
      cp -r DIR/small/cut DIR/cut']]
    assert.matches("No space left", r.err)
    assert.matches("first 1\n", r.out)
    assert.matches("\ncut +stages +%a+", r.out)
    assert.matches("second 0\n", r.out)
    assert.same(left "whole", left "cut")
  end)
end)

describe("a run that cannot show what it has done", function()
  for words, how in pairs {
    [""] = { behind = ">/dev/full", says = "standard output: No space left" },
    ["--json"] = { behind = "| true", says = "^" },                            -- nobody reads
    ["--profile DIR/folder.json"] = { behind = "", says = "folder.json: cannot be replaced: Is a directory" },
  } do
    it(("is done (%s %s)"):format(words, how.behind), function()
      run "mkdir DIR/folder.json"                                             -- no trace can be written there
      local r = run(("HYLA run RECIPE hyper_steps=3 --quiet --out DIR/out %s %s"):format(words, how.behind))
      assert.matches(how.says, r.err)
      assert.equal("done", files.status(folder .. "/out").status)
      if how.behind ~= "| true" then
        assert.equal(1, r.code)
        assert.is_truthy(lfs.attributes(folder .. "/out/report.html"))
        assert.equal(how.behind == "", r.out:find "response" ~= nil)
      end
    end)
  end
end)

describe("a folder that cannot be written", function()
  it("is told, with what to do", function()
    local as_other = require "posix.unistd".geteuid() == 0 and "setpriv --reuid=65534 --clear-groups " or ""
    if as_other ~= "" and run(as_other .. "test -r RECIPE -a -r HYLA").code ~= 0 then
      pending "the tree cannot be read by others"
      return
    end
    run "HYLA run RECIPE --quiet hyper_steps=3 --out DIR/done; chmod -R a-w,a+rX DIR"
    for words, message in pairs {
      ["run RECIPE --out DIR/new"] = "DIR/new: cannot make the folder: Permission denied",
      ["run RECIPE"] = "runs: cannot make the folder: Permission denied; --out DIR",
      ["resume DIR/done"] = "DIR/done/lock: cannot be written: Permission denied",
    } do
      local r = run(("cd DIR && %s HYLA %s"):format(as_other, words))
      assert.equal(1, r.code)
      assert.is_truthy(r.err:find((message:gsub("DIR/", folder .. "/")), 1, true), r.err)
    end
    assert.equal(0, run("cd DIR && " .. as_other .. "HYLA show done").code)
    run "chmod -R u+w DIR"
  end)
end)

describe("a second process on the folder of a run", function()
  it("is refused while the first one runs, which SIGTERM ends as Ctrl-C does", function()
    local r = run [[
      HYLA run RECIPE hyper_steps=5 --quiet --out DIR/whole
      HYLA run RECIPE hyper_steps=5 steps=2000000 --quiet --out DIR/one & first=$!
      until [ -e DIR/one/checkpoint.hyla ]; do sleep 0.05; done
      HYLA resume DIR/one; echo "second $?"
      HYLA run RECIPE --out DIR/one; echo "third $?"
      HYLA runs DIR
      kill -TERM $first; wait $first; echo "first $?"]]
    assert.matches("second 1\n", r.out)
    assert.matches("third 1\n", r.out)
    assert.matches("\none +stages +running", r.out)
    assert.matches("first 130\n", r.out)
    local _, count = r.err:gsub(folder:gsub("%p", "%%%0") .. "/one: another run is writing to this folder\n", "")
    assert.equal(2, count, r.err)
    assert.matches("interrupted; resume with hyla resume " .. folder:gsub("%p", "%%%0") .. "/one\n", r.err)
    assert.equal("interrupted", files.status(folder .. "/one").status)
  end)
end)

describe("a run's words", function()
  it("fit a terminal of 40 columns", function()
    runs.write(folder .. "/narrow", ("#!/bin/sh\nstty cols 40\nunset COLUMNS\nexec %s run %s --out %s/out\n"):format(
      hyla, path, folder))
    run "chmod +x DIR/narrow"
    local typed = terminal.open(folder .. "/narrow", { LC_ALL = "C.UTF-8" })
    local code = typed:finish()
    assert.equal(0, code, typed.heard)
    local rewrites = 0
    for line in typed.heard:gmatch "\r(Übung[^\r\n]*)" do
      rewrites = rewrites + 1
      assert.equal(39, #line:gsub("[\128-\191]", ""))
      assert.is_truthy(line:find "^Übung 学习, with")
    end
    assert.is_true(rewrites > 0, typed.heard)
  end)

  it("are the same without a terminal and in a locale without UTF-8", function()
    local r = run "LC_ALL=C HYLA run RECIPE hyper_steps=3 --out DIR/out </dev/null"
    assert.equal(0, r.code)
    local lines = {}
    for line in r.out:gmatch "[^\n]+" do lines[#lines + 1] = line:gsub("[\128-\191]", "") end
    assert.equal(3, #lines)
    assert.is_true(#lines[1] == #lines[2] and #lines[2] == #lines[3])      -- a table is aligned by characters
    r = run "LC_ALL=C HYLA show DIR/out"
    assert.equal(0, r.code)
    assert.is_truthy(r.out:find("name=Übung 学习, with", 1, true))
    local hypers = files.open(folder .. "/out").hypers
    assert.is_truthy(hypers["Übung 学习, with a name that is longer than a line"].best.c)
  end)
end)
