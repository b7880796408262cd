--- A planned program of a problem, to look at: `p.step_program` and its kin. As text it is a line an operation, phase
-- by phase, with what it reads and the recipe's line that it comes from.
-- @module hyla.program
local ffi = require "ffi"
local engine = require "hyla.ffi"
local members = require "hyla.members"
local C = engine.C

local Program, methods = {}, {}

local function new(problem, which) return setmetatable({ problem = problem, which = which }, Program) end

--- The program as a graph in the language of Graphviz: `dot -Tsvg` draws it.
-- @tparam[opt] string path of a file to write
-- @treturn string
function methods:dot(path)
  local text = ffi.string(C.hyla_problem_dot(self.problem.handle, self.which))
  if path then engine.check(C.hyla_file_write(path, text, #text)) end
  return text
end

function Program:__tostring() return ffi.string(C.hyla_problem_print(self.problem.handle, self.which)) end

members.define(Program, { what = "a program", methods = methods })

return { new = new }
