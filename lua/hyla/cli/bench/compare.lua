--- Cases of bench/cases.lua, run: each alone in a process of its own, or beside its peers. There, one process of ours
-- and one of a peer are told to measure in turns, so that both meet the same machine, and all of it: who waits is
-- stopped. The ratio is that of the minima.
-- @module hyla.cli.bench.compare
local difference = require "hyla.cli.bench.difference"
local figures = require "hyla.cli.bench.figures"
local quote = require "hyla.quote"
local json = require "hyla.report.json"
local peers = require "hyla.cli.bench.peers"
local process = require "hyla.cli.bench.process"
local progress = require "hyla.report.progress"
local stdlib = require "posix.stdlib"
local tree = require "hyla.cli.tree"
local workload = require "hyla.cli.bench.workload"

local compare = {}

local leading = { "case", "workload", "options", "steps", "threads", "seconds", "peak_bytes", "ours", "peers", "bars" }

local function say(...)
  io.stdout:write(string.format(...), "\n")
  io.stdout:flush()
end

local function emit(record) say("%s", json.encode(record, record.case or record.workload, leading)) end

-- ---- what to run ----

local function contains(list, item)
  for _, x in ipairs(list) do
    if x == item then return true end
  end
  return false
end

-- The words of a case, and those of the user in the place of words for the same option.
local function merged(own, given)
  local words, set = {}, {}
  for _, word in ipairs(given) do set[word:match "^[^=]*"] = true end
  for _, word in ipairs(own or {}) do
    if not set[word:match "^[^=]*"] then words[#words + 1] = word end
  end
  for _, word in ipairs(given) do words[#words + 1] = word end
  return words
end

-- The cases of the workloads that are named, or of all, each once, with the words of its options; workloads without
-- any are cases by themselves. Or nil and what is wrong with an option.
local function cases_of(chosen, given)
  local list, seen = {}, {}
  local function add(case)
    local words = merged(case.options, given)
    local key = case.workload .. " " .. table.concat(words, " ")
    local options, problem = workload.options(case.workload, words)
    if not options then return problem end
    if not seen[key] then
      seen[key] = true
      list[#list + 1] = setmetatable({ words = words, threads = options.threads }, { __index = case })
    end
  end
  local function wanted(name) return #chosen == 0 or contains(chosen, name) end
  local with_cases, problem = {}, nil
  for _, case in ipairs(figures.cases()) do
    with_cases[case.workload] = true
    if wanted(case.workload) then problem = problem or add(case) end
  end
  for _, name in ipairs(workload.names()) do
    if wanted(name) and not with_cases[name] then problem = problem or add { name = name, workload = name } end
  end
  if problem then return nil, problem end
  return list
end

-- This same command; the launcher has set what it needs in the environment.
local function hyla(...) return { "luajit", tree.command, "bench", ... } end

-- A workload measured in a process of its own.
local function apart(name, words)
  local arguments = hyla(name, "--json")
  for _, word in ipairs(words) do arguments[#arguments + 1] = word end
  return process.start(arguments):finish()
end

--- Measures workloads, each case in a process of its own.
-- @tparam table given names ({} for all), options (words), json
-- @treturn number exit code
-- @treturn string|nil what is wrong
function compare.alone(given)
  local cases, problem = cases_of(given.names, given.options)
  if not cases then return 2, problem end
  for i, case in ipairs(cases) do
    local result = apart(case.workload, case.words)
    if given.json then
      result.case = case.name
      emit(result)
    else
      say("%s== %s", i > 1 and "\n" or "", case.name)
      workload.show(result)
    end
  end
  return 0
end

-- ---- beside peers ----

-- Measures in turns, each with the other at rest; then the peer's last answer. ours and peer: processes that are ready.
-- given: rounds and seconds, at least, so that both sides of a short measurement meet the machine in the same moods.
local function alternate(ours, peer, given, form)
  form.turns = { ours = {}, peer = {} }
  peer:rest()
  local round, start = 0, progress.clock()
  while round < given.rounds or progress.clock() - start < given.seconds do
    round = round + 1
    for _, turn in ipairs { { "ours", ours }, { "peer", peer } } do
      local times = form.turns[turn[1]]
      for key, value in pairs(turn[2]:ask "go") do
        times[key] = times[key] or {}
        table.insert(times[key], value)
      end
      turn[2]:rest()
    end
  end
  form.peak_bytes = peer:finish().peak_bytes
end

-- Runs one form of a peer beside ours.
local function beside(ours, case, one, given, folder)
  local form = { form = one.form, library = one.library }
  local peer = process.start({ "env", "PYTHONDONTWRITEBYTECODE=1", peers.python(given.folder),
                               ("%s/bench/peers/%s.py"):format(tree.root, one.script), folder, one.form,
                               tostring(case.threads) }, true)
  local ok, why = pcall(function()
    form.versions = peer:hear()
    form.versions.ready = nil
    alternate(ours, peer, given, form)
  end)
  if not ok then
    peer:drop()
    error(why, 0)
  end
  return form
end

local function remove(folder) os.execute("rm -rf " .. quote(folder)) end

-- All peers of a case, one after another, each in turns with ours.
local function measured(case, given, folder)
  local arguments = hyla(case.workload, "--serve", "export=" .. folder)
  for _, word in ipairs(case.words) do arguments[#arguments + 1] = word end
  local ours, forms, skipped = process.start(arguments), {}, {}
  local ok, result = pcall(function()
    ours:hear()
    for _, one in ipairs(case.peers) do
      if peers.has(given.folder, one.library) then
        forms[#forms + 1] = beside(ours, case, one, given, folder)
        forms[#forms].outputs = one.outputs
      elseif not contains(skipped, one.library) then
        skipped[#skipped + 1] = one.library
      end
    end
    for _ = 1, #forms == 0 and given.rounds or 0 do ours:ask "go" end
    return ours:finish()
  end)
  if not ok then
    ours:drop()
    error(result, 0)
  end
  return result, forms, skipped
end

-- The record of a case: what both sides measured, whether they agree, and the bars.
local function record_of(case, given, floor)
  local folder = assert(stdlib.mkdtemp((os.getenv "TMPDIR" or "/tmp") .. "/hyla-bench.XXXXXX"))
  local ok, result, forms, skipped = pcall(measured, case, given, folder)
  if ok then
    for _, form in ipairs(forms) do
      form.difference, form.problem =
        difference.compare(folder .. "/ours", folder .. "/" .. form.form, case.tolerance, form.outputs)
      form.outputs = nil
    end
  end
  remove(folder)
  if not ok then error(result, 0) end
  return figures.record(case, result, forms, skipped, floor)
end

-- The machine's floors, on as many threads as each case has.
local function floors()
  local known = {}
  return function(threads)
    known[threads] = known[threads] or apart("floor", { "threads=" .. threads })
    return known[threads]
  end
end

--- Measures cases beside their peers and compares the hypergradients.
-- @tparam table given names ({} for all), options (words), folder (of the peers), rounds, seconds, json, report
--   (a page to write, or nil)
-- @treturn number exit code: 1 where a result differs from ours
-- @treturn string|nil what is wrong
function compare.beside(given)
  local python, problem = peers.python(given.folder)
  if not python then return 1, problem end
  local cases
  cases, problem = cases_of(given.names, given.options)
  problem = problem or given.report and require "hyla.cli.bench.report".problem(given.report)
  if problem then return 2, problem end
  local floor, records, wrong, plain = floors(), {}, {}, {}
  for _, case in ipairs(cases) do
    if case.peers then
      local record = record_of(case, given, floor(case.threads))
      records[#records + 1] = record
      if given.json then emit(record) else io.stdout:write(figures.text(record), "\n") io.stdout:flush() end
      for _, form in ipairs(record.peers or {}) do
        if form.problem then
          wrong[#wrong + 1] = ("%s, %s %s: %s"):format(case.name, form.library, form.form, form.problem)
        end
      end
    elseif given.report or #given.names > 0 then
      plain[case.workload] = apart(case.workload, case.words)
      if given.json then emit(plain[case.workload]) else workload.show(plain[case.workload]) end
    end
  end
  if #wrong > 0 then return 1, "bench: results differ from the peers':\n  " .. table.concat(wrong, "\n  ") end
  if given.report then
    require "hyla.cli.bench.report".write(given.report, { records = records, growth = plain.growth, floor = floor(2),
                                                          chosen = given.names, options = given.options })
  end
  return 0
end


return compare
