--- libarchive: the members of a tar archive, plain or compressed.
-- @module hyla.lib.archive
local ffi = require "ffi"
local new_buffer = require "hyla.buffer"

ffi.cdef [[
typedef struct hyla_archive hyla_archive;
typedef struct hyla_archive_entry hyla_archive_entry;
hyla_archive *archive_read_new(void);
int archive_read_support_filter_gzip(hyla_archive *);
int archive_read_support_format_tar(hyla_archive *);
int archive_read_open_filename(hyla_archive *, const char *path, size_t block);
int archive_read_next_header(hyla_archive *, hyla_archive_entry **entry);
int64_t archive_entry_size(hyla_archive_entry *);
const char *archive_entry_pathname(hyla_archive_entry *);
ptrdiff_t archive_read_data(hyla_archive *, void *buffer, size_t size);
const char *archive_error_string(hyla_archive *);
int archive_read_free(hyla_archive *);
]]
local C = require "hyla.lib.load"("libarchive.so.13", "libarchive13")

local OK, END_OF_ARCHIVE, BLOCK = 0, 1, 65536

local function words_of(archive, path)
  local words = C.archive_error_string(archive)
  return ("%s: %s"):format(path, words ~= nil and ffi.string(words) or "not a tar archive")
end

-- The bytes of the member that the archive stands at; nil when they do not come.
local function contents(archive, size)
  local buffer, done = new_buffer(size), 0
  while done < size do
    local count = tonumber(C.archive_read_data(archive, buffer + done, size - done))
    if count <= 0 then return nil end
    done = done + count
  end
  return buffer
end

local function read_all(archive, path, wanted)
  local found, entry = {}, ffi.new "hyla_archive_entry *[1]"
  if C.archive_read_open_filename(archive, path, BLOCK) ~= OK then return nil, words_of(archive, path) end
  while true do
    local status = C.archive_read_next_header(archive, entry)
    if status == END_OF_ARCHIVE then return found end
    if status ~= OK then return nil, words_of(archive, path) end
    local name = ffi.string(C.archive_entry_pathname(entry[0])):match "([^/]*)$"
    if wanted[name] then
      local size = tonumber(C.archive_entry_size(entry[0]))
      local bytes = contents(archive, size)
      if not bytes then return nil, ("%s: %s"):format(words_of(archive, path), name) end
      found[name] = { bytes = bytes, size = size }
    end
  end
end

--- Reads members of a tar archive.
-- @tparam string path the archive, plain or gzip
-- @tparam table wanted name without folders -> true
-- @treturn table name -> { bytes = uint8_t * as of hyla.buffer, size = }, of those that are there; or nil and a message
local function read(path, wanted)
  local archive = ffi.gc(C.archive_read_new(), C.archive_read_free)
  C.archive_read_support_filter_gzip(archive)
  C.archive_read_support_format_tar(archive)
  local found, problem = read_all(archive, path, wanted)
  C.archive_read_free(ffi.gc(archive, nil))
  return found, problem
end

return { read = read }
