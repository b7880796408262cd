--- Distributions from which a search draws its trials and a restart its first hyperparameters. Each is a value:
--    hyla.distribution.log_uniform(1e-4, 1)
-- What it draws is a pure function of (seed, trial, name), by the engine's counter-based random numbers: a resumed
-- search draws what the whole one would have, and a name more or less changes none of the others.
-- @module hyla.distribution
local members = require "hyla.members"
local names = require "hyla.names"
local number = require "hyla.number"
local site = require "hyla.site"
local tensor = require "hyla.tensor"

local distribution = {}

local TRIALS = 2 ^ 20                                  -- streams of one name

local function shown(x) return type(x) == "number" and number.format(x) or tostring(x) end

--- @type Distribution
local Distribution, methods = {}, {}

--- The value for a trial.
-- @tparam number seed a whole number >= 0
-- @tparam number trial from 1
-- @tparam string name of what is drawn
-- @return number; of `choice` one of its values
function methods:draw(seed, trial, name)
  if trial >= TRIALS then site.fail("%s: expected a trial below %d, got %s", self.text, TRIALS, shown(trial)) end
  return self.sample({ seed = seed, stream = names.stream(name) * TRIALS + trial, dtype = "float64" })
end

--- As it was written: "log_uniform(0.0001, 1)".
function Distribution:__tostring() return self.text end

members.define(Distribution, { what = "a distribution", methods = methods })

--- @section end

--- Is a value a distribution?
function distribution.is(value) return type(value) == "table" and type(rawget(value, "sample")) == "function" end

-- `sample` takes the options of the engine's random numbers, without their range.
local function new(text, sample) return setmetatable({ text = text, sample = sample }, Distribution) end

-- A number u in [0, 1).
local function unit(stream) return tensor.uniform({ 1 }, stream):get(1) end

local function is_finite(x) return type(x) == "number" and x == x and math.abs(x) < math.huge end

local function want_ends(kind, words, lo, hi, fits)
  if is_finite(lo) and is_finite(hi) and lo <= hi and fits(lo, hi) then return end
  site.fail("%s: expected %s, got %s and %s", kind, words, shown(lo), shown(hi))
end

-- Rounding may pass an end by a bit.
local function between(lo, x, hi) return math.max(lo, math.min(x, hi)) end

--- Uniform from lo to hi.
-- @tparam number lo finite
-- @tparam number hi finite, above lo
-- @treturn Distribution
function distribution.uniform(lo, hi)
  want_ends("uniform", "finite numbers lo < hi", lo, hi, function() return lo < hi end)
  return new(("uniform(%s, %s)"):format(shown(lo), shown(hi)), function(stream)
    return between(lo, lo + (hi - lo) * unit(stream), hi)
  end)
end

--- Uniform in the logarithm from lo to hi: every factor is as likely wherever it lies. For rates and decays.
-- @tparam number lo above 0
-- @tparam number hi finite, above lo
-- @treturn Distribution
function distribution.log_uniform(lo, hi)
  want_ends("log_uniform", "finite numbers 0 < lo < hi", lo, hi, function() return 0 < lo and lo < hi end)
  return new(("log_uniform(%s, %s)"):format(shown(lo), shown(hi)), function(stream)
    return between(lo, lo * (hi / lo) ^ unit(stream), hi)
  end)
end

--- Normal.
-- @tparam number mean finite
-- @tparam number deviation finite, above 0
-- @treturn Distribution
function distribution.normal(mean, deviation)
  if not (is_finite(mean) and is_finite(deviation) and deviation > 0) then
    site.fail("normal: expected a finite mean and a deviation > 0, got %s and %s", shown(mean), shown(deviation))
  end
  return new(("normal(%s, %s)"):format(shown(mean), shown(deviation)), function(stream)
    return mean + deviation * tensor.normal({ 1 }, stream):get(1)
  end)
end

--- Exponential: x >= 0 with density exp(-x / mean) / mean.
-- @tparam number mean finite, above 0
-- @treturn Distribution
function distribution.exponential(mean)
  if not (is_finite(mean) and mean > 0) then site.fail("exponential: expected a mean > 0, got %s", shown(mean)) end
  return new(("exponential(%s)"):format(shown(mean)), function(stream) return -mean * math.log(1 - unit(stream)) end)
end

--- A whole number from lo to hi, both included, all as likely.
-- @tparam number lo a whole number
-- @tparam number hi a whole number, not below lo
-- @treturn Distribution
function distribution.integer(lo, hi)
  want_ends("integer", "whole numbers lo <= hi", lo, hi, function()
    return lo % 1 == 0 and hi % 1 == 0 and math.max(-lo, hi) < 2 ^ 52
  end)
  return new(("integer(%s, %s)"):format(shown(lo), shown(hi)), function(stream)
    return math.min(lo + math.floor((hi - lo + 1) * unit(stream)), hi)
  end)
end

--- One of a list's values, all as likely.
-- @tparam {number|string|boolean,...} values at least one
-- @treturn Distribution
function distribution.choice(values)
  if type(values) ~= "table" or tensor.is(values) or #values == 0 then
    site.fail("choice: expected a list of at least one value, choice { 32, 64 }, got %s",
              type(values) == "table" and "an empty one" or "a " .. type(values))
  end
  local list, words = {}, {}
  for i, value in ipairs(values) do
    local kind = type(value)
    if not (is_finite(value) or kind == "string" or kind == "boolean") then
      site.fail("choice: expected finite numbers, strings or booleans, got %s as value %d",
                kind == "number" and shown(value) or "a " .. kind, i)
    end
    list[i], words[i] = value, kind == "string" and ("%q"):format(value) or shown(value)
  end
  return new(("choice { %s }"):format(table.concat(words, ", ")), function(stream)
    return list[1 + math.min(math.floor(#list * unit(stream)), #list - 1)]
  end)
end

-- The table of constructors that users see: a word that is none of them is an error.
distribution.public = setmetatable({}, { __index = function(_, name)
  local known = { "uniform", "log_uniform", "normal", "exponential", "integer", "choice" }
  site.fail("there is no distribution '%s'%s; there are: %s", tostring(name), names.hint(tostring(name), known),
            table.concat(known, ", "))
end })
for _, name in ipairs { "uniform", "log_uniform", "normal", "exponential", "integer", "choice" } do
  distribution.public[name] = distribution[name]
end

return distribution
