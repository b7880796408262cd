--- LuaJIT's compiler, turned off where it cannot be trusted. Loaded before anything else of Hyla; returns its one rule.
-- @module hyla.compiler
local compiler = {}

--- Whether a LuaJIT compiles wrongly: on 64-bit Arm the betas of 2.1, which Debian 12 has, now and then write words
-- into their machine code that are no instructions, and the process ends by SIGILL. Their interpreter is right, and the
-- engine, where the time goes, is not concerned.
-- @tparam string arch as jit.arch
-- @tparam string version as jit.version
-- @treturn boolean
function compiler.faulty(arch, version)
  return arch == "arm64" and version:find("-beta", 1, true) ~= nil
end

if compiler.faulty(jit.arch, jit.version) then
  jit.off()
  jit.flush()
end

return compiler
