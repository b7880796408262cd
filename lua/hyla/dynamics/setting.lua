--- Settings of dynamics: what they may be, where a learned one stays, and which value a weight gets.
--
-- A setting is a number, a tensor, a schedule (a function of t = 1, 2, ... of this stretch of training, or a list of
-- numbers, one a step), an expression (of hyperparameters, say), or a table of these by weight: a key is a weight's
-- name, a pattern ("conv*", where the star stands for any characters), or `default`. A name wins over patterns, the
-- longest pattern over others, and any over `default`.
-- @module hyla.dynamics.setting
local constraint = require "hyla.constraint"
local members = require "hyla.members"
local names = require "hyla.names"
local options = require "hyla.options"
local site = require "hyla.site"
local stream = require "hyla.stream"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"

local setting = {}

local huge = math.huge
local least, below_one = 2 ^ -126, 1 - 2 ^ -24   -- of float32: the smallest normal number, the largest one below 1

-- What a number has to be, and the closed set in which a hyperparameter in its place stays.
local domains = {
  non_negative = {
    words = "a number >= 0", inside = function(v) return v >= 0 and v < huge end, set = constraint.non_negative(),
  },
  positive = {
    words = "a number > 0", inside = function(v) return v > 0 and v < huge end, set = constraint.box(least, huge),
  },
  decay = {
    words = "a number in [0, 1)", inside = function(v) return v >= 0 and v < 1 end,
    set = constraint.box(0, below_one),
  },
  shrinking = {
    words = "a number in (0, 1)", inside = function(v) return v > 0 and v < 1 end,
    set = constraint.box(least, below_one),
  },
  growing = {
    words = "a number >= 1", inside = function(v) return v >= 1 and v < huge end, set = constraint.box(1, huge),
  },
}

local function is_group(v) return type(v) == "table" and not trace.is_operand(v) and not stream.is_schedule(v) end

local function all(list, inside)
  for _, v in ipairs(list) do
    if not inside(v) then return false end
  end
  return true
end

local function is_setting(v, inside)
  if type(v) == "number" then return not inside or inside(v) end
  if stream.is_schedule(v) then return type(v) == "function" or not inside or all(v, inside) end
  if tensor.is(v) then
    return not inside or v:is_finite() and inside(v:min():item()) and inside(v:max():item())
  end
  if trace.is(v) then return true end
  if not is_group(v) or next(v) == nil then return false end
  for name, each in pairs(v) do
    if type(name) ~= "string" or is_group(each) or not is_setting(each, inside) then return false end
  end
  return true
end

--- Whether a value can be a setting.
-- @return boolean
function setting.is(v) return is_setting(v) end

--- A field of options.read for a setting.
-- @tparam string domain non_negative, positive, decay ([0, 1)), shrinking ((0, 1)) or growing (>= 1)
-- @tparam string about what the setting is, for messages: "a learning rate"
-- @tparam[opt] table more required = true, or default = value; whole = true: one for all weights, no table;
--   partial = true: a table may leave weights out, which do without
-- @treturn table field, with `domain`
function setting.field(domain, about, more)
  local known = domains[domain]
  local whole = more and more.whole
  return options.with({
    expected = known.words .. (whole and ", a schedule or an expression"
                               or ", a schedule, an expression, or a table of these by weight"),
    is = function(v) return not (whole and is_group(v)) and is_setting(v, known.inside) end,
    domain = {
      set = known.set, about = about, inside = known.inside, words = known.words, partial = more and more.partial,
    },
  }, more or {})
end

-- ---- by weight ----

local function fits(pattern, name)
  return name:find("^" .. pattern:gsub("%p", "%%%0"):gsub("%%%*", ".*") .. "$") ~= nil
end

