-- Plans for people: the text says of every value where it comes from, and the graph for Graphviz is the same one.
local hyla = require "hyla"
local shell = dofile "spec/lua/shell.lua"

local X = hyla.tensor.normal({ 40, 6 }, { seed = 1 })

local function problem()
  local W, eta = hyla.weight("W", { 6, 3 }, hyla.ones), hyla.hyper("eta", { init = 0.1 })
  local J = hyla.cross_entropy(X:matmul(W), hyla.zeros({ 40 }, "int32")):mean()
  return hyla.problem { inner = J, outer = J, train = hyla.gd { rate = eta, steps = 3 } }
end

-- From text: which item each item reads ("12" or what leaves are called), and how many lines there are.
local function edges_of(text)
  local edges, items = {}, 0
  for line in text:gmatch "[^\n]+" do
    local id, rest = line:match "^  %%(%d+) +(=.*)$"
    if id then
      items = items + 1
      for from in (rest:match "<%- (.-)  " or ""):gmatch "%%(%d+)" do edges[from .. ">" .. id] = true end
    end
  end
  return edges, items
end

describe("a program as text", function()
  it("reads what a line before it made, an input by its name, or a constant", function()
    local text, made = tostring(problem().step_program), {}
    for line in text:gmatch "[^\n]+" do
      local id, reads = line:match "^  %%(%d+) +=.- <%- (.-)  "
      for from in (reads or ""):gmatch "%%(%d+)" do assert.is_true(made[from], line) end
      if id then made[id] = true end
    end
    assert.matches("<- constant float32%[40, 6%]", text)
    assert.matches("<- input W, %%%d+ ", text)
    assert.matches("input eta", text)
    assert.matches("in output 1", text)
  end)
end)

describe("two maps", function()
  local a, b, c = hyla.tensor.normal({ 40, 6 }, { seed = 2 }), hyla.tensor.normal({ 40, 6 }, { seed = 3 }),
    hyla.tensor.normal({ 40, 6 }, { seed = 4 })
  local function step(of)
    local W = hyla.weight("W", { 40, 6 }, hyla.ones)
    return tostring(hyla.problem { inner = W:sum(), train = hyla.update { steps = 2,
      accessories = { v = hyla.zeros_like }, step = function(w, s) return of(w, s.v) end } }.step_program)
  end
  it("are one where the second alone reads the first, whichever side it is on", function()
    assert.matches("= mul, add ", step(function(w, v) return w * a + v, { v = v * b } end), 1, true)
    assert.matches("= mul, sub from ", step(function(w, v) return c - w * a, { v = v * b } end), 1, true)
    local both = step(function(w, v) local t = w * a return t + v, { v = t - b } end)
    assert.is_nil(both:find("mul, ", 1, true))
  end)
end)

describe("what has the same bits in fewer operations", function()
  local function step(of)
    local W = hyla.weight("W", { 40, 6 }, hyla.ones)
    return tostring(hyla.problem { inner = W:sum(), train = hyla.update { steps = 2, step = of } }.step_program)
  end
  it("takes their place: twice a value, a number times one with its sign turned", function()
    assert.matches("= mul .- <%- input W, 2  ", step(function(w) return w + w end))
    assert.matches("= mul .- <%- input W, %-3  ", step(function(w) return -w * 3 end))
    assert.matches("= mul, mul .- <%- input W, 2, %-3  ", step(function(w) return 3 * -(w + w) end))
  end)
end)

describe("a program for Graphviz", function()
  it("has the edges of the text", function()
    local p = problem()
    for _, name in ipairs { "init_program", "step_program", "outer_program", "adjoint_program" } do
      local edges, items = edges_of(tostring(p[name]))
      local dot, drawn, n = p[name]:dot(), {}, 0
      for from, to in dot:gmatch "n(%d+) %-> n(%d+)" do drawn[from .. ">" .. to] = true end
      for id in dot:gmatch "\n  n(%d+) %[label=\"[^\"]*\"%];" do n = n + 1 drawn[id] = true end
      assert.equal(items, n, name)
      for edge in pairs(edges) do assert.is_true(drawn[edge], name .. ": " .. edge) end
    end
  end)

  it("is taken by dot, whatever the recipe's file is called", function()
    if shell.run("command -v dot").code ~= 0 then pending "dot (Debian package graphviz) is not installed" end
    local folder = shell.folder()
    local recipe = folder .. '/it"s a \\ recipe.lua'
    shell.write(recipe, [[local hyla = require "hyla"
      return hyla.recipe { about = "none", build = function()
        local w, c = hyla.weight("w", { 4 }, hyla.ones), hyla.hyper("c", { init = 0.5 })
        local J = (c * w:exp()):sum()
        local p = hyla.problem { inner = J, outer = J, train = hyla.adam { rate = 0.1, steps = 3 } }
        return p
      end }]])
    local p = hyla.load(recipe):build()
    p.step_program:dot(folder .. "/step.dot")
    p.adjoint_program:dot(folder .. "/adjoint.dot")
    for _, name in ipairs { "step", "adjoint" } do
      local r = shell.run(("dot -Tplain %s/%s.dot"):format(folder, name))
      assert.same({ 0, "" }, { r.code, r.err })
      assert.matches('it"s a ', r.out:gsub('\\"', '"'), 1, true)
      assert.matches("\nedge ", r.out)
    end
    shell.remove(folder)
  end)
end)
