--- Projection of normal(.3, .5) components on the box [0, 1] with a sum of at most a fifth of their number, which
-- cuts about half of the clipped mass: the constraint of data hyper-cleaning, at scale.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local tensor = require "hyla.tensor"
local constraint = require "hyla.constraint"

return {
  about = "Projection on a box with a sum bound (one million components)",
  options = { size = 1e6, threads = 2, repeats = 4, seed = 0 },
  bounds = { size = { 1, integer = true } },

  open = function(o)
    local bound = .2 * o.size
    local set = constraint.box(0, 1):with(constraint.sum(bound))
    local input = tensor.normal({ o.size }, { seed = o.seed, mean = .3, deviation = .5 })
    local x = tensor.zeros { o.size }
    return {
      inputs = function()
        return { x = input, bound = bound }
      end,
      outputs = function() return { x = x } end,
      round = function()
        return { seconds = lib.best(5, function() set:project(x) end, function() x:copy_from(input) end) }
      end,
      result = function() return { size = o.size, bytes = 8 * o.size } end,   -- read once, written once
    }
  end,
}
