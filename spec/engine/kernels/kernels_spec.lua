-- The kernels are hidden inside the library, so a C program tests them: once for each variant this CPU has.
local lfs = require "lfs"

local build = os.getenv("HYLA_BUILD") or "build"
local program = build .. "/kernels_test"

--- Runs the program with a variant asked for; returns its output and whether it succeeded.
local function run(variant)
  local pipe = assert(io.popen(("HYLA_KERNELS=%s '%s' 2>&1; echo status $?"):format(variant, program)))
  local output = pipe:read("*a")
  pipe:close()
  return output, output:match("status (%d+)%s*$") == "0"
end

describe("kernels", function()
  for _, variant in ipairs { "generic", "avx2", "avx512" } do
    it("agree with a plain reference, however the work is cut: " .. variant, function()
      if not lfs.attributes(program) then
        pending("kernels_test is not built in " .. build)
        return
      end
      local output, ok = run(variant)
      if not output:find(variant .. ": ", 1, true) and ok then
        pending("this CPU has no " .. variant)
        return
      end
      assert.is_true(ok, output)
      assert.is_truthy(output:find(variant .. ": %d+ checks, 0 failures"), output)
    end)
  end
end)
