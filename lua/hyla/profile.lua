--- Where the time goes: what the engine collects while some work is done, as tables.
--
-- Time is told as wall time: what an item took on all threads, divided by the threads that took part in its phase.
-- So the items of a program add up to no more than its own time; the rest of that is threads that wait for each other,
-- and the walk over phases and blocks.
-- @module hyla.profile
local ffi = require "ffi"
local engine = require "hyla.ffi"
local C, check = engine.C, engine.check

local profile = {}

--- Starts collecting.
-- @tparam[opt=0] number events slices of a trace to keep room for
function profile.start(events) check(C.hyla_profile_start(events or 0)) end

local function text(pointer) return pointer ~= nil and ffi.string(pointer) or nil end

local function dims(shape)
  local list = {}
  for i = 1, shape.rank do list[i] = shape.dim[i - 1] end
  return list
end

local places = { [0] = "arena", [1] = "block", [2] = "result", [3] = "kept" }

local function item_of(program, index)
  local c = ffi.new "hyla_profiled_item"
  check(C.hyla_profile_item(program, index, c))
  return {
    op = text(c.op), label = text(c.label), site = text(c.site), shape = dims(c.shape), phase = c.phase + 1,
    chain = c.chain, units = c.units, width = c.width, block = c.block, shared = c.shared == 1, rows = c.rows,
    origin = c.origin, place = places[c.place], output = c.output, density = c.density, flops = c.flops,
    bytes = c.bytes, runs = c.runs, steady = c.steady == 1, calls = c.calls, busy = c.seconds, seconds = c.wall,
  }
end

local function program_of(index)
  local c = ffi.new "hyla_profiled_program"
  check(C.hyla_profile_program(index, c))
  local program = {
    name = text(c.name), again = c.again == 1, runs = c.runs, seconds = c.seconds, graph = c.graph, items = {},
  }
  for i = 1, c.items do program.items[i] = item_of(index, i - 1) end
  return program
end

-- An adjoint program makes values of the step again: those that are the same nodes of the same graph.
local function mark_remade(programs)
  local made = {}
  for _, program in ipairs(programs) do
    if program.name:match "^step" and not program.name:match "[jv][vj]p" then
      made[program.graph] = made[program.graph] or {}
      for _, item in ipairs(program.items) do made[program.graph][item.origin] = item.origin >= 0 end
    end
  end
  for _, program in ipairs(programs) do
    local primal = program.name:match "^step.*%.vjp$" and made[program.graph] or {}
    for _, item in ipairs(program.items) do item.remade = not item.steady and primal[item.origin] or false end
  end
end

-- Programs of one name are told apart: the stretches of a training have a step each.
local function number_names(programs)
  local seen = {}
  for _, program in ipairs(programs) do
    local key = program.name .. (program.again and " again" or "")
    seen[key] = (seen[key] or 0) + 1
    if seen[key] > 1 then program.name = ("%s #%d"):format(program.name, seen[key]) end
  end
end

--- What has been collected so far.
-- @treturn table { seconds, methods, inside, calls, measuring, dropped, threads, events; programs = { { name, again,
--   runs, seconds, items = { { op, label, site, shape, phase, chain, units, width, block, shared, rows, place, output,
--   density, flops and bytes of one run, runs that it was part of, steady = whether it is made from hyperparameters
--   alone and only when they have changed, calls, busy = seconds over all threads, seconds = wall time, remade =
--   whether it is a value of the step, made again } } } } }; hyla.h says more
function profile.collected()
  local c = ffi.new "hyla_profile_sums"
  check(C.hyla_profile_total(c))
  local programs = {}
  for i = 1, c.programs do programs[i] = program_of(i - 1) end
  mark_remade(programs)
  number_names(programs)
  return {
    seconds = c.seconds, methods = c.methods, inside = c.inside, calls = c.calls, measuring = c.measuring,
    dropped = c.dropped, threads = c.threads, events = c.events, programs = programs,
  }
