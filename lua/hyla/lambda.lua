--- The hyperparameters of a problem: read, checked and set.
-- @module hyla.lambda
local engine = require "hyla.ffi"
local names = require "hyla.names"
local number = require "hyla.number"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
local C, check = engine.C, engine.check

local lambda = {}

local function value_for(hyper, value, dtype)
  if type(value) == "number" then value = tensor.full(hyper.shape, value, dtype) end
  if type(value) == "table" and not trace.is(value) then value = tensor.from(value, dtype) end
  if not tensor.is(value) or table.concat(value.shape, ",") ~= table.concat(hyper.shape, ",") then
    site.fail("set: expected '%s' as a number or a tensor of shape [%s], got %s", hyper.name,
              table.concat(hyper.shape, ", "), trace.show(value))
  end
  local copy = value:clone():to(dtype)
  if not copy:is_finite() then site.fail("set: '%s' has NaN or infinity", hyper.name) end
  return copy
end

-- Names the component that lies farthest outside.
local function want_inside(hyper, value)
  if not hyper.set then return end
  local holds, nearest = hyper.set:holds(value, hyper.site)
  if holds then return end
  local is, near = value:reshape { value.size }, nearest:reshape { value.size }
  local worst = (near - is):abs():argmax():item() + 1
  site.fail("set: '%s'%s = %s lies outside of %s; the nearest point is %s", hyper.name,
            value.rank > 0 and ("[%d]"):format(worst) or "", number.format(is:get(worst), value.dtype),
            tostring(hyper.set), number.format(near:get(worst), value.dtype))
end

local function hyper_named(self, name)
  local hyper = type(name) == "string" and (self.hypers[name] or self.frozen[name])
  if hyper then return hyper end
  local known = names.keys(self.hypers)
  for _, frozen in ipairs(self.frozen) do known[#known + 1] = frozen.name end
  site.fail("set: unknown hyperparameter '%s'%s; there are: %s", tostring(name), names.hint(tostring(name), known),
            #known > 0 and table.concat(known, ", ") or "none")
end

--- Sets hyperparameters, all of those named or none.
-- @tparam table self problem
-- @tparam table values name -> number, tensor or table
-- @tparam boolean inside whether a value outside of its constraint is an error
function lambda.assign(self, values, inside)
  local copies = {}
  for name, value in pairs(values) do
    local hyper = hyper_named(self, name)
    copies[name] = value_for(hyper, value, self.dtype)
    if inside then want_inside(hyper, copies[name]) end
  end
  for name, value in pairs(copies) do
    local hyper = hyper_named(self, name)
    hyper.value = value
    if hyper.row then check(C.hyla_tensor_copy(hyper.row, value:reshape(hyper.row.shape))) end
  end
end

--- The hyperparameters that are learned.
-- @tparam table self problem
-- @treturn table name -> number (a scalar's) or tensor (a copy)
function lambda.values(self)
  local values = {}
  for _, hyper in ipairs(self.hypers) do
    values[hyper.name] = #hyper.shape == 0 and hyper.value:item() or hyper.value:clone()
  end
  return values
end

return lambda
