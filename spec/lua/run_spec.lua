local lfs = require "lfs"
local tensor = require "hyla.tensor"
local record = require "hyla.run.record"
local store = require "hyla.run.store"

local folders = {}

local function new_folder()
  local path = os.tmpname()
  os.remove(path)
  folders[#folders + 1] = path
  return path
end

local function remove_folder(path)
  if lfs.attributes(path, "mode") ~= "directory" then return end
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then os.remove(path .. "/" .. name) end
  end
  lfs.rmdir(path)
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local function fails(pattern, work, ...)
  local ok, message = pcall(work, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(pattern, 1, true), tostring(message))
end

after_each(function()
  for _, path in ipairs(folders) do remove_folder(path) end
  folders = {}
end)

describe("a record", function()
  local numbers = { 0.1, 1 / 3, -0.0, 2 ^ -1074, 1.7976931348623157e308, 123456789012345678, 5e-324, 4999 }

  it("keeps every bit of numbers and tensors", function()
    local f64 = tensor(numbers, "float64")
    local back = assert(record.decode(record.encode {
      numbers = numbers, text = 'a "b"\n\1', yes = true, nested = { list = { { x = 1 }, { x = 2 } } },
      f32 = tensor({ { 0.1, 2 }, { 3, -0.0 } }), f64 = f64, i32 = tensor({ -1, 2 ^ 31 - 1 }, "int32"),
      view = f64:slice(1, 2, 3), scalar = tensor(0.1, "float64"),
    }, "x"))
    for i, x in ipairs(numbers) do
      assert.equal(x, back.numbers[i])
      assert.equal(1 / x, 1 / back.numbers[i])
      assert.equal(x, back.f64:get(i))
    end
    assert.equal('a "b"\n\1', back.text)
    assert.is_true(back.yes)
    assert.same({ { x = 1 }, { x = 2 } }, back.nested.list)
    assert.same({ "float32", { 2, 2 } }, { back.f32.dtype, back.f32.shape })
    assert.equal(-math.huge, 1 / back.f32:get(2, 2))
    assert.equal(2 ^ 31 - 1, back.i32:get(2))
    assert.same({ 1 / 3, -0.0 }, back.view:totable())
    assert.equal(0.1, back.scalar:item())
  end)

  it("refuses what cannot be kept", function()
    fails("expected a finite number, got nan", record.encode, { x = 0 / 0 })
    fails("cannot write a function", record.encode, { x = print })
  end)

  it("is known to be damaged wherever a byte is changed or missing", function()
    local bytes = record.encode { x = 1.5, t = tensor { 1, 2, 3 } }
    for i = 1, #bytes do
      local value, message = record.decode(bytes:sub(1, i - 1) .. string.char((bytes:byte(i) + 1) % 256)
        .. bytes:sub(i + 1), "run/checkpoint.hyla")
      assert.is_nil(value)
      assert.is_truthy(message:find("run/checkpoint.hyla", 1, true), message)
      assert.is_nil((record.decode(bytes:sub(1, i - 1), "x")))
    end
    assert.is_nil((record.decode(bytes .. "x", "x")))
    assert.is_truthy(select(2, record.decode("hyla checkpoint 99 1 1 00000000\n", "x")):find("format 99", 1, true))
  end)
end)

describe("the folder of a run", function()
  it("gives back the newest checkpoint", function()
    local out = new_folder() .. "/deeper"
    folders[#folders + 1] = out
    local kept = store.create(out)
    kept:save { n = 1 }
    kept:save { n = 2 }
    kept:close()
    local again, value, troubles = store.resume(out)
    again:close()
    assert.same({ n = 2 }, value)
    assert.same({}, troubles)
    fails("holds a run already", store.create, out)
    remove_folder(out)
  end)

  it("falls back on the checkpoint before a damaged or missing one, and says so", function()
    local out = new_folder()
    local kept = store.create(out)
    kept:save { n = 1 }
    kept:save { n = 2 }
    kept:close()
    local path = out .. "/checkpoint.hyla"
    local bytes = read(path)
    for _, bad in ipairs { bytes:sub(1, -2), "", bytes:gsub("n", "m") } do
      write(path, bad)
      local again, value, troubles = store.resume(out)
      again:close()
      assert.same({ n = 1 }, value)
      assert.is_truthy(troubles[1]:find(path, 1, true), troubles[1])
    end
    os.remove(path)
    store.resume(out):close()
    write(out .. "/checkpoint.previous", "rubbish")
    fails("nothing to resume from", store.resume, out)
    fails("no such folder", store.resume, out .. "/none")
  end)

  it("loses nothing when a write fails", function()
    local out = new_folder()
    local kept = store.create(out)
    kept:save { n = 1 }
    kept:save { n = 2 }
    assert(lfs.mkdir(out .. "/checkpoint.next"))      -- in the way of the next one, for root as well
    fails("checkpoint.next", kept.save, kept, { n = 3 })
    assert(lfs.rmdir(out .. "/checkpoint.next"))
    kept:close()
    local again, value = store.resume(out)
    again:close()
    assert.same({ n = 2 }, value)
  end)

  it("must be one that can be written", function()
    local file = os.tmpname()
    fails(file, store.create, file .. "/out")
    os.remove(file)
  end)
end)
