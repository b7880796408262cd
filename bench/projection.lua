--- Projection of normal(.3, .5) components on the box [0, 1] with a sum of at most a fifth of their number, which
-- cuts about half of the clipped mass: the constraint of data hyper-cleaning, at scale.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local engine = require "hyla.ffi"
local tensor = require "hyla.tensor"
local constraint = require "hyla.constraint"

return {
  about = "Projection on a box with a sum bound (one million components)",
  options = { size = 1e6, threads = 2, repeats = 20, seed = 0 },

  run = function(o)
    engine.C.hyla_threads(o.threads)
    local set = constraint.box(0, 1):with(constraint.sum(.2 * o.size))
    local input = tensor.normal({ o.size }, { seed = o.seed, mean = .3, deviation = .5 })
    local x = tensor.zeros { o.size }
    local seconds = lib.best(o.repeats, function() set:project(x) end, function() x:copy_from(input) end)
    return { workload = "projection", size = o.size, threads = o.threads, seconds = seconds,
             peak_bytes = lib.peak_bytes() }
  end,
}
