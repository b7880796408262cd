-- A small HTTP server with bad habits, for the specs of downloads: luajit server.lua ROOT
-- Prints "PORT PID", then answers GET /HABIT/FILE from ROOT/FILE. Every request goes to ROOT/requests as
-- "HABIT FILE FIRST-BYTE". Ends by itself when nobody has asked for 60 seconds.
local socket = require "socket"
local unistd = require "posix.unistd"

local root = arg[1]
local listener = assert(socket.bind("127.0.0.1", 0))
local _, port = listener:getsockname()
print(port .. " " .. unistd.getpid())
io.stdout:flush()
listener:settimeout(60)

local CUT = 1000     -- bytes after which a cutting server hangs up

-- Each habit gets the contents and the first byte asked for; returns the status line, the first byte of what follows,
-- what follows, and how much of it is really sent.
local function honest(body, first)
  if first >= #body and first > 0 then return "416 Range Not Satisfiable", 0, "", 0 end
  return first > 0 and "206 Partial Content" or "200 OK", first, body:sub(first + 1)
end

local habits = {
  good = honest,
  cut = function(body, first)
    local status, start, rest = honest(body, first)
    return status, start, rest, CUT
  end,
  short = function(body) return "200 OK", 0, body:sub(1, CUT) end,
  liar = function(body) return "200 OK", 0, ("x"):rep(#body) end,
  ignorant = function(body) return "200 OK", 0, body end,
  forgetful = function(body) return "200 OK", 0, body, CUT end,
  absent = function() return "404 Not Found", 0, "" end,
}

local function answer(client)
  local request = client:receive "*l"
  local habit, name = (request or ""):match "^GET /(%w+)/(%S+) "
  local first = 0
  for line in function() return client:receive "*l" end do
    if line == "" then break end
    first = tonumber(line:match "^[Rr]ange: bytes=(%d+)%-") or first
  end
  if not habits[habit] then return end
  local log = assert(io.open(root .. "/requests", "a"))
  log:write(("%s %s %d\n"):format(habit, name, first))
  log:close()
  local file = io.open(root .. "/" .. name, "rb")
  local body = file and file:read "*a" or ""
  if file then file:close() end
  local status, start, rest, sent = habits[habit](body, first)
  local range = status:match "^206" and ("Content-Range: bytes %d-%d/%d\r\n"):format(start, #body - 1, #body) or ""
  client:send(("HTTP/1.1 %s\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n"):format(status, #rest, range))
  client:send(rest:sub(1, sent or #rest))
end

while true do
  local client = listener:accept()
  if not client then break end
  client:settimeout(5)
  answer(client)
  client:close()
end
