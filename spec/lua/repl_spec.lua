-- The prompt, at a pseudo-terminal as a person would sit there, and in a pipe.
local shell = dofile "spec/lua/shell.lua"
local terminal = dofile "spec/lua/terminal.lua"

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

  it("reports an end inside a chunk", function()
    local r = feed "x = {"
    assert.equal(1, r.code)
    assert.matches("ended inside a chunk", r.out)
  end)
end)
