--- One hypergradient of data hyper-cleaning by Reverse-HG, at the first lambda: 5,000 x 784 x 10, R = 1000. The problem
-- is that of recipes/hyper_cleaning.lua; building it and the first run, which warms caches, are outside the clock.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local C = require("hyla.ffi").C
local hyla = require "hyla"

local function norm(g)
  local sum = 0
  for _, x in ipairs(g:totable()) do sum = sum + x * x end
  return math.sqrt(sum)
end

return {
  about = "One Reverse-HG of data hyper-cleaning (5,000 learned weights)",
  options = { steps = 2000, threads = 2, data = os.getenv "HYLA_DATA" and "mnist" or "digits", repeats = 3, seed = 1 },

  run = function(o)
    C.hyla_threads(o.threads)
    local p = hyla.load("hyper_cleaning"):build { steps = o.steps, data = o.data, seed = o.seed, budget = { 1000 } }
    local g, response = p:hypergradient()
    local seconds = lib.best(o.repeats, function() p:hypergradient() end)
    local forward = lib.best(o.repeats, function() p:start() p:advance(o.steps) end)
    return { workload = "cleaning", steps = o.steps, threads = o.threads, data = o.data, seconds = seconds,
             forward_seconds = forward, peak_bytes = lib.peak_bytes(), response = response,
             gradient_norm = norm(g.lambda), kernels = require("ffi").string(C.hyla_kernel_variant()) }
  end,
}
