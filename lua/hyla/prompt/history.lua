--- The lines that were typed at prompts, in a file of one a line. Sessions at the same time lose nothing of each other:
-- each adds a line when it is typed, and the file is cut while no other one writes.
-- @module hyla.prompt.history
local folders = require "hyla.folders"
local fcntl = require "posix.fcntl"
local unistd = require "posix.unistd"

local history = {}

local KEPT = 2000   -- lines, and up to twice as many before the file is cut

local History = {}
History.__index = History

--- Where the lines are kept: XDG_STATE_HOME/hyla/history, or ~/.local/state/hyla/history.
-- @treturn string|nil path; nil where neither variable says
function history.path()
  local folder = folders.state()
  return folder and folder .. "/history"
end

-- Calls work while no other process that asks for the same is in it. true, or nil and why not.
local function alone(path, work)
  local fd, message = fcntl.open(path .. ".lock", fcntl.O_CREAT + fcntl.O_RDWR, tonumber("600", 8))
  if not fd then return nil, message end
  local held
  held, message = fcntl.fcntl(fd, fcntl.F_SETLKW, {
    l_type = fcntl.F_WRLCK, l_whence = unistd.SEEK_SET, l_start = 0, l_len = 0,
  })
  local ok, problem
  if held then ok, problem = work() else ok, problem = nil, message end
  unistd.close(fd)                                     -- and with it the lock
  return ok, problem
end

local function read(path)
  local lines, file = {}, io.open(path, "r")
  for line in file and file:lines() or function() end do lines[#lines + 1] = line end
  if file then file:close() end
  return lines
end

-- Writes a text at the end of a file, in one piece.
local function append(path, text)
  local fd, message = fcntl.open(path, fcntl.O_CREAT + fcntl.O_WRONLY + fcntl.O_APPEND, tonumber("600", 8))
  if not fd then return nil, message end
  local written, problem = unistd.write(fd, text)
  unistd.close(fd)
  if written == #text then return true end
  return nil, problem or "the disk is full"
end

-- The last lines take the place of all; a crash leaves one file or the other.
local function cut(path, lines, kept)
  local fresh = path .. ".next"
  os.remove(fresh)
  local ok, message = append(fresh, table.concat(lines, "\n", #lines - kept + 1) .. "\n")
  if ok then ok, message = os.rename(fresh, path) end
  return ok, message
end

--- Opens the history of a file, which is made with its first line.
-- @tparam string|nil path nil keeps nothing on disk
-- @tparam[opt=2000] number kept lines
-- @treturn History `lines`: those of earlier sessions, the last ones
-- @treturn string|nil why it cannot be kept; the History then keeps nothing
function history.open(path, kept)
  kept = kept or KEPT
  local self = setmetatable({ path = path, lines = {}, last = nil }, History)
  if not path then return self, "neither XDG_STATE_HOME nor HOME is set" end
  folders.make(path:match "^(.*)/")   -- where it cannot be made, nor can the file: that is told
  local ok, problem = alone(path, function()
    local all = read(path)
    for i = math.max(1, #all - kept + 1), #all do self.lines[#self.lines + 1] = all[i] end
    if #all >= 2 * kept then return cut(path, all, kept) end
    return true
  end)
  if ok then return self end
  self.path = nil
  return self, ("%s: %s"):format(path, problem)
end

--- Keeps a line, unless it is blank or the one before it.
-- @tparam string line
-- @treturn boolean whether it was kept; on disk where there is one
function History:add(line)
  if not line:find "%S" or line == self.last then return false end
  self.last = line
  if self.path then alone(self.path, function() return append(self.path, line .. "\n") end) end
  return true
end

return history
