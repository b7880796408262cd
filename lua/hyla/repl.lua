--- The prompt: reads Lua, runs it, shows what expressions are worth, and survives every error and Ctrl-C.
-- @module hyla.repl
local edit = require "hyla.lib.edit"
local failure = require "hyla.cli.failure"
local history = require "hyla.prompt.history"
local names = require "hyla.names"
local show = require "hyla.prompt.show"
local terminal = require "hyla.lib.terminal"
local text = require "hyla.report.text"

local repl = {}

-- Lua instructions between two looks at the interrupt flag.
local look_every = 10000

-- Globals of the prompt beside Lua's and hyla's, loaded when their names are first used.
local tools = {
  help = function() return require("hyla.prompt.help").help end,
  plot = function() return require("hyla.prompt.plot").plot end,
  time = function() return require "hyla.prompt.time" end,
}

local greeting = [[Hyla %s on %s. help() shows around, Tab completes, Ctrl-C interrupts, Ctrl-D leaves.]]

local Session = {}
Session.__index = Session

--- A session: an environment in which chunks run one after another.
-- Its globals are Lua's; names that are not there are looked up in `hyla`, so that `hyla.exp` is `exp` too. The last
-- value that was shown is `_`.
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

-- The chunk of some lines, as an expression when it is one, and how many of its values come before those to show.
-- nil, true when more lines are needed; nil and words otherwise.
local function compile(lines)
  -- Behind a nil, for a call that is returned alone is a tail call, and errors could not tell the line it is on.
  local chunk, as_value = loadstring("return nil, " .. lines, "=prompt")
  if chunk then return chunk, 1 end
  local statement, problem = loadstring(lines, "=prompt")
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

-- Of an error that nil was used under a name: near names that there are.
function Session:hint(problem)
  local name = tostring(problem):match "attempt to %a+ global '([%w_]+)' %(a nil value%)$"
  return name and #name > 2 and names.hint(name, self:complete "") or ""
end

function Session:execute(chunk, skipped)
  local C = require "hyla.ffi".C
  C.hyla_interrupt_clear()
  setfenv(chunk, self.env)
  local results = packed(xpcall(watched(chunk), failure.handler))
  debug.sethook()
  C.hyla_interrupt_clear()
  if not results[1] then
    self.write(failure.text(results[2]) .. self:hint(results[2].problem) .. "\n")
    return failure.code(results[2]) == 130 and "interrupted" or "failed"
  end
  if results[2 + skipped] ~= nil then self.env._ = results[2 + skipped] end
  for i = 2 + skipped, results.n do
    -- A value's own tostring may fail.
    local shown, words = pcall(show, results[i])
    self.write(tostring(words) .. "\n")
    if not shown then return "failed" end
  end
  return "done"
end

--- Takes a line. It is kept until it makes a chunk with those before it, and then run.
-- @tparam string line
-- @treturn string "more" when the chunk is not complete, "done", or "failed" or "interrupted" (words were written)
function Session:feed(line)
  local lines = self.pending and self.pending .. "\n" .. line or line
  self.pending = nil
  local chunk, detail = compile(lines)
  if chunk then return self:execute(chunk, detail) end
  if detail == true then
    self.pending = lines
    return "more"
  end
  self.write(detail .. "\n")
  return "failed"
end

--- Forgets the lines of an unfinished chunk.
function Session:clear()
  self.pending = nil
end

--- Words that complete the last one of what was typed.
-- @tparam string word letters, digits, _ . :
-- @tparam[opt=word] string line before the cursor, the word included
-- @treturn {string,...} sorted
function Session:complete(word, line)
  local typed = (self.pending and self.pending .. "\n" or "") .. (line or word)
  return require "hyla.prompt.complete"(self.env, tools, typed, word)
end

local function write(words)
  io.stdout:write(words)
  io.stdout:flush()
end

-- At a terminal. Returns the exit code.
local function converse(hyla)
  local C = require "hyla.ffi".C
  local session = repl.session(hyla, write)
  local kept, problem = history.open(history.path())
  local editor = edit.open(function(word, line) return session:complete(word, line) end, kept.lines)
  local words = text.wrap(greeting:format(failure.version(), jit.version), terminal.columns())
  write(table.concat(words, "\n") .. "\n")
  if problem then write(("What is typed is not kept: %s\n"):format(problem)) end
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
      if kept:add(line) then editor:remember(line) end
      session:feed(line)
    end
  end
end

-- From a pipe or a file: no prompt, no editing. Returns the exit code: 1 when any chunk failed, 130 after Ctrl-C.
local function consume(hyla)
  local C = require "hyla.ffi".C
  local session = repl.session(hyla, write)
  local code = 0
  for line in io.lines() do
    C.hyla_interrupt_on_sigint(1)                      -- while a chunk runs; waiting for input, Ctrl-C ends the process
    local outcome = session:feed(line)
    C.hyla_interrupt_on_sigint(0)
    if outcome == "interrupted" then return 130 end
    if outcome == "failed" then code = 1 end
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
