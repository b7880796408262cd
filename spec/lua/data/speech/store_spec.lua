local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "../support.lua")
local ffi = require "ffi"
local lfs = require "lfs"
local store = require "hyla.data.speech.store"

describe("the features' cache", function()
  local folder, restore, computed
  before_each(function()
    folder, computed = support.folder(), 0
    restore = support.environment { XDG_CACHE_HOME = folder }
  end)
  after_each(function()
    restore()
    support.remove(folder)
  end)

  -- Two utterances of 1 and 2 frames of two values.
  local function compute()
    computed = computed + 1
    return {
      { frames = 1, state = ffi.new("int32_t[1]", 7), energies = ffi.new("float[2]", { 1, 2 }) },
      { frames = 2, state = ffi.new("int32_t[2]", { 8, 9 }), energies = ffi.new("float[4]", { 3, 4, 5, 6 }) },
    }
  end

  local function get(about)
    local all = store.get("corpus", about or "settings", 2, 2, compute)
    assert.equal(3, all.frames)
    assert.same({ 1, 2 }, { all.lengths[0], all.lengths[1] })
    assert.same({ 7, 8, 9 }, { all.state[0], all.state[1], all.state[2] })
    for k = 0, 5 do assert.equal(k + 1, all.energies[k]) end
  end

  local function only_file()
    local list = {}
    for name in lfs.dir(folder .. "/hyla") do
      if name:sub(1, 1) ~= "." then list[#list + 1] = folder .. "/hyla/" .. name end
    end
    assert.equal(1, #list)
    return list[1]
  end

  it("computes once, and again where the settings differ", function()
    get()
    get()
    assert.equal(1, computed)
    get "other settings"
    assert.equal(2, computed)
  end)

  it("does not take what is damaged or cut short, and replaces it", function()
    get()
    local path = only_file()
    local whole = support.read(path)
    for _, bad in ipairs { whole:sub(1, -2) .. "x", whole:sub(1, -5), whole:sub(1, 100), "" } do
      support.write(path, bad)
      computed = 0
      get()
      get()
      assert.equal(1, computed)
    end
    assert.equal(whole, support.read(path))
  end)

  it("tells files apart by path, size and time of change", function()
    local path = support.write(folder .. "/a", "one")
    local before = store.identity { path }
    support.write(path, "three")
    local larger = store.identity { path }
    lfs.touch(path, 1, 1)
    assert.not_equal(before, larger)
    assert.not_equal(larger, store.identity { path })
    assert.not_equal(larger, store.identity { folder .. "/absent" })
  end)

  it("passes on what went wrong in computing, and keeps nothing", function()
    local all, message = store.get("corpus", "settings", 2, 2, function() return nil, "no such sound" end)
    assert.same({ nil, "no such sound" }, { all, message })
    assert.is_false(support.exists(folder .. "/hyla"))
  end)

  -- A limit on the size of files stands for a full disk: writing fails in the middle.
  it("says when there is no room for it, leaves no part behind, and the data is there all the same", function()
    local script = [[
      local set = require("hyla").data("syllables", { n = 20, seed = 5 })
      print(set.train.utterances, set.train.size > 500)
    ]]
    local command = ("ulimit -f 8; trap '' XFSZ; XDG_CACHE_HOME='%s' luajit -e 'package.path = \"%s\"' -e '%s'")
      :format(folder, package.path, script:gsub("'", [['\'']])) .. (" 2>'%s/err'"):format(folder)
    local pipe = io.popen(command)
    local printed = pipe:read "*a"
    pipe:close()
    assert.matches("^12%s+true", printed)
    local said = support.read(folder .. "/err")
    assert.matches("data 'syllables': the features are computed anew each time, for they cannot be kept: ", said)
    assert.matches("File too large", said)
    for name in lfs.dir(folder .. "/hyla") do assert.is_truthy(name == "." or name == "..", name) end
  end)
end)
