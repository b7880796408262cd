-- The lines typed at prompts: kept, up to a number, whatever several sessions do at once.
local history = require "hyla.prompt.history"
local shell = dofile "spec/lua/shell.lua"

local function read(path)
  local file, lines = assert(io.open(path)), {}
  for line in file:lines() do lines[#lines + 1] = line end
  file:close()
  return lines
end

describe("the history", function()
  local folder, path

  before_each(function()
    folder = shell.folder()
    path = folder .. "/state/hyla/history"
  end)
  after_each(function()
    shell.run("chmod -R u+w " .. folder)
    shell.remove(folder)
  end)

  it("keeps lines from one session to the next", function()
    local first = history.open(path)
    assert.same({}, first.lines)
    assert.is_true(first:add "p:train()")
    assert.is_true(first:add "p.t")
    assert.same({ "p:train()", "p.t" }, history.open(path).lines)
  end)

  it("leaves out blank lines and repetitions", function()
    local session = history.open(path)
    for _, line in ipairs { "a", "a", "  ", "", "b", "a" } do session:add(line) end
    assert.same({ "a", "b", "a" }, history.open(path).lines)
  end)

  it("cuts the file where it has twice as many lines as are kept", function()
    local session = history.open(path, 10)
    for i = 1, 19 do session:add("line " .. i) end
    assert.equal(10, #history.open(path, 10).lines)
    assert.equal(19, #read(path))
    session:add "line 20"
    local lines = history.open(path, 10).lines
    assert.same({ "line 11", "line 20" }, { lines[1], lines[10] })
    assert.same(lines, read(path))
  end)

  it("loses nothing of sessions that are open at once, also while the file is cut", function()
    history.open(path):add "begun"
    local n, writers = 60, {}
    for k = 1, 3 do
      writers[k] = ([[luajit -e 'package.path = "lua/?.lua;" .. package.path
        local history = require "hyla.prompt.history"
        for i = 1, %d do history.open("%s", 1000):add("%d " .. i) history.open("%s", 100) end' &]]):format(
        n, path, k, path)
    end
    assert.equal("", shell.run(table.concat(writers, "\n") .. "\nwait").err)
    local lines, at = read(path), { 0, 0, 0 }
    assert.is_true(#lines >= 100 and #lines < 200, #lines)
    for i = #lines - 99, #lines do                      -- each writer's lines in its order, without a gap
      local k, line = lines[i]:match "^(%d) (%d+)$"
      k, line = tonumber(k), tonumber(line)
      assert.is_true(at[k] == 0 or line == at[k] + 1, lines[i])
      at[k] = line
    end
    for k = 1, 3 do assert.is_true(at[k] == 0 or at[k] == n) end
  end)

  it("waits while another session cuts it", function()
    history.open(path):add "begun"
    local script = ([[luajit -e '
      local fcntl, unistd = require "posix.fcntl", require "posix.unistd"
      local fd = fcntl.open("%s.lock", fcntl.O_RDWR)
      fcntl.fcntl(fd, fcntl.F_SETLKW, { l_type = fcntl.F_WRLCK, l_whence = 0, l_start = 0, l_len = 0 })
      io.open("%s/held", "w"):close()
      require("posix.time").nanosleep { tv_sec = 0, tv_nsec = 2e8 }
      local file = io.open("%s", "a")
      file:write("cut\n")
      file:close()' & while ! [ -e %s/held ]; do :; done]]):format(path, folder, path, folder)
    os.execute(script)
    history.open(path):add "after"
    assert.same({ "begun", "cut", "after" }, read(path))
  end)

  it("is the user's alone to read", function()
    history.open(path):add "secret"
    assert.equal("-rw-------", shell.run("stat -c %A " .. path).out:match "%S+")
  end)

  it("says why it cannot be kept, and works without", function()
    shell.write(folder .. "/file", "")
    local session, problem = history.open(folder .. "/file/hyla/history")
    assert.matches("file/hyla/history: ", problem)
    assert.is_true(session:add "x")
    local _, none = history.open(nil)
    assert.matches("neither XDG_STATE_HOME nor HOME", none)
  end)
end)
