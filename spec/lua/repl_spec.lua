-- The prompt, at a pseudo-terminal as a person would sit there, and in a pipe.
local shell = dofile "spec/lua/shell.lua"
local terminal = dofile "spec/lua/terminal.lua"
local times = require "posix.sys.times"
local unistd = require "posix.unistd"

describe("the prompt at a terminal", function()
  local state, t

  before_each(function()
    state = shell.folder()
    t = terminal.open("./hyla", { XDG_STATE_HOME = state, TERM = "xterm", LC_ALL = "C.UTF-8" })
    t:expect "hyla> "
  end)

  after_each(function()
    t:close()
    shell.remove(state)
  end)

  it("shows the values of expressions and leaves at Ctrl-D with code 0", function()
    t:send "6 * 7, 'a' .. 'b'\r"
    t:expect "42\r\n\"ab\"\r\n"
    t:expect "hyla> "
    t:send "\4"
    assert.equal(0, t:finish())
  end)

  it("has hyla and its names as globals", function()
    t:send "hyla.exp == exp\r"
    t:expect "true\r\n"
  end)

  it("reads chunks of several lines", function()
    t:send "for i = 1, 2 do\r"
    t:expect "... "
    t:send "print('line', i)\r"
    t:expect "... "
    t:send "end\r"
    t:expect "line\t1\r\nline\t2\r\nhyla> "
  end)

  it("goes on after errors, with the user's own frames alone", function()
    t:send "function f() error('boom') end\r"
    t:expect "hyla> "
    t:send "f()\r"
    t:expect "prompt:1: boom\r\n  prompt:1: in 'f'\r\n  prompt:1: in the chunk\r\nhyla> "
    t:send "x = 1 +* 2\r"
    t:expect "unexpected symbol near '*'\r\nhyla> "
    t:send "1 + 2\r"
    t:expect "3\r\n"
  end)

  it("clears the line, and the lines before it, at Ctrl-C", function()
    t:send "x = {\r"
    t:expect "... "
    t:send "nonsense\3"
    t:expect "^C\r\nhyla> "
    t:send "11 + 11\r"
    t:expect "22\r\n"
  end)

  it("interrupts a loop at Ctrl-C and keeps what was done", function()
    t:send "n = 0 print 'going' while true do n = n + 1 end\r"
    t:expect "going\r\n"
    t:send "\3"
    t:expect "interrupted\r\nhyla> "
    t:send "n > 0\r"
    t:expect "true\r\n"
  end)

  it("interrupts the engine at Ctrl-C, and what it was at goes on later", function()
    t:send "w, eta = hyla.weight('w', { 4 }, hyla.ones), hyla.hyper('eta', { init = 0.1 })\r"
    t:expect "hyla> "
    t:send "J = (w * w):sum()\r"
    t:expect "hyla> "
    t:send "p = hyla.problem { inner = J, outer = J, train = hyla.gd { rate = eta, steps = 1e9 } }\r"
    t:expect "hyla> "
    t:send "print 'going' p:train()\r"
    t:expect "going\r\n"
    t:send "\3"
    t:expect "interrupted\r\nhyla> "
    t:send "n = p.t p:step(10)\r"
    t:expect "hyla> "
    t:send "p.t - n, n < 1e9\r"
    t:expect "10\r\ntrue\r\n"
  end)

  it("interrupts data that is drawn, in compiled loops", function()
    t:send "print 'going' d = hyla.data('digits', { n = 100000, seed = 77 })\r"
    t:expect "going\r\n"
    t:send "\3"
    t:expect "interrupted\r\nhyla> "
    t:send "d\r"
    t:expect "nil\r\n"
  end)

  it("completes names and fields", function()
    t:send "some_name = { inner_field = 99 }\r"
    t:expect "hyla> "
    t:send "some_n\t.inner\t + 1\r"
    t:expect "100\r\n"
  end)

  it("completes recipes within a text, their options and profiles", function()
    t:send 'r = hyla.load "quicks\t"\r'
    t:expect "hyla> "
    t:send "o = r:resolve{ examp\t77 }\r"
    t:expect "hyla> "
    t:send "o.examples\r"
    t:expect "77\r\n"
    t:send 'hyla.load "hyper_cleaning":resolve{ prof\t"qu\t" }.budget[1]\r'
    t:expect "1000\r\n"
  end)

  it("keeps the history between sessions, letters beyond ASCII too", function()
    t:send "#'h\195\169'\r"
    t:expect "3\r\n"
    t:expect "hyla> "
    t:send "\4"
    t:finish()
    t = terminal.open("./hyla", { XDG_STATE_HOME = state, TERM = "xterm", LC_ALL = "C.UTF-8" })
    t:expect "hyla> "
    t:send "\27[A\r"
    t:expect "3\r\n"
  end)

  it("recalls lines of a session at the same time, once both have ended", function()
    local other = terminal.open("./hyla", { XDG_STATE_HOME = state, TERM = "xterm", LC_ALL = "C.UTF-8" })
    other:expect "hyla> "
    other:send "'one'\r"
    other:expect '"one"\r\nhyla> '
    t:send "'two'\r"
    t:expect '"two"\r\nhyla> '
    for _, each in ipairs { t, other } do
      each:send "\4"
      each:finish()
    end
    t = terminal.open("./hyla", { XDG_STATE_HOME = state, TERM = "xterm", LC_ALL = "C.UTF-8" })
    t:expect "hyla> "
    t:send "\27[A\27[A\r"
    t:expect '"one"\r\n'
    t:send "\27[A\27[A\r"
    t:expect '"two"\r\n'
  end)
end)

