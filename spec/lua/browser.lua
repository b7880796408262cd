-- For specs of pages: Chromium without a window, driven through a pair of pipes by its DevTools protocol.
local cjson = require "cjson"
local fcntl = require "posix.fcntl"
local signal = require "posix.signal"
local stdlib = require "posix.stdlib"
local unistd = require "posix.unistd"
local wait = require "posix.sys.wait"
local poll = require "posix.poll"
local shell = dofile "spec/lua/shell.lua"

local browser = {}
browser.__index = browser

-- Its command, nil where it is not installed.
local function command()
  for _, name in ipairs { "chromium", "chromium-browser", "google-chrome" } do
    if shell.run("command -v " .. name).code == 0 then return name end
  end
end

local program = command()
browser.there = program ~= nil

--- Starts it, with one page. An error where it does not answer.
function browser.start()
  local self = setmetatable({ folder = shell.folder(), number = 0, buffer = "", events = {} }, browser)
  local from_us, to_child = unistd.pipe()
  local from_child, to_us = unistd.pipe()
  self.pid = unistd.fork()
  if self.pid == 0 then
    local a, b = unistd.dup(from_us), unistd.dup(to_us)                 -- out of the way of 3 and 4
    local none = fcntl.open("/dev/null", fcntl.O_RDWR)
    unistd.dup2(none, 1)
    unistd.dup2(none, 2)
    unistd.dup2(a, 30)
    unistd.dup2(b, 31)
    unistd.dup2(30, 3)
    unistd.dup2(31, 4)
    for fd = 5, 63 do unistd.close(fd) end
    stdlib.setenv("LD_PRELOAD", nil)                                    -- a sanitizer's, which is not for it
    unistd.execp(program, { "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
      "--user-data-dir=" .. self.folder, "--no-first-run", "--disable-extensions", "--disable-component-update",
      "--disable-background-networking", "--disable-dev-shm-usage", "about:blank" })
    unistd._exit(127)
  end
  unistd.close(from_us)
  unistd.close(to_us)
  self.to, self.from = to_child, from_child
  local target = self:call("Target.createTarget", { url = "about:blank" }).targetId
  self.session = self:call("Target.attachToTarget", { targetId = target, flatten = true }).sessionId
  for _, domain in ipairs { "Page", "Runtime", "Log", "Network" } do self:call(domain .. ".enable") end
  return self
end

-- The next message, or an error after so many seconds.
function browser:message(seconds)
  while true do
    local stop = self.buffer:find("\0", 1, true)
    if stop then
      local text = self.buffer:sub(1, stop - 1)
      self.buffer = self.buffer:sub(stop + 1)
      return cjson.decode(text)
    end
    if poll.rpoll(self.from, seconds * 1000) ~= 1 then error("the browser does not answer", 0) end
    local text = unistd.read(self.from, 65536)
    if not text or text == "" then error("the browser is gone", 0) end
    self.buffer = self.buffer .. text
  end
end

--- Calls a method of the protocol; events that come meanwhile are kept in self.events.
function browser:call(method, parameters)
  self.number = self.number + 1
  local text = cjson.encode { id = self.number, method = method, params = parameters or cjson.decode "{}",
    sessionId = self.session } .. "\0"
  while #text > 0 do text = text:sub(unistd.write(self.to, text) + 1) end
  while true do
    local message = self:message(60)
    if message.id == self.number then
      if message.error then error(method .. ": " .. message.error.message, 0) end
      return message.result
    end
    self.events[#self.events + 1] = message
  end
end

--- Waits for an event.
function browser:wait(method)
  while true do
    for i, event in ipairs(self.events) do
      if event.method == method then return table.remove(self.events, i) end
    end
    self.events[#self.events + 1] = self:message(60)
  end
end

--- Opens a page at a width, with a scheme of colours ("light", "dark"), and waits until it is there.
function browser:open(url, width, scheme)
  self.events = {}
  self:call("Emulation.setDeviceMetricsOverride", { width = width, height = 900, deviceScaleFactor = 1,
    mobile = width < 600 })
  self:call("Emulation.setEmulatedMedia", { features = {
    { name = "prefers-color-scheme", value = scheme or "light" } } })
  self:call("Page.navigate", { url = url })
  self:wait "Page.loadEventFired"
end

--- The value of an expression of JavaScript, which may be a promise.
function browser:eval(text)
  local answer = self:call("Runtime.evaluate", { expression = text, returnByValue = true, awaitPromise = true })
  if answer.exceptionDetails then error(cjson.encode(answer.exceptionDetails), 0) end
  return answer.result.value
end

--- What went wrong since the page was opened, or was asked of others: texts.
function browser:troubles()
  self:eval "1"
  local list = {}
  for _, event in ipairs(self.events) do
    local of = event.params
    if event.method == "Runtime.exceptionThrown" or event.method == "Runtime.consoleAPICalled"
      or event.method == "Log.entryAdded" then
      list[#list + 1] = cjson.encode(of)
    elseif event.method == "Network.requestWillBeSent" and not of.request.url:match "^file:"
      and not of.request.url:match "^data:" then
      list[#list + 1] = "asked for " .. of.request.url
    end
  end
  return list
end

--- Writes what is seen as a PNG, the page's whole height.
function browser:screenshot(path)
  local size = self:call("Page.getLayoutMetrics").cssContentSize
  local shot = self:call("Page.captureScreenshot", { captureBeyondViewport = true,
    clip = { x = 0, y = 0, width = size.width, height = size.height, scale = 1 } })
  shell.write(path, (require "mime".unb64(shot.data)))
end

--- Ends it.
function browser:stop()
  pcall(self.call, self, "Browser.close")
  signal.kill(self.pid, signal.SIGKILL)
  wait.wait(self.pid)
  unistd.close(self.to)
  unistd.close(self.from)
  shell.remove(self.folder)
end

return browser
