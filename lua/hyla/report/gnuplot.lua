--- Runs gnuplot scripts.
-- @module hyla.report.gnuplot
local unistd = require "posix.unistd"
local wait = require "posix.sys.wait"

local gnuplot = {}

-- What a child wrote until it closed its end.
local function read_all(from)
  local words = {}
  repeat
    local text = unistd.read(from, 4096)
    words[#words + 1] = text
  until not text or text == ""
  unistd.close(from)
  return table.concat(words)
end

--- Runs a script.
-- @tparam string script path
-- @tparam[opt] {string,...} arguments of the script
-- @treturn boolean true; or nil and a message: gnuplot is not there, or what it says
function gnuplot.run(script, arguments)
  local words = { [0] = "gnuplot", "-c", script, unpack(arguments or {}) }
  local from, to = unistd.pipe()
  local child = unistd.fork()
  if child == 0 then
    unistd.close(from)
    unistd.dup2(to, 1)
    unistd.dup2(to, 2)
    unistd.execp("gnuplot", words)
    unistd._exit(127)
  end
  unistd.close(to)
  local said = read_all(from)
  local _, how, code = wait.wait(child)
  if how == "exited" and code == 0 then return true end
  if how == "exited" and code == 127 then return nil, "gnuplot is not installed (Debian package gnuplot-nox)" end
  return nil, ("gnuplot %s: %s"):format(table.concat(words, " "), (said:gsub("%s+$", "")))
end

--- Draws a picture.
-- @tparam string script path of a script that takes the picture's path (hyla.report.matrix)
-- @tparam string picture path of the picture
-- @treturn boolean true; or nil and a message
function gnuplot.draw(script, picture) return gnuplot.run(script, { picture }) end

return gnuplot
