--- Charts that a recipe declares for its report (hyla.recipe, `charts`): figures of its stages that belong together.
-- @module hyla.run.charts
local options = require "hyla.options"
local site = require "hyla.site"

local charts = {}

local figures = {
  expected = "a list of names of figures",
  is = function(list)
    if type(list) ~= "table" then return false end
    for _, name in ipairs(list) do
      if type(name) ~= "string" then return false end
    end
    return true
  end,
}

local fields = {
  title = { kind = "string", required = true },
  stacked = options.with(figures, { default = {} }), left = options.with(figures, { default = {} }),
  right = options.with(figures, { default = {} }),
  unit = { kind = "string", default = "" }, right_unit = { kind = "string", default = "" },
  x = { expected = "'minutes'", is = function(x) return x == "minutes" end },
}

local function read(name, given)
  if type(name) ~= "string" or not name:match "^[%w][%w._-]*$" then
    site.fail("recipe: charts: expected names of letters, digits, '.', '_' and '-', got %s", tostring(name))
  end
  local one = options.read(("recipe: charts: '%s'"):format(name), given, fields)
  if #one.stacked + #one.left == 0 then
    site.fail("recipe: charts: '%s': expected figures in stacked or left", name)
  end
  one.kind = "curves"
  return one
end

--- Reads a declaration; an error at the recipe's line when it does not fit.
-- @tparam table|nil given by name (letters, digits, '.', '_' and '-'): title; stacked (areas upon each other), left and
--   right (lines, by their axis): lists of names of figures that stages watch or record; unit and right_unit: labels of
--   the axes; x = "minutes": all stages on one chart against the time that they took, instead of a chart a stage
-- @treturn table the same, whole, each with kind = "curves" (as hyla.run.folder has pictures)
function charts.read_all(given)
  local all = {}
  for name, one in pairs(given or {}) do all[name] = read(name, one) end
  return all
end

return charts
