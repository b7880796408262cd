--- `hyla profile`: hypergradients of the problems that a recipe can build, with where their time goes.
-- @module hyla.profile.recipe
local C = require("hyla.ffi").C
local clock = require("hyla.report.progress").clock
local json = require "hyla.report.json"
local names = require "hyla.names"
local problems = require "hyla.run.problems"
local profile = require "hyla.profile"
local roofline = require "hyla.profile.roofline"
local show = require "hyla.profile.table"
local site = require "hyla.site"
local terminal = require "hyla.lib.terminal"
local trace = require "hyla.report.trace"

local profiles = {}

local DONE, FAILED, USAGE = 0, 1, 2
local WARM = 3                          -- steps before the clock: threads are there, code is in memory

-- Steps taken back, and those that were taken once more, of the programs that ran.
local function counts(collected)
  local again, adjoint = 0, 0
  for _, program in ipairs(collected.programs) do
    if program.again and program.name:match "^step" then again = again + program.runs end
    if program.name:match "^step.*%.vjp" then adjoint = adjoint + program.runs end
  end
  return again, adjoint
end

-- Results of a step that are no states are kept for the adjoint step.
local function residuals(p, collected)
  local list = {}
  for _, program in ipairs(collected.programs) do
    for _, item in ipairs(program.items) do
      item.residual = program.name:match "^step%.rich" and not program.name:match "vjp"
        and item.output >= #p.layout.states or false
      if item.residual then list[#list + 1] = item end
    end
  end
  return list
end

local function examine(name, p, asked)
  p:start()
  p:step(math.min(p.steps, WARM))
  p:start_from()
  local seconds
  local collected = profile.collect(function()
    local begun = clock()
    profile.within(name, function()
      for _ = 1, asked.runs do profile.within("hypergradient", function() p:hypergradient() end) end
    end)
    seconds = clock() - begun
  end, asked.trace and asked.events or 0)
  local cost, again, adjoint = p:cost(), counts(collected)
  return {
    name = name, method = p.method.kind, steps = p.steps, dtype = p.dtype, runs = asked.runs, seconds = seconds,
    collected = collected, parts = profile.parts(collected, seconds), cost = cost, again = again, adjoint = adjoint,
    forward = cost.taken * asked.runs - again, residuals = residuals(p, collected), top = asked.top,
  }
end

-- ---- telling ----

local function object_of(told)
  local rows = json.list {}
  for i, row in ipairs(profile.rows(told.collected, told.roof)) do
    rows[i] = {
      program = row.program, again = row.again, runs = row.runs, op = row.op, label = row.label, line = row.site,
      items = row.items, calls = row.calls, seconds = row.seconds, thread_seconds = row.busy, flops = row.flops,
      bytes = row.bytes, share = row.share, remade = row.remade, density = row.density,
    }
  end
  local planned = json.list {}
  for i, program in ipairs(told.collected.programs) do
    local items = json.list {}
    for k, item in ipairs(program.items) do
      items[k] = {
        op = item.op, label = item.label, line = item.site, shape = json.list(item.shape), phase = item.phase,
        chain = item.chain, threads = item.width, rows = item.rows, block = item.block, place = item.place,
        density = item.density, shared = item.shared, remade = item.remade, steady = item.steady,
        residual = item.residual,
        seconds = item.seconds, flops = item.flops, bytes = item.bytes, runs = item.runs,
      }
    end
    planned[i] = { name = program.name, again = program.again, runs = program.runs, seconds = program.seconds,
                   items = items }
  end
  return {
    name = told.name, method = told.method, dtype = told.dtype, steps = told.steps, runs = told.runs,
    threads = told.collected.threads, seconds = told.seconds, parts = told.parts, forward = told.forward,
    again = told.again, adjoint = told.adjoint, stored_bytes = told.cost.bytes, checkpoints = told.cost.checkpoints,
    peak_flops = told.roof.flops, peak_bandwidth = told.roof.bandwidth, measuring = told.collected.measuring,
    rows = rows, programs = planned,
  }
end

local order = { "recipe", "problems", "left_out", "name", "method", "seconds", "parts", "program", "label", "line" }

local function tell(asked, loaded, list, left_out)
  if asked.json then
    local objects = json.list {}
    for i, told in ipairs(list) do objects[i] = object_of(told) end
    local object = { recipe = loaded.name, problems = objects, left_out = json.list(left_out) }
    io.stdout:write(json.encode(object, loaded.name, order), "\n")
    return
  end
  for i, told in ipairs(list) do
    io.stdout:write(i > 1 and "\n" or "", show.text(told, terminal.columns()))
  end
  for _, each in ipairs(left_out) do io.stdout:write(("%s is not profiled: %s\n"):format(each.name, each.why)) end
end

-- ---- the command ----

local function profile_all(asked, loaded, o)
  local built, left_out = problems.build(loaded, o, function(name)
    return not asked.problem or name == asked.problem
  end)
  if asked.problem then left_out = #built == 0 and left_out or {} end
  local list, roofs = {}, {}
  for i, each in ipairs(built) do
    local p = asked.steps and asked.steps < each.problem.steps and each.problem:with { steps = asked.steps }
      or each.problem
    roofs[p.dtype] = roofs[p.dtype] or roofline.measure(p.dtype)
    list[i] = examine(each.name, p, asked)
    list[i].roof = roofs[p.dtype]
  end
  tell(asked, loaded, list, left_out)
  if asked.trace and #list > 0 then
    local words = trace.save(asked.trace, loaded.name)
    if words and not asked.json then io.stdout:write(words, "\n") end
  end
  if #built > 0 then return DONE end
  return FAILED, "profile: the recipe has no problem with a hypergradient that can be built first"
end

--- Profiles a recipe.
-- @tparam table asked recipe: name or path; options: {"key=value",...}; problem: the name of one, or nil for all;
--   steps: the most that training takes, or nil; runs: hypergradients; top: rows; trace: a file for the trace of the
--   last problem, or nil; events: what it has room for; json: boolean
-- @treturn number exit code: 0 done, 1 failed, 2 wrong usage
-- @treturn string message where it is not 0
function profiles.run(asked)
  local loaded, o = problems.resolve(asked.recipe, asked.options)
  if not loaded then return USAGE, o end
  local known = problems.names(loaded)
  if asked.problem and not (" " .. table.concat(known, " ") .. " "):find(" " .. asked.problem .. " ", 1, true) then
    return USAGE, ("profile: no problem '%s' that can be built first%s; there are: %s"):format(asked.problem,
      names.hint(asked.problem, known), #known > 0 and table.concat(known, ", ") or "none")
  end
  C.hyla_interrupt_clear()
  C.hyla_interrupt_on_sigint(1)
  local ok, code, message = pcall(profile_all, asked, loaded, o)
  C.hyla_interrupt_on_sigint(0)
  if not ok then error(site.explained(tostring(code)), 0) end
  return code, message
end

return profiles
