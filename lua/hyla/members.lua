--- What the language's objects have: methods, fields that are computed when they are read, and fields that an object
-- itself holds. Any other name is an error that hints at near ones, whether it is read or set.
-- @module hyla.members
local names = require "hyla.names"
local site = require "hyla.site"

local members = {}

--- Every type that was defined: its word ("problem") -> what is known of it.
members.types = {}

-- Names that can follow an object: its own, and those of its type.
local function known_of(object, about)
  local seen = {}
  for _, list in ipairs { object, about.methods, about.computed, about.optional } do
    for name in pairs(list) do seen[name] = true end
  end
  return names.keys(seen)
end

--- Gives a metatable its __index and __newindex. What is known of the type stays at hand as `members` of the metatable,
-- for help and completion.
-- @tparam table class metatable of the objects
-- @tparam table about what: "a problem", for messages; methods: name -> function; computed: name -> function(object);
--   optional: name -> true, fields that an object may hold or not; elsewhere: of methods that only pass a call on,
--   name -> function() that gives the module whose `methods` do the work, where they are described
-- @treturn table class
function members.define(class, about)
  about.computed, about.optional = about.computed or {}, about.optional or {}
  about.elsewhere = about.elsewhere or {}
  local methods, computed, optional = about.methods, about.computed, about.optional
  about.source = debug.getinfo(2, "S").source
  class.members, members.types[about.what:gsub("^an? ", "")] = about, about
  function class.__index(object, name)
    if methods[name] then return methods[name] end
    if computed[name] then return computed[name](object) end
    if optional[name] then return nil end
    site.fail("%s has no field or method '%s'%s", about.what, tostring(name),
              names.hint(name, known_of(object, about)))
  end
  function class.__newindex(object, name, value)
    if optional[name] then return rawset(object, name, value) end
    local known = methods[name] or computed[name]
    site.fail("%s has no field '%s' that can be set%s", about.what, tostring(name),
              known and "" or names.hint(name, known_of(object, about)))
  end
  return class
end

--- A table whose absent names are errors that hint at near ones.
-- @tparam table t
-- @tparam string what the table, for messages: "the options"
-- @tparam {string,...} known names that it may have; one of them that it lacks is nil
-- @treturn table t
function members.strict(t, what, known)
  local is_known = {}
  for _, name in ipairs(known) do is_known[name] = true end
  return setmetatable(t, { __index = function(_, name)
    if not is_known[name] then
      site.fail("%s have no '%s'%s", what, tostring(name), names.hint(tostring(name), known))
    end
  end })
end

return members
