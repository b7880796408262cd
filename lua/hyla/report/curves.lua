--- The curves of runs: which charts a report has, and what is on them.
--
-- Of one run a chart shows one figure of all stages, a colour each; of several runs it shows one figure of one stage, a
-- colour for each run. Where there are many stages, those whose names differ in numbers alone share a colour.
-- @module hyla.report.curves
local chart = require "hyla.report.chart"

local curves = {}

local FEW = 8   -- stages, up to which each has its own colour

-- Which row it is, and how far training was: no figures.
local places = { trial = true, restart = true, step = true }

-- ---- stages ----

-- What the points of a stage stand over: steps of a training that is looked at on the way, trials, or iterations.
local function kind_of(stage)
  if stage.of.trial then return "trial" end
  return stage.of.step and "step" or "hyper-iteration"
end

-- Plain training is looked at once, at its end: no curve.
local function is_single(stage)
  if stage.of.response then return false end
  for _, one in pairs(stage.of) do
    if #one.values > 1 then return false end
  end
  return true
end

-- A row's key: figures of one row have it in common.
local function key_of(one, i) return one.iterations[i] .. " " .. (one.seconds[i] or "") end

-- The xs of a figure of a stage; those of restarts begin anew.
local function xs_of(stage, one)
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

-- Groups of stages over all runs, in order of appearance: { name =, of = { [stage's name] = true } }, each at its
-- stages' names, too.
local function groups_of(runs)
  local order, known = {}, {}
  for _, run in ipairs(runs) do
    for _, stage in ipairs(run.stages) do
      if not known[stage.stage] and not is_single(stage) then
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

-- ---- figures ----

-- A hyperparameter and "min", "mean" or "max", of a figure that is that of one which is no scalar.
local function extreme_of(name)
  local hyper, what = name:match "^(.*) (m%l+)$"
  if what == "min" or what == "mean" or what == "max" then return hyper, what end
end

-- Names of hyperparameters: of those that stages have come to, and of those whose hypergradient has a norm.
local function hypers_of(runs)
  local set = {}
  for _, run in ipairs(runs) do
    for _, stage in pairs(run.hypers) do
      for name in pairs(stage.best) do set[name] = true end
    end
    for _, stage in ipairs(run.stages) do
      for _, name in ipairs(stage.names) do
        local hyper = extreme_of(name) or name:match "^|g (.*)|$"
        if hyper then set[hyper] = true end
      end
    end
  end
  return set
end

local function is_hyper(name, hypers) return hypers[name] or hypers[extreme_of(name)] end
local function is_norm(name) return name == "|g|" or name:match "^|g .*|$" end

local sections = {
  { title = "Objectives and accuracies", holds = function(name) return name == "response" or name:find "accuracy" end },
  { title = "Hyperparameters and hypergradients",
    holds = function(name, hypers) return is_hyper(name, hypers) or is_norm(name) end },
  { title = "Other figures", holds = function() return true end },
}

local function section_of(name, hypers)
  for i, section in ipairs(sections) do
    if section.holds(name, hypers) then return i end
  end
end

-- What people read for the name of a figure.
local function words_of(name)
  if name == "response" then return "outer objective" end
  if name == "|g|" then return "norm of the hypergradient" end
  local hyper, what = extreme_of(name)
  if hyper then return ("%s, %s"):format(hyper, what) end
  hyper = name:match "^|g (.*)|$"
  if hyper then return ("norm of the hypergradient, %s"):format(hyper) end
  return (name:gsub("_", " "))
end

local function look_of(number)
  return 1 + (number - 1) % chart.COLOURS, math.floor((number - 1) / chart.COLOURS) % chart.DASHES
end

-- The chart that a figure of a stage belongs on; made when there is none.
local function chart_for(self, group, kind, name)
  local several = #self.runs > 1
  local key = table.concat({ name, kind, several and group.name or "" }, "\0")
  local one = self.by_key[key]
  if one then return one end
  local title = words_of(name)
  if several and #self.groups > 1 then title = ("%s, %s"):format(title, group.name) end
  if kind == "trial" then title = title .. ", by trial" end
  one = { title = title, x = kind, trials = kind == "trial", left = words_of(name):match "^[^,]*", whole = true,
    layers = {}, figure = name }
  self.by_key[key] = one
  local list = self.charts[section_of(name, self.hypers)]
  list[#list + 1] = one
  return one
end

-- Lines of the stages of a group have one name in the legend.
local function add(self, run, stage, name)
  local group, kind, figure = self.by_stage[stage.stage], kind_of(stage), stage.of[name]
  local one = chart_for(self, group, kind, name)
  local number = #self.runs > 1 and run.number or group.number
  local colour, dash = look_of(number)
  one.layers[#one.layers + 1] = {
    kind = kind == "trial" and "points" or "line", name = #self.runs > 1 and run.label or group.name,
    stage = stage.stage, run = run.label, xs = xs_of(stage, figure), ys = figure.values, colour = colour, dash = dash,
  }
end

-- Trials last. The outer objective first, hyperparameters before hypergradients, the whole norm before its parts.
local function rank_of(one)
  if one.figure == "response" then return 1 end
  return one.figure == "|g|" and 3 or is_norm(one.figure) and 4 or 2
end

local function in_order(a, b)
  local i, j = rank_of(a), rank_of(b)
  if a.trials ~= b.trials then return b.trials end
  if i ~= j then return i < j end
  if a.figure ~= b.figure then return a.figure < b.figure end
  return a.order < b.order
end

--- The charts of runs.
-- @tparam {table,...} runs each with number, label, stages (as hyla.run.folder.metrics gives them) and hypers
-- @treturn {table,...} sections that have any: { title, charts = {chart,...} } (hyla.report.chart); layers also have
--   `stage` and `run`
function curves.of(runs)
  local self = { runs = runs, by_key = {}, charts = {}, hypers = hypers_of(runs) }
  self.groups, self.by_stage = groups_of(runs)
  for i = 1, #sections do self.charts[i] = {} end
  for _, run in ipairs(runs) do
    for _, stage in ipairs(run.stages) do
      for _, name in ipairs(is_single(stage) and {} or stage.names) do
        if not places[name] then add(self, run, stage, name) end
      end
    end
  end
  local found = {}
  for i, section in ipairs(sections) do
    for k, one in ipairs(self.charts[i]) do one.order = k end
    table.sort(self.charts[i], in_order)
    if #self.charts[i] > 0 then found[#found + 1] = { title = section.title, charts = self.charts[i] } end
  end
  return found
end

--- What stages that are looked at once have come to.
-- @tparam {table,...} runs
-- @treturn {table,...} { run, stage (name), figure (words), value }, in order
function curves.single(runs)
  local list = {}
  for _, run in ipairs(runs) do
    for _, stage in ipairs(run.stages) do
      for _, name in ipairs(is_single(stage) and stage.names or {}) do
        list[#list + 1] = { run = run, stage = stage.stage, figure = words_of(name), value = stage.of[name].values[1] }
      end
    end
  end
  return list
end

-- ---- charts of the recipe's own ----

local function layer_of(stage, name, kind, number, right)
  local figure = stage.of[name]
  local colour = look_of(number)
  return { kind = kind, name = words_of(name), stage = stage.stage, xs = xs_of(stage, figure), ys = figure.values,
    colour = colour, right = right }
end

local function has_all(stage, lists)
  for _, list in ipairs(lists) do
    for _, name in ipairs(list) do
      if not stage.of[name] then return false end
    end
  end
  return true
end

-- Areas stand upon each other.
local function stacked(layers, stage, list)
  local base
  for _, name in ipairs(list) do
    local layer = layer_of(stage, name, "area", #layers + 1)
    layer.base = base
    local top = {}
    for i, y in ipairs(layer.ys) do top[i] = y + (base and base[i] or 0) end
    base, layers[#layers + 1] = top, layer
  end
end

-- Minutes since the stages before were done.
local function minutes_of(run, stage, one)
  local began, xs = 0, {}
  for _, other in ipairs(run.stages) do
    if other == stage then break end
    for _, figure in pairs(other.of) do began = math.max(began, figure.seconds[#figure.seconds]) end
  end
  for i, seconds in ipairs(one.seconds) do xs[i] = (seconds - began) / 60 end
  return xs
end

local function titled(run, named, ...)
  local words = { ... }
  if named then words[#words + 1] = run.label end
  return table.concat(words, ", ")
end

-- One chart of all stages against the time that they took; a dash for each figure but the first.
local function in_time(run, declared, named)
  local groups, by_stage = groups_of { run }
  local one = { title = titled(run, named, declared.title), x = "minutes", left = declared.unit, layers = {} }
  for _, stage in ipairs(run.stages) do
    for k, name in ipairs(declared.left) do
      local group, figure = by_stage[stage.stage], stage.of[name]
      if group and figure then
        one.layers[#one.layers + 1] = { kind = stage.of.trial and "points" or "line", stage = stage.stage,
          name = #declared.left > 1 and ("%s, %s"):format(group.name, words_of(name)) or group.name,
          xs = minutes_of(run, stage, figure), ys = figure.values, colour = look_of(group.number),
          dash = (k - 1) % chart.DASHES }
      end
    end
  end
  return #groups > 0 and #one.layers > 0 and { one } or {}
end

local function of_stage(run, declared, named, stage)
  local layers = {}
  stacked(layers, stage, declared.stacked)
  for side, list in ipairs { declared.left, declared.right } do
    for _, name in ipairs(list) do layers[#layers + 1] = layer_of(stage, name, "line", #layers + 1, side == 2) end
  end
  return { title = titled(run, named, declared.title, stage.stage), x = kind_of(stage), left = declared.unit,
    right = #declared.right > 0 and declared.right_unit or nil, whole = true, layers = layers }
end

--- The charts that a recipe declares (hyla.run.charts): one for each stage that has all their figures, or one of all
-- stages against time.
-- @tparam table run
-- @tparam table declared
-- @tparam boolean named whether titles name the run
-- @treturn {table,...} charts
function curves.declared(run, declared, named)
  if declared.x == "minutes" then return in_time(run, declared, named) end
  local list = {}
  for _, stage in ipairs(run.stages) do
    if has_all(stage, { declared.stacked, declared.left, declared.right }) then
      list[#list + 1] = of_stage(run, declared, named, stage)
    end
  end
  return list
end

return curves
