--- What a run writes into its folder as it goes on (hyla.run.folder names the files; checkpoints are hyla.run.store's).
--
-- Metrics are appended line by line, each by one write, so a crash can cut the last line alone, which readers leave
-- out. A checkpoint keeps how far the file went and its end, which may not be on disk yet: flushing it each time would
-- double what a checkpoint costs. A resumed run makes the file that again, and writes what came later once more.
-- @module hyla.run.recorder
local ffi = require "ffi"
local errno = require "posix.errno"
local fcntl = require "posix.fcntl"
local stdlib = require "posix.stdlib"
local unistd = require "posix.unistd"
local C = require("hyla.ffi").C
local file = require "hyla.file"
local quote = require "hyla.quote"
local report = require "hyla.report"
local files = require "hyla.run.folder"
local json = require "hyla.report.json"
local names = require "hyla.names"
local progress = require "hyla.report.progress"
local number = require "hyla.number"
local sources = require "hyla.data.sources"
local tensor = require "hyla.tensor"
local yaml = require "hyla.yaml"

local recorder = {}
recorder.__index = recorder

local UNFLUSHED = 2 ^ 16   -- bytes of metrics, at most, that are kept in checkpoints until they are flushed
local HEADER = "seconds,stage,iteration,name,value\n"

local function time_text() return os.date "!%Y-%m-%dT%H:%M:%SZ" end

-- The processor's name.
local function cpu()
  return (file.read "/proc/cpuinfo" or ""):match "model name%s*:%s*([^\n]+)" or jit.arch
end

-- The commit of the repository that a file is in, with "-dirty" where files differ from it; nil without one.
local function commit_of(path)
  local folder = path:match "^(.*)/[^/]*$" or "."
  local pipe = io.popen(("git -C %s describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null"):format(
    quote(folder)))
  local text = pipe:read "*l"
  pipe:close()
  return text
end

local order = { "recipe", "path", "profile", "options", "seed", "data", "began", "commit", "versions", "machine",
  "name", "files", "hyla" }

-- What config.yaml says, but for the data, which are not known before they are read.
local function config_of(recipe, o, profile)
  local options = {}
  for _, key in ipairs(recipe.declared.names) do options[key] = o[key] end
  return {
    recipe = recipe.name, path = stdlib.realpath(recipe.path), profile = profile, options = options,
    seed = rawget(o, "seed"), began = time_text(), commit = commit_of(recipe.path),
    versions = { hyla = ffi.string(C.hyla_version()), luajit = jit.version },
    machine = { cpu = cpu(), threads = C.hyla_threads(0), kernels = ffi.string(C.hyla_kernel_variant()),
      blas = ffi.string(C.hyla_blas_core()) },
  }
end

local function open(path, anew)
  local how = fcntl.O_WRONLY + fcntl.O_CREAT + fcntl.O_APPEND + (anew and fcntl.O_TRUNC or 0)
  local fd, _, code = fcntl.open(path, how, tonumber("644", 8))
  if not fd then error(("%s: cannot be written: %s"):format(path, errno.errno(code)), 0) end
  return fd
end

local function append(fd, path, text)
  while #text > 0 do
    local n, message = unistd.write(fd, text)
    if not n then error(("%s: cannot be written: %s"):format(path, message), 0) end
    text = text:sub(n + 1)
  end
end

local function make(store, config, clock, anew)
  local path = store.folder .. "/"
  return setmetatable({ store = store, config = config, seconds = clock, path = path, sources = 0,
    metrics = open(path .. files.METRICS, anew), log_file = open(path .. files.LOG, anew),
    length = 0, flushed = 0, tail = {}, spent = 0 }, recorder)
end

-- Adds lines to the metrics.
local function add(self, lines)
  append(self.metrics, self.path .. files.METRICS, lines)
  self.length, self.tail[#self.tail + 1] = self.length + #lines, lines
end

local function flush(self)
  local ok, message = unistd.fdatasync(self.metrics)
  if not ok then error(("%s: cannot be flushed to disk: %s"):format(self.path .. files.METRICS, message), 0) end
  self.flushed, self.tail = self.length, {}
end

local function write_config(self)
  self.store:write(files.CONFIG, yaml.text(self.config, order))
end

local status_order = { "status", "message", "began", "ended", "seconds", "recording", "pid" }

local function write_status(self, status, message)
  local now = time_text()
  self.store:write(files.STATUS, json.encode({ status = status, message = message, began = self.config.began,
    ended = status ~= "running" and now or nil, seconds = self.seconds(), recording = self.spent,
    pid = unistd.getpid() }, "status", status_order) .. "\n")
end

--- Begins the record of a new run.
-- @tparam store store of its folder
-- @tparam table run recipe; options: resolved; profile: its name, or nil; seconds: function that gives the time spent
-- @treturn recorder
function recorder.begin(store, run)
  sources.clear()
  local began = progress.clock()
  local self = make(store, config_of(run.recipe, run.options, run.profile), run.seconds, true)
  write_config(self)
  store:write(files.RECIPE, run.recipe.text)
  add(self, HEADER)
  for name, chart in pairs(run.recipe.description.charts) do self:picture(name, nil, chart) end
  write_status(self, "running")
  self.spent = progress.clock() - began
  return self
end

--- Calls a function that records or checkpoints; the time it takes is counted.
-- @tparam function work
-- @param ... its arguments
function recorder:timed(work, ...)
  local began = progress.clock()
  work(...)
  self.spent = self.spent + progress.clock() - began
end

--- Goes on with the record of a run.
-- @tparam store store
-- @tparam table kept config: as `self.config` was at the checkpoint; metrics: the length of the file then; tail: its
--   end; recording: seconds that recording had taken
-- @tparam function seconds gives the time spent
-- @treturn recorder
function recorder.resume(store, kept, seconds)
  sources.clear()
  local path = ("%s/%s"):format(store.folder, files.METRICS)
  local text, message = file.read(path)
  if not text then error(message, 0) end
  local base = kept.metrics - #kept.tail
  if #text < base then
    error(("%s: has %d bytes, %d at its checkpoint: it has been changed since"):format(path, #text, base), 0)
  end
  local whole = text:sub(1, base) .. kept.tail
  if whole ~= text then store:write(files.METRICS, whole) end
  local self = make(store, kept.config, seconds)
  self.length, self.spent = #whole, kept.recording
  flush(self)
  write_status(self, "running")
  return self
end

local function csv_cell(text) return report.csv_cell((text:gsub("%c", " "))) end

--- Adds numbers.
-- @tparam string stage
-- @tparam number iteration
-- @tparam table row numbers by name; what is no number is left out
function recorder:row(stage, iteration, row)
  local lines = {}
  local head = ("%.3f,%s,%s,"):format(self.seconds(), csv_cell(stage), number.format(iteration))
  for _, name in ipairs(names.keys(row)) do
    if type(row[name]) == "number" then
      lines[#lines + 1] = ("%s%s,%s\n"):format(head, csv_cell(name), number.format(row[name]))
    end
  end
  add(self, table.concat(lines))
end

--- The end of the metrics that may not be on disk yet, for a checkpoint.
-- @tparam number length of the metrics that belong to the checkpoint, at most `self.length`
-- @treturn string
function recorder:unflushed(length)
  if self.length - self.flushed > UNFLUSHED then flush(self) end
  return table.concat(self.tail):sub(1, math.max(0, length - self.flushed))
end

-- A value as a tensor that is saved.
local function kept(value)
  return type(value) == "number" and tensor(value, "float64") or value
end

--- Writes hyperparameters.
-- @tparam string stage
-- @tparam string which "best" or "last"
-- @tparam table hypers numbers or tensors by name
function recorder:hypers(stage, which, hypers)
  local path = ("%s%s/%s"):format(self.path, files.HYPERS, files.encoded(stage))
  files.make(path)
  for name, value in pairs(hypers) do
    kept(value):save(("%s/%s-%s.npy"):format(path, which, files.encoded(name)))
  end
end

--- A picture of the recipe's own: its values, and what is said of them.
-- @tparam string name
-- @tparam tensor|nil values nil for a chart, whose values are in metrics.csv
-- @tparam table about kind, title, ...
-- @treturn string path of its files, without their ending
function recorder:picture(name, values, about)
  local path = ("%s%s"):format(self.path, files.PICTURES)
  files.make(path)
  if values then values:contiguous():save(("%s/%s.npy"):format(path, name)) end
  self.store:write(("%s/%s.json"):format(files.PICTURES, name), json.encode(about, name, { "kind", "title" }) .. "\n")
  return ("%s/%s"):format(path, name)
end

-- The files of two entries of one data set, those of the first followed by what is new in the second.
local function joined(path, old, new)
  local all, sums = {}, {}
  for _, one in ipairs(old.files or {}) do all[#all + 1], sums[one.path] = one, one.sha256 end
  for _, one in ipairs(new.files or {}) do
    if not sums[one.path] then
      all[#all + 1] = one
    elseif sums[one.path] ~= one.sha256 then
      error(("%s: %s has changed since this run began: its SHA-256 was %s, it is %s"):format(path, one.path,
        sums[one.path], one.sha256), 0)
    end
  end
  if old.count and new.count and old.sha256 ~= new.sha256 then
    error(("%s: the files of '%s' have changed since this run began"):format(path, new.name), 0)
  end
  return { name = new.name, files = #all > 0 and all or nil, count = new.count, sha256 = new.sha256,
    generated = #all == 0 and new.generated or nil }
end

--- Brings config.yaml up to date with the data that have been read since; an error where a file is not what it was when
-- the run began.
function recorder:note_data()
  if sources.count() == self.sources then return end
  self.sources = sources.count()
  local all, place = {}, {}
  for i, entry in ipairs(self.config.data or {}) do all[i], place[entry.name] = entry, i end
  for _, entry in ipairs(sources.list()) do
    local at = place[entry.name] or #all + 1
    all[at], place[entry.name] = joined(self.path, all[at] or {}, entry), at
  end
  self.config.data = all
  write_config(self)
end

--- Adds a text to log.txt, each line with the time.
-- @tparam string text
function recorder:log(text)
  local now, lines = time_text(), {}
  for line in (text:sub(-1) == "\n" and text or text .. "\n"):gmatch "([^\n]*)\n" do
    lines[#lines + 1] = ("%s %s\n"):format(now, line)
  end
  append(self.log_file, self.path .. files.LOG, table.concat(lines))
end

--- Ends the record.
-- @tparam string status "done", "failed" or "interrupted"
-- @tparam[opt] string message
function recorder:finish(status, message) write_status(self, status, message) end

--- Closes its files.
function recorder:close()
  if self.metrics then
    unistd.close(self.metrics)
    unistd.close(self.log_file)
  end
  self.metrics = nil
end

return recorder
