--- The lab: what a recipe's run(o, lab) works with. Every unit of work is a stage with a name; a finished stage is
-- stored with its outcome, so a resumed run calls the recipe again and gets the outcome instead of the work.

local C = require("hyla.ffi").C
local candidates = require "hyla.run.candidates"
local facts = require "hyla.run.facts"
local matrices = require "hyla.run.matrices"
local options = require "hyla.options"
local optimise = require "hyla.run.optimise"
local pace = require "hyla.run.pace"
local pictures = require "hyla.run.pictures"
local profile = require "hyla.profile"
local realtime = require "hyla.run.realtime"
local report = require "hyla.report"
local restarts = require "hyla.run.restarts"
local search = require "hyla.run.search"
local site = require "hyla.site"
local stopper = require "hyla.run.stopper"
local train = require "hyla.run.train"

local lab = {}
lab.__index = lab

--- A lab for one run.
-- @tparam table setup recipe; options: resolved; progress: a hyla.report.progress;
--   state: {stages = {...}, running = ...} of the run so far; mark: function called when it is one to go on
--   from; save: function that writes the marked state;
--   finished: function called after each stage; print: function that shows a text to the user; recorder: the
--   hyla.run.recorder of a run that is kept;
--   foresee: in a dry run, function(lab, stage) that gives a placeholder instead of working (hyla.run.foresee)
function lab.new(setup)
  return setmetatable({ recipe = setup.recipe, options = setup.options, progress = setup.progress,
    state = setup.state, mark = setup.mark, save = setup.save, finished = setup.finished, print = setup.print,
    foresee = setup.foresee, recorder = setup.recorder, results = {}, matrices = {}, extra_series = {}, used = {},
    noted = {} }, lab)
end

--- A problem of the recipe, not built yet: a finished stage never builds it.
-- @tparam[opt] string name among the recipe's `problems`; nil: the recipe's `build`
-- @param ... what its function takes after the options
-- @treturn function that builds it, for lab:train, lab:optimise and lab:search
function lab:problem(name, ...)
  local build, arguments, count = self.recipe:builder(name), { ... }, select("#", ...)
  return function() return build(self.options, unpack(arguments, 1, count)) end
end

local function stage_of(state, name)
  for _, stage in ipairs(state.stages) do
    if stage.name == name then return stage end
  end
end

-- What was chosen for the user, each choice once.
local function say_notes(self, problem)
  for _, text in ipairs(problem.notes) do
    if not self.noted[text] then self.print(text .. "\n") end
    self.noted[text] = true
  end
end

-- A problem from what a stage was given: one, or a function of values that gives one.
local function built(self, problem, values)
  if type(problem) == "function" then problem = problem(values) end
  if type(problem) ~= "table" or not problem.hypers then
    error(("expected a problem, got a %s: does the function that builds it return hyla.problem {...}?"):format(
      type(problem)), 0)
  end
  say_notes(self, problem)
  return problem
end

-- Where a stage's problem was built for it alone, its memory goes with the stage: a collector that does not see it may
-- come by late.
local function released(problem, given)
  if type(given) == "function" then problem:release() end
end

