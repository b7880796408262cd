--- How wide the terminal is.
-- @module hyla.lib.terminal
local ffi = require "ffi"

local registry = debug.getregistry()
if not registry["hyla.lib.terminal"] then
  ffi.cdef [[
    typedef struct hyla_winsize { unsigned short rows, columns, x, y; } hyla_winsize;
    int ioctl(int fd, unsigned long request, ...);
  ]]
  registry["hyla.lib.terminal"] = true
end

local GET_WINDOW_SIZE = 0x5413          -- Linux: TIOCGWINSZ

--- Columns that an output has: what COLUMNS in the environment says, else what the terminal does.
-- @tparam[opt=1] number fd of the output: 1 or 2
-- @treturn number 80 where nobody says
local function columns(fd)
  local said = tonumber(os.getenv "COLUMNS")
  if said and said >= 20 then return said end
  local size = ffi.new "hyla_winsize"
  local known = ffi.os == "Linux" and ffi.C.ioctl(fd or 1, GET_WINDOW_SIZE, ffi.cast("void *", size)) == 0
  return known and size.columns >= 20 and size.columns or 80
end

return { columns = columns }
