--- The prompt: reads Lua, runs it, shows what expressions are worth, and survives every error and Ctrl-C.
-- @module hyla.repl
local edit = require "hyla.lib.edit"
local failure = require "hyla.cli.failure"
local lfs = require "lfs"
local show = require "hyla.prompt.show"


local repl = {}

-- Lua instructions between two looks at the interrupt flag.
local look_every = 10000

-- Globals of the prompt beside Lua's and hyla's, loaded when their names are first used.
local tools = {
  help = function() return require("hyla.prompt.help").show end,
}

local greeting = [[
Hyla %s on %s. Lua expressions are shown, `hyla` and its names are there:
  p = hyla.load("quickstart"):build{}   p:hypergradient()   print(p.step_program)
help() shows around, Tab completes, Ctrl-C interrupts, Ctrl-D leaves.
]]

local Session = {}
Session.__index = Session

--- A session: an environment in which chunks run one after another.
-- Its globals are Lua's; names that are not there are looked up in `hyla`, so that `hyla.exp` is `exp` too.
-- @tparam table hyla the public table
-- @tparam function write where results and complaints go, a string at a time
-- @treturn Session
function repl.session(hyla, write)
  local self = setmetatable({ hyla = hyla, write = write, pending = nil }, Session)
  local function lookup(_, name)
    if _G[name] ~= nil then return _G[name] end
    -- hyla's own lookup raises for a name that it does not have; here such a global is nil, as everywhere in Lua.
    local known, value = pcall(function() return hyla[name] end)
    if known then return value end
    if tools[name] then return tools[name]() end
  end
  self.env = setmetatable({ hyla = hyla }, { __index = lookup })
  self.env._G = self.env
  return self
end

-- The chunk of a text, as an expression when it is one, and how many of its values come before those to show.
-- nil, true when more lines are needed; nil and words otherwise.
local function compile(text)
  -- Behind a nil, for a call that is returned alone is a tail call, and errors could not tell the line it is on.
  local chunk, as_value = loadstring("return nil, " .. text, "=prompt")
  if chunk then return chunk, 1 end
  local statement, problem = loadstring(text, "=prompt")
  if statement then return statement, 0 end
  if problem:match "'?<eof>'?$" or as_value:match "'?<eof>'?$" then return nil, true end
  return nil, problem
end

-- Pure Lua looks at the flag through this hook; the engine looks by itself. Compiled loops would pass hooks by, so
-- the user's chunk stays interpreted (its calls into Hyla's own files are compiled as ever).
local function watched(chunk)
  local C = require "hyla.ffi".C
  jit.off(chunk, true)
  return function()
    debug.sethook(function()
      if C.hyla_interrupted() == 1 then error("interrupted", 0) end
    end, "", look_every)
    return chunk()
  end
end

local function packed(...)
  return { n = select("#", ...), ... }
end

function Session:execute(chunk, skipped)
  local C = require "hyla.ffi".C
  C.hyla_interrupt_clear()
  setfenv(chunk, self.env)
  local results = packed(xpcall(watched(chunk), failure.handler))
  debug.sethook()
  C.hyla_interrupt_clear()
  if not results[1] then
    self.write(failure.text(results[2]) .. "\n")
    return false
  end
  for i = 2 + skipped, results.n do
    -- A value's own tostring may fail.
    local shown, text = pcall(show, results[i])
    self.write(tostring(text) .. "\n")
    if not shown then return false end
  end
  return true
end

--- Takes a line. It is kept until it makes a chunk with those before it, and then run.
-- @tparam string line
-- @treturn string "more" when the chunk is not complete, "done", or "failed" (words were written)
function Session:feed(line)
  local text = self.pending and self.pending .. "\n" .. line or line
  self.pending = nil
  local chunk, detail = compile(text)
  if chunk then return self:execute(chunk, detail) and "done" or "failed" end
  if detail == true then
    self.pending = text
    return "more"
  end
  self.write(detail .. "\n")
  return "failed"
end

--- Forgets the lines of an unfinished chunk.
function Session:clear()
  self.pending = nil
end

-- Names that can follow a dot or a colon after a value: those of its tables, or of what its metatable offers.
local function fields(value)
  local found = {}
  local seen = {}
  local function collect(t)
    if type(t) ~= "table" or seen[t] then return end
    seen[t] = true
    for key in pairs(t) do
      if type(key) == "string" then found[key] = true end
    end
    local meta = getmetatable(t)
    if type(meta) == "table" then
      collect(rawget(meta, "__index"))
      collect(rawget(meta, "names"))
    end
  end
  if type(value) == "string" then value = string end
  if type(value) == "cdata" then
    local tensor = require "hyla.tensor"
    value = tensor.is(value) and tensor.methods or nil
  end
  collect(value)
  return found
end

--- Words that complete a prefix such as "hyla.te" or "p:hyp", sorted.
-- @tparam string prefix
-- @treturn {string,...}
function Session:complete(prefix)
  local base, separator, start = prefix:match "^(.*)([.:])([%w_]*)$"
  local found
  if base then
    local value = self.env
    for name in base:gmatch "[^.:]+" do
      local known, inner = pcall(function() return value[name] end)
      if not known or inner == nil then return {} end
      value = inner
    end
    found = fields(value)
    base = base .. separator
  else
    base, start, found = "", prefix, fields(self.hyla)
    for _, scope in ipairs { self.env, _G } do
      for name in pairs(scope) do
        if type(name) == "string" then found[name] = true end
      end
    end
  end
  local list = {}
  for name in pairs(found) do
    if name:sub(1, #start) == start and name:match "^[%a_][%w_]*$" then list[#list + 1] = base .. name end
  end
  table.sort(list)
  return list
end

-- The file that keeps the lines, its folders made; nil where none can be.
local function history_path()
  local state = os.getenv "XDG_STATE_HOME"
  if not state or state == "" then
    local home = os.getenv "HOME"
    if not home then return nil end
    state = home .. "/.local/state"
  end
  local folder = state .. "/hyla"
  for i in folder:gmatch "()/" do
    if i > 1 then lfs.mkdir(folder:sub(1, i - 1)) end
  end
  lfs.mkdir(folder)
  return lfs.attributes(folder, "mode") == "directory" and folder .. "/history" or nil
end

local function write(text)
  io.stdout:write(text)
  io.stdout:flush()
end

-- At a terminal. Returns the exit code.
local function converse(hyla)
  local C = require "hyla.ffi".C
  local session = repl.session(hyla, write)
  local editor = edit.open(function(prefix) return session:complete(prefix) end, history_path())
  write(greeting:format(failure.version(), jit.version))
  while true do
    C.hyla_interrupt_on_sigint(1)   -- again, since a run takes its handler back when it ends
    local line = editor:read(session.pending and "   ... " or "hyla> ", function() return C.hyla_interrupted() == 1 end)
    if line == nil then
      write "\n"
      return 0
    elseif line == false then
      C.hyla_interrupt_clear()
      session:clear()
      write "^C\n"
    else
      editor:remember(line)
      session:feed(line)
    end
  end
end

-- From a pipe or a file: no prompt, no editing. Returns the exit code: 1 when any chunk failed.
local function consume(hyla)
  local session = repl.session(hyla, write)
  local code = 0
  for line in io.lines() do
    if session:feed(line) == "failed" then code = 1 end
  end
  if session.pending then
    write "prompt: the input ended inside a chunk\n"
    code = 1
  end
  return code
end

--- Runs the prompt on standard input until it ends.
-- @treturn number exit code
function repl.main()
  local hyla = require "hyla"
  if edit.is_terminal() then return converse(hyla) end
  return consume(hyla)
end

return repl
