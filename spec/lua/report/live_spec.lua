-- The server of `hyla report --live`, asked as a browser asks, and as others might.
local made = dofile "spec/lua/report/made.lua"
local shell = dofile "spec/lua/shell.lua"
local signal = require "posix.signal"
local socket = require "socket"

after_each(made.clean)

-- Sends a request as it stands; its answer whole.
local function ask(live, request)
  local client = assert(socket.connect("127.0.0.1", live.port))
  client:settimeout(20)
  client:send(request)
  local text = client:receive "*a"
  client:close()
  return text
end

local function get(live, target, host)
  return ask(live, ("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"):format(target, host or "127.0.0.1:" .. live.port))
end

describe("the live page", function()
  it("is served until the run has ended, news alone after the first time", function()
    local live = made.live(made.whole(3))
    assert.equal("http://127.0.0.1:" .. live.port .. "/", live.url)
    local text = get(live, "/")
    assert.matches("^HTTP/1.1 200 OK\r\n", text)
    assert.is_truthy(text:find("<main>", 1, true) and text:find('<span class="status running">', 1, true))
    local main = get(live, "/main?null")
    local version = main:match "X%-Version: (%S+)"
    assert.equal("running", main:match "X%-Status: (%S+)")
    assert.is_truthy(main:find("<h1>whole</h1>", 1, true))
    assert.matches("^HTTP/1.1 204 ", get(live, "/main?" .. version))
    live.append "9,learn,4,response,0.125\n"
    assert.is_truthy(get(live, "/main?" .. version):find("0.125", 1, true))
    live.finish()
    assert.equal("done", get(live, "/main?" .. version):match "X%-Status: (%S+)")
    assert.equal(0, live.wait())
  end)

  it("is for this machine's browser alone", function()
    local live = made.live(made.whole(3))
    assert.matches("^HTTP/1.1 403 ", get(live, "/", "evil.example:" .. live.port))
    assert.matches("^HTTP/1.1 403 ", ask(live, "GET / HTTP/1.1\r\n\r\n"))
    assert.matches("^HTTP/1.1 200 ", get(live, "/", "localhost:" .. live.port))
    assert.matches("^HTTP/1.1 404 ", get(live, "/../config.yaml"))
    assert.matches("^HTTP/1.1 405 ", ask(live, ("POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"):format(live.port)))
    assert.is_nil((ask(live, ("x"):rep(20000))))                       -- closed without an answer
    local idle = socket.connect("127.0.0.1", live.port)                -- keeps nobody waiting
    assert.matches("^HTTP/1.1 200 ", get(live, "/"))
    idle:close()
    live.signal(signal.SIGINT)
    assert.equal(130, live.wait())
    live.finish()
  end)

  it("is refused of a run that has ended, and where there is none", function()
    local path = made.whole(3)
    local r = shell.run(("./hyla report %s --live"):format(path))
    assert.same({ 1, ("hyla: %s: the run has ended (done); hyla report %s makes its page\n"):format(path, path) },
      { r.code, r.err })
    assert.equal(1, shell.run("./hyla report /nowhere --live").code)
    local finish, server = made.going_on(path), assert(socket.bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    r = shell.run(("./hyla report %s --live --port %d"):format(path, port))
    assert.equal(1, r.code)
    assert.is_truthy(r.err:find("address already in use", 1, true), r.err)
    server:close()
    finish()
  end)
end)
