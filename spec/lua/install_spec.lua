-- `cmake --install` into a folder: it works from anywhere, wherever it is moved to, and leaves nothing behind.
local shell = dofile "spec/lua/shell.lua"
local lfs = require "lfs"
local run = shell.run
local root = lfs.currentdir()

-- Paths below a folder, with the target of links, one a line: all, or those that an expression of find chooses.
local function listing(folder, chosen)
  return run(("cd %s && find . %s -printf '%%p %%y %%l\\n' | LC_ALL=C sort"):format(folder, chosen or "")).out
end

-- Is build/ one of this tree? A copy of another tree's installs what lies there.
local function configured()
  local cache = io.open("build/CMakeCache.txt")
  local text = cache and cache:read "*a" or ""
  if cache then cache:close() end
  return text:find("CMAKE_HOME_DIRECTORY:INTERNAL=" .. root .. "\n", 1, true)
end

describe("an installation", function()
  local folder, before, prefix
  -- What build/ knows of a real installation is put back afterwards.
  local notes = { "install_manifest.txt", "install_folders.txt" }

  local function cmake(line) return run(("DESTDIR=%s/root cmake %s"):format(folder, line)) end
  local function install() return cmake "--install build --prefix /opt/hyla" end
  local function uninstall() return cmake "--build build --target uninstall" end

  -- Runs a line of sh far from the tree, as nobody who has Hyla's variables set.
  local function there(line)
    return run(("cd / && export HOME=%s/home && unset HYLA_LIB HYLA_DATA LUA_PATH LUA_CPATH XDG_DATA_HOME && %s")
      :format(folder, line))
  end

  before_each(function()
    folder = shell.folder()
    prefix = folder .. "/root/opt/hyla"
    run(("mkdir -p %s/include %s/share/man/man1 %s/home; touch %s/share/man/man1/other.1")
      :format(prefix, prefix, folder, prefix))
    for _, name in ipairs(notes) do run(("mv build/%s %s/"):format(name, folder)) end
    before = listing(folder .. "/root")
  end)
  after_each(function()
    for _, name in ipairs(notes) do run(("rm -f build/%s; mv %s/%s build/"):format(name, folder, name)) end
    run("chmod -R u+w " .. folder)
    shell.remove(folder)
  end)

  it("works where it is moved to, read-only, from any folder, and is taken away whole", function()
    if not configured() then return pending "skipped: build/ is not this tree's own" end
    local r = install()
    assert.same({ 0, "" }, { r.code, r.err })
    run(("mv %s %s/moved && chmod -R a-w %s/moved"):format(prefix, folder, folder))
    local moved = folder .. "/moved"
    local laid, hyla = listing(moved), moved .. "/bin/hyla "

    assert.equal(run("env -u HYLA_LIB ./hyla --version").out, there(hyla .. "--version").out)
    assert.matches("\nquickstart ", there(hyla .. "list").out)
    assert.matches("digits +built in", there(hyla .. "data list").out)
    assert.matches("projection", there(hyla .. "bench --list").out)
    assert.matches("complete %-F", there(hyla .. "completion bash").out)
    local ran = there(hyla .. "run quickstart steps=2 hyper_steps=1 examples=20 --quiet --json --out $HOME/run")
    assert.same({ 0, "" }, { ran.code, ran.err })
    assert.equal(0, there(hyla .. "resume $HOME/run --quiet").code)
    -- Any LuaJIT that looks in the prefix has it, and so has a C compiler.
    local paths = ("LUA_PATH='%s/share/lua/5.1/?.lua;%s/share/lua/5.1/?/init.lua;;' LUA_CPATH='%s/lib/lua/5.1/?.so;;' ")
      :format(moved, moved, moved)
    r = there(paths .. "luajit -e 'print(require [[hyla]].load [[quickstart]].own)'")
    assert.same({ code = 0, out = "true\n", err = "" }, r)
    shell.write(folder .. "/a.c",
      "#include <hyla.h>\n#include <stdio.h>\nint main(void) { return puts(hyla_version()) < 0; }\n")
    r = there(([[export PKG_CONFIG_PATH=$(dirname $(find %s -name hyla.pc)) && cc -o $HOME/a %s/a.c \
      $(pkg-config --cflags --libs hyla) -Wl,-rpath,$(pkg-config --variable=libdir hyla) && $HOME/a]])
      :format(moved, folder))
    assert.same({ code = 0, out = require "hyla".version .. "\n", err = "" }, r)
    local page = io.open(moved .. "/share/man/man1/hyla.1"):read "*a"
    assert.matches("%.SS hyla run\n", page)
    assert.equal(laid, listing(moved))

    run(("chmod -R u+w %s && mv %s %s"):format(moved, moved, prefix))
    assert.equal(0, install().code)      -- over the first
    assert.equal(laid, listing(prefix))
    r = uninstall()
    assert.same({ 0, "" }, { r.code, r.err })
    assert.equal(before, listing(folder .. "/root"))
    r = uninstall()
    assert.is_true(r.code ~= 0)
    assert.matches("nothing to uninstall", r.err .. r.out)
  end)

  it("leaves what others put into its folders", function()
    if not configured() then return pending "skipped: build/ is not this tree's own" end
    assert.equal(0, install().code)
    shell.write(prefix .. "/share/hyla/recipes/mine.lua", "")
    assert.equal(0, uninstall().code)
    local mine = "./opt/hyla/share/hyla d \n./opt/hyla/share/hyla/recipes d \n"
      .. "./opt/hyla/share/hyla/recipes/mine.lua f \n"
    assert.equal(mine, listing(folder .. "/root", "-path '*/share/hyla*'"))
    assert.equal(before, listing(folder .. "/root", "-not -path '*/share/hyla*'"))
  end)
end)

describe("the rockspec", function()
  it("is of this version, and names every Lua module that Hyla loads", function()
    local name = ("hyla-%s-1.rockspec"):format(require "hyla".version)
    local rock = setfenv(assert(loadfile(name)), {})
    rock()
    local spec = getfenv(rock)
    assert.same({ "hyla", name }, { spec.package, "hyla-" .. spec.version .. ".rockspec" })
    local rocks = { argparse = "argparse", busted = "busted", cjson = "lua-cjson", lfs = "luafilesystem",
      luassert = "busted", mime = "luasocket", posix = "luaposix", say = "busted", socket = "luasocket",
      yaml = "lyaml" }
    local luajit = { bit = true, ffi = true, jit = true, hyla = true }
    local line = [[grep -rhoE "require *\\(?[\"'][a-z]+" lua bench recipes | grep -oE '[a-z]+$' | sort -u]]
    for module in run(line).out:gmatch "%l+" do
      if not luajit[module] then
        assert.truthy((table.concat(spec.dependencies, " ") .. " "):find(rocks[module] .. " ", 1, true), module)
      end
    end
  end)
end)
