--- Whether two sides of a comparison did the same work: their hypergradients, read from .npy files.
-- @module hyla.cli.bench.difference
local lfs = require "lfs"
local number = require "hyla.number"

local difference = {}

-- Loaded when they are used.
local function tensor() return require "hyla.tensor" end
local function handle() return require "hyla.tensor.handle" end

--- The norm of a - b, relative to that of b: 0 where both are equal, infinite where it has no value.
-- @tparam tensor a
-- @tparam tensor b of the same shape
-- @treturn number
function difference.relative(a, b)
  a, b = a:to("float64"):contiguous(), b:to("float64"):contiguous()
  local x, y = handle().memory(a), handle().memory(b)
  local apart, norm = 0, 0
  for i = 0, a.size - 1 do
    local d = x[i] - y[i]
    apart, norm = apart + d * d, norm + y[i] * y[i]
  end
  if apart == 0 then return 0 end
  local r = math.sqrt(apart / norm)
  return r == r and r or math.huge
end

local function names_in(folder)
  local names = {}
  for file in lfs.dir(folder) do names[#names + 1] = file:match "^(.*)%.npy$" end
  table.sort(names)
  return names
end

-- One output: how far apart, or nil and what is wrong.
local function one(ours, peers, name, tolerance)
  local path = ("%s/%s.npy"):format(peers, name)
  if not lfs.attributes(path) then return nil, ("%s: the peer wrote none"):format(name) end
  local a, b = tensor().load(("%s/%s.npy"):format(ours, name)), tensor().load(path)
  local shapes = { table.concat(a.shape, " x "), table.concat(b.shape, " x ") }
  if shapes[1] ~= shapes[2] then
    return nil, ("%s: expected the shape [%s], got [%s]"):format(name, shapes[1], shapes[2])
  end
  local apart = difference.relative(a, b)
  if apart <= tolerance then return apart end
  return nil, ("%s: %s apart, at most %s allowed"):format(name, number.short(apart, 3), number.short(tolerance, 3))
end

--- Compares what lies in two folders.
-- @tparam string ours folder of .npy files
-- @tparam string peers folder of .npy files by the same names
-- @tparam number tolerance
-- @tparam[opt] {string,...} names the outputs that the peer has; all of ours by default
-- @treturn number|nil the largest relative difference; nil where one is too large or missing
-- @treturn string|nil then: which ones
function difference.compare(ours, peers, tolerance, names)
  local largest, problems = 0, {}
  for _, name in ipairs(names or names_in(ours)) do
    local apart, problem = one(ours, peers, name, tolerance)
    largest = math.max(largest, apart or 0)
    problems[#problems + 1] = problem
  end
  if #problems > 0 then return nil, table.concat(problems, "; ") end
  return largest
end

return difference
