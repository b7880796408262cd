--- What is told of an error that reaches the shell or the prompt: its words, and where in the user's own code.
-- @module hyla.cli.failure
local failure = {}

local own = debug.getinfo(1, "S").source:match "^(.*)cli/failure%.lua$"

-- The user's frames, innermost first: neither C's nor those of Hyla's own files.
local function user_frames(level)
  local lines = {}
  while true do
    local info = debug.getinfo(level, "Sln")
    if not info then return lines end
    if info.what ~= "C" and info.source:sub(1, #own) ~= own then
      local place = info.what == "main" and "in the chunk"
        or info.name and ("in '%s'"):format(info.name) or "in a function"
      lines[#lines + 1] = ("  %s:%d: %s"):format(info.short_src, info.currentline, place)
    end
    level = level + 1
  end
end

--- A handler for xpcall: keeps the error and the places it passed through.
-- @param problem what was raised
-- @treturn table { problem =, frames = {string,...} }, for `text` and `code`
function failure.handler(problem)
  return { problem = problem, frames = user_frames(3) }
end

-- Debian packages of the Lua modules that Hyla loads.
local packages = {
  argparse = "lua-argparse", busted = "lua-busted", cjson = "lua-cjson", lfs = "lua-filesystem", mime = "lua-socket",
  posix = "lua-posix", socket = "lua-socket", yaml = "lua-yaml",
}

-- For a module that is not installed, the package to install in the place of every path that was tried.
local function missing_module(message)
  local module = message:match "module '([%w.]+)' not found:"
  local package = module and packages[module:match "^%w+"]
  return package and ("the Lua module '%s' is not installed (Debian package %s)"):format(module, package) or message
end

--- The words of a handled error, followed by the user's frames when there are several, so that they tell the way.
-- With HYLA_TRACEBACK in the environment frames are always told.
-- @tparam table handled from `handler`
-- @treturn string
function failure.text(handled)
  if failure.code(handled) == 130 then return "interrupted" end
  local text = require "hyla.site".explained(missing_module(tostring(handled.problem)))
  if #handled.frames > (os.getenv "HYLA_TRACEBACK" and 0 or 1) then
    text = text .. "\n" .. table.concat(handled.frames, "\n")
  end
  return text
end

--- The exit code of a handled error: 130 when Ctrl-C was what raised it, 1 otherwise.
-- The words are LuaJIT's own for a script and the engine's for a call into it.
-- @tparam table handled
-- @treturn number
function failure.code(handled)
  local problem = handled.problem
  return type(problem) == "string" and problem:match "interrupted!?$" and 130 or 1
end

--- The engine's version.
-- @treturn string
function failure.version()
  local C = require "hyla.ffi".C
  return require "ffi".string(C.hyla_version())
end

return failure
