--- A row of a series: figures of the loop, and the watched numbers; none may be NaN or infinite.

--- Adds the numbers of `watched` to a row.
-- @tparam string what the row is of, for messages ("hyper-iteration 3")
-- @tparam table row
-- @tparam table watched name -> number or tensor
-- @treturn table row
return function(what, row, watched)
  for name, value in pairs(watched) do
    if type(value) == "number" then row[name] = value end
  end
  for name, value in pairs(row) do
    if value ~= value or math.abs(value) == math.huge then
      error(("%s: '%s' is %s"):format(what, name, tostring(value)), 0)
    end
  end
  return row
end
