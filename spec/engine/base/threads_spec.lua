local C = require "hyla.ffi".C
local support = dofile "spec/engine/support.lua"

-- A random tensor is filled by all threads.
local fill = [[
  local ffi = require "ffi"
  local engine = require "hyla.ffi"
  local tensor = require "hyla.tensor"
  engine.C.hyla_threads(4)
  local function work() return tensor.uniform({ 100000 }, { seed = 1 }) end
  work()
]]

describe("threads", function()
  local before = C.hyla_threads(0)
  after_each(function() C.hyla_threads(before) end)

  it("are as many as were set", function()
    assert.equal(3, C.hyla_threads(3))
    assert.equal(3, C.hyla_threads(0))
  end)

  it("refuse numbers that are none", function()
    for _, n in ipairs { -1, 257 } do
      assert.equal(C.HYLA_EVALUE, C.hyla_threads(n))
      assert.truthy(support.words():find("threads: expected 1 to 256, got " .. n, 1, true), support.words())
    end
    assert.equal(before, C.hyla_threads(0))
  end)

  it("are as many as HYLA_THREADS says, and a wrong one is told", function()
    local ask = [[print(require "hyla.ffi".C.hyla_threads(0))]]
    assert.equal("5\nexit 0\n", support.run(ask, "HYLA_THREADS=5"))
    for _, wrong in ipairs { "many", "0", "-2", "2x", "1000" } do
      local text = support.run(ask, "HYLA_THREADS=" .. wrong)
      local words = 'HYLA_THREADS: expected a whole number from 1 to 256, got "' .. wrong .. '"'
      assert.truthy(text:find(words, 1, true), text)
    end
  end)

  it("use no processor time while there is nothing to do", function()
    local used = support.run(fill .. [[
      ffi.cdef "int usleep(unsigned);"
      ffi.C.usleep(150000)                   -- they (and those of BLAS) stop looking for work in this time
      local start = os.clock()
      ffi.C.usleep(200000)
      print(os.clock() - start)
    ]])
    assert.is_true(tonumber(used:match "^(%S+)") < .02, used)
  end)

  it("work in a forked child too", function()
    local text = support.run(fill .. [[
      ffi.cdef "int fork(void); int waitpid(int, int *, int); int usleep(unsigned);"
      work()
      ffi.C.usleep(50000)                      -- a thread that is still starting may hold a lock of AddressSanitizer's
      local child = ffi.C.fork()
      local sum = 0
      for _, x in ipairs(work():totable()) do sum = sum + x end
      if child == 0 then
        engine.C.hyla_threads(2)             -- other workers, though the child has none of the parent's to stop
        work()
        os.exit(sum > 49000 and sum < 51000 and 7 or 1)
      end
      local status = ffi.new "int[1]"
      ffi.C.waitpid(child, status, 0)
      print(status[0] / 256)
    ]])
    assert.equal("7\nexit 0\n", text)
  end)

  it("are gone when the library is unloaded", function()
    local text = support.run [[
      local ffi = require "ffi"
      local engine = require "hyla.ffi"
      ffi.cdef "int usleep(unsigned);"
      local C, out = engine.C, ffi.new "hyla_tensor *[1]"
      C.hyla_threads(4)
      C.hyla_tensor_new(ffi.new("hyla_shape", { 0, 1, { 100000 } }), out)
      C.hyla_random_uniform(out[0], 1, 1, 0, 1)
      C.hyla_tensor_drop(out[0])
      local registry = debug.getregistry()
      C, engine, package.loaded["hyla.ffi"], registry["hyla.ffi"] = nil, nil, nil, nil
      collectgarbage()                       -- closes the library while they still look for work
      ffi.C.usleep(20000)
      local library = os.getenv "HYLA_LIB" or "libhyla"
      for line in io.lines "/proc/self/maps" do
        if line:find(library, 1, true) then error "the library is still there" end
      end
      print "unloaded"
    ]]
    assert.equal("unloaded\nexit 0\n", text)
  end)
end)
