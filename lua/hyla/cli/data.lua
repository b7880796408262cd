--- Commands on data sets, which hyla.data.command reads itself.
-- @module hyla.cli.data

local function run(a)
  return require "hyla.data.command".run(a.words)
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "data":summary "List, fetch and check data sets: list, get NAME, check NAME."
  command:handle_options(false)
  command:argument "words":args "*":argname "list|get NAME|check NAME":description "what to do; NAME is of a data set"
  return { data = run }
end
