--- What `hyla --version` says: Hyla's version, and what decides bits and speed of a run on this machine.
-- @module hyla.cli.version

--- @treturn string two lines
return function()
  local C = require "hyla.ffi".C
  local text = require "ffi".string
  return ("hyla %s\n%s kernels, OpenBLAS %s (%s), %s\n"):format(text(C.hyla_version()), text(C.hyla_kernel_variant()),
    require "hyla.lib.openblas".version(), text(C.hyla_blas_core()), jit.version)
end
