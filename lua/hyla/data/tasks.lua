--- The embedded data set of tasks that belong together: classes in groups. The mean of a class is its group's centre
-- and an offset of its own, both drawn; an example is the mean of its class and noise, the same in all directions.
-- Examples go through the classes round and round.
--
-- The squared lengths of centre, offset and noise are CENTRE, OFFSET and NOISE on average.
-- @module hyla.data.tasks
local tensor = require "hyla.tensor"
require "hyla.functions"                               -- arithmetic with tensors

-- Changes of the generator change this number.
local VERSION = 1
local CENTRE, OFFSET, NOISE = 8, 2, 180

-- Streams of the random numbers, far from those of other generators.
local STREAM = 2 ^ 47

--- Draws n examples of a seed.
-- @tparam number n
-- @tparam number width features
-- @tparam {number,...} groups the group of each class, from 0
-- @tparam number seed whole, 0 <= seed < 2^53
-- @treturn tensor x [n, width] float32
-- @treturn tensor y [n] int32
local function generate(n, width, groups, seed)
  local function normal(rows, stream, square)
    return tensor.normal({ rows, width }, { seed = seed, stream = STREAM + stream }) * (square / width) ^ 0.5
  end
  local most, label = 0, {}
  for _, group in ipairs(groups) do most = math.max(most, group) end
  for i = 1, n do label[i] = (i - 1) % #groups end
  local y = tensor(label, "int32")
  local mean = normal(most + 1, 0, CENTRE):gather(tensor(groups, "int32")) + normal(#groups, 1, OFFSET)
  return mean:gather(y) + normal(n, 2, NOISE), y
end

return { generate = generate, version = VERSION }
