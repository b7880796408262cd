local ffi = require "ffi"
local C = require "hyla.ffi".C
local tensor = require "hyla.tensor"
local support = dofile "spec/engine/support.lua"

local function new(...)
  local shape, out = ffi.new "hyla_shape", ffi.new "hyla_tensor *[1]"
  shape.rank = select("#", ...)
  for i = 1, shape.rank do shape.dim[i - 1] = select(i, ...) end
  local status = C.hyla_tensor_new(shape, out)
  return status, function() C.hyla_tensor_drop(out[0]) end, out[0]
end

describe("memory", function()
  before_each(function() for _ = 1, 2 do collectgarbage() end end)
  after_each(function() C.hyla_memory_limit(0) end)

  it("tells what a budget allows", function()
    assert.equal(1e6, C.hyla_memory_allowed(1e6))
    assert.is_true(C.hyla_memory_allowed(0) > 2 ^ 26 and C.hyla_memory_allowed(0) < math.huge)
    local held = C.hyla_memory_current()
    C.hyla_memory_limit(held + 16000)
    assert.equal(15000, C.hyla_memory_allowed(0))        -- but for a sixteenth
    assert.equal(16000, C.hyla_memory_allowed(1e6))
    assert.equal(500, C.hyla_memory_allowed(500))
  end)

  it("counts what lives, in whole lines of 64 bytes, and what lived at most", function()
    local before = C.hyla_memory_current()
    C.hyla_memory_reset_peak()
    local _, release = new(1000, 1000)
    local taken = C.hyla_memory_current() - before
    assert.is_true(taken >= 4e6 and taken < 4e6 + 1024)
    assert.equal(0, taken % 64)
    release()
    assert.equal(before, C.hyla_memory_current())
    assert.equal(before + taken, C.hyla_memory_peak())
    C.hyla_memory_reset_peak()
    assert.equal(before, C.hyla_memory_peak())
  end)

  it("aligns every block to 64 bytes", function()
    local releases = {}
    for n = 1, 400, 3 do                               -- some are malloc's own to align, larger ones are not
      local _, release, t = new(n)
      assert.equal(0, tonumber(ffi.cast("uintptr_t", C.hyla_tensor_data(t)) % 64))
      releases[#releases + 1] = release
      if n % 2 == 0 then table.remove(releases, 1)() end
    end
    for _, release in ipairs(releases) do release() end
  end)

  it("refuses what passes the limit and says how much that is", function()
    C.hyla_memory_limit(C.hyla_memory_current() + 2 ^ 20)
    local status = new(1024, 1024)
    assert.equal(C.HYLA_ENOMEM, status)
    local words = support.words()
    assert.truthy(words:find("tensor float32[1024, 1024]: memory limit: 4 MiB asked for", 1, true), words)
    assert.truthy(words:find "in use, the limit is %d+%.?%d* MiB", words)
    local fits, release = new(100, 1000)
    assert.equal(0, fits)
    release()
  end)

  it("gives the limit back as it was set", function()
    C.hyla_memory_limit(12345)
    assert.equal(12345, C.hyla_memory_get_limit())
    C.hyla_memory_limit(0)
    assert.equal(0, C.hyla_memory_get_limit())
  end)

  it("fails the allocation that a test chose, once", function()
    assert.equal(3, support.fail_each_allocation(function() return new(10) end))   -- storage, elements, handle
  end)

  it("says what was asked for when the system refuses", function()
    assert.equal(C.HYLA_ENOMEM, (new(2 ^ 30, 2 ^ 24)))
    assert.truthy(support.words():find("out of memory: 6.554e+04 TiB asked for", 1, true), support.words())
  end)

  it("has the collector look when the engine grows", function()
    C.hyla_memory_reset_peak()
    local before = C.hyla_memory_current()
    for _ = 1, 64 do tensor.zeros { 2 ^ 20, 2 } end     -- 8 MiB each, and nothing in Lua's own heap
    assert.is_true(C.hyla_memory_peak() - before < 2 ^ 20 * 128)
  end)

  it("gives large blocks back to the system, whatever was taken after them", function()
    local function resident()
      local file = io.open "/proc/self/statm"
      local text = file:read "*a"
      file:close()
      return tonumber(text:match "^%d+ (%d+)") * 4096
    end
    collectgarbage() collectgarbage()
    local before, held = resident(), { tensor.zeros { 5e6 } }
    held[1] = nil
    collectgarbage() collectgarbage()
    held[1] = tensor.zeros { 4e6 }
    held[2] = tensor.zeros { 2e4 }
    held[1] = nil
    collectgarbage() collectgarbage()
    assert.is_true(resident() - before < 4e6)
    assert.equal(2e4, held[2].size)
  end)

  it("collects before it gives up at the limit", function()
    C.hyla_memory_limit(C.hyla_memory_current() + 3 * 2 ^ 20)
    for _ = 1, 10 do tensor.zeros { 2 ^ 18, 2 } end     -- 2 MiB each: a second fits only when the first is gone
  end)
end)
