--- A dry run: the stages of a recipe as they come, each with what it will take; none is worked on. Problems are built,
-- a few steps are measured, and the recipe goes on with placeholders for outcomes: what is there before any training,
-- at the first hyperparameters. What the recipe would do with real outcomes cannot be known; the summary says so.

local C = require("hyla.ffi").C
local lab = require "hyla.run.lab"
local number = require "hyla.number"
local progress = require "hyla.report.progress"

local foresee = {}

local function shape_of(leaf)
  return #leaf.shape == 0 and leaf.name or ("%s [%s]"):format(leaf.name, table.concat(leaf.shape, ", "))
end

local function listed(leaves)
  local words = {}
  for i, leaf in ipairs(leaves) do words[i] = shape_of(leaf) end
  return #words > 0 and table.concat(words, ", ") or "none"
end

local function span(seconds) return seconds < 1 and number.time(seconds) or progress.span(seconds) end

-- What the problem watches and its outer objective before any training, and how long watching takes.
local function look(problem)
  problem:start()
  local began = progress.clock()
  local values = problem:watch()
  local watching = progress.clock() - began
  local judged, response = pcall(function() return problem.outer and problem:response() end)
  return { problem = problem, hypers = problem:lambda(), values = values, response = judged and response or nil },
    watching
end

-- Seconds of the stage, nil where they are not known; and of a hyper-iteration or hyperbatch.
local function seconds_of(plan, problem, estimate, watching)
  if not plan.trainings then return plan.seconds end
  local all = plan.trainings * problem.steps * estimate.step_seconds + plan.looks * watching
  if not plan.hypergradients then return math.min(all, plan.seconds or math.huge) end
  if not estimate.hypergradient_seconds then return nil end
  local gradients = plan.hypergradients * estimate.hypergradient_seconds
  return all + gradients, gradients / plan.iterations + watching
end

-- The estimate, or the words of its failure: memory that will be refused is a finding of the dry run.
local function estimated(problem)
  local ok, result = pcall(problem.estimate, problem)
  if ok then return result end
  if C.hyla_interrupted() == 1 then error(result, 0) end
  return nil, result
end

local function lines_of(stage, problem, figures)
  local lines = {}
  local function add(title, text) lines[#lines + 1] = ("  %-17s%s"):format(title, text) end
  add("hyperparameters", listed(problem.hypers))
  if #problem.frozen > 0 then add("frozen", listed(problem.frozen)) end
  add("weights", listed(problem.layout.weights))
  add("T", number.format(problem.steps))
  if stage.plan.hypergradients then add("method", problem.method.kind) end
  if figures.failure then
    add("cannot run", figures.failure)
    return lines
  end
  if stage.plan.hypergradients then add("hypergradient", tostring(figures.cost)) end
  add("memory", number.size(figures.bytes))
  add("step", number.time(figures.step_seconds))
  if figures.iteration_seconds then add(stage.plan.unit, span(figures.iteration_seconds)) end
  add("stage", figures.seconds and ("%s%s"):format(stage.plan.bounded and "at most " or "about ", span(figures.seconds))
    or "unknown: the steps that were measured gave no finite hypergradient")
  return lines
end

-- One stage: builds, estimates, prints, and gives a placeholder outcome.
local function conduct(self, the_lab, stage)
  local problem = stage.build()
  stage.plan = stage.plan_of(problem)
  local estimate, failure = estimated(problem)
  local seen, watching = look(problem)
  local figures = { stage = stage.name, kind = stage.kind, steps = problem.steps, failure = failure }
  if estimate then
    figures.bytes, figures.step_seconds, figures.cost = estimate.bytes, estimate.step_seconds, estimate.cost
    figures.seconds, figures.iteration_seconds = seconds_of(stage.plan, problem, estimate, watching)
  end
  self.stages[#self.stages + 1] = figures
  local title = ("%s: %s%s\n"):format(stage.name, stage.kind, stage.plan.words and ", " .. stage.plan.words or "")
  the_lab.print(title .. table.concat(lines_of(stage, problem, figures), "\n") .. "\n")
  local outcome = stage.placeholder(seen)
  outcome.seconds = outcome.seconds or figures.seconds
  return outcome
end

local function summary(self, failure)
  local total, largest, known, last = 0, 0, true, self.stages[#self.stages]
  for _, stage in ipairs(self.stages) do
    known = known and stage.seconds ~= nil
    total, largest = total + (stage.seconds or 0), math.max(largest, stage.bytes or 0)
  end
  local lines = { ("in all: %d stage%s, %s%s, memory up to %s; nothing was trained"):format(#self.stages,
    #self.stages == 1 and "" or "s", known and "about " or "more than ", span(total), number.size(largest)) }
  if #self.stages > 1 then
    lines[#lines + 1] = ("not foreseen: what outcomes change; stages after '%s' were built from untrained weights and "
      .. "first hyperparameters"):format(self.stages[1].stage)
  end
  if failure then
    lines[#lines + 1] = ("not foreseen: anything after '%s', whose outcome is needed: %s"):format(last.stage, failure)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Results, notes, series and matrices of placeholders would mislead.
local function silent() end

--- Does the dry run.
-- @tparam Recipe recipe
-- @tparam table o its resolved options
-- @tparam table display print: function that shows a text; progress
-- @tparam function run function(recipe, o, lab) that runs the recipe's stages
-- @treturn {table,...} for each stage: stage, kind, steps (T), bytes, step_seconds, and where they are known cost,
--   iteration_seconds, seconds; failure: the words of one that cannot run. An error where no stage was reached
function foresee.run(recipe, o, display, run)
  local self = { stages = {} }
  local the_lab = lab.new { recipe = recipe, options = o, state = { stages = {} }, progress = display.progress,
    print = display.print, mark = silent, save = silent, finished = silent,
    foresee = function(each, stage) return conduct(self, each, stage) end }
  for _, name in ipairs { "result", "compare", "note", "series", "matrix" } do the_lab[name] = silent end
  local ok, message = pcall(run, recipe, o, the_lab)
  if not ok and (C.hyla_interrupted() == 1 or #self.stages == 0) then error(message, 0) end
  display.print(summary(self, not ok and tostring(message) or nil))
  return self.stages
end

return foresee
