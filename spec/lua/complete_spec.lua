-- What the Tab key offers, by what stands before the cursor.
local hyla = require "hyla"
local repl = require "hyla.repl"

local said
local session = repl.session(hyla, function(text) said = text end)

local function feed(line) assert.equal("done", session:feed(line), said) end

-- Candidates at the end of a line, in the place of the word that libedit cuts off.
local function at(line) return session:complete(line:match "[%w_.:]*$", line) end

local function contains(list, ...)
  local set = {}
  for _, word in ipairs(list) do set[word] = true end
  for _, word in ipairs { ... } do assert.is_true(set[word], word .. " in " .. table.concat(list, " ")) end
  return set
end

describe("completion", function()
  setup(function()
    feed 'r = hyla.load "quickstart"'
    feed "p = r:build { steps = 3, examples = 20 }"
    feed "some_table = { first = { inner = 1 }, second = 2, ['not a name'] = 3 }"
    feed "t = hyla.zeros { 2 }"
  end)

  it("knows names: one's own, Lua's, hyla's and the prompt's", function()
    assert.same({ "some_table" }, at "some_t")
    assert.same({ "x = some_table" }, { "x = " .. at("x = some_t")[1] })
    contains(at "ma", "matmul", "math", "marthe", "maximum")
    contains(at "load", "load", "loadstring", "load_weights")
    assert.same({ "hyla.matmul" }, at "hyla.matm")
    contains(at "hyla.d", "hyla.data", "hyla.distribution", "hyla.dropout")
    assert.same({ "help" }, at "hel")
    assert.same({}, at "nothing_of_this")
  end)

  it("knows fields after a dot and methods after a colon", function()
    assert.same({ "some_table.first", "some_table.second" }, at "some_table.")
    assert.same({ "some_table.first.inner" }, at "print(some_table.first.")
    contains(at "p.st", "p.step_program", "p.steps")
    contains(at "p:st", "p:step", "p:start", "p:states")
    assert.is_nil(contains(at "p:", "p:train")["p:steps"])
    assert.same({ "t.shape" }, at "t.sha")
    contains(at "t:re", "t:relu", "t:reshape")
    assert.same({ "r:build", "r:builder" }, at "r:bu")
    assert.same({ ":hypergradient" }, { (at "p.hypers[1].leaf:sum" and at "p:hyperg")[1]:sub(2) })
    contains(at "p.hypers[1].", ".name", ".shape")
    assert.same({ ":build", ":builder" }, at 'hyla.load("quickstart"):bu')
    assert.same({}, at "p:lambda().")                  -- nothing is called
    assert.same({}, at "unknown.")
    contains(at "'x' ..some_t", "..some_table")
  end)

  it("offers recipes, data sets and names within texts", function()
    contains(at 'hyla.load "hyper_c', "hyper_cleaning")
    assert.same({ "quickstart" }, at "load('qui")
    contains(at 'hyla.data("dig', "digits")
    contains(at 'help "matm', "matmul")
    assert.same({}, at 'print "hyper_c')
    assert.same({}, at "print 'it\\'s load")
  end)

  it("offers the options of a recipe that are not given yet", function()
    assert.same({ "budget = " }, at 'hyla.load "hyper_cleaning":build{ bud')
    assert.same({ "examples = " }, at 'p = hyla.load("quickstart"):build { steps = 3, ex')
    assert.same({ "data = ", "examples = ", "hyper_steps = ", "seed = " }, at "r:build { steps = 3, ")
    assert.same({ "data = ", "examples = ", "hyper_steps = ", "seed = ", "steps = " }, at "r:build({")
    assert.same({ "profile = " }, at 'hyla.load "hyper_cleaning":build{ prof')
    contains(at 'hyla.load "hyper_cleaning":build{ profile = "qu', "quick")
    contains(at "r:build { steps = ma", "math")        -- a value, no option
    contains(at "r:build { steps = f { ma", "math")
  end)

  it("offers the hyperparameters of a problem that is set", function()
    assert.same({ "decay = ", "rate = " }, at "p:set { ")
    assert.same({ "rate = " }, at "p:set { decay = 0, r")
  end)

  it("goes by the lines before, too", function()
    assert.equal("more", session:feed "q = r:build {  -- a comment with \" in it")
    assert.same({ "steps = " }, at "  st")
    session:clear()
  end)

  it("survives what cannot be read", function()
    feed "bad = setmetatable({}, { __index = function() error 'no' end })"
    assert.same({}, at "bad.x.")
    assert.same({}, at "bad.")
    contains(at 'hyla.load "no_such_recipe":build{ ma', "math")
    assert.same({}, at "1.")
  end)
end)
