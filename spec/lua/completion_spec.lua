-- What may come next on a command line, as `hyla complete` tells it, and as the three shells show it to a person.
local shell = dofile "spec/lua/shell.lua"
local terminal = dofile "spec/lua/terminal.lua"
local lfs = require "lfs"
local run, quote = shell.run, shell.quote
local hyla = quote(lfs.currentdir() .. "/hyla")

-- Words that may stand in the place of the last one, and the kind of path that may.
local function words(...)
  local line = {}
  for i, word in ipairs { ... } do line[i] = quote(word) end
  local r = run(hyla .. " complete " .. table.concat(line, " "))
  assert.equal("", r.err)
  assert.equal(0, r.code)
  local list = {}
  for word in r.out:gmatch "([^\t\n]+)[^\n]*\n" do list[#list + 1] = word end
  return list
end

describe("hyla complete", function()
  it("knows commands, their options, and what each takes", function()
    assert.same({ "run", "resume" }, { unpack(words "r", 1, 2) })
    assert.same({ "--version" }, words "--v")
    assert.same({ "--dry-run" }, words("run", "--dr"))
    assert.same({}, words("run", "--dry-run", "x", "--dr"))                 -- once is enough
    assert.same({ ":folders" }, words("run", "--out", ""))
    assert.same({ ":files", "hyper_cleaning" }, words("run", "--threads", "2", "hyper"))
    assert.same({ ":files", "quickstart" }, words("check", "quick"))
    assert.same({ "resume" }, words("help", "res"))
    assert.same({ "bash", "zsh", "fish" }, words("completion", ""))
    assert.same({ "get" }, words("data", "g"))
    assert.same({ "mnist" }, words("data", "check", "mn"))
    assert.same({}, words("data", "list", ""))
    assert.same({ "small" }, words("bench", "sm"))
    assert.same({ ":files" }, words "scrip")
    assert.same({ ":folders" }, words("docs", ""))
    assert.same({ "svg" }, words("report", "--format", "s"))
    assert.same({ "--format=svg" }, words("report", "--format=s"))
    assert.same({}, words("man", ""))
  end)

  it("knows a recipe's options and their values", function()
    assert.same({ "steps=" }, words("run", "quickstart", "st"))
    assert.same({ "steps=100" }, words("run", "quickstart", "steps="))
    assert.same({ "profile=quick" }, words("run", "hyper_cleaning", "--json", "profile="))
    assert.same({ "data=mnist" }, words("run", "quickstart", "seed=2", "data=mn"))
    assert.same({ "recurrent" }, words("run", "quickstart", "rec"))         -- several recipes make a sweep
    assert.same({ "corrupted=" }, words("run", "quickstart", "seed=2", "hyper_cleaning", "corr"))
    assert.same({}, words("check", "no_such_recipe", ""))
  end)

  it("is hidden from people", function()
    assert.not_matches("complete", run "./hyla --help".out)
    assert.not_matches("complete", run "./hyla rnu".err)
  end)

  describe("in a folder of one's own", function()
    local folder

    before_each(function() folder = shell.folder() end)
    after_each(function() shell.remove(folder) end)

    it("knows its recipes and runs", function()
      run(("cd %s && mkdir -p recipes runs/mine-1 runs/mine-2 runs/other && touch runs/mine-1/status.json "
        .. "runs/mine-2/status.json"):format(folder))
      shell.write(folder .. "/recipes/mine.lua", [[local hyla = require "hyla"
        return hyla.recipe { about = "", options = { often = false }, build = function() end }]])
      local function there(line) return run(("cd %s && %s complete %s"):format(folder, hyla, line)).out end
      assert.equal(":files\nmine\t\n", there "run mi")
      assert.equal("often=false\t\noften=true\t\n", there "run mine often=")
      for _, command in ipairs { "resume", "show", "runs mine-1", "report" } do
        assert.equal(":folders\nruns/mine-2\t\nruns/mine-1\t\n", there(command .. " ''"))
      end
    end)
  end)
end)

-- At a prompt `hyla` shows the words that the shell gives it.
local shells = {
  { name = "bash", file = ".bashrc", text = [[
    PS1='ready> '
    source <(%s completion bash)
    hyla() { if [ "$1" = complete ]; then %s "$@"; else echo "<$*>"; fi }]] },
  { name = "zsh", file = ".zshrc", text = [[
    PS1='ready> '
    autoload -U compinit; compinit -u -D
    source <(%s completion zsh)
    hyla() { if [ "$1" = complete ]; then %s "$@"; else echo "<$*>"; fi }]] },
  { name = "fish", file = ".config/fish/config.fish", text = [[
    function fish_prompt; echo 'ready> '; end
    %s completion fish | source
    function hyla; if test "$argv[1]" = complete; %s $argv; else; echo "<$argv>"; end; end]] },
}

describe("completion at the prompt of", function()
  local home, t

  before_each(function() home = shell.folder() end)
  after_each(function()
    if t then t:close() end
    t = nil
    shell.remove(home)
  end)

  for _, one in ipairs(shells) do
    it(one.name .. " finishes words", function()
      local path = run("command -v " .. one.name).out:match "%S+"
      if not path then return pending("skipped: " .. one.name .. " is not installed") end
      run(("mkdir -p %s/.config/fish"):format(home))
      shell.write(home .. "/" .. one.file, one.text:format(hyla, hyla))
      t = terminal.open(path, { HOME = home, ZDOTDIR = home, XDG_CONFIG_HOME = home .. "/.config", TERM = "dumb",
                                LC_ALL = "C.UTF-8" })
      t:expect "ready> "
      t:send "hyla run hyper_cl\tprofi\tqu\t --quie\t\r"
      t:expect "<run hyper_cleaning profile=quick --quiet>"
    end)
  end
end)
