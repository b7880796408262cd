--- Where the folder of a corpus is, and what is in folders, whatever the case of their names: a CD's are of capitals,
-- and copies of it are not always.
-- @module hyla.data.speech.places
local lfs = require "lfs"
local folders = require "hyla.folders"

local places = {}

--- The entries of a folder that are shown, sorted; none of what is no folder.
-- @tparam string path
-- @treturn {string,...} names
function places.entries(path)
  local list = {}
  if lfs.attributes(path, "mode") ~= "directory" then return list end
  for entry in lfs.dir(path) do
    if entry:sub(1, 1) ~= "." then list[#list + 1] = entry end
  end
  table.sort(list)
  return list
end

--- An entry of a folder by its name in whatever case.
-- @tparam string path
-- @tparam string name
-- @treturn string its path, or nil
function places.entry(path, name)
  for _, entry in ipairs(places.entries(path)) do
    if entry:upper() == name:upper() then return path .. "/" .. entry end
  end
  return nil
end

--- The first data folder in which one of some paths leads to a folder.
-- @tparam string set name of the data set, for the message
-- @tparam {string,...} paths such as "timit/TIMIT", each name in whatever case
-- @treturn string the folder's path; or nil and a message that says where it was looked for
function places.find(set, paths)
  local tried = {}
  for _, folder in ipairs(folders.data()) do
    for _, path in ipairs(paths) do
      local at = folder
      for name in path:gmatch "[^/]+" do at = at and places.entry(at, name) end
      if at and lfs.attributes(at, "mode") == "directory" then return at end
      tried[#tried + 1] = folder .. "/" .. path
    end
  end
  return nil, ("the folder of '%s' is none of %s"):format(set, table.concat(tried, ", "))
end

return places
