--- Where things lie: Hyla's own files, and the user's, which follow the XDG base directories.
-- @module hyla.folders
local lfs = require "lfs"

local folders = {}

local function variable(name)
  local value = os.getenv(name)
  return value ~= nil and value ~= "" and value or nil
end

local function is_folder(path) return lfs.attributes(path, "mode") == "directory" end

-- The folder of Hyla's modules, absolute.
local function modules()
  local here = debug.getinfo(1, "S").source:match "^@(.*)/folders%.lua$"
  if here:sub(1, 1) ~= "/" then here = lfs.currentdir() .. "/" .. here end
  return (here:gsub("/%./", "/"))
end

local function above(path, levels)
  for _ = 1, levels do path = path:match "^(.*)/" end
  return path
end

--- Absolute path of the folder of Hyla's modules, lua/hyla of a clone.
folders.modules = modules()

-- Where recipes/, datasets/ and bench/ lie beside the modules.
local places = {
  above(folders.modules, 2),                -- a clone: lua/hyla
  above(folders.modules, 3) .. "/hyla",     -- cmake --install: share/lua/5.1/hyla, share/hyla
  above(folders.modules, 1) .. "/hyla.d",   -- luarocks, which keeps all that is not C in share/lua/5.1
}

local function root()
  for _, place in ipairs(places) do
    if is_folder(place .. "/recipes") and is_folder(place .. "/datasets") then return place end
  end
  error(("hyla: its recipes/ and datasets/ are missing: expected them in %s"):format(table.concat(places, ", or ")), 0)
end

--- Absolute path of the folder that holds recipes/, datasets/ and bench/, in a clone or an installation.
folders.root = root()

-- A folder of the user: $XDG/hyla, or under the home folder where the variable is unset or, against the rules of XDG,
-- relative; nil without either.
local function user(xdg, under_home)
  local base = variable(xdg)
  if base and base:sub(1, 1) == "/" then return base .. "/hyla" end
  local home = variable "HOME"
  return home and home .. "/" .. under_home .. "/hyla" or nil
end

local function user_data() return user("XDG_DATA_HOME", ".local/share") end

--- Folders of recipes, first come first served: recipes/ of the current folder, then the user's, then Hyla's own.
-- @treturn {table,...} path; own = true for Hyla's; shown, what messages call it
function folders.recipes()
  local here, data, own = lfs.currentdir() .. "/recipes", user_data(), folders.root .. "/recipes"
  local list = { { path = own, shown = "recipes", own = true } }
  if data then table.insert(list, 1, { path = data .. "/recipes", shown = data .. "/recipes" }) end
  if here ~= own then table.insert(list, 1, { path = here, shown = "recipes" }) end
  return list
end

--- Folders of descriptors, first come first served: those of HYLA_DATASETS (separated by ':'), then Hyla's own.
-- @treturn {string,...}
function folders.descriptors()
  local list = {}
  for folder in (variable "HYLA_DATASETS" or ""):gmatch "[^:]+" do list[#list + 1] = folder end
  list[#list + 1] = folders.root .. "/datasets"
  return list
end

--- Folders in which data sets are looked for, each set in a folder of its name: HYLA_DATA, then the user's.
-- @treturn {string,...}
function folders.data()
  local named = variable "HYLA_DATA"
  return { named or user_data(), named and user_data() or nil }
end

--- The cache; nil when neither XDG_CACHE_HOME nor HOME is set.
function folders.cache() return user("XDG_CACHE_HOME", ".cache") end

--- What outlives a session and is no data, as the prompt's history; nil when neither XDG_STATE_HOME nor HOME is set.
function folders.state() return user("XDG_STATE_HOME", ".local/state") end

--- Makes a folder and those above it.
-- @tparam string path
-- @treturn boolean true; or nil and a message
function folders.make(path)
  if path == "" then return nil, "expected a folder's path, got nothing" end
  local made = path:sub(1, 1) == "/" and "/" or ""
  for part in path:gmatch "[^/]+" do
    made = made .. part
    if not is_folder(made) then
      local ok, problem = lfs.mkdir(made)
      -- Another process may have made it since.
      if not ok and not is_folder(made) then return nil, ("%s: cannot make the folder: %s"):format(made, problem) end
    end
    made = made .. "/"
  end
  return true
end

return folders
