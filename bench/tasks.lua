--- Learning task interactions (Franceschi et al. 2017, section 5.2): one hypergradient by Reverse-HG with respect to C
-- and rho of a K-class linear model on 1024 features whose classes are tied by
--
--     Omega(W) = sum_jk C_jk |w_j - w_k|^2 + rho sum_k |w_k|^2,
--
-- trained by momentum. With A = (C + C')/2 and the Laplacian L = diag(A 1) - A the first sum is 2 sum((W L) * W), one
-- product. Features are noise, labels go round; `memory` is a budget for the trajectory.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local hyla = require "hyla"
local tensor = require "hyla.tensor"

local FEATURES, RATE, MOMENTUM, INIT = 1024, 0.01, 0.9, 1e-3
local FEW, MANY = 5, 3                                -- examples a class, of up to ten classes and of more

local function part_of(o, stream)
  local n, label = o.classes * (o.classes <= 10 and FEW or MANY), {}
  for i = 1, n do label[i] = (i - 1) % o.classes end
  return { x = tensor.normal({ n, FEATURES }, { seed = o.seed, stream = stream }), y = tensor.from(label, "int32") }
end

local function identity(n)
  local t = tensor.zeros { n, n }
  for i = 1, n do t:set(1, i, i) end
  return t
end

local function problem(o)
  local train, valid = part_of(o, 1), part_of(o, 2)
  local W = hyla.weight("W", { FEATURES, o.classes }, hyla.zeros)
  local b = hyla.weight("b", { o.classes }, hyla.zeros)
  local ties = hyla.hyper("C", { shape = { o.classes, o.classes }, init = INIT,
    within = hyla.non_negative() })
  local rho = hyla.hyper("rho", { init = INIT, within = hyla.non_negative() })
  local function loss(part) return hyla.cross_entropy(part.x:matmul(W) + b, part.y):mean() end
  local A = 0.5 * (ties + ties:t())
  local laplacian = identity(o.classes) * A:sum(2, { keep = true }) - A
  local p = hyla.problem {
    inner = loss(train) + 2 * (W:matmul(laplacian) * W):sum() + rho * (W ^ 2):sum(),
    outer = loss(valid),
    train = hyla.momentum { rate = RATE, momentum = MOMENTUM, steps = o.steps },
    method = hyla.reverse { memory = o.memory ~= "" and o.memory or nil },
  }
  return p, train, valid
end

-- Products a step: X W and X'G forward, the same two back; W L forward, and two back, by W and by L.
local function flops_of(o, examples)
  return o.steps * (8 * examples * FEATURES * o.classes + 6 * FEATURES * o.classes ^ 2)
end

return {
  about = "One Reverse-HG of task interactions (a matrix of learned ties between classes)",
  options = { classes = 10, steps = 3000, threads = 2, repeats = 3, seed = 1, memory = "" },
  bounds = { classes = { 2, integer = true }, steps = { 1, integer = true } },

  problem = problem,

  open = function(o)
    local p, train, valid = problem(o)
    local at = p:lambda()
    local g, response = p:hypergradient()
    return {
      inputs = function()
        return { x = train.x, y = train.y, valid_x = valid.x, valid_y = valid.y, C = at.C, rho = at.rho, rate = RATE,
                 momentum = MOMENTUM, steps = o.steps }
      end,
      outputs = function() return { C = g.C, rho = g.rho, response = response } end,
      round = function() return { seconds = lib.time(function() p:hypergradient() end) } end,
      result = function()
        return { classes = o.classes, steps = o.steps, response = response, kernels = lib.kernels(),
                 flops = flops_of(o, train.x.shape[1]) }
      end,
    }
  end,
}
