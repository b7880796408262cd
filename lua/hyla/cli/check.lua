--- The command `check`.
-- @module hyla.cli.check

local function check(a)
  return require "hyla.check.recipe".run {
    recipe = a.recipe, options = a.options, steps = a.steps, seconds = a.seconds, json = a.json,
  }
end

local function positive(word)
  local n = tonumber(word)
  if n and n > 0 and n < math.huge then return n end
  return nil, ("expected a number > 0, got '%s'"):format(word)
end

local function count(word)
  local n = positive(word)
  if n and n % 1 == 0 then return n end
  return nil, ("expected a whole number of steps >= 1, got '%s'"):format(word)
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "check"
    :summary "Compare a recipe's methods with each other and with central differences, and measure them."
  command:argument "recipe":description "a name that `hyla list` shows, or a path"
  command:argument "options":args "*":argname "key=value"
    :description "the recipe's options; its profile quick applies where there is one, unless profile=NAME says another"
  command:option "--steps":argname "T":convert(count):description "Train for at most T steps."
  command:option "--seconds":argname "N":convert(positive):default "30"
    :description "Without --steps: shorten T so that the whole takes about N seconds; 30 by default."
  command:flag "--json":description "Print one JSON object."
  return { check = check }
end
