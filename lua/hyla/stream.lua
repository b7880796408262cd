--- Streams: expressions whose value changes from step to step - mini-batches, schedules, inputs in time, random
-- numbers, and settings of their own for each step. A stream is a leaf whose value at step t is a pure function of t,
-- so what goes backwards over training sees what went forwards.
--
-- The leaf's `source` says where its values come from, a table with kind:
--   rows      table (a tensor [rows, ...]), cycle, first (the step of row 1)
--   schedule  value (function of t, or list), for steps first .. first + steps - 1 (steps nil: to the end of training)
--   hyper     hyper (the leaf of a hyperparameter [T, ...]), cycle, first
--   epochs, draws    rows (examples), seed: the indices of a batch
--   uniform, normal  seed
--   frozen    a hyperparameter that is not learned
-- @module hyla.stream
local ffi = require "ffi"
local engine = require "hyla.ffi"
local options = require "hyla.options"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
local C = engine.C

local stream = {}

--- Whether a value is a stream.
-- @return boolean
function stream.is(x) return trace.is(x) and x.op == "stream" end

--- A leaf that gets its values from a source.
-- @tparam string name for messages
-- @tparam {number,...} shape of one step's value
-- @tparam table source
-- @tparam[opt="float"] string dtype
-- @treturn expression
function stream.leaf(name, shape, source, dtype)
  return trace.leaf("stream", name, shape, { source = source, dtype = dtype or "float" })
end

local function row_shape(shape)
  local row = {}
  for i = 2, #shape do row[i - 1] = shape[i] end
  return row
end

local function is_list(v) return type(v) == "table" and not trace.is(v) and not tensor.is(v) and #v > 0 end

--- Whether a value is a schedule: a function of t, or a list of numbers, one a step.
-- @return boolean
function stream.is_schedule(v)
  if not is_list(v) then return type(v) == "function" end
  for i = 1, #v do
    if type(v[i]) ~= "number" then return false end
  end
  return true
end

--- A number for each step.
-- @tparam string name for messages
-- @tparam function|{number,...} value of t = 1, 2, ... counted from `first`
-- @tparam[opt=1] number first the step of training that is its t = 1
-- @tparam[opt] number steps how many it is asked for; to the end of training unless told
-- @treturn expression a scalar
function stream.schedule(name, value, first, steps)
  return stream.leaf(name, {}, { kind = "schedule", value = value, first = first or 1, steps = steps or false })
end

local at_step_fields = { cycle = { kind = "boolean", default = false } }

--- The value that belongs to the present step t = 1, 2, ... of training.
-- @param x a tensor [rows, ...] or a hyperparameter [rows, ...]: row t (so each step has hyperparameters of its own);
--   a function of t, or a list of numbers: a scalar
-- @tparam[opt] table given { cycle = false: true begins again after the last row; too few rows are an error otherwise }
-- @treturn expression of the shape of a row. An outer objective sees the value of the last step that was taken.
function stream.at_step(x, given)
  local o = options.read("at_step", given, at_step_fields)
  if stream.is_schedule(x) then
    if o.cycle then site.fail("at_step: cycle is for rows of tensors and hyperparameters") end
    return stream.schedule("schedule", x)
  end
  local learned = trace.is(x) and x.op == "hyperparameter"
  if not learned and not tensor.is(x) then
    site.fail("at_step: expected a tensor, a hyperparameter, a function of t or a list of numbers, got %s",
              trace.is(x) and tostring(x) or trace.show(x))
  end
  if #x.shape == 0 then site.fail("at_step: expected rows, one for each step, got %s", trace.show(x)) end
  local shape, dtype = row_shape(x.shape), x.dtype == "int32" and "int32" or "float"
  if learned then
    return stream.leaf(x.name .. " at a step", shape, { kind = "hyper", hyper = x, cycle = o.cycle, first = 1 })
  end
  return stream.leaf("rows", shape, { kind = "rows", table = x, cycle = o.cycle, first = 1 }, dtype)
end

-- ---- mini-batches ----

local batch_fields = {
  size = options.with(options.count, { required = true }),
  seed = options.seed,
  replace = { kind = "boolean", default = false },
  sampler = { expected = "a function of t that gives a list of positions from 1, or an int32 tensor [steps, size] of "
    .. "positions from 0", is = function(v) return type(v) == "function" or tensor.is(v) and v.dtype == "int32" end },
}

local function sampled(o, rows)
  if o.seed or o.replace then site.fail("batches: a sampler takes no seed and no replace") end
  if tensor.is(o.sampler) then
    if #o.sampler.shape ~= 2 or o.sampler.shape[2] ~= o.size then
      site.fail("batches: expected positions of shape [steps, %d], got %s", o.size, trace.show(o.sampler))
    end
    return { kind = "rows", table = o.sampler, cycle = false, first = 1 }
  end
  return { kind = "schedule", value = o.sampler, first = 1, steps = false, rows = rows }
end

