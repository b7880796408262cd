--- Where in the recipe are we? Messages name the first line outside Hyla's own Lua files.
-- @module hyla.site
local site = {}

local own = debug.getinfo(1, "S").source:match("^(.*[/\\])site%.lua$") or "@lua/hyla/"

local last   -- the place named before: `return hyla.problem {...}` leaves no frame, but its operands were seen

--- The place in user code that called into Hyla, "recipes/x.lua:34", the path as the user gave it.
-- A frame that was left by a tail call is gone, so its caller is named instead; where that is Hyla itself, the place
-- that was named before it is near: "after recipes/x.lua:34".
-- @treturn string
function site.here()
  local level = 2
  while true do
    local info = debug.getinfo(level, "Sl")
    if not info then return last and "after " .. last or "?" end
    if info.what ~= "C" and info.currentline > 0 and info.source:sub(1, #own) ~= own then
      local path = info.source:match("^@(.*)$") or info.short_src
      last = path .. ":" .. info.currentline
      return last
    end
    level = level + 1
  end
end

--- A message of Lua's own, with what its reader should do instead where that is known: traced values and numbers cannot
-- be compared with < and the like, since Lua asks nobody where the types differ.
-- @tparam string message
-- @treturn string
function site.explained(message)
  if not message:find("attempt to compare [%w ]+ with [%w ]+") then return message end
  return message .. "; traced values and tensors are compared by :lt(), :le(), :gt(), :ge(), which give 1 and 0 for "
    .. "each element"
end

--- Raises an error at the recipe's line.
-- @tparam string format as string.format, and its arguments
function site.fail(format, ...)
  error(site.here() .. ": " .. format:format(...), 0)
end

--- Raises an error at a place noted earlier.
-- @tparam string where as from `here`
-- @tparam string format as string.format, and its arguments
function site.fail_at(where, format, ...)
  error(where .. ": " .. format:format(...), 0)
end

return site
