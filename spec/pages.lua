-- For the spec of the documentation: a page's blocks of code, and whether a line of sh says what Hyla understands.
local lfs = require "lfs"
local parser_of_all = require "hyla.cli.parser"
local recipe = require "hyla.recipe"
local settings = require "hyla.run.settings"
local sweep = require "hyla.run.sweep"

local pages = {}

function pages.read(path)
  local file = assert(io.open(path, "r"))
  local text = file:read "*a"
  file:close()
  return text
end

--- The blocks between ``` of a page: language, info (the words after it), text, line (where it begins), heading (the
-- last of three #, before it).
function pages.blocks(path)
  local list, open, number, heading = {}, nil, 0, nil
  for line in (pages.read(path) .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if open and line == "```" then
      open.text = table.concat(open, "\n") .. "\n"
      list[#list + 1], open = open, nil
    elseif open then
      open[#open + 1] = line
    elseif line:match "^```" then
      local language, info = line:match "^```(%S*)%s*(.*)$"
      open = { language = language, info = info, line = number, heading = heading }
    else
      heading = line:match "^### (.*)$" or heading
    end
  end
  assert(not open, path .. ": a block is not closed")
  return list
end

-- ---- lines of sh ----

-- Words of a command, up to where another takes what it writes; quotes keep what is in them together.
local function words_of(command)
  local words, rest = {}, command:gsub("%s|.*$", "")
  while rest:find "%S" do
    local quoted, more = rest:match "^%s*'([^']*)'(.*)$"
    if not quoted then quoted, more = rest:match "^%s*(%S+)(.*)$" end
    words[#words + 1], rest = quoted, more
  end
  return words
end

-- A word that stands for what the reader has, such as RECIPE or DIR.
local function is_placeholder(word) return word:match "^[A-Z_]+$" ~= nil end

local function check_options(name, words)
  if is_placeholder(name) then return end
  local loaded, message = recipe.try_load(name)
  assert(loaded, message)
  assert(settings.parse(loaded.declared, words))
end

-- What else is checked of a command's arguments than that the parser takes them.
local checks = {
  run = function(a)
    for _, word in ipairs(a.words) do
      if is_placeholder(word) then return end
    end
    assert(sweep.expand(a.words, a.config))
  end,
  check = function(a) check_options(a.recipe, a.options) end,
  profile = function(a) check_options(a.recipe, a.options) end,
  bench = function(a)
    for _, word in ipairs(a.words or {}) do
      if not word:find "[-=]" then assert(lfs.attributes("bench/" .. word .. ".lua"), word) end
    end
  end,
}

local function check_hyla(words)
  local first = words[1]
  if first == nil or first == "setup" or first == "-e" or first:match "%.lua$" then return end
  for _, word in ipairs(words) do
    if word == "--help" or word == "--version" then return end
  end
  local ok, arguments = parser_of_all():pparse(words)
  assert(ok, arguments)
  if checks[arguments.command] then checks[arguments.command](arguments) end
end

--- Raises an error where a line of sh has a command of Hyla's that Hyla would refuse.
function pages.check_line(line)
  for command in (line:gsub("%s#.*$", ""):gsub("^#.*$", "") .. " && "):gmatch "(.-)%s*&&%s*" do
    local words = words_of(command)
    while words[1] and words[1]:match "^[%w_]+=" do table.remove(words, 1) end
    local program = words[1]
    if program == "./hyla" or program == "hyla" then
      table.remove(words, 1)
      check_hyla(words)
    elseif program and program:match "^%.ci/" then
      assert(lfs.attributes(program), program .. " is not there")
    end
  end
end

--- Lines of a block of sh, those that end in \ joined with the next.
function pages.lines(text)
  local list = {}
  for line in text:gsub("\\\n%s*", " "):gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

return pages
