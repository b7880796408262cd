-- Where recipes are found, and what the user's folders are.
local shell = dofile "spec/lua/shell.lua"
local lfs = require "lfs"
local run, quote = shell.run, shell.quote
local root = lfs.currentdir()
local hyla = quote(root .. "/hyla")

local function recipe_text(about)
  return ([[local hyla = require "hyla"
    return hyla.recipe { about = %q, run = function(_, lab) lab:result { about = %q } end }]]):format(about, about)
end

describe("a recipe of one's own", function()
  local folder

  before_each(function()
    folder = shell.folder()
    run(("mkdir -p %s/here/recipes %s/data/hyla/recipes"):format(folder, folder))
  end)
  after_each(function() shell.remove(folder) end)

  local function there(line)
    return run(("cd %s/here && XDG_DATA_HOME=%s/data %s %s"):format(folder, folder, hyla, line))
  end

  local function write(path, about) shell.write(folder .. "/" .. path, recipe_text(about or path)) end

  it("is found in ./recipes, then in the user's folder, then among Hyla's, then here", function()
    local places = { "here/recipes/quickstart.lua", "data/hyla/recipes/quickstart.lua" }
    for _, path in ipairs(places) do write(path) end
    write("here/quickstart.lua")
    for _, path in ipairs(places) do
      assert.matches("about " .. path, (there "run quickstart".out:gsub("%s+", " ")))
      os.remove(folder .. "/" .. path)
    end
    assert.matches("First steps", there "-e 'print(hyla.load [[quickstart]])'".out)
    write("here/mine.lua")
    assert.matches("here/mine.lua", there "run mine".out, 1, true)
  end)

  it("is listed with its place, once, and one with a mistake by its mistake", function()
    write("here/recipes/mine.lua", "Of mine")
    write("here/recipes/quickstart.lua", "In its place")
    write("data/hyla/recipes/mine.lua", "Hidden")
    write("here/stray.lua")
    shell.write(folder .. "/here/recipes/wrong.lua", "return 1")
    local out = there "list".out
    assert.matches("\nmine +Of mine %(" .. folder .. "/here/recipes/mine.lua%)\n", out)
    assert.matches("\nquickstart +In its place %(", out)
    assert.matches("\nwrong +recipes/wrong.lua: not a recipe", out)
    assert.matches("\nrecurrent +[^\n]*[^)]\n", out)
    assert.not_matches("Hidden", out)
    assert.not_matches("stray", out)
    local r = there "run mime"
    assert.equal(2, r.code)
    assert.matches("no recipe 'mime'; did you mean 'mine'", r.err)
  end)

  it("is found again by a run that is resumed from another folder", function()
    shell.write(folder .. "/here/recipes/mine.lua", [[local hyla = require "hyla"
      return hyla.recipe { about = "", run = function(_, lab) lab:result { told = "again" } end }]])
    assert.equal(0, there("run mine --quiet --out " .. folder .. "/run").code)
    write("data/hyla/recipes/mine.lua", "another of this name")
    local r = run(("cd / && XDG_DATA_HOME=%s/data %s resume %s/run --quiet"):format(folder, hyla, folder))
    assert.equal("", r.err)
    assert.matches("again", r.out)
    -- One of Hyla's is not taken for another of its name, either.
    assert.equal(0, there("run quickstart steps=1 hyper_steps=1 examples=20 --quiet --out " .. folder .. "/own").code)
    write "here/recipes/quickstart.lua"
    assert.equal("", there("resume " .. folder .. "/own").err)
  end)
end)

describe("the user's folders", function()
  local function told(environment)
    local line = "local f = require [[hyla.folders]] print(f.data()[1], f.cache(), f.state())"
    return run(("cd / && env -u HYLA_DATA %s %s -e %s"):format(environment, hyla, quote(line))).out
  end

  it("are XDG's, under the home folder where these are unset, empty or relative", function()
    assert.equal("/d/hyla\t/c/hyla\t/s/hyla\n", told "XDG_DATA_HOME=/d XDG_CACHE_HOME=/c XDG_STATE_HOME=/s")
    local home = "/h/.local/share/hyla\t/h/.cache/hyla\t/h/.local/state/hyla\n"
    assert.equal(home, told "-u XDG_DATA_HOME -u XDG_CACHE_HOME -u XDG_STATE_HOME HOME=/h")
    assert.equal(home, told "XDG_DATA_HOME= XDG_CACHE_HOME=c XDG_STATE_HOME=./s HOME=/h")
    assert.equal("nil\tnil\tnil\n", told "-u XDG_DATA_HOME -u XDG_CACHE_HOME -u XDG_STATE_HOME -u HOME")
  end)
end)