describe("an outer loop at the prompt", function()
  it("keeps its series and its best at Ctrl-C, and goes on", function()
    local state = shell.folder()
    local t = terminal.open("./hyla", { XDG_STATE_HOME = state, TERM = "xterm", LC_ALL = "C.UTF-8" }, 60)
    local function type_in(line)
      t:send(line .. "\r")
      t:expect "hyla> "
    end
    t:expect "hyla> "
    type_in "w, c = weight('w', { 4 }, ones), hyper('c', { init = 1 })"
    type_in "p = problem { inner = ((w - c) ^ 2):sum(), outer = w:sum() ^ 2, \z
             train = gd { rate = 0.01, steps = 400 }, improve = adam { rate = 1e-3, steps = 1e6 } }"
    t:send "print 'going' run = p:optimise()\r"
    t:expect "hyper-iteration "
    for _ = 1, 3 do                                    -- the loop's progress, rewritten
      t:expect "\r"
    end
    t:send "\3"
    t:expect "hyla> "
    t:send "run.stopped, #run.series > 3, run.best.response <= run.series[1].response\r"
    t:expect '"interrupted"\r\ntrue\r\ntrue\r\nhyla> '
    type_in "n = #run.series run.steps = run.iterations run:go_on(5)"
    t:send "run.stopped, #run.series >= n + 5, p:lambda().c < 1\r"
    t:expect '"steps"\r\ntrue\r\ntrue\r\n'
    t:send "while true do p:optimise { steps = 10 } end\r"
    t:expect "hyper-iteration "
    t:send "\3"
    t:expect "interrupted\r\nhyla> "
    t:close()
    shell.remove(state)
  end)
end)

describe("the prompt at another terminal", function()
  local state

  before_each(function() state = shell.folder() end)
  after_each(function() shell.remove(state) end)

  it("fits 40 columns", function()
    local t = terminal.open("./hyla", { XDG_STATE_HOME = state, TERM = "xterm", LC_ALL = "C.UTF-8" }, 40)
    t:expect "hyla> "
    for _, line in ipairs {
      "p = hyla.load 'quickstart':build { steps = 4, examples = 20 }", "p", "p:trajectory()", "p:states()",
      "p:weights().W", "plot(p:trajectory())", "p:optimise { steps = 2 }", "_.series", "help(p)", "help()",
      "help 'hyper_cleaning'",
    } do
      t:send(line .. "\r")
      t:expect "\n"
      local from = t.from
      t:expect "hyla> "
      for said in t.heard:sub(from):gmatch "[^\r\n]+" do
        local fits = #said <= 40 or not said:match "^%s*(.*)":find " "
        assert.is_true(fits, line .. ": " .. said)
      end
    end
    t:close()
  end)

  local locales = {
    ["no UTF-8 locale"] = { LC_ALL = "C" }, ["a locale that is not there"] = { LC_ALL = "xx_YY.UTF-8" },
    ["no locale at all"] = { LC_ALL = false, LANG = false, LC_CTYPE = false },
    ["a terminal that nobody knows"] = { LC_ALL = "C", TERM = "no-such-terminal" },
    ["no TERM"] = { LC_ALL = "C", TERM = false }, ["a dumb terminal"] = { LC_ALL = "C", TERM = "dumb" },
  }
  for words, env in pairs(locales) do
    it("takes letters and completes with " .. words, function()
      if env.TERM == nil then env.TERM = "xterm" end
      env.XDG_STATE_HOME = state
      local t = terminal.open("./hyla", env)
      t:expect "hyla> "
      t:send "#'h\195\169'\r"
      t:expect "3\r\n"
      t:send "hyla.matm\t == matmul\r"
      t:expect "true\r\n"
      t:send "plot { 1, 2, 3 }\r"
      t:expect "***"
      t:expect "hyla> "
      t:send "\4"
      assert.equal(0, t:finish())
      assert.is_nil(t.heard:gsub("\195\169", ""):find "[\128-\255]")
    end)
  end

  it("says that what is typed is not kept where it cannot be", function()
    shell.write(state .. "/hyla", "a file in the way")
    local t = terminal.open("./hyla", { XDG_STATE_HOME = state, TERM = "xterm", LC_ALL = "C.UTF-8" })
    t:expect "What is typed is not kept: "
    t:expect "hyla> "
    t:send "1 + 1\r"
    t:expect "2\r\n"
    t:close()
  end)

  it("is there within 50 ms", function()
    if os.getenv "HYLA_CHECK_LEAKS" then pending "not with sanitizers" end
    -- Of the processor's time, which other work on the machine does not lengthen.
    local function spent()
      local t = times.times()
      return (t.tms_cutime + t.tms_cstime) / unistd.sysconf(unistd._SC_CLK_TCK)
    end
    local n, before = 10, spent()
    for _ = 1, n do os.execute "echo | ./hyla" end
    local each = (spent() - before) / n
    assert.is_true(each < 0.05, ("%.0f ms"):format(each * 1e3))
  end)
end)

