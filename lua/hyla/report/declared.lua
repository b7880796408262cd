--- Charts that a recipe declares (hyla.run.charts), of a run: figures of its stages that belong together.
-- @module hyla.report.declared
local chart = require "hyla.report.chart"
local stages = require "hyla.report.stages"

local declared = {}

local function layer_of(stage, name, kind, number, right)
  local figure = stage.of[name]
  local colour = stages.look(number)
  return { kind = kind, name = stages.words(name), stage = stage.stage, xs = stages.xs(stage, figure),
    ys = figure.values, colour = colour, right = right }
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
local function in_time(run, about, named)
  local groups, by_stage = stages.groups { run }
  local one = { title = titled(run, named, about.title), x = "minutes", left = about.unit, layers = {} }
  for _, stage in ipairs(run.stages) do
    for k, name in ipairs(about.left) do
      local group, figure = by_stage[stage.stage], stage.of[name]
      if group and figure then
        one.layers[#one.layers + 1] = { kind = stage.of.trial and "points" or "line", stage = stage.stage,
          name = #about.left > 1 and ("%s, %s"):format(group.name, stages.words(name)) or group.name,
          xs = minutes_of(run, stage, figure), ys = figure.values, colour = stages.look(group.number),
          dash = (k - 1) % chart.DASHES }
      end
    end
  end
  return #groups > 0 and #one.layers > 0 and { one } or {}
end

local function of_stage(run, about, named, stage)
  local layers = {}
  stacked(layers, stage, about.stacked)
  for side, list in ipairs { about.left, about.right } do
    for _, name in ipairs(list) do layers[#layers + 1] = layer_of(stage, name, "line", #layers + 1, side == 2) end
  end
  return { title = titled(run, named, about.title, stage.stage), x = stages.kind(stage), left = about.unit,
    right = #about.right > 0 and about.right_unit or nil, whole = true, layers = layers }
end

--- The charts that a recipe declares (hyla.run.charts): one for each stage that has all their figures, or one of all
-- stages against time.
-- @tparam table run
-- @tparam table about the declaration
-- @tparam boolean named whether titles name the run
-- @treturn {table,...} charts
function declared.charts(run, about, named)
  if about.x == "minutes" then return in_time(run, about, named) end
  local list = {}
  for _, stage in ipairs(run.stages) do
    if has_all(stage, { about.stacked, about.left, about.right }) then
      list[#list + 1] = of_stage(run, about, named, stage)
    end
  end
  return list
end

return declared
