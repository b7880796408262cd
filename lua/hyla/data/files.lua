--- The files of data sets on this machine: found, plain or packed, and checked against their descriptor.
-- @module hyla.data.files
local ffi = require "ffi"
local lfs = require "lfs"
local new_buffer = require "hyla.buffer"
local crypto = require "hyla.lib.crypto"
local folders = require "hyla.folders"
local zlib = require "hyla.lib.zlib"

local files = {}

local CHUNK = 2 ^ 20

--- Finds a file of a data set, plain or with ".gz", in $HYLA_DATA/FOLDER and the user's data folder.
-- @tparam table d the set's descriptor
-- @tparam string name name of the file without ".gz"
-- @treturn string its path; or nil and a message that says where it was looked for
function files.find(d, name)
  local tried = {}
  for _, folder in ipairs(folders.data()) do
    local path = ("%s/%s/%s"):format(folder, d.folder, name)
    for _, candidate in ipairs { path, path .. ".gz" } do
      if lfs.attributes(candidate, "mode") == "file" then return candidate end
    end
    tried[#tried + 1] = ("%s/%s"):format(folder, d.folder)
  end
  return nil, ("%s[.gz] is not in %s%s"):format(name, table.concat(tried, " nor in "),
    #d.mirrors > 0 and ("; `hyla data get %s` fetches it"):format(d.name) or "")
end

--- Reads a whole file, unpacked.
-- @tparam string path plain or gzip
-- @tparam number bytes the size its contents must have
-- @treturn cdata uint8_t *, as of hyla.buffer; or nil and a message
function files.contents(path, bytes)
  local reader, problem = zlib.open(path)
  if not reader then return nil, problem end
  local buffer = new_buffer(bytes + 1)                   -- one more, to see contents that are too long
  local count
  count, problem = reader:read(buffer, bytes + 1)
  reader:close()
  if not count then return nil, problem end
  if count ~= bytes then
    return nil, ("%s: expected %d bytes, got %s"):format(path, bytes, count > bytes and "more" or tostring(count))
  end
  return buffer
end

-- A file as it is, with the calls of zlib's reader.
local function open_plain(path)
  local file, problem = io.open(path, "rb")
  if not file then return nil, problem end
  return {
    read = function(_, buffer, size)
      local text, trouble = file:read(size)
      if not text and trouble then return nil, ("%s: %s"):format(path, trouble) end
      if text then ffi.copy(buffer, text, #text) end
      return text and #text or 0
    end,
    close = function() file:close() end,
  }
end

--- Checks a file against its descriptor: its unpacked contents, or itself where its name there ends in .gz.
-- @tparam string path plain or gzip
-- @tparam table file { name =, bytes =, sha256 = }; without a checksum there is nothing to compare
-- @treturn boolean true; or nil and a message
function files.verify(path, file)
  if not file.sha256 then return true end
  local open = file.name:find "%.gz$" and open_plain or zlib.open
  local reader, problem = open(path)
  if not reader then return nil, problem end
  local digest, buffer, total = crypto.sha256(), ffi.new("uint8_t[?]", CHUNK), 0
  local count
  repeat
    count, problem = reader:read(buffer, CHUNK)
    if count then
      digest:add(buffer, count)
      total = total + count
    end
  until not count or count == 0 or total > file.bytes    -- a small file may unpack to a huge one: stop early
  reader:close()
  if not count then return nil, problem end
  if total ~= file.bytes then
    return nil, ("%s: expected %d bytes, got %s"):format(path, file.bytes, total > file.bytes and "more"
      or tostring(total))
  end
  local found = digest:hex()
  if found ~= file.sha256:lower() then
    return nil, ("%s: SHA-256 of its contents is %s, expected %s"):format(path, found, file.sha256:lower())
  end
  return true
end

return files
