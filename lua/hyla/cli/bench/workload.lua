--- Workloads of bench/: their names, their options, and one measured in this process.
-- @module hyla.cli.bench.workload
local json = require "hyla.report.json"
local names = require "hyla.names"
local number = require "hyla.number"
local tree = require "hyla.cli.tree"

local workload = {}

-- Files of bench/ that are no workloads: what they share, and what is measured beside peers.
local shared = { lib = true, cases = true }

--- Keys that lead a line, in this order.
workload.leading = { "workload", "steps", "threads", "seconds", "peak_bytes" }

-- Loaded when they are used: no command leaves a module of the language behind that specs load anew.
local function settings() return require "hyla.run.settings" end
local function lib() return dofile(tree.root .. "/bench/lib.lua") end

--- Names of the workloads, sorted.
-- @treturn {string,...}
function workload.names()
  local known = {}
  for _, name in ipairs(tree.names("bench", ".lua")) do
    if not shared[name] then known[#known + 1] = name end
  end
  return known
end

--- Nothing, or what is wrong with a name.
-- @tparam string name
-- @treturn string|nil
function workload.unknown(name)
  local known = workload.names()
  for _, one in ipairs(known) do
    if one == name then return nil end
  end
  return ("bench: unknown workload '%s'%s; the workloads are: %s"):format(name, names.hint(name, known),
                                                                         table.concat(known, ", "))
end

--- A workload by a name that is known.
-- @tparam string name
-- @treturn table see bench/lib.lua
function workload.load(name) return dofile(("%s/bench/%s.lua"):format(tree.root, name)) end

-- What every workload counts.
local counts = { "threads", "steps", "iterations" }

-- A workload with a session can write what a peer needs.
local function declared(one)
  local options, bounds = {}, {}
  for key, value in pairs(one.options) do options[key] = value end
  if one.open then options.export = "" end
  for _, key in ipairs(counts) do bounds[key] = options[key] and { 1, integer = true } end
  for key, value in pairs(one.bounds or {}) do bounds[key] = value end
  return assert(settings().declare(options, nil, bounds))
end

--- The options of a run: the workload's defaults and the words key=value; or nil and what is wrong with them.
-- @tparam string name
-- @tparam {string,...} words
-- @treturn table|nil
function workload.options(name, words)
  local known = declared(workload.load(name))
  local overrides, problem = settings().parse(known, words)
  local options = overrides
  if overrides then options, problem = settings().resolve(known, overrides) end
  if not options then return nil, ("bench %s: %s"):format(name, problem) end
  return options
end

--- Measures a workload in this process.
-- @tparam string name
-- @tparam table options
-- @treturn table what was measured
function workload.measure(name, options)
  local one = workload.load(name)
  return one.open and lib().measure(one, name, options) or one.run(options)
end

--- Measures it at the beat of standard input, for a comparison: see lib.serve.
-- @tparam string name
-- @tparam table options
function workload.serve(name, options)
  lib().serve(workload.load(name), name, options, function() return io.read "*l" end, function(result)
    io.stdout:write(json.encode(result, name, workload.leading), "\n")
    io.stdout:flush()
  end)
end

-- Rows with their numbers to a few digits, since they span many powers of ten.
local function readable(rows)
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = {}
    for key, value in pairs(row) do list[i][key] = type(value) == "number" and number.short(value, 5) or value end
  end
  return list
end

--- Shows what was measured, a line a key; rows as a table.
-- @tparam table result
function workload.show(result)
  local ordered, seen = {}, { rows = true }
  for _, key in ipairs(workload.leading) do
    if result[key] ~= nil then ordered[#ordered + 1], seen[key] = key, true end
  end
  for _, key in ipairs(names.keys(result)) do
    if not seen[key] then ordered[#ordered + 1] = key end
  end
  for _, key in ipairs(ordered) do
    io.stdout:write(("%-16s %s\n"):format(key, settings().text(result[key])))
  end
  if not result.rows then return end
  io.stdout:write(require "hyla.report".table(readable(result.rows), { "part", "problem", "x" }))
end

return workload
