local C = require "hyla.ffi".C
local support = dofile "spec/engine/support.lua"

describe("atomic writing", function()
  local folder, remove
  before_each(function() folder, remove = support.folder() end)
  after_each(function() remove() end)

  local function listing()
    local pipe = io.popen("ls -A " .. folder)
    local text = pipe:read "*a"
    pipe:close()
    return text
  end

  it("makes and replaces a file, and leaves nothing beside it", function()
    local path = folder .. "/x"
    assert.equal(0, C.hyla_file_write(path, "one\0two", 7))
    assert.equal("one\0two", support.read(path))
    assert.equal(0, C.hyla_file_write(path, "", 0))
    assert.equal("", support.read(path))
    assert.equal("x\n", listing())
  end)

  it("names the path and the reason", function()
    assert.equal(C.HYLA_EIO, C.hyla_file_write(folder .. "/none/x", "a", 1))
    assert.equal(folder .. "/none/x: cannot be written: No such file or directory", support.words())
    assert.equal(C.HYLA_EIO, C.hyla_file_write(folder, "a", 1))
    assert.truthy(support.words():find(folder .. ": cannot be replaced: ", 1, true), support.words())
    assert.equal("", listing())
    assert.equal(C.HYLA_EIO, C.hyla_file_sync(folder .. "/none"))
    assert.equal(C.HYLA_EVALUE, C.hyla_file_write(folder .. "/x", "a", -1))
  end)

  it("keeps the old file when there is no room for the new one", function()
    local path = folder .. "/x"
    support.write(path, "old")
    local text = support.run(([[
      local engine = require "hyla.ffi"
      print(pcall(engine.check, engine.C.hyla_file_write("%s", ("x"):rep(100000), 100000)))
    ]]):format(path), "ulimit -f 8; trap '' XFSZ;")
    assert.equal("false\t" .. path .. ": cannot be written: File too large\nexit 0\n", text)
    assert.equal("old", support.read(path))
    assert.equal("x\n", listing())
  end)

  it("flushes files and folders", function()
    support.write(folder .. "/x", "a")
    assert.equal(0, C.hyla_file_sync(folder .. "/x"))
    assert.equal(0, C.hyla_file_sync(folder))
  end)

  it("survives a failure of any allocation", function()
    assert.is_true(support.fail_each_allocation(function()
      return C.hyla_file_write(folder .. "/x", "a", 1)
    end) >= 1)
  end)
end)