end

--- Stops, where something is collected. What was collected stays readable until the next start.
function profile.stop()
  if C.hyla_profile_on() == 1 then check(C.hyla_profile_stop()) end
end

--- Profiles a piece of work. Where it fails, collecting ends and its error is passed on.
-- @tparam function work
-- @tparam[opt=0] number events as for `start`
-- @treturn table as of `collected`
-- @return what work returned first
function profile.collect(work, events)
  profile.start(events)
  local ok, result = pcall(work)
  profile.stop()
  if not ok then
    C.hyla_profile_drop()
    error(result, 0)
  end
  return profile.collected(), result
end

--- A slice of the trace around a piece of work, whose results are passed on; where nothing is collected, the work.
-- @tparam string name
-- @tparam function work
function profile.within(name, work, ...)
  if C.hyla_profile_on() == 0 then return work(...) end
  C.hyla_profile_begin(name)
  local function ended(ok, ...)
    C.hyla_profile_end()
    if not ok then error((...), 0) end
    return ...
  end
  return ended(pcall(work, ...))
end

-- ---- rows of a table ----

-- The least time that a machine of these peaks takes for an item's runs.
local function least(item, roof)
  return item.runs * math.max(item.flops / roof.flops, item.bytes / roof.bandwidth)
end

local function add(row, item, roof)
  row.seconds, row.busy, row.calls = row.seconds + item.seconds, row.busy + item.busy, row.calls + item.calls
  row.flops, row.bytes = row.flops + item.runs * item.flops, row.bytes + item.runs * item.bytes
  row.least = row.least + least(item, roof)
  row.items = row.items + 1
end

local function empty_row(program, item)
  return {
    program = program.name, again = program.again, runs = program.runs, label = item.label, op = item.op,
    site = item.site, remade = item.remade, density = item.density, seconds = 0, busy = 0, calls = 0, flops = 0,
    bytes = 0, least = 0, items = 0,
  }
end

--- The items as rows, one for each program, operation and recipe line, those that took longest first.
-- @tparam table collected
-- @tparam table roof { flops =, bandwidth = } a second
-- @treturn {table,...} { program, again, runs, label, op, site, remade, density, items = how many, calls, seconds,
--   busy, flops, bytes, rate = flops a second, bandwidth = bytes a second, share = of the roofline }
function profile.rows(collected, roof)
  local rows, by_key = {}, {}
  for _, program in ipairs(collected.programs) do
    for _, item in ipairs(program.items) do
      local key = table.concat({ program.name, tostring(program.again), item.label, item.site or "",
                                 tostring(item.remade), item.density }, "\0")
      if not by_key[key] then
        by_key[key] = empty_row(program, item)
        rows[#rows + 1] = by_key[key]
        by_key[key].order = #rows
      end
      add(by_key[key], item, roof)
    end
  end
  for _, row in ipairs(rows) do
    local seconds = row.seconds > 0 and row.seconds or math.huge
    row.rate, row.bandwidth, row.share = row.flops / seconds, row.bytes / seconds, row.least / seconds
  end
  table.sort(rows, function(a, b)
    if a.seconds ~= b.seconds then return a.seconds > b.seconds end
    return a.order < b.order
  end)
  return rows
end

--- How the time is made up; the parts add up to `seconds`.
-- @tparam table collected
-- @tparam number seconds of wall time that the work took
-- @treturn table { items, waiting = in programs, but in no item: ends of phases, the walk; between = in methods, but in
--   no program: streams, trajectory, checkpoints; rest = Lua, and what it calls beside methods }
function profile.parts(collected, seconds)
  local items, programs = 0, 0
  for _, program in ipairs(collected.programs) do
    programs = programs + program.seconds
    for _, item in ipairs(program.items) do items = items + item.seconds end
  end
  local between = collected.methods - collected.inside
  return { items = items, waiting = programs - items, between = between, rest = seconds - programs - between }
end

return profile