-- The frame of every stage: names are unique, a finished one is looked up, a failure says which stage failed.
-- stage: kind, name; work: function of its state where it was cut short; and for a dry run build: function that gives
-- its problem; plan_of: function(problem) -> how many trainings and hypergradients, seconds allowed, words;
-- placeholder: function({ problem, hypers, values, response }) -> an outcome before any training.
local function staged(self, stage)
  local kind, name = stage.kind, stage.name
  if type(name) ~= "string" or name == "" then site.fail("%s: expected a stage's name, got a %s", kind, type(name)) end
  if self.used[name] then site.fail("%s: a stage named '%s' exists already (%s)", kind, name, self.used[name]) end
  self.used[name] = site.here()
  local stored = stage_of(self.state, name)
  if stored then
    if stored.kind ~= kind then
      site.fail("stage '%s': stored as %s, asked for as %s; the recipe has changed", name, stored.kind, kind)
    end
    return stored.outcome
  end
  local running = self.state.running
  local ok, outcome = pcall(function()
    if self.foresee then return self.foresee(self, stage) end
    return profile.within(("%s %s"):format(kind, name), stage.work,
                          running and running.name == name and running.state or nil)
  end)
  if not ok then
    local message = tostring(outcome)
    error(C.hyla_interrupted() == 1 and message or ("stage '%s': %s"):format(name, message), 0)
  end
  if not self.foresee then facts.record_hypers(self.recorder, stage, outcome) end
  self.state.stages[#self.state.stages + 1] = { name = name, kind = kind, outcome = outcome }
  self.state.running, self.waiting = nil, false
  self.mark()
  self.save()
  self.finished()
  return outcome
end

local function numbers_of(values)
  local numbers = {}
  for name, value in pairs(values) do
    if type(value) == "number" then
      if value ~= value or math.abs(value) == math.huge then
        error(("watched value '%s' is %s"):format(name, tostring(value)), 0)
      end
      numbers[name] = value
    end
  end
  return numbers
end

-- Numbers of a row of a series, for the progress line.
local function shown(row)
  local numbers = {}
  for name, value in pairs(row) do
    if type(value) == "number" and name ~= "iteration" and name ~= "trial" then numbers[name] = value end
  end
  return numbers
end

-- Keeps the state of a running stage. Between checkpoints it waits for lab:flush, unless it is one that goes on
-- changing, as with `around`, which completes it for the time of the writing.
local function saver(self, name)
  local checkpoints = pace.new "checkpoints"
  return function(state, now, around)
    self.state.running = { name = name, state = state }
    self.mark()
    local function write()
      if around then around(self.save) else self.save() end
    end
    self.waiting = not checkpoints:write(write, now) and not around
  end
end

--- Writes the checkpoint of a stage that was cut short, where the newest is behind it.
function lab:flush()
  if self.waiting then self.save() end
  self.waiting = false
end

local EVERY = 100   -- steps of plain training between two looks of early stopping

local train_fields = {
  weights = { kind = "boolean", default = false }, early_stop = { kind = "table" }, every = options.count,
}

-- Early stopping of plain training, for train and search: a rule, or nil, and the steps between two looks.
local function stopping_of(what, settings)
  if settings.every and not settings.early_stop then
    site.fail("%s: every = %d goes with early_stop = { watch = ... }", what, settings.every)
  end
  return settings.early_stop and stopper.rule(settings.early_stop), settings.every or EVERY
end

--- Plain training, to the last step or by early stopping.
-- @tparam string name of the stage
-- @param problem a problem, or a function that gives one (lab:problem)
-- @tparam[opt] table settings weights = true keeps the weights, too; early_stop = { watch =, goal =, patience = }:
--   training is looked at every `every` = 100 steps and ends when that many looks brought nothing better
--   (hyla.run.stopper); the best look is the outcome
-- @treturn table values: what the problem watches, at the end (with early_stop: at the best look); weights: tensors by
--   name, when kept; step they are of; seconds; with early_stop also steps, stopped, series: see hyla.run.train
function lab:train(name, problem, settings)
  settings = options.read("train", settings, train_fields)
  local rule, every = stopping_of("train", settings)
  local function build() return built(self, problem) end
  local function work()
    local p = build()
    self.progress:begin(name, 0, p.steps, "step")
    local outcome = train(p, { weights = settings.weights, early_stop = rule, every = every }, function(step, row)
      if row then facts.record(self.recorder, name, step, row) end
      self.progress:update(step, row and shown(row), row and rule.watch)
    end)
    local values = numbers_of(outcome.values)
    if not rule then facts.record(self.recorder, name, p.t, values) end
    self.progress:update(p.t, values)
    released(p, problem)
    return outcome
  end
  return staged(self, { kind = "train", name = name, work = work, build = build,
    plan_of = function(p)
      return { trainings = 1, looks = rule and math.ceil(p.steps / every) or 1, bounded = rule and rule.patience > 0 }
    end,
    placeholder = function(seen)
      return { values = seen.values, weights = settings.weights and seen.problem:weights() or nil, step = 0, steps = 0,
        response = seen.response, stopped = rule and "steps", series = rule and {} }
    end })
end

local optimise_fields = {
  steps = options.count, early_stop = { kind = "table" }, restarts = options.count, draw = { kind = "table" },
  seed = options.seed, weights = { kind = "boolean", default = false },
}

-- The start values of restarts; nil without restarts.
local function starts(settings)
  if settings.restarts and settings.draw then return candidates.drawn("optimise", settings.draw, settings.seed) end
  if settings.restarts or settings.draw then
    site.fail("optimise: restarts = n and draw = { name = distribution } go together, got %s alone",
              settings.restarts and "restarts" or "draw")
  end
end

-- For a dry run. A method that goes along with training takes one for all of its hyperbatches; otherwise plain training
-- comes last, with a look at the result.
local function plan_of_optimise(p, steps, times, rule)
  local unit = p.method.every and "hyperbatch" or "hyper-iteration"
  local words = ("%d %s%s"):format(steps, unit, unit == "hyperbatch" and "es" or "s")
  if times then words = ("%s, %d restarts"):format(words, times) end
  times = times or 1
  return {
    hypergradients = p.method.every and times or steps * times, trainings = p.method.every and 0 or times,
    iterations = steps * times, looks = (steps + 1) * times, unit = unit, words = words,
    bounded = p.method.rate ~= nil or rule and rule.patience > 0,
  }
end

--- Hyper-iterations: at each the hypergradient, the watched values, an update of the hyperparameters and projection.
-- After the last update the result is looked at once more, so n of them give n + 1 rows of the series. With restarts
-- all of this begins anew from drawn hyperparameters, and the best result is kept: by the value that early_stop
-- watches, or else by the response. A restart that diverges is recorded as failed. Where the problem's method goes
-- along with training (hyla.rtho), it is one training and its hyperbatches: see hyla.run.realtime.
-- @tparam string name of the stage and of its series
-- @param problem a problem, or a function that gives one (lab:problem)
-- @tparam[opt] table settings steps: hyper-iterations (default: those of `improve`);
--   early_stop = {watch =, goal =, patience =}: see hyla.run.stopper; with it the best lambda is the outcome's;
--   restarts = n, draw = { name = distribution } and seed: hyperparameters not drawn begin at their initial value;
--   weights = true keeps the weights that a real-time training ends with (with early_stop: the best ones)
-- @treturn table hypers (numbers or tensors by name), response, values, iteration: of the best; last: hyperparameters
--   after the last update, with early_stop; iterations, stopped, series; of restarts also restart (the best one), drawn
--   (its first values), restarts, failed (a list of { restart, values, message })
function lab:optimise(name, problem, settings)
  settings = options.read("optimise", settings, optimise_fields)
  local rule, from = settings.early_stop and stopper.rule(settings.early_stop), starts(settings)
  local function build() return built(self, problem) end
  local function steps_of(p)
    local steps = settings.steps or p.hyper_steps or p.method.every and math.ceil(p.steps / p.method.every)
    if not steps then error("how many hyper-iterations? neither the stage nor `improve` has steps = ...", 0) end
    return steps
  end
  local function work(state)
    local p = build()
    local along, steps = p.method.every, steps_of(p)
    local once, total = along and realtime or optimise, steps * (settings.restarts or 1)
    local loop = from and restarts or once
    local done = state and (from and (state.restart - 1) * steps + (state.loop and state.loop.iteration or 0)
      or state.iteration) or 0
    self.progress:begin(name, done, total, along and "hyperbatch" or "hyper-iteration")
    local outcome = loop(p, {
      steps = steps, early_stop = rule, restarts = settings.restarts, from = from, loop = once,
      weights = settings.weights,
    }, state, {
      progress = function(now, row, at)
        facts.record(self.recorder, name, now, row, at)
        self.progress:update(now, shown(row), rule and rule.watch)
      end,
      failed = function(restart, message)
        self.progress:say(("%s: restart %d failed: %s"):format(name, restart, message))
      end,
      save = saver(self, name),
    })
    released(p, problem)
    return outcome
  end
  return staged(self, { kind = "optimise", name = name, work = work, build = build,
    plan_of = function(p)
      p:improver()                                     -- whose mistakes are told now
      if from then candidates.set(p, from, from.at(1), "restart 1") end
      return plan_of_optimise(p, steps_of(p), settings.restarts, rule)
    end,
    placeholder = function(seen)
      return { hypers = seen.hypers, response = seen.response, values = seen.values, iteration = 0, iterations = 0,
        stopped = "steps", series = {}, step = 0, weights = settings.weights and seen.problem:weights() or nil,
        restart = from and 1, drawn = from and from.at(1), restarts = settings.restarts, failed = from and {} }
    end })
end

local positive = { expected = "a number > 0", is = function(v) return type(v) == "number" and v > 0 end }
local search_fields = {
  draw = { kind = "table" }, grid = { kind = "table" }, trials = options.count, seconds = positive,
  seed = options.seed, watch = { kind = "string" }, early_stop = { kind = "table" }, every = options.count,
  weights = { kind = "boolean", default = false },
  goal = { expected = "'max' or 'min'", is = function(v) return v == "max" or v == "min" end },
}

local function trials_of(settings)
  if (settings.draw == nil) == (settings.grid == nil) then
    site.fail("search: expected draw = { name = distribution } or grid = { name = { values } }, got %s",
              settings.draw and "both" or "neither")
  end
  if settings.grid then
    if settings.seed then site.fail("search: a grid takes no seed") end
    local from = candidates.grid("search", settings.grid)
    return from, math.min(settings.trials or math.huge, from.count)
  end
  if not (settings.trials or settings.seconds) then
    site.fail("search: how many trials? expected trials = n, seconds = budget, or both")
  end
  return candidates.drawn("search", settings.draw, settings.seed), settings.trials or math.huge
end

local function rule_of(settings)
  if not settings.watch then
    if settings.goal then site.fail("search: goal = '%s' needs watch = name of a watched value", settings.goal) end
    return { watch = "response", goal = "min" }
  end
  local rule = stopper.rule { watch = settings.watch, goal = settings.goal }
  rule.given = true
  return rule
end

--- Random search or grid search, the baselines of lab:optimise: trials with other hyperparameters, each trained to the
-- end and looked at; no hypergradient. One that diverges is recorded as failed, and the search goes on. Hyperparameters
-- that are not named keep their value.
-- @tparam string name of the stage and of its series
-- @param problem a problem, a function that gives one (lab:problem), or a function of the trial's values, for options
--   of the model that are no hyperparameters: function(values) return hyla.problem { ... values.width ... } end
-- @tparam table settings draw = { name = distribution } with seed, or grid = { name = { values } }; trials: how many
--   (of a grid: all); seconds: after which no other trial begins; watch: the value that says which is best, with
--   goal = "max" (default) or "min"; without it the outer objective is minimised; early_stop and every: of each trial,
--   as for lab:train; weights = true keeps those of the best trial
-- @treturn table hypers (numbers or tensors by name), drawn (what the trial was made with), response, values, trial,
--   weights: of the best; trials, failed (a list of { trial, values, message }), seconds, series
function lab:search(name, problem, settings)
  settings = options.read("search", settings, search_fields)
  local rule, from, trials = rule_of(settings), trials_of(settings)
  local stop, every = stopping_of("search", settings)
  local total = trials < math.huge and trials or nil
  local function build(values) return built(self, problem, values) end
  local function work(state)
    self.progress:begin(name, state and state.trial or 0, total, "trial")
    return search.run(build, { from = from, rule = rule, trials = trials, seconds = settings.seconds,
      weights = settings.weights, early_stop = stop, every = every }, state, {
      progress = function(done, row, message)
        facts.record(self.recorder, name, done, row)
        if message then self.progress:say(("%s: trial %d failed: %s"):format(name, done, message)) end
        self.progress:update(done, shown(row), rule.watch)
      end,
      save = saver(self, name),
    })
  end
  return staged(self, { kind = "search", name = name, work = work,
    build = function() return search.prepared(build, from, 1) end,
    plan_of = function()
      return { trainings = total, looks = total, seconds = settings.seconds, bounded = settings.seconds ~= nil,
        words = total and ("%d trials"):format(total) or ("trials for %g s"):format(settings.seconds) }
    end,
    placeholder = function(seen)
      return { hypers = seen.hypers, drawn = from.at(1), response = seen.response, values = seen.values, trial = 1,
        trials = 1, failed = {}, seconds = 0, series = {},
        weights = settings.weights and seen.problem:weights() or nil }
    end })
end

--- Adds a row to the table of results.
-- @tparam table row numbers, strings and booleans by column; a number that is not finite fails the run
function lab:result(row)
  self.results[#self.results + 1] = report.row(row)
end

--- Figures of others, shown beside the results whose first column is the same.
-- @tparam string label such as "paper"
-- @tparam {table,...} rows
function lab:compare(label, rows) self.reference = { label = label, rows = rows } end

--- Tells the user something.
-- @tparam string text and its arguments, as string.format takes them
function lab:note(text, ...) self.print(text:format(...) .. "\n") end

--- A series beside those of the optimise stages, for series.csv.
-- @tparam string name
-- @tparam {table,...} rows numbers by column
function lab:series(name, rows) self.extra_series[#self.extra_series + 1] = { name = name, rows = rows } end

--- A symmetric matrix of interactions: among the results as numbers, and in pictures/ of a run that is kept as NAME.npy
-- (with NAME.json, which says what it is) and drawn, as a heat map and a graph (NAME.map and NAME.graph, each .svg,
-- .png, and the .gp they are drawn by). Where they cannot be drawn a note says why.
-- @tparam string name letters, digits, '.', '_' and '-'
-- @tparam tensor values [n, n], symmetric, none negative
-- @tparam[opt] table given names: of the rows, a list of texts; title: of the pictures (by default the name);
--   pictures = false: none
function lab:matrix(name, values, given)
  matrices.add(self, name, values, given)
end

--- Pictures, such as the examples that matter most: in pictures/ of a run that is kept, as NAME.npy and NAME.json,
-- which the report of the run shows.
-- @tparam string name letters, digits, '.', '_' and '-'
-- @tparam tensor values [n, height, width], the least value black, the largest white
-- @tparam[opt] table given title: of all of them (by default the name); captions: a text under each, a list of n;
--   marks: a word on each, a list of n, those of the same word alike ("" for none)
function lab:images(name, values, given) pictures.images(self, name, values, given) end

--- All series so far: of finished stages, of the running one, of lab:series.
-- @treturn {table,...} {name = , rows = }
function lab:all_series()
  local all = {}
  for _, stage in ipairs(self.state.stages) do
    if stage.outcome.series then all[#all + 1] = { name = stage.name, rows = stage.outcome.series } end
  end
  local running = self.state.running
  if running then all[#all + 1] = { name = running.name, rows = running.state.series } end
  for _, one in ipairs(self.extra_series) do all[#all + 1] = one end
  return all
end

return lab
