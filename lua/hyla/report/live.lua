--- The page of a run that goes on, served at an address of this machine alone. The page asks for news every two
-- seconds, or more seldom where making it takes long; the server ends when the run has ended and the page knows it.
-- @module hyla.report.live
local lfs = require "lfs"
local socket = require "socket"
local folder = require "hyla.run.folder"
local page = require "hyla.report.page"
local runs = require "hyla.report.runs"

local live = {}

local HOST = "127.0.0.1"
local LARGEST, LONGEST = 16384, 30   -- bytes of a request; seconds until it is there
local LAST_CALL = 20                 -- seconds after the run's end, in which the page can learn of it

local script = [[
<script>
(function () {
  "use strict";
  var version = null;
  function open(main) {
    return Array.from(main.querySelectorAll("details[open]"), function (one) {
      var figure = one.closest("figure");
      return (figure ? figure.id : "") + one.querySelector("summary").textContent;
    });
  }
  function put(text) {
    var main = document.querySelector("main"), were = open(main);
    main.innerHTML = text;
    main.querySelectorAll("details").forEach(function (one) {
      var figure = one.closest("figure");
      one.open = were.indexOf((figure ? figure.id : "") + one.querySelector("summary").textContent) >= 0;
    });
  }
  function ask() {
    var asked = Date.now();
    fetch("main?" + version, { cache: "no-store" }).then(function (answer) {
      version = answer.headers.get("X-Version");
      var ended = answer.headers.get("X-Status") !== "running";
      return (answer.status === 200 ? answer.text().then(put) : Promise.resolve()).then(function () {
        if (!ended) { setTimeout(ask, Math.max(2000, Math.min(10000, 20 * (Date.now() - asked)))); }
      });
    }).catch(function () {
      document.title = "(no longer live) " + document.title;
    });
  }
  document.addEventListener("DOMContentLoaded", ask);
}());
</script>]]

-- What changes when there is something new in the folder.
local function version_of(path)
  local words = {}
  for i, name in ipairs { folder.METRICS, folder.STATUS, folder.RESULTS_JSON, folder.PICTURES } do
    local about = lfs.attributes(path .. "/" .. name)
    words[i] = about and ("%d-%d"):format(about.size, about.modification) or "0"
  end
  return table.concat(words, "_")
end

local function answer(code, kind, body, more)
  return ("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\n"
    .. "Connection: close\r\n%s\r\n%s"):format(code, kind, #body, more or "", body)
end

local TEXT, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"

-- The run as it is now. A file that is being replaced, or none yet, is a failure that passes.
local function read(path)
  local list, message = runs.read { path }
  if not list then error(message, 0) end
  return list
end

-- The answer to a request; true when the page has been told that the run has ended.
local function respond(self, request)
  local method, target = request:match "^(%u+) (%S+) HTTP/1%.[01]\r\n"
  local host = request:match "\r\n[Hh][Oo][Ss][Tt]:%s*([^\r\n]*)"
  if host ~= self.host and host ~= "localhost:" .. self.port then return answer("403 Forbidden", TEXT, "no\n") end
  if method ~= "GET" then return answer("405 Method Not Allowed", TEXT, "GET alone\n") end
  if target == "/" then return answer("200 OK", HTML, page.html(read(self.path), script)) end
  local known = target:match "^/main%?(.*)$"
  if not known then return answer("404 Not Found", TEXT, "nothing here\n") end
  local version, status = version_of(self.path), assert(folder.status(self.path)).status
  local head = ("X-Version: %s\r\nX-Status: %s\r\n"):format(version, status)
  if known == version then return answer("204 No Content", HTML, "", head), status ~= "running" end
  return answer("200 OK", HTML, page.main(read(self.path)), head), status ~= "running"
end

local function send(client, text)
  client:settimeout(5, "t")
  client:send(text)
  client:close()
end

-- Takes what a client sent; true when the page has been told that the run has ended.
local function hear(self, client)
  local about = self.clients[client]
  local _, trouble, part = client:receive(LARGEST)
  about.request = about.request .. (_ or part or "")
  local whole = about.request:find("\r\n\r\n", 1, true)
  if not whole and trouble ~= "closed" and #about.request < LARGEST then return false end
  self.clients[client] = nil
  if not whole then
    client:close()
    return false
  end
  local ok, text, told = pcall(respond, self, about.request)
  send(client, ok and text or answer("500 Internal Server Error", TEXT, tostring(text) .. "\n"))
  return ok and told
end

local function forget_slow(self)
  for client, about in pairs(self.clients) do
    if socket.gettime() - about.since > LONGEST then
      self.clients[client] = nil
      client:close()
    end
  end
end

-- Waits for clients a moment; true when a page has been told that the run has ended.
local function turn(self)
  local list, told = { self.server }, false
  for client in pairs(self.clients) do list[#list + 1] = client end
  for _, ready in ipairs((socket.select(list, nil, 0.5))) do
    if ready == self.server then
      local client = self.server:accept()
      if client then
        client:settimeout(0)
        self.clients[client] = { request = "", since = socket.gettime() }
      end
    else
      told = hear(self, ready) or told
    end
  end
  forget_slow(self)
  return told
end

--- Serves the page of a run until it has ended, or Ctrl-C.
-- @tparam string path of its folder
-- @tparam[opt] number port any that is free otherwise
-- @treturn number exit code
-- @treturn string|nil what is wrong
function live.serve(path, port)
  local list, message = runs.read { path }
  if not list then return 1, message end
  if list[1].status.status ~= "running" then
    return 1, ("%s: the run has ended (%s); hyla report %s makes its page"):format(path, list[1].status.status, path)
  end
  local server
  server, message = socket.bind(HOST, port or 0)
  if not server then return 1, ("port %d: %s"):format(port or 0, message) end
  local _, bound = server:getsockname()
  local self = { path = path, server = server, port = tonumber(bound), host = ("%s:%d"):format(HOST, bound),
    clients = {} }
  io.stdout:write(("http://%s/  Ctrl-C ends it; it ends with the run\n"):format(self.host))
  io.stdout:flush()
  local ended
  repeat
    local told = turn(self)
    local status = folder.status(path)                 -- none where somebody has taken the folder away
    local running = status and status.status == "running"
    ended = not running and (ended or socket.gettime()) or nil
  until told or ended and socket.gettime() - ended > LAST_CALL
  server:close()
  io.stdout:write(("the run has ended; hyla report %s makes its page\n"):format(path))
  return 0
end

return live
