--- A recipe run inside a spec, with its words kept to itself.
-- @module hyla.spec.run
local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"

-- Rows by their number and by the text of their first column, such as rows.Oracle.
local function labelled(results, columns)
  local rows = {}
  for i, row in ipairs(results) do
    rows[i] = row
    local label = row[columns and columns[1] or "stage"]
    if type(label) == "string" then rows[label] = row end
  end
  return rows
end

--- Runs a recipe to its end. Nothing is written, nothing is shown.
-- @tparam string word a name that `hyla list` shows, or the path of a file
-- @tparam[opt] table options of the recipe, by name; profile = a profile's name
-- @treturn table rows: of results, a list, each also by the text of its first column; series: rows by the name of
--   their stage; hypers: by stage, numbers or tensors by name; said: texts that a user would have seen. An error where
--   the run fails
return function(word, options)
  local loaded, said = recipe.load(word), {}
  local display = { progress = progress.new { quiet = true }, print = function(text) said[#said + 1] = text end }
  local made = session.start(loaded, loaded:resolve(options), nil, display)
  local ok, lab = pcall(made.run, made)
  made:close()
  if not ok then error(lab, 0) end
  local run = { rows = labelled(lab.results, loaded.description.columns), series = {}, hypers = {}, said = said }
  for _, one in ipairs(lab:all_series()) do run.series[one.name] = one.rows end
  for _, stage in ipairs(lab.state.stages) do run.hypers[stage.name] = stage.outcome.hypers end
  return run
end
