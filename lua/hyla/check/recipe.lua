--- `hyla check`: every problem that a recipe can build without earlier results, its methods against each other and
-- against central differences (hyla.check), with T shortened so that it takes about as long as was asked for.
-- @module hyla.check.recipe
local C = require("hyla.ffi").C
local check = require "hyla.check"
local clock = require("hyla.report.progress").clock
local json = require "hyla.report.json"
local number = require "hyla.number"
local problems = require "hyla.run.problems"

local checks = {}

local DONE, FAILED, USAGE = 0, 1, 2

-- ---- how long ----

local COMPONENTS, DIRECTIONS = 32, 4

-- Runs of plain training that a check comes to: four a difference; about 8 a method in float64 and as many in the
-- problem's own dtype; two a tangent.
local function runs_of(p)
  local size = 0
  for _, hyper in ipairs(p.hypers) do size = size + hyper.size end
  local rows = size <= COMPONENTS and size or DIRECTIONS
  local tangents = size <= COMPONENTS and 4 * size or 0
  return 4 * rows + 3 * 8 * 2 + tangents
end

-- T for a check of about `seconds`, from the time of a few steps, and the tangents that a third of that is enough for.
local function extent_of(p, seconds)
  local twin = p:with { dtype = "float64" }
  twin:start()
  local begun, some = clock(), math.min(p.steps, 4)
  twin:step(some)
  local each = (clock() - begun) / some
  local steps = math.max(1, math.min(p.steps, math.floor(seconds / (each * runs_of(p)))))
  local methods, runs = 2, 6        -- forward and rtho, each in two dtypes; a tangent takes two runs and a bit
  return steps, math.max(COMPONENTS, math.floor(seconds / 3 / (steps * each * methods * runs)))
end

-- ---- telling ----

local function row_of(row)
  if not row then return nil end
  local index = row.size > 1 and row.index or nil
  return { name = row.name, index = index, got = row.got, expected = row.expected, ratio = row.ratio }
end

-- JSON has no infinity: a ratio that is none is left out.
local function finite(value)
  if type(value) ~= "table" then return value end
  local out = getmetatable(value) and json.list {} or {}
  for key, each in pairs(value) do
    local number_lost = type(each) == "number" and (each ~= each or math.abs(each) == math.huge)
    if not number_lost then out[key] = finite(each) end
  end
  return out
end

local function object_of(name, result)
  local methods = json.list {}
  for i, entry in ipairs(result.methods) do
    methods[i] = {
      name = entry.name, off = entry.off, seconds = entry.seconds, ratio = entry.ratio, bytes = entry.bytes,
      left_out = entry.left_out,
    }
  end
  return {
    name = name, agrees = result.agrees, verdict = result.verdict, steps = result.steps, of_steps = result.of_steps,
    worst = row_of(result.wrong[1] or result.component), methods = methods, notes = json.list(result.notes),
    training_seconds = result.training,
  }
end

local order = { "recipe", "agrees", "problems", "left_out", "name", "verdict" }

local function tell_json(loaded, agrees, told, left_out)
  local object = finite {
    recipe = loaded.name, agrees = agrees, problems = json.list(told), left_out = json.list(left_out),
  }
  io.stdout:write(json.encode(object, loaded.name, order), "\n")
end

local function shortened(result)
  if result.steps == result.of_steps then return "" end
  return (", with T = %s in the place of %s"):format(number.format(result.steps), number.format(result.of_steps))
end

-- ---- the command ----

local function check_all(a, loaded, o, profile)
  local built, left_out = problems.build(loaded, o)
  local told, agrees = {}, true
  if not a.json and profile then io.stdout:write("profile=", profile, "\n") end
  for i, each in ipairs(built) do
    local steps, tangents = extent_of(each.problem, a.seconds / #built)
    local result = check.compare(each.problem, {
      steps = a.steps or steps, components = COMPONENTS, directions = DIRECTIONS, tangents = tangents,
    })
    agrees = agrees and result.agrees
    told[i] = object_of(each.name, result)
    if not a.json then io.stdout:write(("%s%s\n%s\n"):format(each.name, shortened(result), tostring(result))) end
  end
  if a.json then tell_json(loaded, agrees, told, left_out) end
  for _, each in ipairs(a.json and {} or left_out) do
    io.stdout:write(("%s is not checked: %s\n"):format(each.name, each.why))
  end
  if #built == 0 then return FAILED, "check: the recipe has no problem with a hypergradient that can be built first" end
  return agrees and DONE or FAILED, not agrees and "check: methods disagree" or nil
end

--- Checks a recipe.
-- @tparam table asked recipe: name or path; options: {"key=value",...}; steps: T, or nil; seconds: without it, about
--   what the whole may take; json: boolean
-- @treturn number exit code: 0 all agree, 1 they do not, 2 wrong usage
-- @treturn string message where it is not 0
function checks.run(asked)
  local loaded, o, profile = problems.resolve(asked.recipe, asked.options, "quick")
  if not loaded then return USAGE, o end
  C.hyla_interrupt_clear()
  C.hyla_interrupt_on_sigint(1)
  local ok, code, message = pcall(check_all, asked, loaded, o, profile)
  C.hyla_interrupt_on_sigint(0)
  if not ok then error(code, 0) end
  return code, message
end

return checks
