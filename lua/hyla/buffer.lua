--- Bytes in the engine's memory: counted as held, and nothing to Lua's collector, which lets its garbage grow with all
-- that it sees.
-- @module hyla.buffer
local ffi = require "ffi"
local handle = require "hyla.tensor.handle"
local C = require("hyla.ffi").C

--- Zeros.
-- @tparam number size bytes
-- @treturn cdata uint8_t *: the bytes live as long as this pointer, not as others made of it. An error where there is
--   no memory for them
return function(size)
  -- int32: the engine has no smaller element.
  local out = handle.raw(handle.want_shape("buffer", { math.ceil(size / 4) }, "int32"))
  return ffi.gc(ffi.cast("uint8_t *", C.hyla_tensor_data(out)), function() C.hyla_tensor_drop(out) end)
end
