--- A profile as a trace: Chrome's trace event format, which browsers' trace viewers (ui.perfetto.dev, chrome://tracing)
-- open. Threads are rows; stages, runs of programs, phases and items are slices, each inside of the one before it.
-- @module hyla.report.trace
local ffi = require "ffi"
local engine = require "hyla.ffi"
local json = require "hyla.report.json"
local number = require "hyla.number"
local profile = require "hyla.profile"
local C, check = engine.C, engine.check

local trace = {}

--- Room for slices, where nobody says: some 25 MB of JSON.
trace.EVENTS = 200000

-- All events, those that enclose others before them.
local function events()
  local c, list = ffi.new "hyla_profiled_event", {}
  for i = 1, profile.collected().events do
    check(C.hyla_profile_event(i - 1, c))
    list[i] = {
      kind = c.kind, thread = c.thread, program = c.program + 1, item = c.item + 1, run = c.run, from = c.begin,
      to = c["end"], name = c.name ~= nil and ffi.string(c.name) or nil, index = i,
    }
  end
  table.sort(list, function(a, b)
    if a.thread ~= b.thread then return a.thread < b.thread end
    if a.from ~= b.from then return a.from < b.from end
    if a.to ~= b.to then return a.to > b.to end
    if a.kind ~= b.kind then return a.kind > b.kind end
    return a.index > b.index                           -- slices are written as they end: the outer one last
  end)
  return list
end

-- Microseconds, to the nanosecond.
local function micro(ns) return ("%.3f"):format(ns / 1000) end

local function slice(out, thread, name, from, to, args)
  out[#out + 1] = ('{"ph":"X","pid":1,"tid":%d,"name":%s,"ts":%s,"dur":%s%s}'):format(thread, name, micro(from),
    micro(math.floor(to + 0.5) - math.floor(from + 0.5)), args and ',"args":' .. args or "")
end

-- Texts of a program, of its phases and items, made once.
local function words_of(program)
  local words = { name = json.encode(program.name .. (program.again and " (again)" or "")), items = {}, phases = {} }
  for i, item in ipairs(program.items) do
    words.items[i] = {
      name = json.encode(item.label),
      args = json.encode { op = item.op, line = item.site or "", shape = json.list(item.shape), flops = item.flops,
                           bytes = item.bytes, remade = item.remade, chain = item.chain },
      phase = item.phase,
    }
    words.phases[item.phase] = json.encode(("phase %d"):format(item.phase))
  end
  return words
end

-- A phase of a thread is the stretch of its items that belong to one phase of one run.
local function phase_ends(list, i, words)
  local first = list[i]
  local phase, to = words[first.program].items[first.item].phase, first.to
  local k = i + 1
  while list[k] and list[k].kind == C.HYLA_EVENT_ITEM and list[k].thread == first.thread and list[k].run == first.run
    and words[list[k].program].items[list[k].item].phase == phase do
    to, k = math.max(to, list[k].to), k + 1
  end
  return to, k
end

local function put_slices(out, list, words)
  local phase_until = 0
  for i, e in ipairs(list) do
    if e.kind == C.HYLA_EVENT_STAGE then
      slice(out, e.thread, json.encode(e.name), e.from, e.to)
    elseif e.kind == C.HYLA_EVENT_PROGRAM then
      slice(out, e.thread, words[e.program].name, e.from, e.to, ('{"run":%d}'):format(e.run))
    else
      local item = words[e.program].items[e.item]
      if i >= phase_until then
        local to
        to, phase_until = phase_ends(list, i, words)
        slice(out, e.thread, words[e.program].phases[item.phase], e.from, to)
      end
      slice(out, e.thread, item.name, e.from, e.to, item.args)
    end
  end
end

local function name_rows(out, threads, title)
  local function name(what, thread, text)
    out[#out + 1] = ('{"ph":"M","pid":1,"tid":%d,"name":"%s","args":{"name":%s}}'):format(thread, what,
      json.encode(text))
  end
  name("process_name", 0, "hyla " .. title)
  for thread = 0, threads - 1 do
    name("thread_name", thread, thread == 0 and "thread 0 (Lua, methods)" or "thread " .. thread)
    out[#out + 1] = ('{"ph":"M","pid":1,"tid":%d,"name":"thread_sort_index","args":{"sort_index":%d}}'):format(thread,
      thread)
  end
end

--- The trace of what was collected, as JSON.
-- @tparam string title of the process's row
-- @treturn string
-- @treturn number slices that there was no room for
function trace.text(title)
  local collected, words, out = profile.collected(), {}, {}
  for i, program in ipairs(collected.programs) do words[i] = words_of(program) end
  name_rows(out, collected.threads, title)
  put_slices(out, events(), words)
  local other = json.encode { dropped = collected.dropped, hyla = ffi.string(C.hyla_version()) }
  return ('{"displayTimeUnit":"ns","otherData":%s,"traceEvents":[\n%s\n]}\n'):format(other, table.concat(out, ",\n")),
    collected.dropped
end

--- Writes the trace of what was collected to a file, whole or not at all.
-- @tparam string path
-- @tparam string title
-- @treturn string words for the user: where it is, and what is not in it
function trace.save(path, title)
  local text, dropped = trace.text(title)
  check(C.hyla_file_write(path, text, #text))
  local words = ("trace in %s; ui.perfetto.dev or chrome://tracing show it"):format(path)
  if dropped > 0 then
    words = ("%s\nthe trace has the first runs of each program: there was no room for %s"):format(words,
      number.count(dropped, "later slice"))
  end
  return words
end

return trace
