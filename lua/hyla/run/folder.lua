--- The folder of a run: what its files are called, and what they say when they are read back.
--
--   config.yaml             recipe, options, data with checksums, versions, machine
--   recipe.lua              the recipe's source
--   status.json             running, done, failed or interrupted; when, how long, by which process
--   metrics.csv             seconds,stage,iteration,name,value: a line a number, as they come
--   series.csv              the series of the stages, a line a point
--   results.csv, .json      the table at the end
--   hypers/STAGE/           best-NAME.npy and last-NAME.npy: hyperparameters
--   pictures/               NAME.npy with NAME.json: the recipe's own pictures; of a chart (hyla.run.charts) JSON alone
--   log.txt                 what was printed and told, with times
--   checkpoint.hyla, checkpoint.previous, lock
--
-- hyla.run.store and hyla.run.recorder write them.
-- @module hyla.run.folder
local lfs = require "lfs"
local fcntl = require "posix.fcntl"
local unistd = require "posix.unistd"
local file = require "hyla.file"
local folders = require "hyla.folders"
local json = require "hyla.report.json"
local yaml = require "hyla.yaml"

local folder = {}

folder.CONFIG, folder.RECIPE, folder.STATUS = "config.yaml", "recipe.lua", "status.json"
folder.METRICS, folder.SERIES, folder.LOG = "metrics.csv", "series.csv", "log.txt"
folder.RESULTS_CSV, folder.RESULTS_JSON = "results.csv", "results.json"
folder.HYPERS, folder.PICTURES = "hypers", "pictures"
folder.CHECKPOINT, folder.PREVIOUS, folder.NEXT = "checkpoint.hyla", "checkpoint.previous", "checkpoint.next"
folder.LOCK = "lock"

--- Where runs are kept without --out.
folder.HOME = "runs"

--- A name as a file's name: what a path or a terminal would take otherwise becomes %XX.
-- @tparam string name
-- @treturn string
function folder.encoded(name)
  local text = name:gsub("[%c/\\%%\127]", function(c) return ("%%%02X"):format(c:byte()) end)
  return (text:gsub("^%.", "%%2E"))
end

