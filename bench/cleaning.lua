--- One hypergradient of data hyper-cleaning by Reverse-HG, at the first lambda: 5,000 x 784 x 10, R = 1000. The problem
-- is that of recipes/hyper_cleaning.lua; building it and the first run, which warms caches, are outside the clock.
--
-- `features=dense` adds a little noise to every feature, so that none is zero; `memory` is a budget for the trajectory.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local hyla = require "hyla"
local tensor = require "hyla.tensor"

local BUDGET, NOISE, STREAM = 1000, 0.05, 100

local function norm(g)
  local sum = 0
  for _, x in ipairs(g:totable()) do sum = sum + x * x end
  return math.sqrt(sum)
end

local function parts_of(o, recipe)
  local train, valid, test = hyla.data(o.data):split({ recipe.train, recipe.valid, recipe.test }, o.seed)
  train = train:corrupt_labels(recipe.corrupted, o.seed)
  if o.features == "dense" then
    for i, part in ipairs { train, valid } do
      part.x = part.x + tensor.normal(part.x.shape, { seed = o.seed, stream = STREAM + i, deviation = NOISE })
    end
  end
  return { train = train, valid = valid, test = test }
end

local function problem(o)
  if o.features ~= "data" and o.features ~= "dense" then
    error(("bench cleaning: features: expected data or dense, got '%s'"):format(o.features), 0)
  end
  local recipe = hyla.load "hyper_cleaning"
  local options = recipe:resolve { steps = o.steps, data = o.data, seed = o.seed, budget = { BUDGET } }
  local parts = parts_of(o, options)
  local p = recipe:builder "cleaner"(options, parts, BUDGET)
  if o.memory ~= "" then p = p:with { method = hyla.reverse { memory = o.memory } } end
  return p, parts, options
end

return {
  about = "One Reverse-HG of data hyper-cleaning (5,000 learned weights)",
  options = { steps = 2000, threads = 2, data = os.getenv "HYLA_DATA" and "mnist" or "digits", repeats = 3, seed = 1,
              features = "data", memory = "" },

  problem = problem,

  open = function(o)
    local p, parts, options = problem(o)
    local train, valid = parts.train, parts.valid
    local g, response = p:hypergradient()
    return {
      inputs = function()
        return { x = train.x, y = train.y, valid_x = valid.x, valid_y = valid.y, lambda = p:lambda().lambda,
                 rate = options.rate * train.size / BUDGET, steps = o.steps }
      end,
      outputs = function() return { lambda = g.lambda, response = response } end,
      round = function()
        return { seconds = lib.time(function() p:hypergradient() end),
                 forward_seconds = lib.time(function() p:start() p:step(o.steps) end) }
      end,
      result = function()
        return { steps = o.steps, data = o.data, features = o.features, response = response,
                 gradient_norm = norm(g.lambda), kernels = lib.kernels(),
                 -- two products of a step forward, two of a step back; zeros count as any other number
                 flops = 8 * train.size * train.width * train.classes * o.steps }
      end,
    }
  end,
}
