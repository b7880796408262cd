--- The command `hyla`: reads its arguments and hands over to one module a group of commands. Run as a script by the
-- launcher at the root of the tree, which has set LUA_PATH and HYLA_LIB.
--
-- Every command returns an exit code and, when something went wrong that it has not told yet, a message:
-- 0 done, 1 failed, 2 wrong usage, 130 interrupted.
-- @module hyla.cli
require "hyla.compiler"
local failure = require "hyla.cli.failure"
local names = require "hyla.names"

-- A group declares its commands to the parser and says what runs each: { [command] = function(arguments) }.
local groups = {
  "hyla.cli.recipes", "hyla.cli.runs", "hyla.cli.check", "hyla.cli.profile", "hyla.cli.data", "hyla.cli.bench",
  "hyla.cli.test", "hyla.cli.new", "hyla.cli.report", "hyla.cli.docs",
}

local overview = [[
Also:
   hyla                    the prompt (REPL)
   hyla FILE.lua [args]    run a script with Hyla on its path
   hyla -e CODE [args]     run a line of Lua; `hyla` is there
   hyla setup [--dry-run]  install what is missing and build the engine

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.]]

local function complain(message)
  io.stderr:write("hyla: ", message, "\n")
end

local function declare()
  local parser = require "argparse" ("hyla", "Differentiates through training: learns hyperparameters by gradient.")
  parser:epilog(overview):help_max_width(100):command_target "command"
  parser:flag "--version":description "Show the version and exit."
    :action(function() io.stdout:write("hyla ", failure.version(), "\n") os.exit(0) end)
  parser:command "help":summary "Show how to use a command.":add_help(false)
    :argument "about":args "?":description "a command"
  local run = {}
  for _, group in ipairs(groups) do
    for command, action in pairs(require(group)(parser)) do run[command] = action end
  end
  function run.help(arguments)
    local shown = arguments.about and { arguments.about, "--help" } or { "--help" }
    parser:parse(shown)   -- prints and exits
  end
  return parser, run
end

-- The usage line of what was asked, so that a wrong word shows the right ones.
local function refuse(parser, run, words, message)
  local command = words[1] or ""
  if run[command] then
    return 2, ("%s\n%s"):format(message, ("see: hyla %s --help"):format(command))
  end
  local known = names.keys(run)
  if command:sub(1, 1) ~= "-" then message = ("unknown command '%s'"):format(command) end
  return 2, ("%s%s\nthe commands are: %s\n%s"):format(message, names.hint(command, known), table.concat(known, ", "),
                                                    parser:get_usage())
end

local function dispatch(words)
  local parser, run = declare()
  local read, arguments = parser:pparse(words)
  if not read then return refuse(parser, run, words, arguments) end
  return run[arguments.command](arguments)
end

local function main(words)
  local first = words[1]
  if first == nil then return require "hyla.repl".main() end
  if first == "-e" or first:match "%.lua$" then return require "hyla.cli.script".run(words) end
  return dispatch(words)
end

local done, code, message = xpcall(main, failure.handler, arg)
if not done then code, message = failure.code(code), failure.text(code) end
local flushed, why = io.stdout:flush()
if not flushed and code == 0 then code, message = 1, "standard output: " .. tostring(why) end
if message then complain(message) end
os.exit(code)
