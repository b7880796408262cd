--- Where data lives: descriptors, files of data sets, the cache. Folders follow the XDG base directories.
-- @module hyla.data.folders
local lfs = require "lfs"

local folders = {}

local function variable(name)
  local value = os.getenv(name)
  return value ~= nil and value ~= "" and value or nil
end

-- A folder of the user: $XDG/hyla, or under the home folder where the variable is unset; nil without either.
local function user(xdg, under_home)
  local base = variable(xdg)
  if base then return base .. "/hyla" end
  local home = variable "HOME"
  return home and home .. "/" .. under_home .. "/hyla" or nil
end

--- The folder that holds this tree's lua/: the clone's root, or share/hyla of an installation.
local function root()
  local here = debug.getinfo(1, "S").source:match "^@(.*)lua/hyla/data/folders%.lua$"
  if not here then error("hyla.data.folders must be loaded from lua/hyla/data/folders.lua", 0) end
  return here == "" and "." or here:gsub("/$", "")
end

--- Folders of descriptors, first come first served: those of HYLA_DATASETS (separated by ':'), then Hyla's own.
-- @treturn {string,...}
function folders.descriptors()
  local list = {}
  for folder in (variable "HYLA_DATASETS" or ""):gmatch "[^:]+" do list[#list + 1] = folder end
  list[#list + 1] = root() .. "/datasets"
  return list
end

--- Folders in which data sets are looked for, each set in a folder of its name: HYLA_DATA, then the user's.
-- @treturn {string,...}
function folders.data()
  return { variable "HYLA_DATA" or user("XDG_DATA_HOME", ".local/share"),
           variable "HYLA_DATA" and user("XDG_DATA_HOME", ".local/share") or nil }
end

--- The cache; nil when neither XDG_CACHE_HOME nor HOME is set.
function folders.cache() return user("XDG_CACHE_HOME", ".cache") end

--- Makes a folder and those above it.
-- @tparam string path
-- @treturn boolean true; or nil and a message
function folders.make(path)
  local made = path:sub(1, 1) == "/" and "/" or ""
  for part in path:gmatch "[^/]+" do
    made = made .. part
    if lfs.attributes(made, "mode") ~= "directory" then
      local ok, problem = lfs.mkdir(made)
      -- Another process may have made it since.
      if not ok and lfs.attributes(made, "mode") ~= "directory" then return nil, ("%s: %s"):format(made, problem) end
    end
    made = made .. "/"
  end
  return true
end

return folders
