--- The command `test`: busted under LuaJIT, on the specs of the current folder or on the paths given; in a clone's own
-- folders, and where there are no specs here, on those of the tree.
-- @module hyla.cli.test
local lfs = require "lfs"
local stdlib = require "posix.stdlib"
local tree = require "hyla.cli.tree"

local UPDATE = "--update-golden"

local function is_option(word) return word:sub(1, 1) == "-" end

-- Is an existing path in a folder?
local function within(folder, path)
  local real, root = stdlib.realpath(path), stdlib.realpath(folder)
  return real == root or real:sub(1, #root + 1) == root .. "/"
end

-- The folder whose specs are meant; nil and a message where there are none.
local function root_of(words)
  local paths = 0
  for _, word in ipairs(words) do
    if not is_option(word) and lfs.attributes(word) then
      paths = paths + 1
      if within(tree.root, word) then return tree.root end
    end
  end
  local here = lfs.currentdir()
  if within(tree.root, here) then return tree.root end
  if paths > 0 or lfs.attributes("spec", "mode") == "directory" then return here end
  if lfs.attributes(tree.root .. "/spec", "mode") == "directory" then return tree.root end
  return nil, "test: no folder 'spec' here, and no specs named; `hyla new recipe NAME` writes a recipe with its spec"
end

-- busted changes to the root first, so a path that exists here is made absolute where that is another folder.
local function arguments(words, root)
  local list, here = { [0] = "hyla test", "--directory=" .. root }, lfs.currentdir()
  for _, word in ipairs(words) do
    local moved = root ~= here and not is_option(word) and word:sub(1, 1) ~= "/" and lfs.attributes(word)
    if word ~= UPDATE then list[#list + 1] = moved and here .. "/" .. word or word end
  end
  return list
end

-- Lets go of every module that was loaded since: of busted, and with it of the upvalues of every spec.
local function unload_all_but(earlier)
  local loaded = {}
  for name in pairs(package.loaded) do loaded[#loaded + 1] = name end
  for _, name in ipairs(loaded) do package.loaded[name] = earlier[name] end
end

-- With HYLA_CHECK_LEAKS=1: runs the specs and then counts what the engine holds although nothing of Lua's refers to it.
local function passes_without_leaks(run_specs)
  local engine = require "hyla.ffi"
  local earlier = {}
  for name, module in pairs(package.loaded) do earlier[name] = module end
  if not run_specs() then return 1 end
  unload_all_but(earlier)
  jit.flush()   -- compiled code keeps what it was specialised to
  for _ = 1, 5 do collectgarbage() end   -- what a finalizer lets go of goes a round later
  local bytes = engine.C.hyla_memory_current()
  io.stdout:write(("%.0f bytes of the engine live at exit\n"):format(bytes))
  if bytes ~= 0 then return 1, ("test: %.0f bytes leaked"):format(bytes) end
  return 0
end

-- Whatever option chooses among the specs, some golden files are not asked for.
local function chosen(words)
  for _, word in ipairs(words) do
    if is_option(word) and word ~= UPDATE or word:match "%.lua$" then return true end
  end
  return false
end

-- What became of golden files, where a spec asserted any.
local function tell_golden(words, passed)
  local golden = package.loaded["hyla.spec.golden"]
  if not golden then return end
  for _, path in ipairs(golden.written()) do io.stdout:write("wrote ", path, "\n") end
  if not passed or chosen(words) then return end
  for _, path in ipairs(golden.unused()) do
    io.stderr:write(("hyla: test: no spec asked for %s; remove it where none will\n"):format(path))
  end
end

-- busted's runner returns when all passed and raises nil when some did not: the counts are printed by then.
local function passes(words, root)
  arg = arguments(words, root)   -- luacheck: ignore 121 (busted reads its options from this global)
  if root ~= tree.root then require "hyla.spec" end   -- as the tree's own helper does
  local ran, problem = pcall(function()
    require "busted.runner" { standalone = false }
    return true
  end)
  if problem ~= nil and not ran then error(problem, 0) end
  tell_golden(words, ran)
  return ran
end

local function run(a)
  local root, message = root_of(a.words)
  if not root then return 1, message end
  for _, word in ipairs(a.words) do
    if word == UPDATE then stdlib.setenv("HYLA_UPDATE_GOLDEN", "1") end
  end
  local function run_specs() return passes(a.words, root) end
  if os.getenv "HYLA_CHECK_LEAKS" == "1" then return passes_without_leaks(run_specs) end
  return run_specs() and 0 or 1
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "test"
    :summary "Run the specs here, or those of the paths given (options are busted's, and --update-golden)."
  command:handle_options(false)
  command:argument "words":args "*":argname "PATH|OPTION":description "files or folders of specs; options of busted"
  return { test = run }
end
