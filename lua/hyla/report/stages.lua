--- The stages of runs as the charts of a report see them: what their points stand over, what their figures are called,
-- and which colour they have. A stage is as hyla.run.folder.metrics gives it.
-- @module hyla.report.stages
local chart = require "hyla.report.chart"

local stages = {}

local FEW = 8   -- stages, up to which each has its own colour

--- What the points of a stage stand over: steps of a training that is looked at on the way, trials, or iterations.
function stages.kind(stage)
  if stage.of.trial then return "trial" end
  return stage.of.step and "step" or "hyper-iteration"
end

--- Plain training is looked at once, at its end: no curve.
function stages.is_single(stage)
  if stage.of.response then return false end
  for _, one in pairs(stage.of) do
    if #one.values > 1 then return false end
  end
  return true
end

-- A row's key: figures of one row have it in common.
local function key_of(one, i) return one.iterations[i] .. " " .. (one.seconds[i] or "") end

--- The xs of a figure of a stage; those of restarts begin anew.
function stages.xs(stage, one)
  local steps, restarts = stage.of.step, stage.of.restart
  local at, first, xs = {}, {}, {}
  for i, step in ipairs(steps and steps.values or {}) do at[key_of(steps, i)] = step end
  for i, restart in ipairs(restarts and not steps and restarts.values or {}) do
    first[restart] = first[restart] or restarts.iterations[i]
    at[key_of(restarts, i)] = restarts.iterations[i] - first[restart]
  end
  for i = 1, #one.values do xs[i] = not stage.of.trial and at[key_of(one, i)] or one.iterations[i] end
  return xs
end

--- Groups of stages over all runs: where there are many, those whose names differ in numbers alone are one.
-- @tparam {table,...} runs
-- @treturn {table,...} in order of appearance, each name, number
-- @treturn table name of a stage -> its group
function stages.groups(runs)
  local order, known = {}, {}
  for _, run in ipairs(runs) do
    for _, stage in ipairs(run.stages) do
      if not known[stage.stage] and not stages.is_single(stage) then
        known[stage.stage], order[#order + 1] = true, stage.stage
      end
    end
  end
  local groups, by_name, by_stage = {}, {}, {}
  for _, name in ipairs(order) do
    local title = #order <= FEW and name or name:gsub("%d+%.?%d*", "\226\128\166")
    local group = by_name[title]
    if not group then
      group = { name = title, number = #groups + 1 }
      groups[#groups + 1], by_name[title] = group, group
    end
    by_stage[name] = group
  end
  return groups, by_stage
end

--- A hyperparameter and "min", "mean" or "max", of a figure that is that of one which is no scalar.
function stages.extreme(name)
  local hyper, what = name:match "^(.*) (m%l+)$"
  if what == "min" or what == "mean" or what == "max" then return hyper, what end
end

--- What people read for the name of a figure.
function stages.words(name)
  if name == "response" then return "outer objective" end
  if name == "|g|" then return "norm of the hypergradient" end
  local hyper, what = stages.extreme(name)
  if hyper then return ("%s, %s"):format(hyper, what) end
  hyper = name:match "^|g (.*)|$"
  if hyper then return ("norm of the hypergradient, %s"):format(hyper) end
  return (name:gsub("_", " "))
end

--- The colour and the dash of the n-th of several.
function stages.look(number)
  return 1 + (number - 1) % chart.COLOURS, math.floor((number - 1) / chart.COLOURS) % chart.DASHES
end

return stages
