--- The figures of a hyper-iteration or hyperbatch, as a row of a series.

local names = require "hyla.names"
local row_of = require "hyla.run.row"

local function squares(g)
  if type(g) == "number" then return g * g end
  local wide = g:to "float64"
  return (wide * wide):sum():item()
end

local function put(row, name, square)
  if square < math.huge then row[name] = square ^ 0.5 end          -- false for NaN, too
end

local function put_norms(row, g)
  local list, sum = names.keys(g), 0
  for _, name in ipairs(list) do
    local part = squares(g[name])
    if #list > 1 then put(row, ("|g %s|"):format(name), part) end
    sum = sum + part
  end
  put(row, "|g|", sum)
end

--- Adds to a row: scalar hyperparameters by name; the Euclidean norm of the hypergradient as "|g|", and where there are
-- several hyperparameters of each one's part as "|g NAME|"; watched numbers. A norm that is not finite is left out:
-- the update by such a hypergradient tells of it.
-- @tparam string what the row is of, for messages ("hyper-iteration 3")
-- @tparam table row
-- @tparam problem p
-- @tparam table|nil g hypergradient, name -> number or tensor; nil where none was computed
-- @tparam table watched name -> number or tensor
-- @treturn table row; an error where another figure is not finite
return function(what, row, p, g, watched)
  for name, value in pairs(p:lambda()) do
    if row[name] == nil and type(value) == "number" then row[name] = value end
  end
  if g then put_norms(row, g) end
  return row_of(what, row, watched)
end
