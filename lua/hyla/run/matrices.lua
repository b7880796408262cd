--- Matrices of interactions as results of a run: numbers, a .npy file, pictures.

local gnuplot = require "hyla.report.gnuplot"
local json = require "hyla.report.json"
local matrix = require "hyla.report.matrix"
local options = require "hyla.options"
local pictures = require "hyla.run.pictures"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local C, check = require("hyla.ffi").C, require("hyla.ffi").check

local matrices = {}

local fields = { names = { kind = "table" }, title = { kind = "string" },
  pictures = { kind = "boolean", default = true } }

local function check_values(name, values)
  if not tensor.is(values) or values.rank ~= 2 or values.shape[1] ~= values.shape[2] or values.size == 0 then
    site.fail("matrix '%s': expected a square tensor, got %s", name,
      tensor.is(values) and "[" .. table.concat(values.shape, ", ") .. "]" or "a " .. type(values))
  end
  local rows = values:totable()
  for j = 1, #rows do
    for k = 1, #rows do
      local x = rows[j][k]
      if not (x >= 0 and x < math.huge and x == rows[k][j]) then
        site.fail("matrix '%s': expected a symmetric one of finite numbers >= 0, got %g at %d, %d and %g at %d, %d",
          name, x, j, k, rows[k][j], k, j)
      end
    end
  end
  return rows
end

local function names_of(name, given, n)
  local list = given or {}
  if given and #given ~= n then site.fail("matrix '%s': names: expected %d, got %d", name, n, #given) end
  for i = 1, n do list[i] = tostring(list[i] or i) end
  return list
end

local function draw(lab, path, script)
  check(C.hyla_file_write(path .. ".gp", script, #script))
  for _, ending in ipairs { ".svg", ".png" } do
    local ok, problem = gnuplot.draw(path .. ".gp", path .. ending)
    if not ok then
      lab:note("no picture %s%s: %s", path, ending, problem)
      return
    end
  end
end

--- Adds one: see lab:matrix.
-- @tparam lab lab
-- @tparam string name
-- @tparam tensor values
-- @tparam[opt] table given
function matrices.add(lab, name, values, given)
  local o = options.read("matrix", given, fields)
  pictures.check_name("matrix", name)
  local rows = check_values(name, values)
  local names = names_of(name, o.names, #rows)
  for _, other in ipairs(lab.matrices) do
    if other.name == name then site.fail("matrix '%s': there is one of this name already", name) end
  end
  lab.matrices[#lab.matrices + 1] = { name = name, names = names, rows = rows }
  if not lab.recorder then return end
  local about = { kind = "matrix", title = o.title or name, names = json.list(names),
    pictures = o.pictures }
  local path = lab.recorder:picture(name, values, about)
  if not o.pictures then return end
  draw(lab, path .. ".map", matrix.heat_map(rows, names, o.title or name))
  draw(lab, path .. ".graph", matrix.graph(rows, names, o.title or name))
end

return matrices
