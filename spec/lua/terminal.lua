-- For specs of the prompt: a program at a pseudo-terminal, which types to it and waits for what it says.
local ffi = require "ffi"
local fcntl = require "posix.fcntl"
local poll = require "posix.poll"
local signal = require "posix.signal"
local stdlib = require "posix.stdlib"
local unistd = require "posix.unistd"
local wait = require "posix.sys.wait"

require "hyla.lib.terminal"   -- which declares ioctl

local SET_WINDOW_SIZE = 0x5414   -- Linux: TIOCSWINSZ
local patience = 20   -- seconds; sanitizers and a busy machine are slow

local Terminal = {}
Terminal.__index = Terminal

--- Starts a program whose controlling terminal is a new pseudo-terminal, so that Ctrl-C reaches it.
-- @tparam string path
-- @tparam table env variables to set; false for one that is not to be there
-- @tparam[opt=80] number columns of the terminal
local function open(path, env, columns)
  local master = assert(fcntl.open("/dev/ptmx", fcntl.O_RDWR + fcntl.O_NOCTTY))
  assert(stdlib.grantpt(master))
  assert(stdlib.unlockpt(master))
  local name = assert(stdlib.ptsname(master))
  local child = assert(unistd.fork())
  if child == 0 then
    unistd.setpid "s"
    local slave = fcntl.open(name, fcntl.O_RDWR)
    for fd = 0, 2 do unistd.dup2(slave, fd) end
    unistd.close(master)   -- held here, too, it would outlive a spec that is killed, and the child with it
    ffi.C.ioctl(0, SET_WINDOW_SIZE, ffi.cast("void *", ffi.new("hyla_winsize", 24, columns or 80, 0, 0)))
    stdlib.setenv("COLUMNS", nil)
    for key, value in pairs(env) do stdlib.setenv(key, value or nil) end
    unistd.exec(path, {})
    unistd._exit(127)
  end
  return setmetatable({ master = master, child = child, heard = "", from = 1 }, Terminal)
end

--- Types.
function Terminal:send(text)
  assert(unistd.write(self.master, text))
end

-- More of what the program says; nil when it has gone, or said nothing for too long.
function Terminal:listen(seconds)
  if poll.rpoll(self.master, seconds * 1000) ~= 1 then return nil end
  local text = unistd.read(self.master, 4096)   -- an error once the other end is closed
  if not text or text == "" then return nil end
  self.heard = self.heard .. text
  return text
end

--- Waits until the program has said a text after what was waited for before. Raises with all that was heard otherwise.
function Terminal:expect(text)
  while true do
    local _, stop = self.heard:find(text, self.from, true)
    if stop then
      self.from = stop + 1
      return
    end
    if not self:listen(patience) then
      error(("expected %q, heard %q"):format(text, self.heard:sub(self.from)), 2)
    end
  end
end

--- Waits for the program's end.
-- @treturn number exit code, or 128 + signal
function Terminal:finish()
  while self:listen(patience) do end
  local _, how, code = wait.wait(self.child)
  self.child = nil
  unistd.close(self.master)
  return how == "exited" and code or 128 + code
end

--- Ends the program if it still runs.
function Terminal:close()
  if not self.child then return end
  signal.kill(self.child, signal.SIGKILL)
  self:finish()
end

return { open = open }
