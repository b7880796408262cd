-- Pairs of .npy files through a descriptor.
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "support.lua")
local tensor = require "hyla.tensor"

-- A .npy file of version 1.0 from its raw elements.
local function npy(descr, shape, bytes)
  local header = ("{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }"):format(descr, table.concat(shape, ", "))
  header = header .. (" "):rep(63 - (10 + #header) % 64) .. "\n"
  return "\147NUMPY\1\0" .. string.char(#header % 256, math.floor(#header / 256)) .. header .. bytes
end

local description = [[
name: mine
about: a test
licence: MIT
source: here
format: npy
features: 2
folder: elsewhere
classes: [dark, light]
groups: [4, 4]
parts:
  - {name: all, x: x.npy, y: y.npy}
  - {name: more, x: more.npy, y: more-y.npy}
files:
  - {name: x.npy}
  - {name: y.npy}
  - {name: more.npy}
  - {name: more-y.npy}
]]

describe("pairs of .npy files", function()
  local folder, restore, hyla_data

  setup(function() hyla_data = require "hyla.data" end)
  before_each(function()
    folder = support.folder()
    restore = support.environment {
      HYLA_DATASETS = folder .. "/sets", HYLA_DATA = folder .. "/data", XDG_DATA_HOME = folder .. "/user",
    }
    support.write(folder .. "/sets/mine.yaml", description)
  end)
  after_each(function()
    restore()
    support.remove(folder)
  end)

  local function write(name, bytes) return support.write(folder .. "/data/elsewhere/" .. name, bytes) end

  local function save(name, values, dtype)
    write(name, "")
    tensor(values, dtype):save(folder .. "/data/elsewhere/" .. name)
  end

  local function refused(words, ...)
    local ok, message = pcall(hyla_data, ...)
    assert.is_false(ok)
    assert.matches("^%S*npy_spec.lua:%d+: ", message)
    assert.matches(words, message, 1, true)
  end

  it("are read as float32 and int32, whatever they are stored as", function()
    -- 1, -2, 0.5 and 65504 as IEEE halves; labels as bytes, and as 64-bit numbers.
    write("x.npy", npy("<f2", { 2, 2 }, "\0\60\0\192\0\56\255\123"))
    write("y.npy", npy("|u1", { 2 }, "\1\0"))
    local set = hyla_data "mine"
    assert.same({ { 1, -2 }, { 0.5, 65504 } }, set.x:totable())
    assert.same({ 1, 0 }, set.y:totable())
    assert.same({ { "dark", "light" }, { 4, 4 }, 2, "float32" }, { set.names, set.groups, set.classes, set.x.dtype })
    save("more.npy", { { 1, 2 }, { 3, 4 }, { 5, 0.1 } }, "float64")
    write("more-y.npy", npy("<i8", { 3 }, ("\1" .. ("\0"):rep(7)):rep(3)))
    set = hyla_data("mine", { part = "more" })
    assert.same({ "float32", 3, 1 }, { set.x.dtype, set.size, set.y:get(3) })
    assert.is_near(0.1, set.x:get(3, 2), 1e-8)
  end)

  it("that do not fit are refused, with file and row", function()
    refused("x.npy[.gz] is not in", "mine")
    save("x.npy", { { 1, 2 }, { 3, 0 / 0 } })
    save("y.npy", { 0, 1 }, "int32")
    refused("elsewhere/x.npy, row 2, column 2", "mine")
    save("x.npy", { { 1, 2 }, { 3, 4 }, { 5, 6 } })
    refused("y.npy: expected whole numbers [3], a label for each example of", "mine")
    save("y.npy", { 0, 1, 2 }, "int32")
    refused("y.npy, row 3: expected 0 to 1, got 2", "mine")       -- a third class, where the descriptor has two
    save("y.npy", { 0, -1, 1 }, "int32")
    refused("y.npy, row 2: expected 0 to 1, got -1", "mine")
    save("y.npy", { 0, 1, 1 }, "float32")
    refused("expected whole numbers [3]", "mine")
    save("x.npy", { { 1, 2, 3 } })
    refused("x.npy: expected real numbers [examples, 2], got float32 [1, 3]", "mine")
    save("x.npy", { { 1, 2 } }, "int32")
    refused("expected real numbers", "mine")
    write("x.npy", "no header")
    refused("x.npy", "mine")
  end)

  it("of other numbers of classes do not go together", function()
    local a = hyla_data { name = "a", x = { { 1, 2 }, { 3, 4 } }, y = { 0, 1 } }
    local b = hyla_data { name = "b", x = { { 1, 2 }, { 3, 4 } }, y = { 0, 2 } }
    local ok, message = pcall(a.concat, a, b)
    assert.is_false(ok)
    assert.matches("classes of 'a' is 2, of 'b' 3", message, 1, true)
  end)

  it("have descriptors that say what is wrong with them", function()
    for words, change in pairs {
      ["groups: expected 2, one a class, got 1"] = { "groups: [4, 4]", "groups: [4]" },
      ["'z.npy' is none of the files"] = { "x: x.npy", "x: z.npy" },
      ["bytes and sha256 go together"] = { "{name: x.npy}", "{name: x.npy, bytes: 3}" },
      ["with mirrors it needs bytes and sha256"] = { "folder: elsewhere", "folder: elsewhere\nmirrors: ['http://x/']" },
      ["folder: '../up' is no plain name"] = { "folder: elsewhere", "folder: ../up" },
    } do
      local first, last = description:find(change[1], 1, true)
      local text = description:sub(1, first - 1) .. change[2] .. description:sub(last + 1)
      support.write(folder .. "/sets/mine.yaml", text)
      refused(words, "mine")
    end
  end)
end)
