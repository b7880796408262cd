--- What is measured, and beside which peers: a case is a workload with options, the peers' scripts and forms, how near
-- their results must come to ours, and the bars: at most so much of a form's time, and so much memory.
--
--   peers      script in bench/peers, its form, the library it needs, and which of our outputs it has (nil: all)
--   tolerance  within which each output agrees: the norm of the difference, relative to the peer's norm
--   bars       { key that is measured, form, at most this share of its time }; of several forms the fastest
--   memory     MiB at the peak, at most
-- @module bench.cases

local function jax(script, form, outputs)
  return { script = script, form = form, library = "jax", outputs = outputs }
end
local function torch(script, form) return { script = script, form = form, library = "torch" } end

-- T steps of float32 there and back: rounding of 2^-24 a step adds up to a few 1e-5 in both libraries; a lost term of
-- the hypergradient shows at 1/T of it, 5e-4, or more.
local LONG = 1e-4
-- 100 steps on 20 weights.
local SHORT = 1e-5
-- Units of ReLU whose sign rounding decides differently move single terms of a sum over 200 x 2000 of them.
local KINKS = 1e-3
-- The multiplier is bisected to 1e-7; every component moves with it.
local BISECTED = 1e-6
-- An interior-point method stops near the faces of the box, not on them.
local INTERIOR = 1e-3

local cleaning = { jax("cleaning", "plain"), jax("cleaning", "tuned"), torch("cleaning_torch", "loop"),
                   torch("cleaning_torch", "compile") }
local realtime = { jax("realtime", "plain", { "response" }), jax("realtime", "jvp"), jax("realtime", "linearize") }

local cases = {
  { name = "cleaning", workload = "cleaning", peers = cleaning, tolerance = LONG,
    bars = { { "seconds", "plain", 0.22 }, { "seconds", "tuned", 0.45 } }, memory = 700 },
  { name = "cleaning within 100 MiB", workload = "cleaning", options = { "memory=100M" },
    peers = { jax("cleaning", "plain"), jax("cleaning", "remat") }, tolerance = LONG,
    bars = { { "seconds", "plain", 0.30 } }, memory = 250 },
  { name = "cleaning, dense", workload = "cleaning", options = { "features=dense" },
    peers = { jax("cleaning", "plain"), jax("cleaning", "tuned") }, tolerance = LONG,
    bars = { { "seconds", "plain", 0.28 }, { "seconds", "tuned", 0.55 } }, memory = 700 },
  { name = "small", workload = "small", options = { "threads=2" },
    peers = { jax("small", "plain"), torch("small_torch", "unrolled") }, tolerance = SHORT,
    bars = { { "seconds", "plain", 0.25 } } },
  { name = "tasks, 10 classes", workload = "tasks", options = { "classes=10" }, peers = { jax("tasks", "plain") },
    tolerance = LONG, bars = { { "seconds", "plain", 0.15 } }, memory = 350 },
  { name = "tasks, 100 classes", workload = "tasks", options = { "classes=100" }, peers = { jax("tasks", "plain") },
    tolerance = LONG, bars = { { "seconds", "plain", 0.50 } }, memory = 3072 },
  { name = "tasks, 100 classes, within 512 MiB", workload = "tasks", options = { "classes=100", "memory=512M" },
    peers = { jax("tasks", "plain"), jax("tasks", "remat") }, tolerance = LONG,
    bars = { { "seconds", "plain", 0.70 } }, memory = 1024 },
  { name = "realtime, batch 200", workload = "realtime", options = { "batch=200" }, peers = realtime,
    tolerance = KINKS, bars = { { "seconds", "jvp linearize", 0.80 }, { "plain_seconds", "plain", 0.90 } },
    memory = 700 },
  { name = "realtime, batch 50", workload = "realtime", options = { "batch=50" }, peers = realtime, tolerance = KINKS,
    bars = { { "seconds", "jvp linearize", 0.55 }, { "plain_seconds", "plain", 0.80 } }, memory = 700 },
  { name = "projection", workload = "projection",
    peers = { { script = "projection", form = "plain", library = "numpy" },
              { script = "projection", form = "tuned", library = "numpy" } },
    tolerance = BISECTED, bars = { { "seconds", "plain", 0.05 } } },
  { name = "projection, 1,000 components", workload = "projection", options = { "size=1000" },
    peers = { { script = "projection", form = "cvxopt", library = "cvxopt" } }, tolerance = INTERIOR, bars = {} },
  { name = "startup", workload = "startup", peers = { jax("startup", "plain") }, tolerance = SHORT,
    bars = { { "seconds", "plain", 0.02 } } },
}

-- What `growth` tells, and where it should lie.
local growth = {
  { key = "steps_spread", at_most = 0.05, about = "time a step from T = 100 to 100,000: most over least, less 1" },
  { key = "tangent_slope", at_most = 2.2, about = "plain steps that one more tangent takes" },
  { key = "cleaning_speedup", at_least = 1.8, about = "cleaning: time on one thread over that on all" },
  { key = "realtime_speedup", at_least = 1.8, about = "forward step: the same" },
  { key = "realtime_plain_speedup", at_least = 1.8, about = "plain step: the same" },
  { key = "memory_deviation", at_most = 0.10, about = "memory held, beside what was stated before the run" },
}

return { cases = cases, growth = growth }
