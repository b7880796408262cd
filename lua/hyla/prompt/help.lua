--- help: what a value of the language is and what can be done with it, from the comments in its source (see
-- hyla.prompt.doc).
-- @module hyla.prompt.help
local doc = require "hyla.prompt.doc"
local hyla = require "hyla"
local known = require "hyla.prompt.known"
local names = require "hyla.names"
local recipes = require "hyla.recipe"
local site = require "hyla.site"
local terminal = require "hyla.lib.terminal"
local text = require "hyla.report.text"
local trace = require "hyla.trace"

local help = {}

local WIDEST = 100   -- columns

-- ---- as text ----

local function add(lines, more)
  for _, line in ipairs(more) do lines[#lines + 1] = line end
end

-- "(x, [axes])" of an entry: its parameters or, where none is told, the arguments in the code.
local function arguments_of(entry)
  local words = {}
  for _, tag in ipairs(entry.tags) do
    if (tag.kind == "tparam" or tag.kind == "param") and tag.name then
      words[#words + 1] = tag.optional and "[" .. tag.name .. "]" or tag.name
    end
  end
  if #words == 0 and entry.arguments then return entry.arguments end
  return "(" .. table.concat(words, ", ") .. ")"
end

local function tags_of(entry, width)
  local list = {}
  for _, tag in ipairs(entry.tags) do
    local meaning = (tag.type and tag.type .. "  " or "") .. (tag.default and "(" .. tag.default .. ") " or "")
      .. (tag.text or "")
    if tag.kind == "tparam" or tag.kind == "param" then
      list[#list + 1] = meaning ~= "" and { tag.name, meaning } or nil
    elseif tag.kind == "treturn" or tag.kind == "return" then
      list[#list + 1] = { "gives", meaning }
    end
  end
  return text.columns(list, width)
end

local function entry_text(title, entry, width)
  local lines = text.wrap(title, width)
  add(lines, text.paragraphs(entry.lines, width, 2))
  local tags = tags_of(entry, width)
  if #tags > 0 then lines[#lines + 1] = "" end
  add(lines, tags)
  return lines
end

local function function_text(f, width)
  local entry, place = known.entry_of(f)
  if not entry then return { "a function" .. (place and " " .. place or "") .. ", without a comment above it" } end
  local lines = entry_text((place or "function") .. arguments_of(entry), entry, width)
  local op = place and place:match "^hyla%.(.*)$"
  if op and trace.methods[op] == f then
    add(lines, { "", ("  Also a method: x:%s(...)"):format(op) })
  end
  return lines
end

local function members_text(title, list, entry_for, width)
  local pairs_of = {}
  for _, name in ipairs(names.keys(list)) do
    local entry = entry_for(name)
    pairs_of[#pairs_of + 1] = { name, entry and doc.summary(entry) or "" }
  end
  if #pairs_of == 0 then return {} end
  local lines = { "", title }
  add(lines, text.columns(pairs_of, width))
  return lines
end

-- Fields and methods of a type.
local function listing(about, width)
  local header, lines, fields = known.header_of(about.source), {}, {}
  for _, tag in ipairs(header.tags) do
    if tag.kind == "field" then fields[#fields + 1] = { tag.name, tag.text } end
  end
  if #fields > 0 then add(lines, { "", "fields:" }) end
  add(lines, text.columns(fields, width))
  local function entry_for(name) return known.entry_of_member(about, name) end
  add(lines, members_text(#fields > 0 and "computed when read:" or "fields:", about.computed, entry_for, width))
  add(lines, members_text("methods (help \"" .. about.what:gsub("^an? ", "") .. ":NAME\" has more):", about.methods,
                          entry_for, width))
  return lines
end

local function type_text(about, width)
  local lines = { about.what }
  add(lines, text.paragraphs(known.header_of(about.source).lines, width, 2))
  add(lines, listing(about, width))
  return lines
end

local function recipe_text(recipe, width)
  local lines = {}
  for line in tostring(recipe):gmatch "[^\n]+" do
    add(lines, #line <= width and { line } or text.wrap(line, width, #line:match "^%s*"))
  end
  local problems = names.keys(recipe.description.problems or {})
  if #problems > 0 then
    add(lines, { "problems:" })
    add(lines, text.wrap(table.concat(problems, ", "), width, 2))
  end
  if recipe.path then add(lines, text.wrap("in " .. recipe.path, width, 2)) end
  return lines
end

local function has(value, name)
  local readable, found = pcall(function() return value[name] end)
  return readable and found ~= nil
end

-- A module: what it is for, how it is called where it can be, and its functions.
local function module_text(value, title, path, width)
  local read, call = doc.read(path), (getmetatable(value) or {}).__call
  local lines = entry_text(title, read.module, width)
  local called = call and doc.of_function(call)
  if called then
    lines[#lines + 1] = ""
    add(lines, entry_text(title .. arguments_of(called), called, width))
  end
  local functions = {}
  for name, entry in pairs(read.by_name) do
    if entry.arguments and has(value, name) then functions[name] = entry end
  end
  add(lines, members_text("functions:", functions, function(name) return functions[name] end, width))
  return lines
end

-- The file of a table that is a module, or a part of `hyla` that stands for one.
local function module_of(value)
  for name, loaded in pairs(package.loaded) do
    if loaded == value and type(name) == "string" and name:find "^hyla" then return name end
  end
  for _, name in ipairs(known.public()) do
    if rawget(hyla, name) == value then return "hyla." .. name end
  end
end

local function path_of(module_name)
  local base = known.root .. module_name:gsub("^hyla%.?", ""):gsub("%.", "/")
  for _, path in ipairs { base .. ".lua", base .. (base:find "/$" and "" or "/") .. "init.lua" } do
    if doc.read(path).module then return path end
  end
end

local tour = {
  { 'p = hyla.load("quickstart"):build{}', "a problem, from a recipe and its options" },
  { "p", "what it is made of, and where it is" },
  { "p:step(10)", "goes on with training; p:start() goes back to its first step" },
  { "p:weights().W, p:watch()", "what training has come to" },
  { "plot(p:trajectory { every = 5 })", "a training from its first step to its last, and its curves" },
  { "p:hypergradient()", "the gradient by every hyperparameter; p:hypergradient(hyla.forward()) by that method" },
  { "p:set { rate = 0.2 }", "another value, and on with it" },
  { "run = p:optimise { steps = 20 }", "the outer loop; after Ctrl-C run:go_on() goes on with it" },
  { "time(function() p:train() end)", "how long something takes" },
  { "p.step_program", "one step as it is computed; p.step_program:dot() is for Graphviz" },
  { 'help(x), help "matmul"', "what a value is, or a name: an operation, an optimizer, a method, a type, a recipe" },
}

local function tour_text(width)
  local lines = text.wrap("Hyla learns hyperparameters by gradient. At the prompt:", width)
  add(lines, text.columns(tour, width))
  lines[#lines + 1] = ""
  local header = known.header_of(debug.getinfo(hyla.threads, "S").source)
  add(lines, text.paragraphs(header.lines, width, 0))
  return lines
end

-- ---- by name ----

local function methods_named(name)
  local found = {}
  for word, about in pairs(known.types()) do
    if about.methods[name] or about.computed[name] then found[#found + 1] = { word = word, about = about } end
  end
  table.sort(found, function(a, b) return a.word < b.word end)
  return found
end

local function member_text(word, about, name, width)
  local entry = known.entry_of_member(about, name)
  if about.methods[name] then return function_text(about.methods[name], width) end
  return entry and entry_text(("%s.%s"):format(word, name), entry, width)
    or { ("%s.%s, without a comment above it"):format(word, name) }
end

local function fail_unknown(name)
  local list = known.public()
  for word, about in pairs(known.types()) do
    list[#list + 1] = word
    for _, method in ipairs(names.keys(about.methods)) do list[#list + 1] = method end
  end
  site.fail("help: nothing is called '%s'%s", name, names.hint(name, list))
end

local described   -- below: what a value is

local function named_text(name, width)
  local public = name:gsub("^hyla%.", "")
  for _, each in ipairs(known.public()) do
    if each == public then
      local lines = described(hyla[each], width, each)
      if known.types()[each] then add(lines, listing(known.types()[each], width)) end
      return lines
    end
  end
  if known.tools[name] then
    local entry = known.entry_of_tool(name)
    return entry_text(name .. arguments_of(entry), entry, width)
  end
  local word, member = name:match "^([%a ]+)[:.]([%w_]+)$"
  local about = known.types()[word or name]
  if word and about and (about.methods[member] or about.computed[member]) then
    return member_text(word, about, member, width)
  end
  local found, lines = methods_named(name), about and not word and type_text(about, width) or {}
  for _, each in ipairs(found) do
    if #lines > 0 then lines[#lines + 1] = "" end
    add(lines, member_text(each.word, each.about, name, width))
  end
  if #lines > 0 then return lines end
  local recipe = recipes.try_load(name)
  if recipe then return recipe_text(recipe, width) end
  fail_unknown(name)
end

-- A method, a dynamics or another value that a function of hyla of its kind made.
local function made_by(value)
  local kind = type(value) == "table" and rawget(value, "kind")
  local make = type(kind) == "string" and rawget(hyla, kind)
  return type(make) == "function" and make or nil
end

function described(value, width, name)
  if type(value) == "function" then return function_text(value, width) end
  local about = known.type_of(value)
  if about and about.what == "a recipe" then return recipe_text(value, width) end
  if about and about.what ~= "hyla" then return type_text(about, width) end
  local module_name = type(value) == "table" and module_of(value)
  local path = module_name and path_of(module_name)
  if path then return module_text(value, module_name, path, width) end
  if made_by(value) then return function_text(made_by(value), width) end
  local entry = name and known.entry_named(name)
  if entry then return entry_text(("hyla.%s = %s"):format(name, tostring(value)), entry, width) end
  return { ("a %s: %s"):format(type(value), tostring(value)) }
end

--- What help shows, as text.
-- @param value as for help
-- @tparam[opt] number width columns; those of the terminal, at most 100
-- @treturn string lines, each ended
function help.text(value, width)
  width = width or math.min(terminal.columns(), WIDEST)
  local lines
  if value == nil then lines = tour_text(width)
  elseif type(value) == "string" then lines = named_text(value, width)
  else lines = described(value, width) end
  return table.concat(lines, "\n") .. "\n"
end

--- Shows what a value is and what can be done with it: a function, a problem, a tensor, a recipe, a module, a method. A
-- text is looked up as a name: "matmul", "problem:set", "tensor", "hyper_cleaning". Without a value, a short tour.
-- @param[opt] value
function help.help(value)
  io.stdout:write(help.text(value))
end

return help
