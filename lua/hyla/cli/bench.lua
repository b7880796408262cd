--- The command `bench`: measures a workload of bench/, each a file that returns { about, options, run }. The options
-- are defaults that key=value overrides; run(options) returns a table of what was measured.
-- @module hyla.cli.bench
local json = require "hyla.report.json"
local names = require "hyla.names"
local tree = require "hyla.cli.tree"

-- Files of bench/ that are no workloads: what they share.
local shared = { lib = true }

-- Keys that lead a line, in this order.
local leading = { "workload", "steps", "threads", "seconds", "peak_bytes" }

-- Loaded when it is used: no command leaves a module of the language behind that specs load anew.
local function settings() return require "hyla.run.settings" end

local function workloads()
  local known = {}
  for _, name in ipairs(tree.names("bench", ".lua")) do
    if not shared[name] then known[#known + 1] = name end
  end
  return known
end

local function load(name)
  return dofile(("%s/bench/%s.lua"):format(tree.root, name))
end

local function list()
  for _, name in ipairs(workloads()) do io.stdout:write(("%-12s %s\n"):format(name, load(name).about)) end
  return 0
end

local function show(result)
  local ordered, seen = {}, {}
  for _, key in ipairs(leading) do
    if result[key] ~= nil then ordered[#ordered + 1], seen[key] = key, true end
  end
  for _, key in ipairs(names.keys(result)) do
    if not seen[key] then ordered[#ordered + 1] = key end
  end
  for _, key in ipairs(ordered) do
    io.stdout:write(("%-14s %s\n"):format(key, settings().text(result[key])))
  end
end

-- The options of a run: the workload's defaults and the words key=value; or nil and what is wrong with them.
local function resolve(workload, words)
  local declared = assert(settings().declare(workload.options))
  local overrides, problem = settings().parse(declared, words)
  if not overrides then return nil, problem end
  return settings().resolve(declared, overrides)
end

local function run(a)
  if not a.workload then return list() end
  local known = workloads()
  if not (" " .. table.concat(known, " ") .. " "):find(" " .. a.workload .. " ", 1, true) then
    return 2, ("bench: unknown workload '%s'%s; the workloads are: %s"):format(a.workload,
      names.hint(a.workload, known), table.concat(known, ", "))
  end
  local workload = load(a.workload)
  local options, problem = resolve(workload, a.options)
  if not options then return 2, ("bench %s: %s"):format(a.workload, problem) end
  local result = workload.run(options)
  if a.json then io.stdout:write(json.encode(result, a.workload, leading), "\n") else show(result) end
  return 0
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "bench":summary "Measure a workload; without one, list them."
  command:argument "workload":args "?"
  command:argument "options":args "*":argname "key=value":description "the workload's options"
  command:flag "--json":description "Print one JSON object."
  return { bench = run }
end
