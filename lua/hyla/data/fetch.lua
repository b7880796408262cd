--- Fetches a file of a data set: mirrors in order, resumed where an earlier try ended, checked, moved into place whole.
-- @module hyla.data.fetch
local lfs = require "lfs"
local curl = require "hyla.lib.curl"
local engine = require "hyla.ffi"
local files = require "hyla.data.files"
local folders = require "hyla.folders"

local TRIES = 4     -- connections that may break, each having brought something, before a mirror is given up

local function size_of(path) return lfs.attributes(path, "size") or 0 end

-- One connection. Returns true when the server says that everything has come; or nil, words and a reason.
local function connect(url, part, progress)
  local file, problem = io.open(part, "ab")
  if not file then return nil, problem, "disk" end
  local done, words, reason = curl.download(url, file, size_of(part), progress)
  local closed
  closed, problem = file:close()
  if not closed then return nil, ("%s: %s"):format(part, problem), "disk" end
  if size_of(part) == 0 then os.remove(part) end
  if reason == "disk" then words = ("%s: %s (is the disk full?)"):format(part, words) end
  return done, words, reason
end

-- Goes on with `part` until it is complete by the server's word.
local function complete(url, part, progress)
  for _ = 1, TRIES do
    local before = size_of(part)
    local done, words, reason = connect(url, part, progress)
    if done then return true end
    if reason == "range" then
      os.remove(part)                                 -- nothing can be kept: this server starts anew each time
    elseif reason ~= "broken" or size_of(part) == before then
      return nil, words, reason
    end
  end
  return nil, ("the connection broke %d times"):format(TRIES), "broken"
end

-- One mirror: a part left by an earlier try may be of other contents, which only the checksum tells; so a check that
-- fails after a resume is repeated once with a download from the start.
local function from_mirror(url, part, file, progress)
  local resumed = size_of(part) > 0
  local done, words, reason = complete(url, part, progress)
  if not done then return nil, ("%s: %s"):format(url, words), reason end
  local right
  right, words = files.verify(part, file)
  if right then return true end
  os.remove(part)
  if resumed then return from_mirror(url, part, file, progress) end
  return nil, ("%s: %s"):format(url, words), "wrong"
end

local function install(part, target)
  local ok, problem = os.rename(part, target)
  if not ok then return nil, problem end
  -- The rename is only as durable as the two that it joins.
  if engine.C.hyla_file_sync(target) < 0 or engine.C.hyla_file_sync(target:match "^(.*)/") < 0 then
    return nil, require("ffi").string(engine.C.hyla_error())
  end
  return target
end

--- Fetches one file into the first data folder (HYLA_DATA where it is set).
-- @tparam table d the descriptor
-- @tparam table file one of its files
-- @tparam function progress called with (bytes so far, bytes in all or nil)
-- @treturn string the path; or nil and a message, one line a mirror
local function fetch(d, file, progress)
  local folder = folders.data()[1]
  if not folder then return nil, "no folder for data: neither HYLA_DATA, XDG_DATA_HOME nor HOME is set" end
  folder = ("%s/%s"):format(folder, d.folder)
  local ok, problem = folders.make(folder)
  if not ok then return nil, problem end
  local name = file.name .. (file.packed and ".gz" or "")
  local target, failures = ("%s/%s"):format(folder, name), {}
  for _, mirror in ipairs(d.mirrors) do
    local done, words, reason = from_mirror(mirror:gsub("/+$", "") .. "/" .. name, target .. ".part", file, progress)
    if done then return install(target .. ".part", target) end
    failures[#failures + 1] = words
    if reason == "disk" then break end
  end
  if #failures == 0 then failures[1] = ("%s: no mirror is known"):format(d.path) end
  return nil, table.concat(failures, "\n")
end

return fetch
