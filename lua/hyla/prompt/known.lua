--- What there is to know of the language: its names, the types of its objects, and the comment of each (see
-- hyla.prompt.doc).
-- For help and completion.
-- @module hyla.prompt.known
local doc = require "hyla.prompt.doc"
local hyla = require "hyla"
local members = require "hyla.members"
local names = require "hyla.names"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
require "hyla.data.dataset"                            -- types that hyla loads when they are first wanted
require "hyla.distribution"
require "hyla.recipe"

local known = {}

--- The folder of Hyla's Lua files, with a slash at its end.
known.root = debug.getinfo(1, "S").source:match "^@(.*)prompt/known%.lua$"

-- Where things are documented by name, since a loop defines them.
local by_name = { "functions/elementwise.lua", "functions.lua", "dynamics/optimizers.lua", "init.lua" }

--- What the prompt has besides `hyla` and Lua: name -> the file that defines a function of this name.
known.tools = { help = "prompt/help.lua", plot = "prompt/plot.lua", time = "prompt/time.lua" }

--- The entry of a tool of the prompt.
-- @tparam string name
-- @treturn table
function known.entry_of_tool(name) return doc.read(known.root .. known.tools[name]).by_name[name] end

--- What is known of the type of an object of the language: see hyla.members.
-- @param value
-- @treturn table|nil what, methods, computed, optional, source
function known.type_of(value)
  if type(value) == "cdata" then return tensor.is(value) and tensor.members or nil end
  local meta = type(value) == "table" and getmetatable(value)
  return type(meta) == "table" and rawget(meta, "members") or nil
end

--- Names of everything in `hyla`.
-- @treturn {string,...}
function known.public()
  local seen = {}
  for _, list in ipairs { hyla, known.type_of(hyla).computed } do
    for name in pairs(list) do seen[name] = true end
  end
  return names.keys(seen)
end

--- Types by the word for one of their objects: "problem", "data set".
-- @treturn table word -> as for type_of
function known.types()
  local list = { tensor = tensor.members, expression = trace.members }
  for word, about in pairs(members.types) do list[word] = about end
  return list
end

-- Where a function is found: "hyla.exp", or "problem:set", the name alone, and the function that does the work.
local function place_of(f)
  for _, name in ipairs(known.public()) do
    if rawget(hyla, name) == f then return "hyla." .. name, name, f end
  end
  for word, about in pairs(known.types()) do
    for name, method in pairs(about.methods) do
      if method == f then
        local module = (about.elsewhere or {})[name]
        return word .. ":" .. name, name, module and module().methods[name] or f
      end
    end
  end
  return nil, nil, f
end

--- The entry of a name that is defined in a loop, or is no function.
-- @tparam string name
-- @treturn table|nil
function known.entry_named(name)
  for _, file in ipairs(by_name) do
    local entry = doc.read(known.root .. file).by_name[name]
    if entry then return entry end
  end
end

--- The entry of a function.
-- @tparam function f
-- @treturn table|nil
-- @treturn string|nil the name under which it is known: "hyla.exp", "problem:set"
function known.entry_of(f)
  local place, name, worker = place_of(f)
  local entry = doc.of_function(worker) or name and known.entry_named(name)
  return entry, place or entry and entry.name
end

--- The first comment of a type's or module's file.
-- @tparam string source as debug.getinfo gives it
-- @treturn table entry
function known.header_of(source) return doc.read(source:match "^@(.*)$").module end

--- The entry of a member of a type, method or computed field.
-- @tparam table about the type
-- @tparam string name
-- @treturn table|nil
function known.entry_of_member(about, name)
  return known.entry_of(about.methods[name] or about.computed[name])
end

return known
