--- What may come next on a command line, from what the commands declare to argparse. The shells' completion asks for
-- it through `hyla complete WORD...`, so that it knows every command, option, recipe and run that Hyla knows.
--
-- Argparse tells its declarations in fields that begin with "_" (_commands, _arguments, _options, _aliases, _choices).
-- @module hyla.cli.complete
local names = require "hyla.names"

local complete = {}

--- What `words` says where the shell completes paths besides.
complete.FILES, complete.FOLDERS = ":files", ":folders"

local function plain(list)
  local words = {}
  for i, word in ipairs(list) do words[i] = { word } end
  return words
end

local function recipes() return plain(require "hyla.recipe".names()), complete.FILES end

-- Values of an option: profiles, data sets, both truth values; the default of any other.
local function values(declared, key)
  local default = declared.defaults[key]
  if key == "profile" then return names.keys(declared.profiles) end
  if key == "data" then return require "hyla.data.descriptor".names() end
  if type(default) == "boolean" then return { "false", "true" } end
  return default ~= nil and { require "hyla.run.settings".text(default) } or {}
end

local function add_options(list, recipe, current)
  local declared, text = recipe.declared, require "hyla.run.settings".text
  local key = current:match "^([^=]*)="
  if key then
    for _, value in ipairs(values(declared, key)) do list[#list + 1] = { key .. "=" .. value } end
    return
  end
  for _, name in ipairs(declared.names) do list[#list + 1] = { name .. "=", text(declared.defaults[name]) } end
  local profiles = names.keys(declared.profiles)
  if #profiles > 0 then list[#list + 1] = { "profile=", table.concat(profiles, ", ") } end
end

-- `KEY=` for every option of the recipes that the line names, or `KEY=VALUE` behind a key.
local function options(at, current)
  local list = {}
  for _, word in ipairs(at.given) do
    local recipe = not word:find("=", 1, true) and require "hyla.recipe".try_load(word)
    if recipe then add_options(list, recipe, current) end
  end
  return list
end

-- Recipes and their options, of which `run` takes several in any order.
local function recipes_and_options(at, current)
  if #at.given == 0 then return recipes() end
  local list = options(at, current)
  for _, one in ipairs((recipes())) do list[#list + 1] = one end
  return list
end

-- The last by name, which ends in a time, come first; any other folder may hold a run, too.
local function runs()
  local folder = require "hyla.run.folder"
  local list = folder.list(folder.HOME)
  table.sort(list, function(a, b) return a > b end)
  return plain(list), complete.FOLDERS
end

local function data(at)
  local verb = at.given[1]
  if not verb then
    return { { "list", "what is there" }, { "get", "fetch one" }, { "check", "verify one" } }
  end
  return (verb == "get" or verb == "check") and #at.given == 1 and plain(require "hyla.data.descriptor".names()) or {}
end

local function commands(parser)
  local list = {}
  for _, command in ipairs(parser._commands) do
    if not command._hidden then list[#list + 1] = { command._name, command:_get_description() } end
  end
  return list
end

local function folders_only() return {}, complete.FOLDERS end
local function files_only() return {}, complete.FILES end

-- What stands for an argument, by its command and name, or by its name alone.
local arguments = {
  recipe = recipes, options = options, dir = runs, run = runs, runs = runs,
  about = function(at) return commands(at.parser) end,
  ["run words"] = recipes_and_options,
  ["data words"] = data,
  ["bench words"] = function() return plain(require "hyla.cli.bench.workload".names()) end,
  ["test words"] = files_only,
  ["docs dir"] = folders_only,
}

-- What stands for the value of an option, by the first word of what --help calls it.
local placeholders = {
  FILE = files_only,
  DIR = folders_only,
  RUN = runs,
}

local function option_of(command, name)
  for _, option in ipairs(command._options) do
    for _, alias in ipairs(option._aliases) do
      if alias == name then return option end
    end
  end
end

local function subcommand(command, name)
  for _, one in ipairs(command._commands) do
    for _, alias in ipairs(one._aliases) do
      if alias == name then return one end
    end
  end
end

local function reads_options(command) return command._handle_options ~= false end

-- Takes one whole word of the line. `at`: parser; command, the innermost; given, its words so far; waiting, the option
-- whose value is next; used, options by alias.
local function step(at, word)
  local waiting = at.waiting
  at.waiting = nil
  if waiting and word:sub(1, 1) ~= "-" then return end
  if word:sub(1, 1) == "-" and reads_options(at.command) then
    local option = option_of(at.command, word:match "^[^=]*")
    if not option then return end
    for _, alias in ipairs(option._aliases) do at.used[alias] = true end
    if option._maxargs > 0 and not word:find("=", 1, true) then at.waiting = option end
    return
  end
  local inner = #at.given == 0 and subcommand(at.command, word)
  if inner then
    at.command, at.used = inner, {}
  else
    at.given[#at.given + 1] = word
  end
end

local function values_of_option(option, at, current)
  if option._choices then return plain(option._choices) end
  local called = option:_get_argname(1)
  local known = placeholders[called:match "^%u+" or false]
  if known then return known(at, current) end
  return {}
end

local function free_options(at)
  local list = {}
  for _, option in ipairs(at.command._options) do
    local name = option._aliases[#option._aliases]
    if not option._hidden and not at.used[name] then list[#list + 1] = { name, option:_get_description() } end
  end
  return list
end

local function positional(at, current)
  if #at.command._commands > 0 and #at.given == 0 then return commands(at.command) end
  local list = at.command._arguments
  local argument = list[#at.given + 1] or (list[1] and list[#list]._maxargs > 1 and list[#list])
  if not argument then return {} end
  if argument._choices then return plain(argument._choices) end
  local known = arguments[at.command._name .. " " .. argument._name] or arguments[argument._name]
  if known then return known(at, current) end
  return {}
end

local function candidates(at, current)
  local option, value = current:match "^(%-%-[^=]+)=(.*)$"
  option = option and option_of(at.command, option)
  if option then
    local list, paths = values_of_option(option, at, value)
    local prefix = current:sub(1, #current - #value)
    for _, one in ipairs(list) do one[1] = prefix .. one[1] end
    return list, paths
  end
  if at.waiting then
    local list, paths = values_of_option(at.waiting, at, current)
    if at.waiting._minargs > 0 or #list > 0 or paths then return list, paths end
  end
  if current:sub(1, 1) == "-" and reads_options(at.command) then return free_options(at) end
  return positional(at, current)
end

--- What may stand in the place of a line's last word.
-- @param parser argparse's, with every command declared
-- @tparam {string,...} line the words after `hyla`; the last is the one to complete, perhaps ""
-- @treturn {table,...} {word, what it is (may be nil)}, those that begin as the last word does; a word that ends in "="
-- goes on
-- @treturn string|nil complete.FILES or complete.FOLDERS where a path will do, too
function complete.words(parser, line)
  local at = { parser = parser, command = parser, given = {}, used = {} }
  for i = 1, #line - 1 do step(at, line[i]) end
  local current, fitting = line[#line] or "", {}
  local list, paths = candidates(at, current)
  for _, one in ipairs(list) do
    if one[1]:sub(1, #current) == current then fitting[#fitting + 1] = one end
  end
  -- `hyla FILE.lua` runs a script.
  if at.command == parser and #fitting == 0 then paths = complete.FILES end
  return fitting, paths
end

return complete
