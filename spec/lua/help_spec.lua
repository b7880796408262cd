-- help: everything public has a text, from the comments of its source, and the text fits the terminal.
local hyla = require "hyla"
local help = require "hyla.prompt.help"
local known = require "hyla.prompt.known"

local quickstart = hyla.load "quickstart"

local function has(text, ...)
  for _, part in ipairs { ... } do assert.is_truthy(text:find(part, 1, true), ("%q in:\n%s"):format(part, text)) end
end

describe("help covers", function()
  it("every public name", function()
    local names = known.public()
    assert.is_true(#names > 100)
    for _, name in ipairs(names) do
      local text = help.text(name, 80)
      assert.is_nil(text:find("without a comment", 1, true), text)
      assert.matches("\n  %S", text, nil, name .. ": " .. text)
    end
  end)

  local types = known.types()

  it("the prompt's own names", function()
    for name in pairs(known.tools) do
      has(help.text(name, 80), name .. "(")
      has(help.text(require("hyla.repl").session(hyla, print).env[name], 80), name .. "(")
    end
  end)

  it("the objects of the language", function()
    for _, word in ipairs { "tensor", "expression", "problem", "training", "recipe", "set", "distribution", "data set",
                            "program" } do
      assert.is_table(types[word], word)
    end
  end)

  for word, about in pairs(types) do
    it(("every method and field of a %s"):format(word), function()
      for _, list in ipairs { about.methods, about.computed } do
        for name in pairs(list) do
          local entry = known.entry_of_member(about, name)
          assert.is_table(entry, ("%s:%s has no comment"):format(word, name))
          assert.matches("%S", table.concat(entry.lines), nil, word .. ":" .. name)
        end
      end
    end)
  end
end)

describe("help", function()
  it("tells of a function what it takes and gives, also under its method's name", function()
    local text = help.text(hyla.gd, 80)
    has(text, "hyla.gd(given)", "w - rate g", "rate (required)", "dynamics")
    has(help.text("hyla.gd", 80), text)
    has(help.text(hyla.exp, 80), "hyla.exp(x)", "e^x", "Also a method: x:exp(...)")
    has(help.text("problem:set", 80), "problem:set([values])", "training starts afresh")
    has(help.text("set", 80), "problem:set(", "tensor:set(")
    has(help.text("problem.t", 80), "problem.t", "step that training is at")
  end)

  it("tells of an object what it has", function()
    local p = quickstart:build { steps = 2, examples = 20 }
    has(help.text(p, 80), "notes", "step_program", "hypergradient", "Trains from s_0 to the last step")
    has(help.text(hyla.zeros { 2 }, 80), "shape", "transpose")
    has(help.text(p.step_program, 80), "Graphviz")
    has(help.text(hyla.box(0, 1), 80), "project")
    has(help.text(hyla.forward(), 80), "hyla.forward([given])", "Forward-HG")
    has(help.text("data set", 80), "split")
  end)

  it("tells of a recipe its options, with defaults and bounds", function()
    local bounded = hyla.recipe {
      about = "bounded", options = { budget = 3, rate = 0.5, data = "digits" }, build = function() end,
      profiles = { quick = { budget = 1 } }, bounds = { budget = { 1, 10, integer = true }, rate = { [2] = 1 } },
    }
    has(help.text(bounded, 80), "recipe: bounded", "budget  number, 3, a whole number from 1 to 10",
        "rate    number, 0.5, at most 1", "data    string, digits", "profile=quick")
    has(help.text("quickstart", 80), "recipe quickstart", "hyper_steps  number, 40", "recipes/quickstart.lua")
    assert.equal(help.text("quickstart", 80), help.text(quickstart, 80))
  end)

  it("tells of a module what is in it", function()
    has(help.text(hyla.tensor, 80), "hyla.tensor", "permutation")
    has(help.text("distribution", 80), "log_uniform")
    has(help.text(hyla.data, 80), "hyla.data(what, [given])", "svmlight")
  end)

  it("shows a comment of the user's own function", function()
    local folder = os.tmpname()
    local file = assert(io.open(folder, "w"))
    file:write("--- Twice a number.\n-- @tparam number x what\nlocal function twice(x) return 2 * x end return twice\n")
    file:close()
    has(help.text(dofile(folder), 80), "(x)", "Twice a number", "number what")
    os.remove(folder)
    has(help.text(function() end, 80), "without a comment")
  end)

  it("is a short tour without a value", function()
    has(help.text(nil, 80), 'hyla.load("quickstart")', "p:step(10)", "p:hypergradient()", "constraints", "help(x)")
  end)

  it("hints where nothing has the name", function()
    assert.error_matches(function() help.text("matmull", 80) end, "nothing is called 'matmull'; did you mean 'matmul'")
    assert.error_matches(function() help.text("problem:sett", 80) end, "nothing is called")
  end)

  it("fits the terminal", function()
    for _, what in ipairs { false, "problem", "tensor", "quickstart", "reverse", "matmul" } do
      for _, width in ipairs { 40, 80, 100 } do
        for line in help.text(what or nil, width):gmatch "[^\n]+" do
          local fits = #line <= width or not line:match "^%s*(.*)":find " "
          assert.is_true(fits, line)
          assert.is_nil(line:find "[\128-\255]")
        end
      end
    end
  end)
end)
