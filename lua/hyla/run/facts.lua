--- What goes from a stage into the record of the run.
-- @module hyla.run.facts
local facts = {}

-- Of a hyperparameter that is no scalar "NAME min", "NAME mean" and "NAME max"; the series have the scalars.
local function extremes(p)
  local all = {}
  for name, value in pairs(p:lambda()) do
    if type(value) ~= "number" and value.size > 0 then
      for _, what in ipairs { "min", "mean", "max" } do
        all[("%s %s"):format(name, what)] = value[what](value):item()
      end
    end
  end
  return all
end

--- Records the numbers of a row, and a problem's hyperparameters there.
-- @tparam recorder|nil recorder nil: the run is not kept
-- @tparam string stage
-- @tparam number iteration
-- @tparam table row numbers by name
-- @tparam[opt] problem p
function facts.record(recorder, stage, iteration, row, p)
  if not recorder then return end
  recorder:timed(function()
    local all = p and extremes(p) or {}
    for name, value in pairs(row) do all[name] = value end
    all.iteration = nil
    recorder:row(stage, iteration, all)
  end)
end

--- Records the hyperparameters that a stage has come to.
-- @tparam recorder|nil recorder nil: the run is not kept
-- @tparam table stage kind, name
-- @tparam table outcome its outcome
function facts.record_hypers(recorder, stage, outcome)
  if not (recorder and outcome.hypers) then return end
  recorder:timed(function()
    recorder:hypers(stage.name, "best", outcome.hypers)
    if stage.kind == "optimise" then recorder:hypers(stage.name, "last", outcome.last or outcome.hypers) end
  end)
end

return facts
