--- Training that diverges ends one trial or restart, not the stage: it is told from every other error here.

local engine = require "hyla.ffi"
local number = require "hyla.number"

local diverged = {}

local mark = {}

--- Raises the error of a value that is not finite, which or_result knows.
-- @tparam string what words for the message
-- @tparam number value
function diverged.unless_finite(what, value)
  if value == value and math.abs(value) < math.huge then return end
  error(setmetatable({ message = ("%s is %s"):format(what, number.format(value)) }, mark), 0)
end

--- Calls a function; where NaN or infinity arises in it that is a result, too.
-- @tparam function work
-- @param ... its arguments
-- @return what it returns, or nil and the words of the failure; any other error is raised again
function diverged.or_result(work, ...)
  local ok, result = pcall(work, ...)
  if ok then return result end
  if getmetatable(result) == mark then return nil, result.message end
  if engine.status_of(result) == engine.C.HYLA_ENONFINITE then return nil, result end
  error(result, 0)
end

return diverged
