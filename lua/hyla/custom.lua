--- Functions whose derivative is given, not derived: a rule that is cheaper or more exact than what differentiation
-- finds, or one that stands in for a derivative that is zero (rounding) or missing.
--
-- The rules are traced, like everything: once for each combination of operand types, over leaves that stand for
-- operands, result, adjoint and tangents. The engine puts the application's own values in their place when it
-- differentiates, so derivatives of any order follow, and a rule may apply the function itself.
-- @module hyla.custom
local options = require "hyla.options"
local site = require "hyla.site"
local trace = require "hyla.trace"

local custom = {}

local MOST = 15   -- operands: HYLA_MAX_INPUTS less the value

local fields = {
  name = {
    expected = "a name of letters, digits and '_'", required = true,
    is = function(v) return type(v) == "string" and v:find "^[%a_][%w_]*$" ~= nil end,
  },
  forward = { kind = "function", required = true }, vjp = { kind = "function" }, jvp = { kind = "function" },
}

-- Data that changes from step to step has no derivative; a hyperparameter for each step has.
local function is_data(leaf) return leaf.op == "stream" and leaf.source.kind ~= "hyper" end

-- The first leaf that e reaches other than through `allowed` expressions; what stop_gradient hides is constant.
local function stranger(e, allowed, data_is_fine)
  local stack, seen = { e }, {}
  while #stack > 0 do
    local at = table.remove(stack)
    if not seen[at] and not allowed[at] and at.op ~= "stop_gradient" then
      seen[at] = true
      if at.leaf and not (data_is_fine and is_data(at)) then return at end
      for _, input in ipairs(at.inputs) do stack[#stack + 1] = input end
    end
  end
end

local function set_of(list)
  local set = {}
  for _, e in pairs(list) do set[e] = true end
  return set
end

-- Rules know no path to anything but operands, and serve every application. The forward may see data besides.
local function want_closed(f, what, e, allowed)
  local leaf = stranger(e, set_of(allowed), what == "forward")
  if leaf then
    site.fail("%s: the %s uses the %s '%s' (%s), which is no operand: make it one", f.name, what, leaf.op, leaf.name,
              leaf.site)
  end
end

-- What a user's function returned where an expression of a type is expected.
local function want_result(f, what, got, like)
  if not trace.is_operand(got) then
    site.fail("%s: expected the %s to return an expression, got %s", f.name, what, trace.show(got))
  end
  local e = trace.lift(f.name, got)
  if like and trace.show(e) ~= trace.show(like) then
    site.fail("%s: expected the %s to return %s, got %s", f.name, what, trace.show(like), trace.show(e))
  end
  return e
end

local DEEPEST = 50   -- applications of a function by its own forward

local function forward(f, operands)
  if f.depth == DEEPEST then site.fail("%s: the forward applies %s itself, without end", f.name, f.name) end
  f.depth = f.depth + 1
  local ok, got = pcall(f.forward, unpack(operands))
  f.depth = f.depth - 1
  if not ok then error(got, 0) end
  return got
end

local function value_of(f, operands)
  local e = want_result(f, "forward", forward(f, operands))
  if e.dtype ~= "float" then
    site.fail("%s: expected the forward to return real numbers, got %s", f.name, trace.show(e))
  end
  want_closed(f, "forward", e, operands)
  return e
end

local function stand_in(name, like)
  return trace.leaf("operand", name, like.shape, { dtype = like.dtype })
end

local function join(...)
  local all = {}
  for _, list in ipairs { ... } do
    for _, e in ipairs(list) do all[#all + 1] = e end
  end
  return all
end

-- Adjoints of the operands; false where nothing flows.
local function trace_vjp(f, rule)
  local n, known = #rule.x, join({ rule.z, rule.z_bar }, rule.x)
  local results = { f.vjp(rule.z_bar, rule.z, unpack(rule.x)) }
  for i, got in pairs(results) do
    if i > n then site.fail("%s: the vjp returned %d results for %d operands", f.name, i, n) end
    local what = ("vjp (result %d)"):format(i)
    if rule.x[i].dtype == "int32" then
      site.fail("%s: expected the %s to be nil, for the operand is int32 and has no derivative", f.name, what)
    end
    results[i] = want_result(f, what, got, rule.x[i])
    want_closed(f, "vjp", results[i], known)
  end
  for i = 1, n do results[i] = results[i] or false end
  return results
end

-- Integers have no tangent: the rule gets nil for theirs.
local function trace_jvp(f, rule)
  local n, arguments = #rule.x, {}
  for i, x in ipairs(rule.x) do
    arguments[i] = rule.x_dot[i] or nil
    arguments[n + 1 + i] = x
  end
  arguments[n + 1] = rule.z
  local tangents = {}
  for _, dot in ipairs(rule.x_dot) do tangents[#tangents + 1] = dot or nil end
  local z_dot = want_result(f, "jvp", (f.jvp(unpack(arguments, 1, 2 * n + 1))), rule.z)
  want_closed(f, "jvp", z_dot, join({ rule.z }, rule.x, tangents))
  return z_dot
end

-- The rules for operands of these types, over leaves. In the cache before they are traced, for they may apply f.
local function rule_of(f, operands, value)
  local types = { trace.show(value) }
  for i, x in ipairs(operands) do types[i + 1] = trace.show(x) end
  local key = table.concat(types, " ")
  local rule = f.rules[key]
  if rule then return rule end
  rule = { name = f.name, site = f.site, x = {}, x_dot = {}, z = stand_in("z", value) }
  for i, x in ipairs(operands) do
    rule.x[i] = stand_in("x" .. i, x)
    rule.x_dot[i] = x.dtype == "float" and stand_in("x_dot" .. i, x)
  end
  f.rules[key] = rule
  local ok, message = pcall(function()
    value_of(f, rule.x)       -- so that what the forward leaves in locals for its rules is of the stand-ins, too
    if f.vjp then
      rule.z_bar = stand_in("z_bar", value)
      rule.x_bar = trace_vjp(f, rule)
    end
    rule.z_dot = f.jvp and trace_jvp(f, rule)
  end)
  if not ok then
    f.rules[key] = nil
    error(message, 0)
  end
  return rule
end

local function apply(f, ...)
  local n, operands = select("#", ...), { ... }
  if n < 1 or n > MOST then site.fail("%s: expected 1 to %d operands, got %d", f.name, MOST, n) end
  for i = 1, n do operands[i] = trace.lift(("%s: operand %d"):format(f.name, i), operands[i]) end
  local value = value_of(f, operands)
  if value.free or not (f.vjp or f.jvp) then return trace.settle(value) end
  local rule = rule_of(f, operands, value)
  return trace.apply("custom", join({ value }, operands), { v = { 0 }, rule = rule })
end

--- A function with derivative rules of its own.
-- @tparam table given
--   name     for messages and printed programs
--   forward  function(x, y, ...) -> its value, a real expression of the operands and of nothing else
--   vjp      function(z_bar, z, x, y, ...) -> x_bar, y_bar, ...: from the adjoint of the value z those of the operands,
--            each of its operand's shape; nil where no derivative flows, and for int32 operands. Linear in z_bar
--   jvp      function(x_dot, y_dot, ..., z, x, y, ...) -> z_dot: from tangents of the operands (nil for int32 ones)
--            that of the value, of its shape. Linear in the tangents
--   Of one rule the other is the transpose; without any the forward's own derivative is taken.
-- @treturn function (x, y, ...) -> expression; of tensors and numbers alone their value
function custom.new(given)
  local f = options.read("custom", given, fields)
  f.rules, f.site, f.depth = {}, site.here(), 0
  return function(...) return apply(f, ...) end
end

--- A function of one operand, of its shape, through which adjoints and tangents pass unchanged: rounding that can be
-- learned through.
-- @tparam function f
-- @treturn function
function custom.straight_through(f)
  return custom.new { name = "straight_through", forward = f, vjp = function(z_bar) return z_bar end }
end

return custom
