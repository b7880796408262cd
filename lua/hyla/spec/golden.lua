--- assert.golden: a series against the one that a golden file holds, golden/NAME.yaml beside the spec.
-- With HYLA_UPDATE_GOLDEN=1 in the environment (`hyla test --update-golden`) files that are missing, and those that
-- differ by more than the tolerances, are written.
-- @module hyla.spec.golden
local ffi = require "ffi"
local lfs = require "lfs"
local C = require("hyla.ffi").C
local assertion = require "hyla.spec.assertion"
local golden_file = require "hyla.spec.golden_file"
local series = require "hyla.spec.series"
local site = require "hyla.site"

local golden = {}

local used = {}      -- path of a golden file -> the place that asserts it
local written = {}

local function exists(path) return lfs.attributes(path, "mode") ~= nil end

local function updating() return os.getenv "HYLA_UPDATE_GOLDEN" == "1" end

local function command(spec) return "hyla test --update-golden " .. spec end

-- A path below the current folder without that folder, so that a golden file names its spec the same everywhere.
local function below_here(path)
  local here = lfs.currentdir() .. "/"
  if path:sub(1, #here) == here then path = path:sub(#here + 1) end
  return (path:gsub("^%./", ""))
end

-- Where the file of a name is, for the spec that asserts it; each belongs to one assertion.
local function locate(name)
  if type(name) ~= "string" or not name:match "^[%w_][%w_.-]*$" then
    site.fail("golden: expected a name of letters, digits, '_', '.' and '-', got %s",
              type(name) == "string" and ("'%s'"):format(name) or "a " .. type(name))
  end
  local spec, line = assertion.place()
  if not spec then error("golden: whose spec is this? call assert.golden(...) without `return`", 0) end
  spec = below_here(spec)
  local path = (spec:match "^(.*)/[^/]*$" or ".") .. "/golden/" .. name .. ".yaml"
  local place = ("%s:%d"):format(spec, line)
  if used[path] and used[path] ~= place then
    site.fail("golden: '%s' is asserted already at %s; expected a name for each series", name, used[path])
  end
  used[path] = place
  return path, spec
end

local function write(path, spec, name, got)
  local folder = path:match "^(.*)/"
  if not exists(folder) then
    local made, message = lfs.mkdir(folder)
    if not made then error(("golden: %s: %s"):format(folder, message), 0) end
  end
  local head = ("Golden values '%s' of %s, written by:\n%s"):format(name, spec, command(spec))
  local ok, message = golden_file.write(path, got, head)
  if not ok then error("golden: " .. message, 0) end
  written[#written + 1] = path
  return true
end

-- What else its reader should know of a difference.
local function hint(stored)
  local here = ffi.string(C.hyla_kernel_variant())
  if stored.recorded.kernels == here then return "" end
  return ("\nrecorded with the kernels %s, run with %s: they sum in another order, which a tolerance has to allow")
    :format(stored.recorded.kernels, here)
end

--- Judges a series.
-- @tparam string name of the golden file
-- @tparam table given a list of rows (numbers by name), a list of numbers, or numbers by name
-- @tparam[opt] table tolerance { relative =, absolute =, why = words, columns = { NAME = ... or false } }: see
--   hyla.spec.series; without one values have to be equal
-- @treturn boolean and words of what differs, from the first iteration that does; an error where the golden file
--   cannot be read
function golden.judge(name, given, tolerance)
  local tolerances = series.tolerances(tolerance)
  local got = series.of(given, tolerances.left_out)
  local path, spec = locate(name)
  if not exists(path) then
    if updating() then return write(path, spec, name, got) end
    return false, ("no golden file %s; look at the values, and write it by:\n  %s"):format(path, command(spec))
  end
  local stored, message = golden_file.read(path)
  if not stored and not updating() then error("golden: " .. message, 0) end
  local difference = not stored or series.compare(stored, got, tolerances)
  if not difference then return true end
  if updating() then return write(path, spec, name, got) end
  return false, ("golden '%s' (%s) %s%s\nwhere the new values are right, take them by:\n  %s"):format(name, path,
    difference, hint(stored), command(spec))
end

--- Golden files that this process wrote.
-- @treturn {string,...} paths
function golden.written() return written end

--- Golden files that no assertion asked for, in the folders of those that were.
-- @treturn {string,...} paths, sorted
function golden.unused()
  local folders, list = {}, {}
  for path in pairs(used) do folders[path:match "^(.*)/"] = true end
  for folder in pairs(folders) do
    if exists(folder) then
      for file in lfs.dir(folder) do
        local path = folder .. "/" .. file
        if file:match "%.yaml$" and not used[path] then list[#list + 1] = path end
      end
    end
  end
  table.sort(list)
  return list
end

return golden
