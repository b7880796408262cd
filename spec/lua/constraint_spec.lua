local tensor = require "hyla.tensor"
local constraint = require "hyla.constraint"

describe("a constraint", function()
  it("takes several at once", function()
    local all = constraint.box(0, 1):with(constraint.l1(2), constraint.l2(1))
    assert.equal("box(0, 1):with(l1(2)):with(l2(1))", tostring(all))
    assert.has_error(function() constraint.box(0, 1):with(constraint.l1(2), 3) end)
    assert.has_error(function() constraint.box(0, 1):with() end)
  end)

  it("prints as it was written", function()
    assert.are.equal("box(0, 0.999)", tostring(constraint.box(0, 0.999)))
    assert.are.equal("non_negative():with(sum(1000))", tostring(constraint.non_negative():with(constraint.sum(1000))))
    assert.are.equal("symmetric():with(zero_diagonal()):with(l1(2)):with(l2(1)):with(simplex(1))",
      tostring(constraint.symmetric():with(constraint.zero_diagonal()):with(constraint.l1(2)):with(constraint.l2(1))
        :with(constraint.simplex())))
  end)

  it("projects in place and returns the tensor", function()
    local x = tensor.from({ -1, 0.5, 2 }, "float64")
    local same = constraint.box(0, 1):project(x)
    assert.same({ 0, 0.5, 1 }, x:totable())
    assert.same({ 0, 0.5, 1 }, same:totable())
  end)

  it("is not changed by an intersection", function()
    local box = constraint.box(0, 1)
    local _ = box:with(constraint.sum(0.5))
    assert.same({ 1, 1 }, box:project(tensor.from({ 2, 2 }, "float64")):totable())
  end)

  it("is told from other values", function()
    assert.is_true(constraint.is(constraint.l1(1)))
    assert.is_false(constraint.is {})
    assert.is_false(constraint.is(nil))
  end)
end)

describe("a wrong constraint", function()
  -- The message of a call that must fail at the line of the function given.
  local function refusal(call)
    local done, message = pcall(call)
    assert.is_false(done)
    local file, line, words = message:match "^(.-):(%d+): (.*)$"
    assert.is_truthy(file and file:find("constraint_spec.lua", 1, true), message)
    assert.are.equal(debug.getinfo(call, "S").linedefined, tonumber(line))
    return words
  end
  local nan = 0 / 0

  it("is refused at the line that made it", function()
    local cases = {
      ["infeasible constraint: l1(-1): a norm is never negative"] = function() constraint.l1(-1) end,
      ["infeasible constraint: l2(-0.5): a norm is never negative"] = function() constraint.l2(-0.5) end,
      ["infeasible constraint: simplex(-2): a sum of x_i >= 0 is never negative"] =
        function() constraint.simplex(-2) end,
      ["infeasible constraint: box: expected numbers lo <= hi, got 1 and 0"] = function() constraint.box(1, 0) end,
      ["infeasible constraint: box: expected numbers lo <= hi, got 0 and nil"] = function() constraint.box(0) end,
      ["l1: expected a finite number, got nil"] = function() constraint.l1() end,
      ["l2: expected a finite number, got 1"] = function() constraint.l2 "1" end,
      ["sum: expected a finite number, got inf"] = function() constraint.sum(math.huge) end,
      ["sum: expected a finite number, got -inf"] = function() require("hyla").sum(-math.huge) end,
      ["infeasible constraint: box(0, 1) and box(2, 3) have no point in common"] =
        function() local _ = constraint.box(0, 1):with(constraint.box(2, 3)) end,
      ["with: expected a constraint such as hyla.l1(1), got 3"] = function() local _ = constraint.l1(1):with(3) end,
      ["project: expected a tensor, got 3"] = function() constraint.l1(1):project(3) end,
    }
    for words, call in pairs(cases) do assert.are.equal(words, refusal(call)) end
  end)

  it("is refused for NaN", function()
    for _, call in ipairs { function() constraint.box(nan, 1) end, function() constraint.box(0, nan) end,
      function() constraint.sum(nan) end, function() constraint.l1(nan) end, function() constraint.l2(nan) end,
      function() constraint.simplex(nan) end } do
      assert.is_truthy(refusal(call):find("nan", 1, true))
    end
  end)
end)
