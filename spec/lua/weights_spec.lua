local hyla = require "hyla"
local lfs = require "lfs"
local runs = dofile "spec/lua/runs.lua"
local fails = runs.fails

after_each(runs.clean)

local function setup(dtype)
  local w, b = hyla.weight("w", { 2, 3 }, hyla.zeros), hyla.weight("b-1.x", {}, 0)
  local c = hyla.hyper("c", { init = 2, frozen = true })
  local p = hyla.problem {
    inner = ((w - 1) ^ 2):sum() + (b - 3) ^ 2, outer = w:sum(), watch = { c = c }, dtype = dtype,
    train = hyla.gd { rate = 0.125, steps = 3 },
  }
  return p, w, b, c
end

local function trained(dtype)
  local p, w, b, c = setup(dtype)
  p:train()
  return p, w, b, c
end

local function files(path)
  local list = {}
  for file in lfs.dir(path) do
    if file:sub(1, 1) ~= "." then list[#list + 1] = file end
  end
  table.sort(list)
  return list
end

describe("saved weights", function()
  it("come back with every bit, a .npy file each", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local p, path = trained(dtype), runs.new_folder()
      p:save_weights(path .. "/")
      assert.same({ "b-1.x.npy", "w.npy" }, files(path))
      local back = hyla.load_weights(path)
      assert.same(p:weights().w:totable(), back.w:totable())
      assert.same({ dtype, {} }, { back["b-1.x"].dtype, back["b-1.x"].shape })
      assert.same({ 2, 3 }, hyla.tensor.load(path .. "/w.npy").shape)
    end
  end)

  it("replace those before them, and leave nothing beside", function()
    local folder = runs.new_folder()
    assert(lfs.mkdir(folder))
    local path, p = folder .. "/best", trained()
    p:save_weights(path)
    p:start()
    p:save_weights(path)
    assert.equal(0, hyla.load_weights(path).w:get(1, 1))
    assert.same({ "best" }, files(folder))
  end)

  it("stay as they were when a save fails", function()
    local folder = runs.new_folder()
    assert(lfs.mkdir(folder))
    local path, p = folder .. "/best", trained()
    p:save_weights(path)
    local weights = require "hyla.weights"
    local broken = { a = hyla.ones { 2 }, b = { save = function() error("disk full", 0) end } }
    fails("disk full", weights.save, path, broken)
    assert.same({ "b-1.x.npy", "w.npy" }, files(path))
    assert.same({ "best" }, files(folder))
    local rename = os.rename
    for nth = 1, 2 do
      local calls = 0
      os.rename = function(...) -- luacheck: ignore 122
        calls = calls + 1
        if calls == nth then return nil, "no such luck" end
        return rename(...)
      end
      local ok, message = pcall(weights.save, path, { a = hyla.ones { 2 } })
      os.rename = rename -- luacheck: ignore 122
      assert.is_false(ok)
      assert.matches("save_weights: no such luck", message)
      assert.same({ "b-1.x.npy", "w.npy" }, files(path))
      assert.same({ "best" }, files(folder))
    end
  end)

  it("are told of where a crash left them", function()
    local path, p = runs.new_folder(), trained()
    p:save_weights(path)
    local moved = path .. ".previous"
    assert(os.rename(path, moved))
    fails(moved .. " has the weights before it", hyla.load_weights, path)
    runs.remove_folder(moved)
  end)

  it("are applied to expressions, with the hyperparameters as they are", function()
    local p, path = trained(), runs.new_folder()
    p:save_weights(path)
    local q, w, b, c = setup()
    local x = hyla.tensor { { 1, 2 }, { 3, 4 } }
    local kept = hyla.load_weights(path)
    -- gd from 0: w_3 = 1 - (1 - 2/8)^3 and b_3 = 3 w_3, exact in float32.
    local one = 1 - 0.75 ^ 3
    assert.same({ { 3 * one, 3 * one, 3 * one }, { 7 * one, 7 * one, 7 * one } }, q:apply(x:matmul(w), kept):totable())
    assert.equal(6 * one, q:apply(c * b, kept))
    q:set { c = 4 }
    assert.equal(12 * one, q:apply(c * b, kept))
    q:train()
    local mixed = { w = hyla.zeros { 2, 3 }, ["b-1.x"] = hyla.tensor(0.25, "float64") }
    assert.equal(0.25, q:apply(w:sum() + b, mixed))
    assert.is_near(6 * one, q:response(), 1e-6)          -- the state is still its own
  end)
end)

describe("a mistake with weights", function()
  it("is told with what was expected", function()
    local p, w = trained()
    local path = runs.new_folder()
    fails("no such folder", hyla.load_weights, path)
    fails("expected a folder's path, got a nil", hyla.load_weights)
    assert(lfs.mkdir(path))
    fails("no .npy file in it", hyla.load_weights, path)
    runs.write(path .. "/notes.txt", "x")
    fails("found 'notes.txt'", hyla.load_weights, path)
    fails("found 'notes.txt'", p.save_weights, p, path)
    fails("cannot make the folder", p.save_weights, p, path .. "/none/deeper")
    fails("a file is in the way", p.save_weights, p, path .. "/notes.txt")
    os.remove(path .. "/notes.txt")
    runs.write(path .. "/w.npy", "x")
    fails("w.npy", hyla.load_weights, path)
    local good = p:weights()
    local function with(changes)
      local all = { w = good.w, ["b-1.x"] = good["b-1.x"] }
      for name, value in pairs(changes) do all[name] = value or nil end
      return all
    end
    fails("apply: the weight 'w'", p.apply, p, w:sum(), with { w = false })
    fails("expected 'w' as a real tensor of shape [2, 3], got float32[3, 2]", p.apply, p, w:sum(),
      with { w = hyla.zeros { 3, 2 } })
    fails("got int32[2, 3]", p.apply, p, w:sum(), with { w = hyla.zeros({ 2, 3 }, "int32") })
    fails("'w' has NaN or infinity", p.apply, p, w:sum(), with { w = hyla.full({ 2, 3 }, 0 / 0) })
    fails("no weight 'v'", p.apply, p, w:sum(), with { v = good.w })
    fails("expected weights by name", p.apply, p, w:sum())
    fails("weight 'u'", p.apply, p, hyla.weight("u", {}, 0) + 1, good)
  end)
end)
