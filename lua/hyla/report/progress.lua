--- How far a run is: on a terminal one line that is rewritten, otherwise a plain line every few seconds. It goes to
-- standard error, so that results can be piped.

local names = require "hyla.names"
local number = require "hyla.number"
local fitting = require "hyla.report.text".fitting
local terminals = require "hyla.lib.terminal"
local unistd = require "posix.unistd"
local time = require "posix.time"

local progress = {}
progress.__index = progress

local REWRITE_SECONDS, LINE_SECONDS = 0.1, 5

--- Seconds of a clock that never goes back; its zero has no meaning.
function progress.clock()
  local t = time.clock_gettime(time.CLOCK_MONOTONIC)
  return t.tv_sec + t.tv_nsec * 1e-9
end

--- A time span for people: "8 s", "3 min 5 s", "2 h 10 min".
-- @tparam number seconds
function progress.span(seconds)
  local s = math.floor(seconds + 0.5)
  if s < 60 then return ("%d s"):format(s) end
  if s < 3600 then return ("%d min %d s"):format(math.floor(s / 60), s % 60) end
  return ("%d h %d min"):format(math.floor(s / 3600), math.floor(s % 3600 / 60))
end

--- A new display.
-- @tparam table options
--   quiet: show nothing; stream: where to write (standard error); terminal: whether it is one (asked of the system);
--   columns: how wide it is (asked of the system); clock: function that gives seconds
function progress.new(options)
  local stream = options.stream or io.stderr
  local terminal = options.terminal
  if terminal == nil then terminal = unistd.isatty(2) == 1 end
  return setmetatable({ quiet = options.quiet, stream = stream, terminal = terminal,
    columns = (options.columns or terminals.columns(2)) - 1,   -- a longer line would wrap and could not be rewritten
    clock = options.clock or progress.clock, shown_at = -math.huge, width = 0 }, progress)
end

--- A stage begins: the time left is reckoned from here.
-- @tparam string stage its name
-- @tparam number done units finished before (a resumed stage), of total
-- @tparam number|nil total nil where it is not known, as under a budget of time
-- @tparam string unit what is counted: "hyper-iteration", "step"
function progress:begin(stage, done, total, unit)
  self.stage, self.total, self.unit = stage, total, unit
  self.first, self.began_at = done, self.clock()
  -- A plain line waits for its first interval: short stages say nothing. A terminal shows at once.
  self.shown_at = self.terminal and -math.huge or self.began_at
end

local function describe(self, done, values, first, now)
  local parts = { ("%s  %s %d%s"):format(self.stage, self.unit, done, self.total and "/" .. self.total or "") }
  local gone = done - self.first
  if self.total and gone > 0 and done < self.total then
    parts[#parts + 1] = progress.span((now - self.began_at) / gone * (self.total - done)) .. " left"
  end
  local keys = names.keys(values or {})
  table.sort(keys, function(a, b)
    if (a == first) ~= (b == first) then return a == first end
    return a < b
  end)
  for _, name in ipairs(keys) do parts[#parts + 1] = name .. " " .. number.short(values[name]) end
  return table.concat(parts, "  ")
end

--- Shows how far the stage is, unless it did so a moment ago.
-- @tparam number done units finished
-- @tparam[opt] table values figures by name
-- @tparam[opt] string first the name of the one that matters most
function progress:update(done, values, first)
  if self.quiet then return end
  local now = self.clock()
  if now - self.shown_at < (self.terminal and REWRITE_SECONDS or LINE_SECONDS) then return end
  self.shown_at = now
  local text = describe(self, done, values, first, now)
  if self.terminal then
    local taken
    text, taken = fitting(text, self.columns)
    self.stream:write("\r", text, (" "):rep(self.width - taken))
    self.width = taken
  else
    self.stream:write(text, "\n")
  end
  self.stream:flush()
end

--- Takes the rewritten line away, so that other text can be printed.
function progress:clear()
  if self.width > 0 then
    self.stream:write("\r", (" "):rep(self.width), "\r")
    self.stream:flush()
    self.width = 0
  end
end

--- A line that stays. Where the display's field `said` is a function, it hears of the line even when it is quiet.
-- @tparam string text
function progress:say(text)
  if self.said then self.said(text) end
  if self.quiet then return end
  self:clear()
  self.stream:write(text, "\n")
  self.stream:flush()
end

return progress
