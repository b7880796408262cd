--- What specs of the engine share.
local ffi = require "ffi"
local engine = require "hyla.ffi"
local C = engine.C

local support = {}

--- The engine's last words.
function support.words() return ffi.string(C.hyla_error()) end

--- A folder of the spec's own, and a function that removes it.
function support.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir " .. path) == 0)
  return path, function() os.execute("rm -r " .. path) end
end

function support.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

function support.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

--- Runs Lua code in a process of its own.
-- @tparam string code
-- @tparam[opt=""] string before shell words in front of the command: variables, or commands that end in ";"
-- @treturn string what it wrote, both streams, then "exit <code>"
function support.run(code, before)
  local quoted = "'" .. code:gsub("'", "'\\''") .. "'"
  local pipe = io.popen(("%s LUA_PATH='./lua/?.lua;;' luajit -e %s 2>&1; echo exit $?"):format(before or "", quoted))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

--- Fails the first, second, third ... allocation of a call until it succeeds. Each failure must be HYLA_ENOMEM with
-- words, and leave nothing behind.
-- @tparam function call () -> status, and a function that releases what a success made
-- @treturn number how many allocations were failed
function support.fail_each_allocation(call)
  for _ = 1, 2 do collectgarbage() end
  collectgarbage "stop"     -- finalizers must not change the count
  local before, n = C.hyla_memory_current(), 0
  local ok, problem = pcall(function()
    while true do
      C.hyla_memory_fail_at(n + 1)
      local status, release = call()
      C.hyla_memory_fail_at(0)
      if status >= 0 then
        if release then release() end
        break
      end
      n = n + 1
      assert(status == C.HYLA_ENOMEM, ("allocation %d: status %d: %s"):format(n, status, support.words()))
      assert(support.words():find "out of memory", support.words())
      assert(C.hyla_memory_current() == before, ("allocation %d: its failure leaks"):format(n))
    end
    assert(C.hyla_memory_current() == before, "success leaks")
  end)
  C.hyla_memory_fail_at(0)
  collectgarbage "restart"
  if not ok then error(problem, 0) end
  return n
end

return support
