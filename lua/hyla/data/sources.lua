--- Which data this process has read, for the record of a run: names, and files with their checksums.
-- @module hyla.data.sources
local lfs = require "lfs"
local crypto = require "hyla.lib.crypto"
local names = require "hyla.names"

-- Once a process, however often busted forgets modules: who notes and who asks mean the same list.
local registry = debug.getregistry()
if registry["hyla.data.sources"] then return registry["hyla.data.sources"] end

local sources = {}

local CHUNK = 2 ^ 20
local LISTED = 20      -- files that are listed one by one; a corpus of more has one checksum

local noted = {}       -- name -> { paths in order of reading, path -> true }
local count = 0        -- grows with every name and path
local checksums = {}   -- path -> what the file was when it was summed

--- Notes that data have been asked for.
-- @tparam string name of the data set, or what messages call it
-- @tparam[opt] {string,...} paths of files that are read; none for what is generated
function sources.note(name, paths)
  local one = noted[name]
  if not one then
    one, count = {}, count + 1
    noted[name] = one
  end
  for _, path in ipairs(paths or {}) do
    if not one[path] then one[#one + 1], one[path], count = path, true, count + 1 end
  end
end

-- Takes a file into a digest; returns its size, or nil when it cannot be read.
local function take(digest, path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local size = 0
  for chunk in function() return file:read(CHUNK) end do
    digest:add(chunk, #chunk)
    size = size + #chunk
  end
  file:close()
  return size
end

-- A file's checksum; a file is read again only when it has changed.
local function summed(path)
  local about = lfs.attributes(path) or {}
  local known = checksums[path]
  if known and known.size == about.size and known.changed == about.modification then return known end
  local digest = crypto.sha256()
  local size = take(digest, path)
  local entry = { size = size, changed = about.modification, sha256 = size and digest:hex() or "unreadable" }
  checksums[path] = entry
  return entry
end

local function files_of(paths)
  local list = {}
  for i, path in ipairs(paths) do
    local one = summed(path)
    list[i] = { path = path, bytes = one.size, sha256 = one.sha256 }
  end
  return list
end

--- All that has been noted, by name.
-- @treturn {table,...} { name =, files = { { path =, bytes =, sha256 = }, ... } } or, of a large corpus, { name =,
--   count = files, sha256 = of their checksums in order of path }; or { name =, generated = true }
function sources.list()
  local list = {}
  for _, name in ipairs(names.keys(noted)) do
    local paths = noted[name]
    local entry = { name = name }
    if #paths == 0 then
      entry.generated = true
    elseif #paths <= LISTED then
      entry.files = files_of(paths)
    else
      local sorted, digest = { unpack(paths) }, crypto.sha256()
      table.sort(sorted)
      for _, path in ipairs(sorted) do
        local sum = summed(path).sha256
        digest:add(sum, #sum)
      end
      entry.count, entry.sha256 = #paths, digest:hex()
    end
    list[#list + 1] = entry
  end
  return list
end

--- A number that changes whenever `list` would.
-- @treturn number
function sources.count() return count end

--- Forgets what has been noted: another run begins.
function sources.clear() noted, count, checksums = {}, 0, {} end

registry["hyla.data.sources"] = sources
return sources