--- The positions (int32, from 0) of a mini-batch of each step.
-- @tparam string name of the data, for messages
-- @tparam number rows examples there are
-- @tparam table given { size = examples a batch (required); seed = (required without a sampler); replace = false: by
--   epochs, every example at most once an epoch, what does not fill a batch left out; true: drawn with replacement;
--   sampler = the user's own: function(t) -> list of positions from 1, or an int32 tensor [steps, size] of positions
--   from 0 }
-- @treturn expression int32 [size]
function stream.batch_index(name, rows, given)
  local o = options.read("batches", given, batch_fields)
  if not o.replace and not o.sampler and o.size > rows then
    site.fail("batches: expected batches of at most %d examples, which '%s' has, got %d", rows, name, o.size)
  end
  if not o.sampler and not o.seed then site.fail("batches: option 'seed' is missing, which the drawing needs") end
  local source = o.sampler and sampled(o, rows)
    or { kind = o.replace and "draws" or "epochs", rows = rows, seed = o.seed }
  return stream.leaf(name .. " batch", { o.size }, source, "int32")
end

-- ---- what the engine is told ----

local function checked(leaf, t, value)
  local number = type(value) == "number" and value == value and math.abs(value) < math.huge
  if not number then
    site.fail_at(leaf.site, "schedule: expected a finite number for t = %d, got %s", t, trace.show(value))
  end
  return value
end

local function positions(leaf, t, list)
  if type(list) ~= "table" or #list ~= leaf.size then
    site.fail_at(leaf.site, "batches: expected the sampler to give a list of %d positions for t = %d, got %s",
                 leaf.size, t, type(list) == "table" and #list .. " elements" or "a " .. type(list))
  end
  local row = {}
  for i, k in ipairs(list) do
    if type(k) ~= "number" or k % 1 ~= 0 or k < 1 or k > leaf.source.rows then
      site.fail_at(leaf.site, "batches: expected positions from 1 to %d from the sampler, got %s for t = %d",
                   leaf.source.rows, tostring(k), t)
    end
    row[i] = k - 1
  end
  return row
end

--- The value of a schedule at its t.
-- @tparam expression leaf
-- @tparam number t from 1
-- @treturn number, or a list of positions of a sampler
function stream.value(leaf, t)
  local source = leaf.source
  local value
  if type(source.value) == "function" then value = source.value(t) else value = source.value[t] end
  if value == nil and type(source.value) == "table" then
    site.fail_at(leaf.site, "%s: the schedule has %d values, and step %d needs one", leaf.name, #source.value, t)
  end
  return leaf.rank > 0 and positions(leaf, t, value) or checked(leaf, t, value)
end

-- A schedule as rows, one for each step it is asked for.
local function tabulate(leaf, total, dtype)
  local source = leaf.source
  local steps = source.steps or total - source.first + 1
  local values = tensor.zeros({ steps, unpack(leaf.shape) }, leaf.dtype == "int32" and "int32" or dtype)
  local data = ffi.cast(leaf.dtype == "int32" and "int32_t *" or dtype == "float32" and "float *" or "double *",
                        C.hyla_tensor_data(values))
  for t = 1, steps do
    local value = stream.value(leaf, t)
    if leaf.rank == 0 then data[t - 1] = value end
    for i = 1, leaf.rank > 0 and leaf.size or 0 do data[(t - 1) * leaf.size + i - 1] = value[i] end
  end
  return values
end

local function as_program(t, dtype)
  if t.dtype ~= "int32" and t.dtype ~= dtype then t = t:to(dtype) end
  return t:contiguous()
end

local kinds = {
  epochs = C.HYLA_STREAM_EPOCHS, draws = C.HYLA_STREAM_DRAWS, uniform = C.HYLA_STREAM_UNIFORM,
  normal = C.HYLA_STREAM_NORMAL,
}

--- Fills the engine's description of a stream.
-- @param to hyla_stream
-- @tparam expression leaf
-- @tparam table p { steps = T, dtype =, number = its number among the streams that draw random values,
--   hyper = function(leaf) -> index of a hyperparameter, frozen = function(leaf) -> its rows }
-- @treturn tensor|nil its rows, where it has some
function stream.describe(to, leaf, p)
  local source = leaf.source
  to.first, to.cycle = source.first or 1, source.cycle and 1 or 0
  if kinds[source.kind] then
    to.kind, to.rows, to.seed, to.stream = kinds[source.kind], source.rows or 0, source.seed, p.number
    return nil
  end
  if source.kind == "hyper" then
    to.kind, to.hyper = C.HYLA_STREAM_HYPER, p.hyper(source.hyper)
    return nil
  end
  local rows = source.table
  if source.kind == "schedule" then rows = tabulate(leaf, p.steps, p.dtype) end
  if source.kind == "frozen" then rows, to.cycle = p.frozen(leaf), 1 end
  to.kind = C.HYLA_STREAM_ROWS
  return as_program(rows, p.dtype)
end

return stream