describe("the prompt in a pipe", function()
  local function feed(text)
    return shell.run("printf %s " .. shell.quote(text) .. " | ./hyla")
  end

  it("runs chunk by chunk without a word of its own", function()
    local r = feed "x = 2\nif x == 2 then\nprint 'two'\nend\nx, nil, { 1, a = 'b' }\n"
    assert.same({ code = 0, out = 'two\n2\nnil\n{ 1, a = "b" }\n', err = "" }, r)
  end)

  it("has help", function()
    assert.matches("hyla.exp%(x%)\n  e%^x%.", feed("help(exp)\n").out)
    assert.matches("hyla.exp%(x%)\n  e%^x%.", feed('help "exp"\n').out)
    assert.matches("At the prompt:", feed("help()\n").out, 1, true)
    assert.matches("nothing is called 'expp'; did you mean 'exp'", feed("help 'expp'\n").out, 1, true)
  end)

  it("keeps the last value that it showed", function()
    assert.equal("21\n22\nnil\n22\nfalse\n", feed("3 * 7\n_ + 1\nnil\n_\nfalse\n").out)
  end)

  it("hints at near names where a global is nil", function()
    assert.matches("call global 'plt' %(a nil value%); did you mean .*'plot'", feed("plt { 1 }\n").out)
    assert.matches("index global 'prblem' %(a nil value%); did you mean 'problem'", feed("x = 1 prblem.x = 2\n").out)
  end)

  it("times and plots", function()
    local r = feed "time 'exp(1)'\nplot { 1, 2, 3 }\n"
    assert.matches("median of %d+", r.out)
    assert.matches("%*%*%*", r.out)
    assert.same({ 0, "" }, { r.code, r.err })
  end)

  it("reads an expression to its end", function()
    assert.equal("3\n", feed("1 +\n2\n").out)
  end)

  it("goes on after an error, and its code tells", function()
    local r = feed "error 'bad'\n1 + 1\n"
    assert.equal(1, r.code)
    assert.equal("prompt:1: bad\n2\n", r.out)
  end)

  it("ends at Ctrl-C with code 130", function()
    local folder = shell.folder()
    shell.write(folder .. "/chunks", "print 'going' io.stdout:flush() while true do end\nprint 'not reached'\n")
    shell.write(folder .. "/start", "#!/bin/sh\nexec ./hyla < " .. folder .. "/chunks\n")
    shell.run("chmod +x " .. folder .. "/start")
    local t = terminal.open(folder .. "/start", {})
    t:expect "going\r\n"
    t:send "\3"
    t:expect "interrupted\r\n"
    assert.equal(130, t:finish())
    assert.is_nil(t.heard:find "not reached")
    shell.remove(folder)
  end)

  it("reports an end inside a chunk", function()
    local r = feed "x = {"
    assert.equal(1, r.code)
    assert.matches("ended inside a chunk", r.out)
  end)
end)
