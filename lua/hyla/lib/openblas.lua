--- OpenBLAS: what it says of itself. The engine calls all the rest.
-- @module hyla.lib.openblas
local ffi = require "ffi"

ffi.cdef "const char *openblas_get_config(void);"

--- The version, "0.3.21".
-- @treturn string
local function version()
  local library = require "hyla.lib.load"("libopenblas.so.0", "libopenblas0")
  local config = ffi.string(library.openblas_get_config())
  return config:match "^OpenBLAS (%S+)" or config
end

return { version = version }
