--- Whole files, read and written at once. What people keep is written by the engine's hyla_file_write, which leaves the
-- old file or the new one; `write` is for what goes again.
-- @module hyla.file
local file = {}

--- Reads a file.
-- @tparam string path
-- @treturn string its bytes; or nil and a message that names it
function file.read(path)
  local handle, message = io.open(path, "rb")
  if not handle then return nil, message end
  local bytes, problem = handle:read "*a"
  handle:close()
  if not bytes then return nil, ("%s: %s"):format(path, problem) end
  return bytes
end

--- Writes a file, over one that is there.
-- @tparam string path
-- @tparam string bytes
-- @treturn boolean true; or nil and a message that names it
function file.write(path, bytes)
  local handle, message = io.open(path, "wb")
  if not handle then return nil, message end
  local ok, closed, refused
  ok, message = handle:write(bytes)
  closed, refused = handle:close()
  if ok and closed then return true end
  return nil, ("%s: %s"):format(path, message or refused)
end

return file
