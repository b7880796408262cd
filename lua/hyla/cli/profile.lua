--- The command `profile`.
-- @module hyla.cli.profile

local function profile(a)
  if a.threads then require "hyla.ffi".C.hyla_threads(a.threads) end
  return require "hyla.profile.recipe".run {
    recipe = a.recipe, options = a.options, problem = a.problem, steps = a.steps, runs = a.runs, top = a.top,
    trace = a.trace, events = require "hyla.report.trace".EVENTS, json = a.json,
  }
end

local function counted(what, most)
  return function(word)
    local n = tonumber(word)
    if n and n >= 1 and n % 1 == 0 and n <= most then return n end
    return nil, ("expected a whole number of %s from 1 to %d, got '%s'"):format(what, most, word)
  end
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "profile"
    :summary "Show where the time of a hypergradient goes, by operation and recipe line."
  command:argument "recipe":description "a name that `hyla list` shows, or a path"
  command:argument "options":args "*":argname "key=value"
    :description "the recipe's options; profile=NAME applies a profile"
  command:option "--problem":argname "NAME"
    :description "Of a recipe with several problems, this one; all that can be built first otherwise."
  command:option "--steps":argname "T":convert(counted("steps", 1e9)):description "Train for at most T steps."
  command:option "--runs":argname "N":convert(counted("hypergradients", 1e6)):default "1"
    :description "Hypergradients to take; 1 by default."
  command:option "--top":argname "N":convert(counted("rows", 1e6)):default "20"
    :description "Rows of the table; 20 by default."
  command:option "--trace":argname "FILE.json"
    :description "Write a trace of the last problem there, for a browser's trace viewer."
  command:option "--threads":argname "N":convert(counted("threads", 256))
    :description "Threads to use; all processors by default."
  command:flag "--json":description "Print one JSON object."
  return { profile = profile }
end
