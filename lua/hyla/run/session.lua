--- A run of a recipe with its record: everything that a checkpoint keeps and a resumed run starts from.
--
-- The record: recipe (word), checksum (of its text), options, version, kernels, blas, seconds (spent so far), state;
-- config; metrics: how long metrics.csv was, tail: its end, and recording: seconds (hyla.run.recorder).
-- The state: finished stages with their outcomes and the running stage (see hyla.run.lab and hyla.run.optimise). Rows
-- of results are not kept: the recipe's `run` is called again and adds them from the stages' outcomes.

local ffi = require "ffi"
local stdlib = require "posix.stdlib"
local C = require("hyla.ffi").C
local lab = require "hyla.run.lab"
local files = require "hyla.run.folder"
local pace = require "hyla.run.pace"
local progress = require "hyla.report.progress"
local recipes = require "hyla.recipe"
local recorder = require "hyla.run.recorder"
local report = require "hyla.report"
local settings = require "hyla.run.settings"
local store = require "hyla.run.store"
local zlib = require "hyla.lib.zlib"

local session = {}
session.__index = session

local function checksum(text) return ("%08x"):format(zlib.crc32(text, #text)) end

-- What rounds differently from one CPU to another: the key in the record, whose kernels, what forces others.
local rounding = {
  { key = "kernels", whose = "the engine's", variable = "HYLA_KERNELS", here = C.hyla_kernel_variant },
  { key = "blas", whose = "OpenBLAS's", variable = "OPENBLAS_CORETYPE", here = C.hyla_blas_core },
}

-- What finds the recipe again from any folder: the name of one of Hyla's own, or the file's absolute path.
local function lasting(recipe) return recipe.own and recipe.word or stdlib.realpath(recipe.path) end

-- A session; `begin` gives its recorder. What the user is told goes into the log, too.
local function make(recipe, record, folder, display, begin)
  local self = setmetatable({ recipe = recipe, record = record, store = folder, progress = display.progress,
    print = display.print }, session)
  if not folder then return self end
  local ok, result = pcall(begin, function() return self:seconds() end)
  if not ok then
    folder:close()
    error(result, 0)
  end
  self.recorder = result
  function self.print(text)
    self.recorder:log(text)
    display.print(text)
  end
  self.progress.said = function(text) self.recorder:log(text) end
  return self
end

--- A new run.
-- @tparam Recipe recipe loaded from a file
-- @tparam table o its resolved options
-- @tparam string|nil out the folder to keep the run in; nil keeps nothing
-- @tparam table display progress: a hyla.report.progress; print: function that shows a text
-- @tparam[opt] string profile the name of the one that was asked for
-- @treturn session
function session.start(recipe, o, out, display, profile)
  local record = { recipe = lasting(recipe), checksum = checksum(recipe.text), options = o, seconds = 0,
    version = ffi.string(C.hyla_version()), state = { stages = {} } }
  for _, one in ipairs(rounding) do record[one.key] = ffi.string(one.here()) end
  local folder = out and store.create(out) or nil
  local self = make(recipe, record, folder, display, function(seconds)
    return recorder.begin(folder, { recipe = recipe, options = o, profile = profile, seconds = seconds })
  end)
  if folder then record.config = self.recorder.config end
  self:mark()
  self:save()
  return self
end

-- With other kernels the run would end, but in other bits than it promised. A record may be older than a key.
local function expect_kernels(record, out)
  for _, one in ipairs(rounding) do
    local begun, here = record[one.key], ffi.string(one.here())
    if begun and begun ~= here then
      error(("%s: begun with %s %s kernels, here they are %s; to the same bits it resumes with %s=%s only, on a CPU "
        .. "that has them"):format(out, one.whose, begun, here, one.variable, begun), 0)
    end
  end
end

-- The recipe of a record, or the copy of it that the run keeps.
local function recipe_of(record, out, display)
  local recipe, message = recipes.try_load(record.recipe, true)
  if recipe then return recipe end
  display.progress:say(("hyla: %s\ngoing on with %s/%s"):format(message, out, files.RECIPE))
  recipe, message = recipes.try_load(("%s/%s"):format(out, files.RECIPE))
  if not recipe then error(("%s: its recipe cannot be loaded: %s"):format(out, message), 0) end
  recipe.name = record.config.recipe
  return recipe
end

--- Goes on with the run that a folder holds.
-- @tparam string out
-- @tparam table display as for session.start
-- @treturn session
function session.resume(out, display)
  local folder, record, troubles = store.resume(out)
  for _, words in ipairs(troubles) do display.progress:say("hyla: " .. words) end
  expect_kernels(record, out)
  local recipe = recipe_of(record, out, display)
  local o, message = settings.resolve(recipe.declared, record.options)
  if not o then error(("%s: its options do not fit the recipe any more: %s"):format(out, message), 0) end
  record.options = o
  if checksum(recipe.text) ~= record.checksum then
    display.progress:say(("hyla: %s has changed since this run began; finished stages keep their outcomes")
      :format(recipe.word))
  end
  return make(recipe, record, folder, display, function(seconds)
    return recorder.resume(folder, record, seconds)
  end)
end

-- The state is one to go on from, and these are its metrics.
function session:mark()
  if self.recorder then self.record.metrics = self.recorder.length end
end

--- Writes the checkpoint, where the run is kept.
function session:save()
  if not self.store then return end
  self.record.seconds, self.record.recording = self:seconds(), self.recorder.spent
  self.recorder:timed(function()
    self.recorder:note_data()
    self.record.tail = self.recorder:unflushed(self.record.metrics)
    self.store:save(self.record)
  end)
end

--- Seconds spent on the run, those before it was resumed included.
function session:seconds()
  if not self.began then return self.record.seconds end
  return self.before + progress.clock() - self.began
end

--- What the run has come to, as --json shows it.
function session:summary()
  return { recipe = self.recipe.name, seconds = self:seconds(), results = self.lab.results,
    reference = self.lab.reference, matrices = self.lab.matrices, columns = self.recipe.description.columns }
end

local function write_results(self)
  self.store:write(files.RESULTS_JSON, report.json(self:summary()) .. "\n")
  self.store:write(files.RESULTS_CSV, report.results_csv(self.lab.results, self.recipe.description.columns,
    self.lab.reference))
  self.store:write(files.SERIES, report.csv(self.lab:all_series()))
end

-- Results and series so far, as files beside the checkpoint.
function session:export()
  if not (self.store and self.lab) then return end
  self.recorder:timed(write_results, self)
end

local function with_numbers(row, values)
  for name, value in pairs(values) do
    if type(value) == "number" then row[name] = value end
  end
  return row
end

-- A recipe without `run` has one problem: one stage, which optimises it, or trains it where nothing is learned.
local function run_single(the_lab)
  local problem = the_lab:problem()()
  if type(problem) ~= "table" then
    error(("recipe: `build` returns a %s; expected it to return hyla.problem {...}"):format(type(problem)), 0)
  end
  if #problem.hypers == 0 then
    the_lab:result(with_numbers({ stage = "train" }, the_lab:train("train", problem).values))
  else
    local outcome = the_lab:optimise("optimise", problem)
    the_lab:result(with_numbers({ stage = "optimise", response = outcome.response }, outcome.values))
  end
end

--- Runs a recipe's stages with a lab.
-- @tparam Recipe recipe
-- @tparam table o its resolved options
-- @tparam lab the_lab
function session.conduct(recipe, o, the_lab)
  local run = recipe.description.run
  if run then run(o, the_lab) else run_single(the_lab) end
end

--- Runs the recipe, from where the record is to the end.
-- @treturn lab with its results; an error when the run fails or is interrupted
function session:run()
  self.began, self.before = progress.clock(), self.record.seconds
  local o = self.record.options
  local exports = pace.new "results"
  self.lab = lab.new { recipe = self.recipe, options = o, state = self.record.state, progress = self.progress,
    print = self.print, recorder = self.recorder, finished = function() exports:write(function() self:export() end) end,
    mark = function() self:mark() end, save = function() self:save() end }
  session.conduct(self.recipe, o, self.lab)
  self:mark()
  self:save()
  self:export()
  return self.lab
end

--- The table of results, with the figures it is compared with.
-- @treturn string
function session:table()
  return report.table(self.lab.results, self.recipe.description.columns, self.lab.reference)
end

-- Hyperparameters of the stage that was cut short, as far as it came.
local function record_running(self)
  local running = self.record.state.running
  if not running then return end
  local state = running.state
  local best, last = state.best, state.hypers or state.loop and state.loop.hypers
  local hypers = best and (best.hypers or best.outcome and best.outcome.hypers)
  if hypers then self.recorder:hypers(running.name, "best", hypers) end
  if last then self.recorder:hypers(running.name, "last", last) end
end

--- Ends the run's record: its state for the status, and of one that was cut short what there is until now.
-- @tparam string status "done", "failed" or "interrupted"
-- @tparam[opt] string message
--   an error where some of it cannot be written; the rest is
function session:finish(status, message)
  if not self.store then return end
  local trouble
  local function try(work, ...)
    local ok, words = pcall(work, ...)
    if not ok then trouble = trouble or words end
  end
  if message then try(self.recorder.log, self.recorder, "hyla: " .. message) end
  if status ~= "done" and self.lab then
    try(self.lab.flush, self.lab)
    try(self.export, self)
    try(record_running, self)
  end
  try(self.recorder.finish, self.recorder, status, message)
  if trouble then error(trouble, 0) end
end

--- Lets go of the folder.
function session:close()
  if not self.store then return end
  self.progress.said = nil
  self.recorder:close()
  self.store:close()
end

return session
