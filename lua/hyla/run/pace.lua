--- When files are worth the time that writing them takes. A checkpoint is due after every hyper-iteration, hyperbatch
-- or trial, and the results so far after every stage, unless that would take more than a small share of the time: then
-- as often as keeps to that share.
-- @module hyla.run.pace
local progress = require "hyla.report.progress"

-- Of the time, at most. What a crash can lose beyond the hyper-iteration under way is the work of as long as a
-- checkpoint takes to write, divided by its share.
local pace = { share = { checkpoints = 0.013, results = 0.003 } }
pace.__index = pace

--- A pace at which the first writing is due at once.
-- @tparam string what "checkpoints" or "results"
-- @treturn pace
function pace.new(what) return setmetatable({ what = what, next = -math.huge }, pace) end

--- Writes, where it is due.
-- @tparam function write
-- @tparam[opt] boolean now whether it is due or not
-- @treturn boolean whether it has written
function pace:write(write, now)
  local began = progress.clock()
  if not now and began < self.next then return false end
  write()
  local done = progress.clock()
  self.next = done + (done - began) / pace.share[self.what]
  return true
end

return pace