--- The name that `encoded` made a file's name of.
-- @tparam string text
-- @treturn string
function folder.decoded(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- Makes a folder and those around it, where they are missing.
-- @tparam string path an error where that cannot be done
function folder.make(path)
  local ok, message = folders.make(path)
  if not ok then error(message, 0) end
end

--- Makes a folder for a new run, NAME-YYYYMMDD-HHMMSS; where one is there already, with -2, -3, ... behind.
-- @tparam string home the folder around it; made when missing
-- @tparam string name of the recipe
-- @tparam[opt] number now seconds since 1970
-- @treturn string its path; an error where it cannot be made
function folder.fresh(home, name, now)
  folder.make(home)
  local stem = ("%s/%s-%s"):format(home, folder.encoded(name), os.date("%Y%m%d-%H%M%S", now))
  local path, count = stem, 1
  while lfs.attributes(path, "mode") do
    count = count + 1
    path = ("%s-%d"):format(stem, count)
  end
  local ok, message = lfs.mkdir(path)
  if ok then return path end
  if lfs.attributes(path, "mode") then return folder.fresh(home, name, now) end   -- another process was faster
  return error(("%s: cannot make the folder: %s"):format(path, message), 0)
end

--- Does a folder hold a run?
-- @tparam string path
function folder.is(path) return lfs.attributes(path .. "/" .. folder.STATUS, "mode") == "file" end

--- The folder that a user's word means: a path, or a name in runs/.
-- @tparam string word
-- @treturn string a path; the word itself where neither holds a run
function folder.find(word)
  for _, path in ipairs { word, folder.HOME .. "/" .. word } do
    if folder.is(path) then return path end
  end
  return word
end

--- The runs in a folder, by name.
-- @tparam string home
-- @treturn {string,...} their paths; none where there is no such folder
function folder.list(home)
  local list = {}
  if lfs.attributes(home, "mode") ~= "directory" then return list end
  for name in lfs.dir(home) do
    local path = home .. "/" .. name
    if name:sub(1, 1) ~= "." and folder.is(path) then list[#list + 1] = path end
  end
  table.sort(list)
  return list
end

local function read_json(path)
  local text, message = file.read(path)
  if not text then return nil, message end
  local value
  value, message = json.decode(text)
  if type(value) ~= "table" then return nil, ("%s: %s"):format(path, message or "expected an object") end
  return value
end

local held = {}   -- locks of this process, by device and inode

local function lock_of(path)
  local about = lfs.attributes(path .. "/" .. folder.LOCK)
  return about and ("%d:%d"):format(about.dev, about.ino)
end

--- Notes that this process holds the lock of a folder (hyla.run.store), which no process can ask of its own locks.
-- @tparam string path of the folder
-- @treturn function that notes that it has let go
function folder.hold(path)
  local lock = lock_of(path)
  held[lock] = true
  return function() held[lock] = nil end
end

-- Is there a process that writes to the folder? Whoever does holds the lock. This process's own is not asked for: to
-- open and close the file would let go of it.
local function alive(path)
  if held[lock_of(path)] then return true end
  local fd = fcntl.open(path .. "/" .. folder.LOCK, fcntl.O_RDONLY)
  if not fd then return false end
  local asked = { l_type = fcntl.F_RDLCK, l_whence = unistd.SEEK_SET, l_start = 0, l_len = 0 }
  fcntl.fcntl(fd, fcntl.F_GETLK, asked)
  unistd.close(fd)
  return asked.l_type ~= fcntl.F_UNLCK
end

--- What a run has come to.
-- @tparam string path of its folder
-- @treturn table status: "running", "done", "failed" or "interrupted" (also where the process is gone without a word);
--   message, began, ended (texts, UTC), seconds, recording (how many the record took), pid; or nil and a message
function folder.status(path)
  local status, message = read_json(path .. "/" .. folder.STATUS)
  if not status then return nil, message end
  if status.status == "running" and not alive(path) then
    status.status, status.message = "interrupted", "its process ended without a word"
  end
  return status
end

-- The cells of a line of CSV.
local function cells_of(line)
  local cells, at = {}, 1
  while at <= #line + 1 do
    if line:sub(at, at) == '"' then
      local stop = at + 1
      while true do
        stop = line:find('"', stop, true)
        if not stop then return cells end
        if line:sub(stop + 1, stop + 1) ~= '"' then break end
        stop = stop + 2
      end
      cells[#cells + 1], at = line:sub(at + 1, stop - 1):gsub('""', '"'), stop + 2
    else
      local stop = line:find(",", at, true) or #line + 1
      cells[#cells + 1], at = line:sub(at, stop - 1), stop + 1
    end
  end
  return cells
end

--- Reads the numbers of a run.
-- @tparam string path of its folder
-- @treturn {table,...} stages in order of appearance, each also by its name: { stage =, names = {name,...}, and by
--   name { iterations = {number,...}, values = {number,...}, seconds = {number,...} } in `of` }. A last line that a
--   crash has cut is left out
function folder.metrics(path)
  local stages, by_stage = {}, {}
  local text = file.read(path .. "/" .. folder.METRICS) or ""
  for line in text:gmatch "([^\n]*)\n" do
    local cells = cells_of(line)
    local iteration, value = tonumber(cells[3]), tonumber(cells[5])
    if iteration and value then
      local stage = by_stage[cells[2]]
      if not stage then
        stage = { stage = cells[2], names = {}, of = {} }
        stages[#stages + 1], by_stage[cells[2]] = stage, stage
      end
      local one = stage.of[cells[4]]
      if not one then
        one = { iterations = {}, values = {}, seconds = {} }
        stage.names[#stage.names + 1], stage.of[cells[4]] = cells[4], one
      end
      local n = #one.values + 1
      one.iterations[n], one.values[n], one.seconds[n] = iteration, value, tonumber(cells[1])
    end
  end
  return setmetatable(stages, { __index = by_stage })
end

local function entries(path)
  local list = {}
  if lfs.attributes(path, "mode") ~= "directory" then return list end
  for name in lfs.dir(path) do
    if name:sub(1, 1) ~= "." then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

-- Files of hyperparameters: stage -> "best" or "last" -> name -> path.
local function hypers_of(path)
  local all = {}
  for _, stage in ipairs(entries(path .. "/" .. folder.HYPERS)) do
    local of = { best = {}, last = {} }
    for _, entry in ipairs(entries(("%s/%s/%s"):format(path, folder.HYPERS, stage))) do
      local which, name = entry:match "^(%l+)%-(.*)%.npy$"
      if of[which] then
        of[which][folder.decoded(name)] = ("%s/%s/%s/%s"):format(path, folder.HYPERS, stage, entry)
      end
    end
    all[folder.decoded(stage)] = of
  end
  return all
end

-- The recipe's pictures, by name: what NAME.json says of each, with its name and the path of its values.
local function pictures_of(path)
  local list = {}
  for _, entry in ipairs(entries(path .. "/" .. folder.PICTURES)) do
    local name = entry:match "^(.*)%.json$"
    local about = name and read_json(("%s/%s/%s"):format(path, folder.PICTURES, entry))
    if about then
      about.name, about.path = name, ("%s/%s/%s.npy"):format(path, folder.PICTURES, name)
      list[#list + 1] = about
    end
  end
  return list
end

--- Opens the folder of a run for reading; that of a run under way as well.
-- @tparam string path
-- @treturn table path; name (of the folder); config (from config.yaml); status (folder.status); results (rows),
--   columns (that come first) and reference ({ label =, rows = }), where the run has come so far; metrics: function
--   that reads metrics.csv (folder.metrics); hypers: stage -> "best", "last" -> name -> path of a .npy file; pictures:
--   a list of { name, path of a .npy file, kind, title, ... as NAME.json has it }. Or nil and a message
function folder.open(path)
  if lfs.attributes(path, "mode") ~= "directory" then return nil, path .. ": no such folder" end
  local status, message = folder.status(path)
  if not status then return nil, ("%s: not a run: %s"):format(path, message) end
  local text
  text, message = file.read(path .. "/" .. folder.CONFIG)
  local config = text and yaml.load(text, yaml.any, path .. "/" .. folder.CONFIG)
  if type(config) ~= "table" or not (config.machine and config.versions) then
    return nil, ("%s: not a run: %s"):format(path, message or "config.yaml is damaged")
  end
  local kept = read_json(path .. "/" .. folder.RESULTS_JSON) or {}
  return {
    path = path, name = path:match "([^/]+)/*$", config = config, status = status, results = kept.results or {},
    columns = kept.columns or {}, reference = kept.reference, hypers = hypers_of(path), pictures = pictures_of(path),
    metrics = function() return folder.metrics(path) end,
  }
end

return folder