local function key_for(group, name)
  if group[name] ~= nil then return name end
  local best
  for _, key in ipairs(names.keys(group)) do
    if key:find("*", 1, true) and fits(key, name) and (not best or #key > #best) then best = key end
  end
  return best or group.default ~= nil and "default" or nil
end

-- A schedule whose values are checked when they are asked for (that they are finite numbers, by the stream).
local function checked(d, name, value)
  local domain = d.domains[name]
  if type(value) ~= "function" or not domain then return value end
  return function(t)
    local v = value(t)
    if type(v) == "number" and math.abs(v) < huge and not domain.inside(v) then
      site.fail_at(d.site, "%s: setting '%s': expected %s from the schedule, got %.9g for t = %d", d.kind, name,
                   domain.words, v, t)
    end
    return v
  end
end

-- Weights that share a schedule share its stream.
local function scheduled(d, name, value, at)
  if not stream.is_schedule(value) then return value end
  local known = at.streams[name] or {}
  at.streams[name] = known
  known[value] = known[value] or stream.schedule(name, checked(d, name, value), at.first, at.steps)
  return known[value]
end

--- A setting that is one for all leaves.
-- @tparam dynamics d
-- @tparam string name
-- @tparam table at as for `of`
-- @return number, tensor or expression; nil where it was not given
function setting.whole(d, name, at) return scheduled(d, name, d.settings[name], at) end

--- The settings as one leaf sees them.
-- @tparam dynamics d
-- @tparam expression w
-- @tparam table at the stretch of training: first and steps (nil: no end), which schedules count from; streams = {},
--   filled
-- @treturn table name -> number, tensor or expression; nil where a partial table leaves w out
function setting.of(d, w, at)
  local s = {}
  for name, value in pairs(d.settings) do
    if is_group(value) then
      local key = key_for(value, w.name)
      if not key and not (d.domains[name] and d.domains[name].partial) then
        site.fail_at(d.site, "%s: setting '%s' has no value for '%s', and no default", d.kind, name, w.name)
      end
      value = key and value[key]                       -- nil: this weight does without
    end
    s[name] = value and scheduled(d, name, value, at)
  end
  local known = names.keys(d.domains)                  -- of these, and of the update's own, one may be absent
  for name in pairs(d.settings) do known[#known + 1] = name end
  return members.strict(s, "the settings of " .. d.kind, known)
end

local function want_known_key(d, name, key, leaves)
  local list = {}
  for i, w in ipairs(leaves) do
    if key == w.name or key:find("*", 1, true) and fits(key, w.name) then return end
    list[i] = w.name
  end
  site.fail_at(d.site, "%s: setting '%s' has a value for '%s', which nothing here is called; there are: %s%s", d.kind,
               name, key, table.concat(list, ", "), names.hint(key, list))
end

--- Refuses tables by weight with a key that fits none of the leaves.
-- @tparam dynamics d
-- @tparam {expression,...} leaves what the dynamics moves
function setting.want_known(d, leaves)
  for _, name in ipairs(names.keys(d.settings)) do
    local value = d.settings[name]
    for _, key in ipairs(is_group(value) and names.keys(value) or {}) do
      if key ~= "default" then want_known_key(d, name, key, leaves) end
    end
  end
end

-- ---- learned ----

-- Operations whose elements are those of their first input.
local moves = { reshape = true, transpose = true, expand = true, slice = true, gather = true }

local function hyperparameter_of(e)
  while trace.is(e) do
    if e.op == "hyperparameter" or stream.is(e) and e.source.kind == "frozen" then return e end
    if stream.is(e) and e.source.kind == "hyper" then return e.source.hyper end
    e = moves[e.op] and e.inputs[1]
  end
end

--- The domains of settings that are hyperparameters, or elements of one.
-- @tparam dynamics d
-- @treturn {table,...} { leaf, set, words = "a learning rate" }, each pair of leaf and set once
function setting.domains(d)
  local list, seen = {}, {}
  local function add(value, domain)
    local leaf = hyperparameter_of(value)
    if not leaf then return end
    seen[leaf] = seen[leaf] or {}
    if not seen[leaf][domain.set] then
      list[#list + 1] = { leaf = leaf, set = domain.set, words = domain.about }
      seen[leaf][domain.set] = true
    end
  end
  for _, name in ipairs(names.keys(d.domains)) do
    local value = d.settings[name]
    if is_group(value) then
      for _, key in ipairs(names.keys(value)) do add(value[key], d.domains[name]) end
    elseif value ~= nil then
      add(value, d.domains[name])
    end
  end
  return list
end

return setting
