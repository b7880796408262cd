--- The lab: what a recipe's run(o, lab) works with. Every unit of work is a stage with a name; a finished stage is
-- stored with its outcome, so a resumed run calls the recipe again and gets the outcome instead of the work.

local C = require("hyla.ffi").C
local options = require "hyla.options"
local optimise = require "hyla.run.optimise"
local report = require "hyla.report"
local site = require "hyla.site"
local stopper = require "hyla.run.stopper"

local lab = {}
lab.__index = lab

local CHUNK = 100   -- training steps between two looks at the clock and the interrupt flag

--- A lab for one run.
-- @tparam table setup recipe; options: resolved; progress: a hyla.report.progress;
--   state: {stages = {...}, running = ...} of the run so far; save: function called when it has changed;
--   finished: function called after each stage; print: function that shows a text to the user
function lab.new(setup)
  return setmetatable({ recipe = setup.recipe, options = setup.options, progress = setup.progress,
    state = setup.state, save = setup.save, finished = setup.finished, print = setup.print,
    results = {}, extra_series = {}, used = {}, noted = {} }, lab)
end

--- A problem of the recipe, not built yet: a finished stage never builds it.
-- @tparam[opt] string name among the recipe's `problems`; nil: the recipe's `build`
-- @param ... what its function takes after the options
-- @treturn function that builds it, for lab:train and lab:optimise
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
    if not self.noted[text] then self:note("%s", text) end
    self.noted[text] = true
  end
end

-- The frame of every stage: names are unique, a finished one is looked up, a failure says which stage failed.
local function staged(self, kind, name, problem, work)
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
  local ok, outcome = pcall(function()
    if type(problem) == "function" then problem = problem() end
    if type(problem) ~= "table" or not problem.hypers then
      error(("expected a problem, got a %s: does the function that builds it return hyla.problem {...}?"):format(
        type(problem)), 0)
    end
    say_notes(self, problem)
    return work(problem)
  end)
  if not ok then
    local message = tostring(outcome)
    error(C.hyla_interrupted() == 1 and message or ("stage '%s': %s"):format(name, message), 0)
  end
  self.state.stages[#self.state.stages + 1] = { name = name, kind = kind, outcome = outcome }
  self.state.running = nil
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

local train_fields = { weights = { kind = "boolean", default = false } }

--- Plain training to the last step.
-- @tparam string name of the stage
-- @param problem a problem, or a function that gives one (lab:problem)
-- @tparam[opt] table settings weights = true keeps the weights, too
-- @treturn table values: what the problem watches, at the end; weights: tensors by name, when kept
function lab:train(name, problem, settings)
  settings = options.read("train", settings, train_fields)
  return staged(self, "train", name, problem, function(p)
    self.progress:begin(name, 0, p.steps, "step")
    p:start()
    while p.step < p.steps do
      p:advance(math.min(CHUNK, p.steps - p.step))
      self.progress:update(p.step)
    end
    local values = p:watch()
    self.progress:update(p.step, numbers_of(values))
    return { values = values, weights = settings.weights and p:weights() or nil }
  end)
end

local optimise_fields = { steps = options.count, early_stop = { kind = "table" } }

--- Hyper-iterations: at each the hypergradient, the watched values, an update of the hyperparameters and projection.
-- After the last update the result is looked at once more, so n of them give n + 1 rows of the series.
-- @tparam string name of the stage and of its series
-- @param problem a problem, or a function that gives one (lab:problem)
-- @tparam[opt] table settings steps: hyper-iterations (default: those of `improve`);
--   early_stop = {watch =, goal =, patience =}: see hyla.run.stopper; with it the best lambda is the outcome's
-- @treturn table hypers (numbers or tensors by name), response, values, iteration: of the best; iterations, stopped,
--   series
function lab:optimise(name, problem, settings)
  settings = options.read("optimise", settings, optimise_fields)
  local rule = settings.early_stop and stopper.rule(settings.early_stop)
  return staged(self, "optimise", name, problem, function(p)
    local steps = settings.steps or p.hyper_steps
    if not steps then error("how many hyper-iterations? neither the stage nor `improve` has steps = ...", 0) end
    local running = self.state.running
    local state = running and running.name == name and running.state or nil
    self.progress:begin(name, state and state.iteration or 0, steps, "hyper-iteration")
    return optimise(p, { steps = steps, early_stop = rule }, state, {
      progress = function(done, row)
        local shown = {}
        for key, value in pairs(row) do shown[key] = key ~= "iteration" and value or nil end
        self.progress:update(done, shown, rule and rule.watch)
      end,
      save = function(now)
        self.state.running = { name = name, state = now }
        self.save()
      end,
    })
  end)
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
