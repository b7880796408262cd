--- What the assertions of hyla.spec share: how they are added to luassert, and whose line they were called from.
-- @module hyla.spec.assertion
local luassert = require "luassert"
local say = require "say"

local assertion = {}

local own = debug.getinfo(1, "S").source:match "^(.*[/\\])spec[/\\]assertion%.lua$"

-- Frames of a test framework are nobody's spec.
local function is_framework(source)
  return source:find("[/\\]luassert[/\\]") or source:find("[/\\]busted[/\\]") or source:find("[/\\]pl[/\\]")
end

--- The place in a spec that called an assertion.
-- @treturn string path of the spec's file, as busted was given it
-- @treturn number line; or nil where no frame of a spec is left (`return assert.golden(...)` leaves none)
function assertion.place()
  local level = 2
  while true do
    local info = debug.getinfo(level, "Sl")
    if not info then return nil end
    local source = info.source
    if source:sub(1, 1) == "@" and source:sub(1, #own) ~= own and not is_framework(source) then
      return source:sub(2), info.currentline
    end
    level = level + 1
  end
end

-- A message of Hyla's names the first line outside its own files; that is luassert's where an assertion was called.
local function at_the_spec(message)
  local path, line = assertion.place()
  if not path then return message end
  return (message:gsub("^%S*[/\\]luassert[/\\]%S*: ", function() return ("%s:%d: "):format(path, line) end))
end

--- Adds an assertion: assert.NAME(...), and assert.not_NAME(...).
-- @tparam string name lower case
-- @tparam function judge of the arguments: true, or false and the words of the failure; what it raises is an error of
--   the spec, whichever of the two was asked
-- @tparam string negative what assert.not_NAME says when it fails
function assertion.add(name, judge, negative)
  local function callback(state, arguments)
    arguments.nofmt = {}
    for i = 1, arguments.n do arguments.nofmt[i] = true end   -- a failure shows figures, not whole problems and runs
    local ok, agrees, message = pcall(judge, unpack(arguments, 1, arguments.n))
    if not ok then error(at_the_spec(tostring(agrees)), 0) end
    state.failure_message = not agrees and message or nil
    return agrees
  end
  local key = ("assertion.%s."):format(name)
  say:set(key .. "negative", negative)
  luassert:register("assertion", name, callback, key .. "positive", key .. "negative")
end

return assertion
