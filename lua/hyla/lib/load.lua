--- Loads a third-party shared library; one that is absent is named together with the Debian package that brings it.
-- @module hyla.lib.load
local ffi = require "ffi"

--- @tparam string file what the dynamic linker looks for, with its version ("libz.so.1")
-- @tparam string package Debian package
-- @return the library's namespace; an error otherwise
return function(file, package)
  local ok, library = pcall(ffi.load, file)
  if not ok then error(("%s cannot be loaded (Debian package %s): %s"):format(file, package, library), 0) end
  return library
end
