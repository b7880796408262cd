--- Commands on recipes: run, resume, list.
-- @module hyla.cli.recipes

local function set_threads(count)
  if count then require "hyla.ffi".C.hyla_threads(count) end
end

local function count(word)
  local n = tonumber(word)
  if n and n >= 1 and n % 1 == 0 and n <= 4096 then return n end
  return nil, ("expected a number of threads from 1 to 4096, got '%s'"):format(word)
end

local function output_flags(command)
  command:flag "--json":description "End standard output with one JSON object of every result."
  command:flag "--quiet":description "No progress."
  command:option "--threads":argname "N":convert(count)
    :description "Threads to use; all processors by default. Results never depend on it."
  command:option "--profile":argname "FILE.json":args "?"
    :description "Write a trace for a browser's trace viewer there, or into the folder of the run."
end

-- What --profile [FILE.json] asks for, or nil: { path }, or { message = what is wrong with it }.
local function traced(a)
  if not a.profile then return nil end
  local path = a.profile[1]
  if not path and a.out == "none" then
    return { message = "--profile: where to? --profile FILE.json says, where nothing is kept" }
  end
  if path and not path:match "%.json$" then
    return { message = ("--profile: expected a file that ends in .json, got '%s'"):format(path) }
  end
  return { path = path }
end

local function run(a)
  local profile = traced(a)
  if profile and profile.message then return 2, profile.message end
  set_threads(a.threads)
  return require "hyla.run".main {
    recipe = a.recipe, options = a.options, json = a.json, quiet = a.quiet, out = a.out,
    dry = a.dry_run, profile = profile,
  }
end

local function resume(a)
  local profile = traced(a)
  if profile and profile.message then return 2, profile.message end
  set_threads(a.threads)
  return require "hyla.run".resume { out = a.dir, json = a.json, quiet = a.quiet, profile = profile }
end

local function list()
  local recipes = require "hyla.recipe".list()
  local width = 0
  for _, recipe in ipairs(recipes) do width = math.max(width, #recipe.name) end
  for _, recipe in ipairs(recipes) do
    io.stdout:write(("%-" .. width .. "s  %s\n"):format(recipe.name, recipe.about))
  end
  return 0
end

--- Declares the commands.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "run":summary "Run a recipe."
  command:argument "recipe":description "a name that `hyla list` shows, or a path"
  command:argument "options":args "*":argname "key=value"
    :description "the recipe's options; profile=NAME applies a profile"
  command:flag "--dry-run":description "Tell what each stage will take, memory and time, and start nothing."
  command:option "--out":argname "DIR"
    :description "The folder to keep the run in, or none to keep nothing; runs/NAME-TIME by default."
  output_flags(command)

  command = parser:command "resume":summary "Go on with a run that was cut short, to the same result."
  command:argument "dir":description "the folder of that run"
  output_flags(command)

  parser:command "list":summary "List the recipes."
  return { run = run, resume = resume, list = list }
end
