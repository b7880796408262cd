-- The command: what it prints, where, and its exit codes.
local shell = dofile "spec/lua/shell.lua"
local run = shell.run

describe("the command", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("tells its version and its usage", function()
    local r = run "./hyla --version"
    assert.equal(0, r.code)
    assert.matches("^hyla %d+%.%d+%.%d+\n%w+ kernels, OpenBLAS %d+%.%d+%S* %(%w+%), LuaJIT [^\n]+\n$", r.out)
    r = run "./hyla --help"
    assert.equal(0, r.code)
    for _, command in ipairs { "run", "resume", "list", "check", "data", "bench", "test", "setup" } do
      assert.matches("\n   [%w ]*" .. command, r.out)
    end
    r = run "./hyla help run"
    assert.equal(0, r.code)
    assert.matches("%-%-threads N", r.out)
    assert.matches("Usage: hyla test", run "./hyla help test".out)
    r = run "./hyla help rnu"
    assert.same({ code = 2, out = "", err = "hyla: unknown command 'rnu'; did you mean 'run'?\n" }, r)
  end)

  it("answers wrong words with the right ones and code 2", function()
    local r = run "./hyla rnu"
    assert.equal(2, r.code)
    assert.equal("", r.out)
    assert.matches("unknown command 'rnu'; did you mean 'run'?", r.err, 1, true)
    assert.matches("the commands are: bench, check, completion, data, .*, resume, run, .*test\n", r.err)
    for _, words in ipairs { "run", "resume", "run x --treads 2", "run x --threads 0", "--frobnicate", "-e" } do
      assert.equal(2, run("./hyla " .. words).code, words)
    end
  end)

  it("lists workloads when one is unknown, and options when one is wrong", function()
    local r = run "./hyla bench projektion"
    assert.equal(2, r.code)
    assert.matches("did you mean 'projection'", r.err)
    r = run "./hyla bench projection frob=1"
    assert.equal(2, r.code)
    assert.matches("unknown option 'frob'.*threads", r.err)
  end)

  it("fails when what it has to say cannot be written", function()
    local r = run "sh -c './hyla list > /dev/full'"
    assert.equal(1, r.code)
    assert.matches("standard output: No space left", r.err)
  end)

  it("runs a line of Lua with hyla there", function()
    local r = run "./hyla -e 'print(type(hyla.load), ..., arg[2])' one two"
    assert.same({ code = 0, out = "function\tone\ttwo\n", err = "" }, r)
  end)

  it("leaves short loops to the interpreter and loads no module that nobody asks for", function()
    local traces = "require \"jit.util\".traceinfo(1) ~= nil"
    local line = "local s = 0 for i = 1, %d do s = s + i end print(%s)"
    assert.equal("false\n", run(("./hyla -e '%s'"):format(line:format(300, traces))).out)
    assert.equal("true\n", run(("./hyla -e '%s'"):format(line:format(1e5, traces))).out)
    local seldom = { "hyla.check", "hyla.estimate", "hyla.weights", "hyla.explore", "hyla.data", "cjson" }
    local code = ('for _, name in ipairs { "%s" } do print(package.loaded[name] ~= nil) end'):format(
      table.concat(seldom, '", "'))
    assert.equal(("false\n"):rep(#seldom), run(("./hyla -e '%s'"):format(code)).out)
  end)

  it("runs a script with its arguments, and passes its exit code on", function()
    shell.write(folder .. "/a.lua", "print(select('#', ...), arg[0], type(require 'hyla'))")
    local r = run("./hyla " .. folder .. "/a.lua x y")
    assert.same({ code = 0, out = "2\t" .. folder .. "/a.lua\ttable\n", err = "" }, r)
    assert.equal(7, run("./hyla -e 'os.exit(7)'").code)
  end)

  it("says how traced values are compared, where Lua cannot", function()
    local words = "attempt to compare .*; traced values and tensors are compared by :lt"
    local line = "local w = hyla.weight('w', {}, 1)"
    assert.matches(words, run("./hyla -e " .. shell.quote(line .. " return w < 3")).err)
    shell.write(folder .. "/c.lua", "local hyla = require 'hyla'\nreturn hyla.recipe { about = 'c', build = function() "
      .. line .. " if 3 <= w then return w end end }")
    assert.matches(words, run("./hyla run --out none " .. folder .. "/c.lua").err)
  end)

  it("reports an error with the way to it in the user's files alone", function()
    shell.write(folder .. "/b.lua", "local function f()\n  error 'no'\nend\nf()\n")
    local r = run("cd " .. folder .. "; " .. shell.quote(require "lfs".currentdir() .. "/hyla") .. " b.lua")
    assert.same({ code = 1, out = "", err = "hyla: b.lua:2: no\n  b.lua:2: in 'f'\n  b.lua:4: in the chunk\n" }, r)
    r = run "./hyla missing.lua"
    assert.equal(1, r.code)
    assert.matches("missing.lua", r.err)
    assert.equal(1, run("./hyla -e ')'").code)
  end)

  it("ends with code 130 when interrupted", function()
    local r = run "timeout --foreground --preserve-status -s INT 0.5 ./hyla -e 'while true do os.time() end'"
    assert.equal(130, r.code)
    assert.matches("interrupted", r.err)
  end)

  it("says what to do where LuaJIT or the engine is missing", function()
    local r = run "HYLA_LIB=/nowhere/libhyla.so ./hyla list"
    assert.equal(1, r.code)
    assert.matches("/nowhere/libhyla.so is missing.*run ./hyla setup", r.err)
    run(("for f in dirname readlink; do ln -s $(command -v $f) %s/$f; done"):format(folder))
    r = run(("PATH=%s /bin/sh ./hyla list"):format(folder))
    assert.equal(1, r.code)
    assert.matches("run ./hyla setup", r.err)
  end)

  it("names the package of a Lua module that is not installed", function()
    local r = run "LUA_PATH=/nowhere LUA_CPATH=/nowhere ./hyla list"
    local words = "hyla: the Lua module 'argparse' is not installed (Debian package lua-argparse)\n"
    assert.same({ code = 1, out = "", err = words }, r)
  end)

  it("works through a symbolic link, from anywhere", function()
    local r = run(("ln -s $PWD/hyla %s/h; cd /; %s/h --version"):format(folder, folder))
    assert.equal(0, r.code)
  end)
end)

describe("the command test", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("has the exit code of its specs", function()
    shell.write(folder .. "/a_spec.lua", "it('passes', function() assert.equal(1, 1) end)")
    shell.write(folder .. "/b_spec.lua", "it('fails', function() assert.equal(1, 2) end)")
    local r = run("./hyla test " .. folder .. "/a_spec.lua")
    assert.equal(0, r.code)
    assert.matches("1 success", r.out)
    r = run("./hyla test " .. folder)
    assert.equal(1, r.code)
    assert.matches("1 success / 1 failure", r.out)
  end)

  it("finds what the engine still holds under HYLA_CHECK_LEAKS", function()
    shell.write(folder .. "/a_spec.lua", [[local kept   -- no leak: it goes with the spec
    it("leaks", function()
      kept = require "hyla".ones { 100 }
      local C = require "hyla.ffi".C
      if os.getenv "LEAK" then
        local shape = require "ffi".new("hyla_shape", { dtype = 0, rank = 1, dim = { 3 } })
        C.hyla_tensor_new(shape, require "ffi".new "hyla_tensor *[1]")
      end
    end)]])
    local line = "HYLA_CHECK_LEAKS=1 ./hyla test " .. folder .. "/a_spec.lua"
    assert.equal(0, run(line).code)
    local r = run("LEAK=1 " .. line)
    assert.equal(1, r.code)
    assert.matches("bytes leaked", r.err)
  end)
end)

-- In a copy of the tree's outline, with the system's commands replaced, so that nothing is installed or built.
describe("hyla setup", function()
  local folder, tree

  before_each(function()
    folder = shell.folder()
    tree = folder .. "/tree"
    run(([[
      mkdir -p %s/bin %s/lua/hyla %s/engine %s/cmake
      cp hyla CMakeLists.txt %s; touch %s/lua/hyla/cli.lua
      cd %s/bin
      for f in apt-get sudo cmake ninja; do printf '#!/bin/sh\nexit 9\n' >$f; chmod +x $f; done
    ]]):format(folder, tree, tree, tree, tree, tree, folder))
  end)
  after_each(function() shell.remove(folder) end)

  -- Runs setup where dpkg-query prints a text: "state package, what it provides" on each line.
  local function setup(known, words)
    shell.write(folder .. "/bin/dpkg-query", "#!/bin/sh\ncat <<END\n" .. known .. "\nEND\n")
    return run(("chmod +x %s/bin/dpkg-query; PATH=%s/bin:$PATH %s/hyla setup %s"):format(folder, folder, tree, words))
  end

  -- Everything the script asks for, as installed.
  local function complete()
    local lines = {}
    for name in run("sed -n '/^packages=/,/\"$/p' hyla").out:gsub("packages=", ""):gsub('"', ""):gmatch "%S+" do
      lines[#lines + 1] = "installed " .. name .. ", "
    end
    assert.is_true(#lines > 10)
    return table.concat(lines, "\n")
  end

  it("prints under --dry-run what it would do, and does nothing", function()
    local r = setup("installed gcc, \nremoved luajit, ", "--dry-run")
    assert.equal(0, r.code)
    assert.matches("apt%-get install %-y [^\n]* luajit ", r.out)
    assert.not_matches(" gcc ", r.out)
    assert.matches("cmake %-%-build", r.out)
    assert.is_nil(require "lfs".attributes(tree .. "/build"))
  end)

  it("takes what another package provides as installed", function()
    local r = setup("installed gcc, \ninstalled libcurl4t64, libcurl4 (= 8.5), other", "--dry-run")
    assert.not_matches(" libcurl4 ", r.out)
    assert.matches(" libssl3 ", r.out)
  end)

  it("fails when a command of it fails", function()
    local r = setup("installed gcc, ", "")
    assert.equal(1, r.code)
    assert.matches("setup: this failed: [^\n]*apt%-get update", r.err)
    r = setup(complete(), "")
    assert.equal(1, r.code)
    assert.matches("setup: this failed: cmake", r.err)
  end)

  it("refuses what it does not know", function()
    local r = setup("", "--quick")
    assert.equal(2, r.code)
    assert.matches("unknown option %-%-quick", r.err)
  end)

  it("does nothing when all is there and the build is newer than its sources", function()
    run(("cd %s; mkdir build; touch build/libhyla.so build/setup.stamp"):format(tree))
    run(("cd %s; touch -d '1 hour ago' CMakeLists.txt engine cmake"):format(tree))
    assert.same({ code = 0, out = "hyla: ready\n", err = "" }, setup(complete(), ""))
    run(("touch -d 'next hour' %s/engine/new.c"):format(tree))
    assert.equal(1, setup(complete(), "").code)
  end)
end)
