--- The runs that a report is of: their folders, read once, and what each is called.
-- @module hyla.report.runs
local lfs = require "lfs"
local file = require "hyla.file"
local folder = require "hyla.run.folder"
local settings = require "hyla.report.page.settings"

local runs = {}

local SHORT = 40   -- letters of a label made of options, at most

-- What tells a run from the others: the options that differ where they are few, or else its folder.
local function label_of(run, differing)
  local words = {}
  for i, name in ipairs(differing) do
    words[i] = ("%s=%s"):format(name, settings.text((run.config.options or {})[name]))
  end
  local text = table.concat(words, " ")
  return #text > 0 and #text <= SHORT and text or run.name
end

local function put_labels(list)
  local differing, count = #list > 1 and settings.differing(list) or {}, {}
  for i, run in ipairs(list) do
    run.number, run.label = i, label_of(run, differing)
    count[run.label] = (count[run.label] or 0) + 1
  end
  for _, run in ipairs(list) do
    if count[run.label] > 1 then run.label = run.path end
  end
end

-- A run of an older Hyla kept only checkpoints, results and series.
local function old(path)
  return not folder.is(path) and lfs.attributes(path .. "/" .. folder.SERIES, "mode") == "file"
    and ("%s: a run of an older version, which kept no metrics; its series are in series.csv"):format(path)
end

--- Reads runs.
-- @tparam {string,...} paths of their folders
-- @treturn {table,...} as hyla.run.folder.open gives them, with number, label, stages (its metrics) and source (of the
--   recipe); or nil and what is wrong
function runs.read(paths)
  local list = {}
  for i, path in ipairs(paths) do
    local run, message = folder.open(path)
    if not run then return nil, old(path) or message end
    run.stages, run.source = run.metrics(), (file.read(path .. "/" .. folder.RECIPE))
    list[i] = run
  end
  put_labels(list)
  return list
end

return runs
