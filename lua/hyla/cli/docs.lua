--- The command `docs`: the reference as HTML.
-- @module hyla.cli.docs

local function docs(a)
  local ok, message = require "hyla.reference".write(a.dir)
  if not ok then return 1, "docs: " .. message end
  io.stdout:write("wrote ", a.dir, "/index.html\n")
  return 0
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "docs":summary "Write the reference as HTML, by LDoc."
  command:argument "dir":args "?":default "hyla-reference":description "the folder to write; hyla-reference by default"
  return { docs = docs }
end
