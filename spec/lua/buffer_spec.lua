local buffer = require "hyla.buffer"
local C = require("hyla.ffi").C

describe("a buffer", function()
  it("is zeros of the engine's memory, for as long as its pointer is kept", function()
    collectgarbage() collectgarbage()
    local before = C.hyla_memory_current()
    local bytes = buffer(1001)
    assert.is_near(1001, C.hyla_memory_current() - before, 512)
    for i = 0, 1000 do assert.equal(0, bytes[i]) end
    bytes[1000] = 255
    collectgarbage()
    assert.equal(255, bytes[1000])
    bytes = nil   -- luacheck: ignore 311 (it is let go)
    collectgarbage() collectgarbage()
    assert.equal(before, C.hyla_memory_current())
  end)

  it("may be empty, and is refused where there is no memory", function()
    assert.is_true(buffer(0) ~= nil)
    C.hyla_memory_limit(C.hyla_memory_current() + 1000)
    local ok, message = pcall(buffer, 1e6)
    C.hyla_memory_limit(0)
    assert.is_false(ok)
    assert.matches("memory limit", message, 1, true)
  end)
end)
