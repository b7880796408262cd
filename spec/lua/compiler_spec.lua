local compiler = require "hyla.compiler"

describe("LuaJIT's compiler", function()
  it("is not trusted on 64-bit Arm before 2.1 left its betas", function()
    assert.is_true(compiler.faulty("arm64", "LuaJIT 2.1.0-beta3"))
    assert.is_false(compiler.faulty("arm64", "LuaJIT 2.1.1720049189"))
    assert.is_false(compiler.faulty("x64", "LuaJIT 2.1.0-beta3"))
  end)

  it("is off exactly where it is not trusted", function()
    assert.equal(not compiler.faulty(jit.arch, jit.version), (jit.status()))
  end)
end)
