--- What lies in the tree: the folder that holds recipes/, datasets/ and bench/, of a clone or an installation.
-- @module hyla.cli.tree
local folders = require "hyla.folders"
local lfs = require "lfs"

local tree = {}

--- Absolute path of the tree.
tree.root = folders.root

--- Absolute path of the command, for LuaJIT to run.
tree.command = folders.modules .. "/cli.lua"

--- Names of the files of a folder, without an ending, sorted; none when the folder is missing.
-- @tparam string folder relative to the root
-- @tparam string ending with its dot
-- @treturn {string,...}
function tree.names(folder, ending)
  local list, path = {}, tree.root .. "/" .. folder
  if lfs.attributes(path, "mode") ~= "directory" then return list end
  for file in lfs.dir(path) do
    if #file > #ending and file:sub(-#ending) == ending then list[#list + 1] = file:sub(1, -#ending - 1) end
  end
  table.sort(list)
  return list
end

return tree
