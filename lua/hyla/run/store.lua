--- The folder of a run as its one writer has it: the lock, checkpoints, files that are written whole or not at all, so
-- that a run which is killed or meets a full disk loses nothing it had.

local lfs = require "lfs"
local errno = require "posix.errno"
local fcntl = require "posix.fcntl"
local unistd = require "posix.unistd"
local file = require "hyla.file"
local files = require "hyla.run.folder"
local hyla = require "hyla.ffi"
local record = require "hyla.run.record"

local store = {}
store.__index = store

local CHECKPOINT, PREVIOUS, NEXT = files.CHECKPOINT, files.PREVIOUS, files.NEXT

-- One process at a time writes to a folder; the lock goes with the process, however it ends.
local function lock(folder)
  local path = ("%s/%s"):format(folder, files.LOCK)
  local fd, _, code = fcntl.open(path, fcntl.O_CREAT + fcntl.O_RDWR, tonumber("644", 8))
  if not fd then error(("%s: cannot be written: %s"):format(path, errno.errno(code)), 0) end
  if not fcntl.fcntl(fd, fcntl.F_SETLK, { l_type = fcntl.F_WRLCK, l_whence = unistd.SEEK_SET, l_start = 0, l_len = 0 })
  then
    unistd.close(fd)
    error(folder .. ": another run is writing to this folder", 0)
  end
  return fd
end

-- Takes away what a process that was killed while it wrote files has left beside them.
local function sweep(folder)
  if lfs.attributes(folder, "mode") ~= "directory" then return end
  for name in lfs.dir(folder) do
    if name:match "%.%d+%-%d+%.tmp$" then os.remove(folder .. "/" .. name) end
  end
end

-- Looks where a run writes and nowhere else: other folders in its folder may be anybody's.
local function sweep_all(folder)
  sweep(folder)
  sweep(folder .. "/" .. files.PICTURES)
  local hypers = folder .. "/" .. files.HYPERS
  if lfs.attributes(hypers, "mode") ~= "directory" then return end
  for name in lfs.dir(hypers) do
    if name ~= "." and name ~= ".." then sweep(hypers .. "/" .. name) end
  end
end

local function open(folder)
  local self = setmetatable({ folder = folder, lock = lock(folder) }, store)
  self.let_go = files.hold(folder)
  sweep_all(folder)
  return self
end

local function exists(path) return lfs.attributes(path, "mode") ~= nil end

local function has_checkpoint(folder)
  return exists(folder .. "/" .. CHECKPOINT) or exists(folder .. "/" .. PREVIOUS)
end

local WRITTEN = { files.CONFIG, files.RECIPE, files.STATUS, files.METRICS, files.SERIES, files.LOG, files.RESULTS_CSV,
  files.RESULTS_JSON }

-- A file that a run would write over and that no run has written, which would have left its lock beside it; or nil.
local function of_others(folder)
  if exists(folder .. "/" .. files.LOCK) then return nil end
  for _, name in ipairs(WRITTEN) do
    if exists(folder .. "/" .. name) then return name end
  end
end

--- A folder for a new run; made when missing.
-- @tparam string folder an error when it cannot be written, already holds a run, or has files of others that the run
--   would write over
-- @treturn store
function store.create(folder)
  files.make(folder)
  local name = not has_checkpoint(folder) and of_others(folder)
  if name then
    error(("%s: %s is there already and is no run's; choose another folder"):format(folder, name), 0)
  end
  local self = open(folder)
  if has_checkpoint(folder) then
    self:close()
    error(("%s: holds a run already; go on with 'hyla resume %s' or choose another folder"):format(folder, folder), 0)
  end
  return self
end

--- Opens the folder of a run and reads its newest whole checkpoint.
-- @tparam string folder
-- @treturn store
-- @treturn table the record
-- @treturn {string,...} words for the user about checkpoints that could not be used
function store.resume(folder)
  if lfs.attributes(folder, "mode") ~= "directory" then error(folder .. ": no such folder", 0) end
  if not has_checkpoint(folder) then error(folder .. ": nothing to resume from: it has no checkpoint", 0) end
  local self, troubles = open(folder), {}
  for _, name in ipairs { CHECKPOINT, PREVIOUS } do
    local path = folder .. "/" .. name
    local bytes, message = file.read(path)
    local value
    if bytes then value, message = record.decode(bytes, path) end
    if value then
      if #troubles > 0 then troubles[#troubles + 1] = "going on from " .. path end
      self.damaged = #troubles > 0
      return self, value, troubles
    end
    troubles[#troubles + 1] = message
  end
  self:close()
  error(("%s: nothing to resume from\n  %s"):format(folder, table.concat(troubles, "\n  ")), 0)
end

--- Writes a file of the folder, atomically.
-- @tparam string name
-- @tparam string bytes
function store:write(name, bytes)
  hyla.check(hyla.C.hyla_file_write(self.folder .. "/" .. name, bytes, #bytes))
end

local function rename(from, to)
  local ok, message = os.rename(from, to)
  if not ok then error(message, 0) end
end

--- Makes a record the newest checkpoint; the newest until now is kept as the previous one. On failure both stay.
-- All of these files are on disk before they get their names, so whatever a crash leaves of the renames can be read. A
-- damaged one is replaced and does not become the previous one.
-- @tparam table value what record.write takes
function store:save(value)
  local next_path = self.folder .. "/" .. NEXT
  local ok, message = record.write(next_path, value)
  if not ok then error(message, 0) end
  hyla.check(hyla.C.hyla_file_sync(next_path))
  local newest = self.folder .. "/" .. CHECKPOINT
  if exists(newest) and not self.damaged then rename(newest, self.folder .. "/" .. PREVIOUS) end
  rename(next_path, newest)
  hyla.check(hyla.C.hyla_file_sync(self.folder))
  self.damaged = false
end

--- Lets another run use the folder.
function store:close()
  if not self.lock then return end
  unistd.close(self.lock)
  self.let_go()
  self.lock = nil
end

return store
