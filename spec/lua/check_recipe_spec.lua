-- The command `check`: which problems of a recipe it takes, what it tells, and its exit codes.
local json = require "hyla.report.json"
local shell = dofile "spec/lua/shell.lua"

-- %s goes into the outer objective of the named problem.
local text = [[
local hyla = require "hyla"
local function small(o, hidden)
  local w, c = hyla.weight("w", {}, 1), hyla.hyper("c", { init = 0.5 })
  local outer = hidden and w ^ 2 + hyla.stop_gradient(c) or w ^ 2
  return hyla.problem { inner = c * (w - 2) ^ 2, outer = outer, train = hyla.gd { rate = 0.1, steps = o.steps } }
end
return hyla.recipe {
  about = "small", options = { steps = 500 }, profiles = { quick = { steps = 6 } },
  build = function(o) return small(o) end,
  problems = {
    named = function(o) return small(o, %s) end,
    later = function(o, result) return small(o, result) end,
    plain = function(o)
      local w = hyla.weight("v", {}, 1)
      return hyla.problem { inner = w ^ 2, train = hyla.gd { rate = 0.1, steps = o.steps } }
    end,
  },
}
]]

describe("the command check", function()
  local folder, path

  before_each(function()
    folder = shell.folder()
    path = folder .. "/small.lua"
  end)
  after_each(function() shell.remove(folder) end)

  local function check(words, hidden)
    shell.write(path, text:format(hidden or "false"))
    return shell.run(("./hyla check %s %s"):format(shell.quote(path), words))
  end

  it("takes every problem that needs no earlier result, with the profile quick", function()
    local r = check ""
    assert.same({ 0, "" }, { r.code, r.err })
    assert.matches("^profile=quick\nsmall\nagrees: %d+ methods, .*\nnamed\nagrees: %d+ methods, ", r.out)
    assert.matches("\nplain is not checked: it has no hypergradient\n", r.out)
    assert.matches("\nlater is not checked: it is built from earlier results\n", r.out)
  end)

  it("shortens training, and says so", function()
    local r = check "steps=400 --steps 5"
    assert.equal(0, r.code)
    assert.matches("small, with T = 5 in the place of 400\nagrees: ", r.out)
    assert.matches("with T = %d+ in the place of 400000\n", check("steps=400000 --seconds 0.5").out)
  end)

  it("fails where methods disagree, and says which hyperparameter", function()
    local r = check("", "true")
    assert.equal(1, r.code)
    assert.equal("hyla: check: methods disagree\n", r.err)
    assert.matches("\nnamed\ndisagrees: c: the hypergradient is %S+ by reverse, central differences give %S+ ", r.out)
  end)

  it("tells the same as JSON", function()
    local r = check("--json", "true")
    assert.equal(1, r.code)
    local told = json.decode(r.out)
    assert.same({ "small", false, 2, 2 }, { told.recipe, told.agrees, #told.problems, #told.left_out })
    assert.is_true(told.problems[1].agrees)
    assert.equal("c", told.problems[2].worst.name)
    assert.equal(6, told.problems[1].steps)
    assert.is_true(told.problems[1].methods[1].seconds > 0)
  end)

  it("refuses wrong words with code 2", function()
    for _, words in ipairs { "stpes=1", "--steps 0", "--steps 1.5", "--seconds x", "profile=slow" } do
      assert.equal(2, check(words).code, words)
    end
    assert.equal(2, shell.run("./hyla check nosuch").code)
  end)
end)
