--- The parser of the command line: every group declares its commands to it.
-- @module hyla.cli.parser
local names = require "hyla.names"

-- A group declares its commands to the parser and says what runs each: { [command] = function(arguments) }.
local groups = {
  "hyla.cli.recipes", "hyla.cli.runs", "hyla.cli.check", "hyla.cli.profile", "hyla.cli.data", "hyla.cli.bench",
  "hyla.cli.test", "hyla.cli.new", "hyla.cli.report", "hyla.cli.docs", "hyla.cli.shell",
}

local overview = [[
Also:
   hyla                    the prompt (REPL)
   hyla FILE.lua [args]    run a script with Hyla on its path
   hyla -e CODE [args]     run a line of Lua; `hyla` is there
   hyla setup [--dry-run]  install what is missing and build the engine

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.]]

--- Declares every command.
-- @treturn table argparse's parser
-- @treturn table command -> function(arguments) -> exit code, message
return function()
  local parser = require "argparse" ("hyla", "Differentiates through training: learns hyperparameters by gradient.")
  parser:epilog(overview):help_max_width(100):command_target "command"
  parser:flag "--version":description "Show the version and exit."
    :action(function() io.stdout:write(require "hyla.cli.version"()) os.exit(0) end)
  parser:command "help":summary "Show how to use a command.":add_help(false)
    :argument "about":args "?":description "a command"
  local run = {}
  for _, group in ipairs(groups) do
    for command, action in pairs(require(group)(parser)) do run[command] = action end
  end
  function run.help(arguments)
    local about, known = arguments.about, {}
    for _, command in ipairs(parser._commands) do known[command._name] = command end
    if about and not known[about] then
      return 2, ("unknown command '%s'%s"):format(about, names.hint(about, names.keys(run)))
    end
    io.stdout:write((known[about] or parser):get_help(), "\n")
    return 0
  end
  return parser, run
end
