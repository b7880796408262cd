--- Ctrl-C in the middle of work that has something to show for itself: it ends, and what it has done is kept.
-- @module hyla.interrupt
local C = require("hyla.ffi").C

local interrupt = {}

--- Raises an error where Ctrl-C was pressed and the engine is asked to come back. For long loops in Lua: once compiled
-- they pass by the prompt's hook.
function interrupt.look()
  if C.hyla_interrupted() == 1 then error("interrupted", 0) end
end

-- The prompt looks at the flag in a hook that raises an error wherever Lua is. It must not do so while results are put
-- together, and sets in again after that: whoever called has time to keep them.
local function unhooked(finish, ...)
  local hook, mask, count = debug.gethook()
  debug.sethook()
  local ok, result = pcall(finish, ...)
  debug.sethook(hook, mask, count)
  if not ok then error(result, 0) end
  return result
end

--- Does work, to its end or until Ctrl-C (where it asks the engine to come back, as at the prompt), and then finishes.
-- @tparam function work its errors are raised, other than the interrupt
-- @tparam function finish function(interrupted) -> the result
-- @return what finish gives
function interrupt.guard(work, finish)
  interrupt.look()                                     -- before this began: its caller is to end
  local ok, problem = pcall(work)
  local interrupted = not ok and C.hyla_interrupted() == 1
  if not ok and not interrupted then error(problem, 0) end
  return unhooked(finish, interrupted)
end

return interrupt
