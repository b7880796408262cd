local mistake = require "spec.lua.mistake"
local recipe = require "hyla.recipe"
local settings = require "hyla.run.settings"

local function declared()
  return assert(settings.declare(
    { steps = 2000, data = "digits", verbose = false, budget = { 1000, 1500 }, rate = 0.1 },
    { quick = { steps = 500, budget = { 1000 } } },
    { steps = { 1, integer = true }, rate = { 0, 1 } }))
end

local function resolve(...)
  local overrides, message = settings.parse(declared(), { ... })
  if not overrides then return nil, message end
  return settings.resolve(declared(), overrides)
end

local function refused(pattern, ...)
  local o, message = resolve(...)
  assert.is_nil(o)
  assert.is_truthy(message:find(pattern, 1, true), message)
  -- Every complaint lists the right ones, with types and defaults.
  assert.is_truthy(message:find("steps    number, 2000", 1, true), message)
  assert.is_truthy(message:find("budget   list of numbers, 1000,1500", 1, true), message)
end

describe("options of a recipe", function()
  it("are the defaults when nothing is said", function()
    assert.same({ steps = 2000, data = "digits", verbose = false, budget = { 1000, 1500 }, rate = 0.1 }, resolve())
  end)

  it("are read by the type of the default", function()
    local o = resolve("steps=50", "data=mnist", "verbose=true", "budget=1,2.5,3e2", "rate=.5")
    assert.same({ steps = 50, data = "mnist", verbose = true, budget = { 1, 2.5, 300 }, rate = 0.5 }, o)
    assert.same({ 7 }, resolve("budget=7").budget)
    assert.equal("a=b", resolve("data=a=b").data)
  end)

  it("take a profile first, whatever the order", function()
    assert.same({ 500, { 1000 } }, { resolve("profile=quick").steps, resolve("profile=quick").budget })
    assert.equal(9, resolve("steps=9", "profile=quick").steps)
  end)

  it("are copies: changing a run's list leaves the default alone", function()
    local d = declared()
    settings.resolve(d).budget[1] = 0
    assert.equal(1000, d.defaults.budget[1])
  end)

  it("refuse unknown names, wrong types and values out of bounds", function()
    refused("unknown option 'stepz'; did you mean 'steps'?", "stepz=3")
    refused("unknown profile 'quik'; did you mean 'quick'?", "profile=quik")
    refused("option 'steps': expected number, got 'many'", "steps=many")
    refused("option 'steps': expected number, got 'nan'", "steps=nan")
    refused("option 'budget': expected list of numbers, got '1,,2'", "budget=1,,2")
    refused("option 'verbose': expected boolean, got 'yes'", "verbose=yes")
    refused("option 'steps': expected a whole number, got 1.5", "steps=1.5")
    refused("option 'steps': expected at least 1, got 0", "steps=0")
    refused("option 'rate': expected 0 to 1, got 2", "rate=2")
    refused("expected key=value, got 'quick'", "quick")
    refused("option 'steps' is given twice", "steps=1", "steps=2")
  end)

  it("are checked in Lua, too", function()
    local o, message = settings.resolve(declared(), { steps = "50" })
    assert.is_nil(o)
    assert.is_truthy(message:find("option 'steps': expected number, got string '50'", 1, true), message)
  end)

  it("refuse to be read by a name they do not have, where a recipe reads it", function()
    local o = settings.resolve(declared(), { steps = 50 })
    assert.equal(50, o.steps)
    assert.equal("the options have no 'stesp'; did you mean 'steps'?", mistake(function() return o.stesp + 1 end))
    assert.equal("the options have no '1'", mistake(function() return o[1] + 1 end))
  end)

  it("must be declared with sense", function()
    local function problem(...) return select(2, settings.declare(...)) end
    assert.is_truthy(problem({ x = print }):find("option 'x': expected a number, string", 1, true))
    assert.is_truthy(problem({ x = {} }):find("option 'x'", 1, true))
    assert.is_truthy(problem({ profile = 1 }):find("the name is taken", 1, true))
    assert.is_truthy(problem({ x = 1 }, { quick = { y = 2 } }):find("unknown option 'y'", 1, true))
    assert.is_truthy(problem({ x = 1 }, nil, { y = { 1 } }):find("bounds: unknown option 'y'", 1, true))
    assert.is_truthy(problem({ x = 0 }, nil, { x = { 1 } }):find("expected at least 1, got 0", 1, true))
  end)
end)

describe("a recipe", function()
  local path

  local function write(text)
    path = os.tmpname()
    os.rename(path, path .. ".lua")
    path = path .. ".lua"
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
  end

  after_each(function()
    if path then os.remove(path) end
    path = nil
  end)

  local function refuses(text, pattern)
    local value, message = recipe.try_load(write(text))
    assert.is_nil(value)
    assert.is_truthy(message:find(pattern, 1, true), message)
    assert.is_truthy(message:find(path, 1, true), message)
  end

  it("builds a problem with the options it is given", function()
    local made = recipe { about = "x", options = { a = 1, b = 2 }, profiles = { two = { a = 2 } },
      build = function(o) return o end, problems = { sum = function(o, c) return o.a + o.b + c end } }
    assert.same({ a = 5, b = 2 }, made:build { a = 5 })
    assert.same({ a = 2, b = 2 }, made:build { profile = "two" })
    assert.equal(14, made:build({ a = 2 }, "sum", 10))
    assert.has_error(function() made:build({}, "product") end)
    assert.has_error(function() made:build { c = 1 } end)
  end)

  it("does nothing when loaded, and tells its name and options", function()
    local loaded = recipe.load(write [[
      local recipe = require "hyla.recipe"
      return recipe { about = "lazy", options = { n = 3 }, build = function() error "built" end }]])
    assert.equal("lazy", loaded.about)
    assert.equal(path:match "([^/]*)%.lua$", loaded.name)
    assert.is_truthy(tostring(loaded):find("n  number, 3", 1, true))
  end)

  it("is refused with the reason when the file holds none", function()
    refuses("return 7", "not a recipe: expected the file to return hyla.recipe {...}, got a number")
    refuses("", "got nothing")
    refuses("return {", "not a recipe")
    refuses("\27LJ\2garbage", "not a recipe")
    refuses("error 'at once'", ":1: at once")
    refuses("x = 1", ":1: assignment to undeclared variable 'x'")
    refuses("return undefined_thing()", ":1: undefined variable 'undefined_thing'")
    refuses("return require 'hyla.recipe' { about = 'x', bild = 1 }", "recipe: unknown option 'bild'")
    refuses("return require 'hyla.recipe' { about = 'x' }", "recipe: nothing to do")
  end)

  it("is looked for by name, and the names are listed when it is missing", function()
    local value, message = recipe.try_load "hyper_cleanin"
    assert.is_nil(value)
    assert.is_truthy(message:find("no recipe 'hyper_cleanin'; did you mean 'hyper_cleaning'?", 1, true), message)
    assert.is_truthy(message:find("quickstart", 1, true), message)
    assert.is_nil((recipe.try_load "/no/such/file.lua"))
  end)

  it("of the tree is listed with its options", function()
    local seen = {}
    for _, entry in ipairs(recipe.list()) do
      assert.is_nil(entry.error)
      seen[entry.name] = entry
    end
    assert.equal("1000,1500,2000,2500", seen.hyper_cleaning.options.budget)
    assert.is_string(seen.quickstart.about)
  end)
end)
