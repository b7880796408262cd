--- When a checkpoint is worth its time. One is due after every hyper-iteration, hyperbatch or trial, unless writing
-- them all would take more than a small share of the time: then as often as keeps to that share.
-- @module hyla.run.pace
local progress = require "hyla.report.progress"

local pace = { SHARE = 0.02 }   -- of the time, at most; what can be lost is what one takes to write, divided by it
pace.__index = pace

--- A pace whose first checkpoint is due at once.
-- @treturn pace
function pace.new() return setmetatable({ next = -math.huge }, pace) end

--- Is one due?
function pace:due() return progress.clock() >= self.next end

--- Writes one.
-- @tparam function write
function pace:spend(write)
  local began = progress.clock()
  write()
  local now = progress.clock()
  self.next = now + (now - began) / pace.SHARE
end

return pace
