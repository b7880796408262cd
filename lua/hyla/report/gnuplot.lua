--- Runs gnuplot scripts.
-- @module hyla.report.gnuplot
local unistd = require "posix.unistd"
local wait = require "posix.sys.wait"

--- Draws a picture.
-- @tparam string script path of a script that takes the picture's path (hyla.report.matrix)
-- @tparam string picture path of the picture
-- @treturn boolean true; or nil and a message: gnuplot is not there, or what it says
local function draw(script, picture)
  local from, to = unistd.pipe()
  local child = unistd.fork()
  if child == 0 then
    unistd.close(from)
    unistd.dup2(to, 1)
    unistd.dup2(to, 2)
    unistd.execp("gnuplot", { [0] = "gnuplot", "-c", script, picture })
    unistd._exit(127)
  end
  unistd.close(to)
  local words = {}
  repeat
    local text = unistd.read(from, 4096)
    words[#words + 1] = text
  until not text or text == ""
  unistd.close(from)
  local _, how, code = wait.wait(child)
  if how == "exited" and code == 0 then return true end
  if how == "exited" and code == 127 then return nil, "gnuplot is not installed" end
  return nil, ("gnuplot -c %s %s: %s"):format(script, picture, table.concat(words):gsub("%s+$", ""))
end

return { draw = draw }
