-- The order of the house, as .ci/layering.lua checks it: held by this tree, and noticed where it is broken.
local shell = dofile "spec/lua/shell.lua"

local function check(root)
  return shell.run("luajit .ci/layering.lua " .. shell.quote(root))
end

describe("the order of folders and modules", function()
  local root

  before_each(function()
    root = shell.folder()
    shell.run(("mkdir -p %s/lua/hyla/b"):format(root))
    for _, folder in ipairs { "base", "graph", "kernels", "constraint", "attic" } do
      shell.run(("mkdir -p %s/engine/%s"):format(root, folder))
    end
  end)
  after_each(function() shell.remove(root) end)

  it("is held here", function()
    assert.same({ code = 0, out = "", err = "" }, check ".")
  end)

  local broken = {
    { "a folder below", "engine/graph/a.c", '#include "base/base.h"\n#include "plan/plan.h"\n',
      "engine/graph/a.c:2: graph includes plan/plan.h" },
    { "base that knows somebody", "engine/base/a.h", '  # include "graph/graph.h"\n', "engine/base/a.h:1:" },
    { "constraint that knows hypergrad", "engine/constraint/a.c", '#include "hypergrad/hypergrad.h"\n', "a.c:1:" },
    { "kernels that know graphs", "engine/kernels/a.c", '#include "graph/ops.def"\n#include "graph/graph.h"\n',
      "a.c:2:" },
    { "a folder without a place", "engine/attic/a.c", "", "engine/attic is not in the order" },
    { "a module that is missing", "lua/hyla/a.lua", "local x = require('hyla.nobody')\n", "requires hyla.nobody" },
    { "a module that requires itself", "lua/hyla/a.lua", "return function() require 'hyla.a' end\n", "cycle" },
  }
  for _, case in ipairs(broken) do
    local what, path, text, expected = unpack(case)
    it("is broken by " .. what, function()
      shell.write(root .. "/" .. path, text)
      local r = check(root)
      assert.equal(1, r.code)
      assert.matches(expected, r.out, 1, true)
      assert.matches("^[^\n]+\n$", r.out)
    end)
  end

  it("is broken by a cycle of modules, which is shown", function()
    shell.write(root .. "/lua/hyla/a.lua", 'local b = require "hyla.b"\n')
    shell.write(root .. "/lua/hyla/b/init.lua", 'local c = require("hyla.b.c")\n')
    shell.write(root .. "/lua/hyla/b/c.lua", '-- require "hyla.x"\n\nlocal a = require "hyla.a"\n')
    local r = check(root)
    assert.equal(1, r.code)
    assert.matches("hyla/b/c.lua:3: a cycle of requires: hyla.a -> hyla.b -> hyla.b.c -> hyla.a", r.out, 1, true)
  end)
end)
