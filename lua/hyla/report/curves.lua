--- The curves of runs: which charts a report has, and what is on them.
--
-- Of one run a chart shows one figure of all stages, a colour each; of several runs it shows one figure of one stage, a
-- colour for each run. Where there are many stages, those whose names differ in numbers alone share a colour.
-- @module hyla.report.curves
local stages = require "hyla.report.stages"

local curves = {}

-- Which row it is, and how far training was: no figures.
local places = { trial = true, restart = true, step = true }

-- Names of hyperparameters: of those that stages have come to, and of those whose hypergradient has a norm.
local function hypers_of(runs)
  local set = {}
  for _, run in ipairs(runs) do
    for _, stage in pairs(run.hypers) do
      for name in pairs(stage.best) do set[name] = true end
    end
    for _, stage in ipairs(run.stages) do
      for _, name in ipairs(stage.names) do
        local hyper = stages.extreme(name) or name:match "^|g (.*)|$"
        if hyper then set[hyper] = true end
      end
    end
  end
  return set
end

local function is_hyper(name, hypers) return hypers[name] or hypers[stages.extreme(name)] end
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

-- The chart that a figure of a stage belongs on; made when there is none.
local function chart_for(self, group, kind, name)
  local several = #self.runs > 1
  local key = table.concat({ name, kind, several and group.name or "" }, "\0")
  local one = self.by_key[key]
  if one then return one end
  local title = stages.words(name)
  if several and #self.groups > 1 then title = ("%s, %s"):format(title, group.name) end
  if kind == "trial" then title = title .. ", by trial" end
  one = { title = title, x = kind, trials = kind == "trial", left = stages.words(name):match "^[^,]*", whole = true,
    layers = {}, figure = name }
  self.by_key[key] = one
  local list = self.charts[section_of(name, self.hypers)]
  list[#list + 1] = one
  return one
end

-- Lines of the stages of a group have one name in the legend.
local function add(self, run, stage, name)
  local group, kind, figure = self.by_stage[stage.stage], stages.kind(stage), stage.of[name]
  local one = chart_for(self, group, kind, name)
  local number = #self.runs > 1 and run.number or group.number
  local colour, dash = stages.look(number)
  one.layers[#one.layers + 1] = {
    kind = kind == "trial" and "points" or "line", name = #self.runs > 1 and run.label or group.name,
    stage = stage.stage, xs = stages.xs(stage, figure), ys = figure.values, colour = colour, dash = dash,
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
--   `stage`
function curves.of(runs)
  local self = { runs = runs, by_key = {}, charts = {}, hypers = hypers_of(runs) }
  self.groups, self.by_stage = stages.groups(runs)
  for i = 1, #sections do self.charts[i] = {} end
  for _, run in ipairs(runs) do
    for _, stage in ipairs(run.stages) do
      for _, name in ipairs(stages.is_single(stage) and {} or stage.names) do
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
      for _, name in ipairs(stages.is_single(stage) and stage.names or {}) do
        list[#list + 1] = { run = run, stage = stage.stage, figure = stages.words(name),
          value = stage.of[name].values[1] }
      end
    end
  end
  return list
end

return curves
