--- Draws many charts at once: one gnuplot for all, in a folder of its own that goes again.
-- @module hyla.report.drawing
local lfs = require "lfs"
local stdlib = require "posix.stdlib"
local file = require "hyla.file"
local gnuplot = require "hyla.report.gnuplot"

local drawing = {}

local function write(path, text)
  local ok, message = file.write(path, text)
  if not ok then error(message, 0) end
end

local function remove(folder)
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then os.remove(folder .. "/" .. name) end
  end
  lfs.rmdir(folder)
end

--- Runs a script that is made for a folder.
-- @tparam string script
-- @treturn boolean true; an error when gnuplot fails or is not there
function drawing.run(script)
  local path = os.tmpname()
  write(path, script)
  local ok, message = gnuplot.run(path)
  os.remove(path)
  return ok or error(message, 0)
end

--- The SVGs of drawings.
-- @tparam {function,...} commands each gives gnuplot's commands for the path it is called with
-- @treturn {string,...} what was drawn, in their order; an error when gnuplot fails or is not there
function drawing.svgs(commands)
  if #commands == 0 then return {} end
  local folder, message = stdlib.mkdtemp((os.getenv "TMPDIR" or "/tmp") .. "/hyla-XXXXXX")
  if not folder then error(message, 0) end
  local ok, result = pcall(function()
    local script, drawn = {}, {}
    for i, command in ipairs(commands) do script[i] = command(("%s/%d.svg"):format(folder, i)) end
    drawing.run(table.concat(script, "\n"))
    for i = 1, #commands do drawn[i] = assert(file.read(("%s/%d.svg"):format(folder, i))) end
    return drawn
  end)
  remove(folder)
  return ok and result or error(result, 0)
end

return drawing
