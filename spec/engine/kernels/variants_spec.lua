-- A variant is chosen when the library is loaded, so each is tested in a process of its own: the specs below run with
-- every variant that this CPU has. The suite itself runs with the best of them, which is therefore left out.
local ffi = require "ffi"
local shell = dofile "spec/lua/shell.lua"

-- Every op and its derivatives against differences and plain loops, in float64; whole hypergradients against closed
-- forms, differences and each other; equal bits twice, on one, two and three threads, and however memory is kept.
local specs = "spec/engine/plan/program_spec.lua spec/engine/autodiff/ops_spec.lua "
  .. "spec/engine/autodiff/compositions_spec.lua spec/hypergrad/agreement_spec.lua spec/hypergrad/reverse_spec.lua"
-- Thousands of differences, whose every product is among the others.
local left_out = "in every component"

local chosen = ffi.string(require "hyla.ffi".C.hyla_kernel_variant())

describe("forced kernels", function()
  for _, variant in ipairs { "generic", "avx2", "avx512" } do
    it("give the same bits on any threads and right derivatives: " .. variant, function()
      if variant == chosen then return end
      local had = shell.run("HYLA_KERNELS=" .. variant .. " ./hyla -e 'print(\"loaded\")'")
      if had.code ~= 0 then
        assert.truthy(had.err:find(('got "%s"'):format(variant), 1, true), had.err)
        pending("this CPU has no " .. variant)
        return
      end
      local ran = shell.run(("HYLA_KERNELS=%s ./hyla test --filter-out=%s %s"):format(variant, shell.quote(left_out),
        specs))
      assert.equal(0, ran.code, ran.out .. ran.err)
      assert.truthy(ran.out:find("[1-9]%d+ successes / 0 failures / 0 errors / 0 pending"), ran.out)
    end)
  end

  it("are refused by name where there are none", function()
    local ran = shell.run "HYLA_KERNELS=avx3 ./hyla -e 'print(1)'"
    assert.equal(1, ran.code)
    assert.truthy(ran.err:find('HYLA_KERNELS: expected "generic", "avx2" or "avx512", one that this CPU has '
      .. '%(its best is "%w+"%), got "avx3"'), ran.err)
  end)
end)
