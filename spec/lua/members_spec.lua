-- A name that an object of the language does not have, read or set, is an error with a hint - never nil.
local hyla = require "hyla"
local mistake = dofile "spec/lua/mistake.lua"

local W = hyla.weight("W", { 3 }, hyla.ones)
local eta = hyla.hyper("eta", { init = 0.1 })

local function problem()
  local J = (W * W):sum()
  return hyla.problem { inner = J, outer = J, train = hyla.gd { rate = eta, steps = 4 } }
end

local function update(step)
  local J = (W * W):sum()
  return hyla.problem { inner = J, outer = J, train = hyla.update {
    steps = 2, settings = { rate = eta }, accessories = { v = hyla.zeros_like }, step = step,
  } }
end

local options   -- as a recipe sees them
local recipe = hyla.recipe { about = "none", options = { budget = 3 }, build = function(o) options = o end }
recipe:build()
local digits = hyla.data { x = { { 1, 2 }, { 3, 4 } }, y = { 0, 1 } }

describe("a misspelt name", function()
  local cases = {
    { "a problem", function() return problem().weigths end, "a problem has no field or method 'weigths'", "weights" },
    { "a training", function() return problem():with { method = hyla.rtho() }:realtime().parital end,
      "training has no field or method 'parital'", "partial" },
    { "a recipe", function() return recipe.buidl end, "a recipe has no field or method 'buidl'", "build" },
    { "a recipe's options", function() return options.budgte end, "the options have no 'budgte'", "budget" },
    { "a tensor", function() return hyla.zeros({ 2 }).shap end, "a tensor has no field or method 'shap'", "shape" },
    { "an expression", function() return W.summ end, "has no method or field 'summ'", "sum" },
    { "a set", function() return hyla.box(0, 1).projct end, "a set has no field or method 'projct'", "project" },
    { "a distribution", function() return hyla.distribution.uniform(0, 1).drwa end,
      "a distribution has no field or method 'drwa'", "draw" },
    { "a data set", function() return digits.widht end, "a data set has no field or method 'widht'", "width" },
    { "the language", function() return hyla.momentun end, "hyla has no op, option or function 'momentun'",
      "momentum" },
    { "an update's settings", function() update(function(w, a, g, s) return w - s.rat * g, { v = a.v } end) end,
      "the settings of update have no 'rat'", "rate" },
    { "an update's accessories", function() update(function(w, a, g, s) return a.vv, { v = g } end) end,
      "the accessories of update have no 'vv'", "v" },
  }
  for _, case in ipairs(cases) do
    it("of " .. case[1] .. " is an error that names near ones", function()
      local message = mistake(case[2])
      assert.matches(case[3], message, 1, true)
      assert.matches("did you mean '.-" .. case[4], message)
    end)
  end

  it("of a field that is set is one, too", function()
    local p = problem()
    assert.matches("a problem has no field 'metod' that can be set; did you mean 'method'",
                   mistake(function() p.metod = hyla.forward() end), 1, true)
    assert.matches("a problem has no field 'weights' that can be set$", mistake(function() p.weights = 3 end))
  end)

  it("is no matter where a field may be absent", function()
    assert.is_nil(digits.corrupted)
    update(function(w, a, g, s)
      assert.is_nil(s.weight_decay)
      return w - s.rate * g, { v = a.v }
    end)
  end)
end)
