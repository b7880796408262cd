--- The command `hyla`: reads its arguments and hands over to one module a group of commands. Run as a script by the
-- launcher at the root of the tree, which has set LUA_PATH and HYLA_LIB.
--
-- Every command returns an exit code and, when something went wrong that it has not told yet, a message:
-- 0 done, 1 failed, 2 wrong usage, 130 interrupted.
-- @module hyla.cli
require "hyla.compiler"
local failure = require "hyla.cli.failure"
local names = require "hyla.names"
local parser_of_all = require "hyla.cli.parser"

-- A command runs most of its Lua a few times over, and compiling that takes longer than it saves: LuaJIT begins after
-- this many rounds of a loop, not after 56. Loops over data have many more.
require("jit.opt").start "hotloop=1000"

local function complain(message)
  io.stderr:write("hyla: ", message, "\n")
end

-- What people may be told of; the rest is for the shells' completion.
local function visible(run)
  local known = names.keys(run)
  for i = #known, 1, -1 do
    if known[i] == "complete" then table.remove(known, i) end
  end
  return known
end

-- The usage line of what was asked, so that a wrong word shows the right ones.
local function refuse(parser, run, words, message)
  local command = words[1] or ""
  if run[command] then
    return 2, ("%s\n%s"):format(message, ("see: hyla %s --help"):format(command))
  end
  local known = visible(run)
  if command:sub(1, 1) ~= "-" then message = ("unknown command '%s'"):format(command) end
  return 2, ("%s%s\nthe commands are: %s\n%s"):format(message, names.hint(command, known), table.concat(known, ", "),
                                                    parser:get_usage())
end

local function dispatch(words)
  local parser, run = parser_of_all()
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
