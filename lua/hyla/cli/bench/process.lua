--- A process that answers line by line: it is told a word and says a line of JSON. What it writes to standard error
-- passes through.
-- @module hyla.cli.bench.process
local ffi = require "ffi"
local fcntl = require "posix.fcntl"
local json = require "hyla.report.json"
local signal = require "posix.signal"
local stdlib = require "posix.stdlib"
local unistd = require "posix.unistd"
local wait = require "posix.sys.wait"

ffi.cdef "int prctl(int, unsigned long);"
local PR_SET_PDEATHSIG = 1

local Process = {}
Process.__index = Process

-- Variables that steer OpenBLAS on behalf of one program mislead another that brings its own.
local steering = { "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE" }

local function become(words, input, output, foreign)
  unistd.dup2(input, unistd.STDIN_FILENO)
  unistd.dup2(output, unistd.STDOUT_FILENO)
  for _, name in ipairs(foreign and steering or {}) do stdlib.setenv(name, nil) end
  ffi.C.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)        -- one that rests would outlive whoever was to wake it
  local arguments = { unpack(words, 2) }
  arguments[0] = words[1]
  local _, why = unistd.execp(words[1], arguments)
  io.stderr:write(("bench: %s: %s\n"):format(words[1], why))
  unistd._exit(127)
end

-- Ends of pipes stay with this process: a child that inherited another's would keep it from seeing the end.
local function pipe()
  local out, into = assert(unistd.pipe())
  for _, fd in ipairs { out, into } do assert(fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)) end
  return out, into
end

--- Starts one.
-- @tparam {string,...} words program and arguments
-- @tparam[opt] boolean foreign not of Hyla: without the variables that steer Hyla's OpenBLAS
-- @treturn Process
local function start(words, foreign)
  io.stdout:flush()
  local child_in, into = pipe()
  local out, child_out = pipe()
  local pid = assert(unistd.fork())
  if pid == 0 then become(words, child_in, child_out, foreign) end
  unistd.close(child_in)
  unistd.close(child_out)
  return setmetatable({ pid = pid, into = into, from = out, unread = "", name = table.concat(words, " ") }, Process)
end

-- How it ended, once.
function Process:reap()
  if not self.ended then
    local _, how, code = wait.wait(self.pid)
    self.ended = ("%s %s"):format(tostring(how), tostring(code))
  end
  return self.ended
end

-- The next line, without its end; nil when there is none.
function Process:line()
  while not self.unread:find("\n", 1, true) do
    local piece = unistd.read(self.from, 4096)
    if not piece or piece == "" then return nil end
    self.unread = self.unread .. piece
  end
  local line, rest = self.unread:match "^(.-)\n(.*)$"
  self.unread = rest
  return line
end

--- The next line that it says.
-- @treturn table decoded; an error where it ends or says something else
function Process:hear()
  local line = self:line()
  if not line then error(("bench: the process ended without an answer (%s): %s"):format(self:reap(), self.name), 0) end
  local answer, why = json.decode(line)
  if type(answer) ~= "table" then
    error(("bench: expected a line of JSON, got '%s' (%s): %s"):format(line, tostring(why), self.name), 0)
  end
  return answer
end

--- Tells it a word and hears the answer.
-- @tparam string word
-- @treturn table
function Process:ask(word)
  self:wake()
  local before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
  unistd.write(self.into, word .. "\n")                -- where it is gone already, hear says how
  signal.signal(signal.SIGPIPE, before)
  return self:hear()
end

--- Stops it, all its threads, so that another has the machine to itself, until it is asked or finished.
function Process:rest()
  if not self.ended then signal.kill(self.pid, signal.SIGSTOP) end
end

--- Lets it go on.
function Process:wake()
  if not self.ended then signal.kill(self.pid, signal.SIGCONT) end
end

--- Closes what it reads, hears its last answer, and waits for its end.
-- @treturn table; an error where it fails
function Process:finish()
  self:wake()
  unistd.close(self.into)
  self.into = false
  local answer = self:hear()
  unistd.close(self.from)
  local how = self:reap()
  if how ~= "exited 0" then error(("bench: the process failed (%s): %s"):format(how, self.name), 0) end
  return answer
end

--- Lets go of it wherever it is: without input it ends by itself.
function Process:drop()
  if self.ended then return end
  self:wake()
  if self.into then unistd.close(self.into) end
  unistd.close(self.from)
  self:reap()
end

return { start = start }
