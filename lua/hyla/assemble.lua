--- From a laid-out problem (hyla.layout) to the engine's: programs init, step (one a segment) and outer over one graph,
-- with their streams.
-- @module hyla.assemble
local ffi = require "ffi"
local engine = require "hyla.ffi"
local lower = require "hyla.lower"
local model = require "hyla.model"
local site = require "hyla.site"
local stream = require "hyla.stream"
local trace = require "hyla.trace"
local C, check = engine.C, engine.check

local assemble = {}

-- The first value of a hyperparameter: its initial one, which has to lie in its set (up to rounding) and in the domain
-- of its scale.
local function first_value(leaf, dtype, set, about)
  local value = lower.program({ model.initial(leaf, dtype) }, dtype):run()[1]
  if set then
    local holds, nearest = set:holds(value, leaf.site)
    if not holds then
      site.fail_at(leaf.site, "hyper '%s': the initial value lies outside of %s%s; the nearest point is %.3g away",
                   leaf.name, tostring(set), about, (nearest - value):abs():max():item())
    end
    value = nearest
  end
  if leaf.scale == "log" and value:min():item() <= 0 then
    site.fail_at(leaf.site, "hyper '%s': a log scale needs a positive initial value, got %.9g", leaf.name,
                 value:min():item())
  end
  return value
end

local function new_hyper(leaf, dtype, domain)
  local set, about = leaf.within, ""
  if domain then set, about = domain.set, ", the domain of " .. domain.words end
  local value = first_value(leaf, dtype, set, about)
  return {
    name = leaf.name, shape = leaf.shape, size = leaf.size, set = set, scale = leaf.scale, site = leaf.site,
    leaf = leaf, init = value, value = value,
    note = domain and ("%s: kept in %s%s; within = ... sets another"):format(leaf.name, tostring(set), about),
  }
end

--- Hyperparameters with their first values. They stay in their own sets, or in the domains of the settings that they
-- are, which is noted of those that will be moved.
-- @tparam table laid from layout.new
-- @tparam table domains from dynamics.domains
-- @tparam string dtype
-- @treturn table learned ones, each by position and by name
-- @treturn table frozen ones, the same; row: the tensor [1, ...] that the programs read
-- @treturn {string,...} notes
function assemble.hypers(laid, domains, dtype)
  local learned, frozen, notes = {}, {}, {}
  for _, leaf in ipairs(laid.hypers) do
    local hyper = new_hyper(leaf, dtype, domains[leaf])
    learned[#learned + 1], learned[leaf.name] = hyper, hyper
    notes[#notes + 1] = hyper.note
  end
  for _, leaf in ipairs(laid.frozen) do
    local hyper = new_hyper(leaf, dtype, domains[leaf])
    hyper.row = hyper.value:clone():reshape { 1, unpack(leaf.shape) }
    frozen[#frozen + 1], frozen[leaf.name] = hyper, hyper
  end
  return learned, frozen, notes
end

-- Streams that draw random numbers are numbered in their order, so two of one seed differ; batches of one seed agree.
local function add_streams(handle, lowering, laid, o, values)
  local index_of, streams, random = {}, {}, 0
  for i, leaf in ipairs(laid.hypers) do index_of[leaf] = i - 1 end
  for _, leaf in ipairs(laid.streams) do
    local drawn = leaf.source.kind == "uniform" or leaf.source.kind == "normal"
    random = drawn and random + 1 or random
    local s = ffi.new "hyla_stream"
    s.input = lowering:refer({ leaf })[1]
    local rows = stream.describe(s, leaf, {
      steps = o.steps, dtype = o.dtype, number = drawn and random or 0,
      hyper = function(hyper) return index_of[hyper] end,
      frozen = function(frozen) return values[frozen] end,
    })
    s.table = rows                                     -- which the engine keeps
    streams[leaf] = check(C.hyla_problem_stream(handle, s))
  end
  return streams
end

-- Tells the engine what a segment of momentum is made of.
local function declare_momentum(handle, index, laid, lowering)
  local parts = laid.segments[index].momentum
  local position, state, n = {}, { weight = {}, velocity = {} }, #parts
  for i, leaf in ipairs(laid.states) do position[leaf] = i - 1 end
  for i, part in ipairs(parts) do
    for key, list in pairs(state) do list[i] = position[part[key]] end
  end
  local function ints(list) return ffi.new("int[?]", n, list) end
  local function nodes(key)
    local list = {}
    for i, part in ipairs(parts) do list[i] = part[key] end
    return ints(lowering:refer(list))
  end
  check(C.hyla_problem_momentum(handle, index - 1, n, ints(state.weight), ints(state.velocity), nodes "gradient",
                                nodes "rate", nodes "momentum"))
end

-- What training goes down, and the states it does so in.
local function declare_inner(handle, lowering, laid)
  local position, list = {}, {}
  for i, leaf in ipairs(laid.states) do position[leaf] = i - 1 end
  for i, leaf in ipairs(laid.minimised) do list[i] = position[leaf] end
  if #list == 0 then return end
  check(C.hyla_problem_inner(handle, lowering:refer({ laid.inner })[1], #list, ffi.new("int[?]", #list, list)))
end

--- Makes the engine's problem.
-- @tparam table laid from layout.new
-- @tparam table o { dtype =, steps = T, reversible = whether the segments, all of momentum, are to be taken back }
-- @tparam table values frozen hyperparameter -> its rows, a tensor [1, ...] that the problem reads from then on
-- @treturn table { handle, graph, streams = leaf -> index }
function assemble.problem(laid, o, values)
  local lowering = lower.new(o.dtype)
  local hypers, states, init = lowering:refer(laid.hypers), lowering:refer(laid.states), lowering:refer(laid.init)
  local out = ffi.new("hyla_problem *[1]")
  check(C.hyla_problem_new(lowering.graph, out))
  local handle = ffi.gc(out[0], C.hyla_problem_drop)
  for i, e in ipairs(laid.hypers) do check(C.hyla_problem_hyper(handle, e.name, hypers[i], e.site)) end
  for i, e in ipairs(laid.states) do check(C.hyla_problem_state(handle, e.name, states[i], init[i], e.site)) end
  for i, segment in ipairs(laid.segments) do
    local after = ffi.new("int[?]", #states, lowering:refer(segment.next))
    check(C.hyla_problem_segment(handle, segment.steps, #states, after))
    if o.reversible then declare_momentum(handle, i, laid, lowering) end
  end
  declare_inner(handle, lowering, laid)
  if laid.outer then
    local scalar = laid.outer.rank == 0 and laid.outer or trace.apply("reshape", { laid.outer }, { v = {} })
    check(C.hyla_problem_outer(handle, lowering:refer({ scalar })[1]))
  end
  local streams = add_streams(handle, lowering, laid, o, values)
  check(C.hyla_problem_ready(handle, (laid.outer and #laid.hypers > 0) and 1 or 0))
  return { handle = handle, graph = lowering.graph, streams = streams }
end

return assemble
