-- OpenBLAS is loaded for what it is used for, products of batches, and by nothing else.
describe("OpenBLAS", function()
  it("is loaded when a program first multiplies batches of matrices", function()
    local script = [[
      local hyla = require "hyla"
      local function loaded() return io.open "/proc/self/maps":read "*a":find("openblas", 1, true) ~= nil end
      local x = hyla.tensor.ones { 40, 40 }
      print(x:matmul(x):sum():item(), loaded())
      local batch = hyla.tensor.ones { 2, 40, 40 }
      print(batch:matmul(batch):sum():item(), loaded())
    ]]
    local pipe = assert(io.popen(("LUA_PATH='%s' luajit -e '%s'"):format(package.path, script)))
    local printed = pipe:read "*a"
    pipe:close()
    assert.equal("64000\tfalse\n128000\ttrue\n", printed)
  end)
end)
