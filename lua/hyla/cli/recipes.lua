--- Commands on recipes: run, resume, list.
-- @module hyla.cli.recipes
local lfs = require "lfs"

local function set_threads(count)
  if count then require "hyla.ffi".C.hyla_threads(count) end
end

-- A converter for a number of things.
local function count_of(what)
  return function(word)
    local n = tonumber(word)
    if n and n >= 1 and n % 1 == 0 and n <= 4096 then return n end
    return nil, ("expected a number of %s from 1 to 4096, got '%s'"):format(what, word)
  end
end

local function output_flags(command)
  command:flag "--json":description "End standard output with one JSON object of every result."
  command:flag "--quiet":description "No progress."
  command:option "--threads":argname "N":convert(count_of "threads")
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
  local folder = path and path:match "^(.+)/"   -- now, and not when the run has ended
  if folder and lfs.attributes(folder, "mode") ~= "directory" then
    return { message = ("--profile: no such folder: %s"):format(folder) }
  end
  return { path = path }
end

local function run(a)
  local profile = traced(a)
  if profile and profile.message then return 2, profile.message end
  local list, message = require "hyla.run.sweep".expand(a.words, a.config)
  if not list then return 2, message end
  local asked = { json = a.json, quiet = a.quiet, out = a.out, jobs = a.jobs, threads = a.threads, dry = a.dry_run,
    profile = profile }
  if not a.jobs and #list == 1 then
    set_threads(a.threads)
    return require "hyla.run".main(list[1], asked)
  end
  for _, flag in ipairs { "dry_run", "profile" } do
    if a[flag] then return 2, ("--%s goes with one run, not with several"):format((flag:gsub("_", "-"))) end
  end
  return require "hyla.run".several(list, asked)
end

local function resume(a)
  local profile = traced(a)
  if profile and profile.message then return 2, profile.message end
  set_threads(a.threads)
  local out = require "hyla.run.folder".find(a.dir)
  return require "hyla.run".resume { out = out, json = a.json, quiet = a.quiet, profile = profile }
end

local function list()
  local recipes = require "hyla.recipe".list()
  local width = 0
  for _, recipe in ipairs(recipes) do width = math.max(width, #recipe.name) end
  for _, recipe in ipairs(recipes) do
    local from = recipe.own and "" or (" (%s)"):format(recipe.path)
    io.stdout:write(("%-" .. width .. "s  %s%s\n"):format(recipe.name, recipe.about or recipe.error, from))
  end
  return 0
end

--- Declares the commands.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "run":summary "Run a recipe, or several."
  command:argument "words":args "*":argname "RECIPE|key=value"
    :description ("recipes, by a name that `hyla list` shows or by path, and their options; profile=NAME applies a "
      .. "profile. An option that is given several times, or as in seed=1..3, takes each value in turn: a run each.")
  command:option "--config":argname "FILE.yaml":description "Take recipe and options from there."
  command:option "--jobs":argname "N":convert(count_of "jobs")
    :description "Of several runs, do N at a time, each a process, with an equal share of the threads."
  command:flag "--dry-run":description "Tell what each stage will take, memory and time, and start nothing."
  command:option "--out":argname "DIR"
    :description "The folder to keep the run in, or none to keep nothing; runs/NAME-TIME by default."
  output_flags(command)

  command = parser:command "resume":summary "Go on with a run that was cut short, to the same result."
  command:argument "dir":argname "RUN":description "its folder, or its name in runs/"
  output_flags(command)

  parser:command "list":summary "List the recipes."
  return { run = run, resume = resume, list = list }
end
