--- What a hypergradient costs: steps and bytes.
-- @module hyla.cost
local ffi = require "ffi"
local engine = require "hyla.ffi"
local number = require "hyla.number"

local Cost = {}

function Cost:__tostring()
  local again = self.extra > 0 and (", %s of them taken again"):format(number.format(self.extra)) or ""
  local how = self.checkpoints > 0
    and (", %s checkpoint%s"):format(number.format(self.checkpoints), self.checkpoints > 1 and "s" or "")
    or self.residuals and ", residuals included" or ""
  return ("%s steps forward%s; %s stored%s"):format(number.format(self.steps), again, number.size(self.bytes), how)
end

--- The cost of a method: predicted before its start, for the memory that is free then; that of the run after it.
-- @tparam cdata handle hyla_method
-- @treturn table { steps = forward, those taken again included; extra = of these, taken again: between checkpoints or
--   for a further group of tangents; taken = forward so far, since the start; checkpoints = whole states stored at a
--   time, 0 where every step's are, or none; bytes = stored along the way; residuals = whether values inside the steps
--   are stored beside states }
local function of(handle)
  local c = ffi.new "hyla_cost"
  engine.check(engine.C.hyla_method_cost(handle, c))
  return setmetatable({
    steps = c.steps, extra = c.extra, taken = c.taken, checkpoints = c.checkpoints, bytes = c.bytes,
    residuals = c.residuals == 1,
  }, Cost)
end

return { of = of }
