local C = require "hyla.ffi".C
local support = dofile "spec/engine/support.lua"

describe("interrupt", function()
  after_each(function() C.hyla_interrupt_clear() end)

  it("is a flag that is set and cleared", function()
    assert.equal(0, C.hyla_interrupted())
    C.hyla_interrupt()
    assert.equal(1, C.hyla_interrupted())
    C.hyla_interrupt_clear()
    assert.equal(0, C.hyla_interrupted())
  end)

  it("can be told to come at a step boundary, once", function()
    local hyla = require "hyla"
    local w = hyla.weight("w", {}, 1)
    local p = hyla.problem { inner = w ^ 2, outer = w, train = hyla.gd { rate = 0.1, steps = 20 } }
    finally(function() C.hyla_interrupt_at(0) end)
    C.hyla_interrupt_at(8)
    assert.has_error(function() p:train() end, "interrupted")
    assert.equal(7, p.t)
    C.hyla_interrupt_clear()
    p:train()
    assert.equal(20, p.t)
  end)

  -- In its own process: SIGINT is for all of one. `old` defines before(), which sets the action that ours replaces.
  local function script(old)
    return old .. [[
      local ffi = require "ffi"
      local C = require "hyla.ffi".C
      ffi.cdef "int raise(int); void *signal(int, void *);"
      before()
      C.hyla_interrupt_on_sigint(1)
      C.hyla_interrupt_on_sigint(1)
      ffi.C.raise(2)
      print("flag " .. C.hyla_interrupted())
      C.hyla_interrupt_on_sigint(0)
      ffi.C.raise(2)
      print "still here"
    ]]
  end

  it("is set by SIGINT while the handler is installed, and the default action comes back", function()
    local text = support.run(script [[
      local function before()
        require "ffi".C.signal(2, nil)
        io.stdout:setvbuf "no"
      end
    ]])
    assert.equal("flag 1\nexit 130\n", text)
  end)

  it("is set by SIGTERM where that is asked for, and the default action comes back", function()
    local text = support.run [[
      local ffi = require "ffi"
      local C = require "hyla.ffi".C
      ffi.cdef "int raise(int);"
      io.stdout:setvbuf "no"
      C.hyla_interrupt_on_sigint(2)
      ffi.C.raise(15)
      print("flag " .. C.hyla_interrupted())
      C.hyla_interrupt_on_sigint(1)
      ffi.C.raise(15)
      print "still here"
    ]]
    assert.matches("^flag 1\n.*exit 143\n$", text)          -- the shell has a word for it
  end)

  it("gives back an action that ignores SIGINT", function()
    local text = support.run(script [[
      local function before()
        local ffi = require "ffi"
        ffi.C.signal(2, ffi.cast("void *", 1))
      end
    ]])
    assert.equal("flag 1\nstill here\nexit 0\n", text)
  end)
end)
