--- Running a script or a line of Lua with Hyla on its path.
-- @module hyla.cli.script
local failure = require "hyla.cli.failure"

local script = {}

-- `words` without its first `taken`, as a script's own: word 0 names it.
local function arguments(words, taken, name)
  local own = { [0] = name }
  for i = taken + 1, #words do own[#own + 1] = words[i] end
  return own
end

--- Runs `FILE.lua [args]` or `-e CODE [args]`; the arguments come as `...` and in the global `arg`, as LuaJIT's own
-- command gives them. In a line of code the global `hyla` is there.
-- @tparam {string,...} words the command's
-- @treturn number exit code
-- @treturn string message when it failed
function script.run(words)
  local chunk, problem, own
  if words[1] == "-e" then
    if not words[2] then return 2, "-e: expected a line of Lua after it" end
    chunk, problem = loadstring(words[2], "=(command line)")
    own = arguments(words, 2, "-e")
    rawset(_G, "hyla", require "hyla")
  else
    chunk, problem = loadfile(words[1])
    own = arguments(words, 1, words[1])
  end
  if not chunk then return 1, problem end
  rawset(_G, "arg", own)
  local done, handled = xpcall(function() chunk(unpack(own)) end, failure.handler)
  if done then return 0 end
  return failure.code(handled), failure.text(handled)
end

return script
