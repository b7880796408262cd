--- The command `test`: busted under LuaJIT, on spec/ of the tree or on the paths given.
-- @module hyla.cli.test
local lfs = require "lfs"
local tree = require "hyla.cli.tree"

-- busted changes to the tree first, so a path that exists here is made absolute.
local function arguments(words)
  local list = { [0] = "hyla test", "--directory=" .. tree.root }
  for _, word in ipairs(words) do
    local exists = word:sub(1, 1) ~= "-" and lfs.attributes(word)
    list[#list + 1] = exists and word:sub(1, 1) ~= "/" and lfs.currentdir() .. "/" .. word or word
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
  collectgarbage()
  collectgarbage()
  local bytes = engine.C.hyla_memory_current()
  io.stdout:write(("%.0f bytes of the engine live at exit\n"):format(bytes))
  if bytes ~= 0 then return 1, ("test: %.0f bytes leaked"):format(bytes) end
  return 0
end

-- busted's runner returns when all passed and raises nil when some did not: the counts are printed by then.
local function passes(words)
  arg = arguments(words)   -- luacheck: ignore 121 (busted reads its options from this global)
  local ran, problem = pcall(function()
    require "busted.runner" { standalone = false }
    return true
  end)
  if problem ~= nil and not ran then error(problem, 0) end
  return ran
end

local function run(a)
  if not lfs.attributes(tree.root .. "/spec") then return 1, "test: an installation has no specs: run it in a clone" end
  local function run_specs() return passes(a.words) end
  if os.getenv "HYLA_CHECK_LEAKS" == "1" then return passes_without_leaks(run_specs) end
  return run_specs() and 0 or 1
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "test":summary "Run the specs, or those of the paths given (options are busted's)."
  command:handle_options(false)
  command:argument "words":args "*"
  return { test = run }
end
