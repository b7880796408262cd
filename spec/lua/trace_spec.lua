local hyla = require "hyla"
local trace = require "hyla.trace"
local mistake = dofile "spec/lua/mistake.lua"

local function weight(...) return hyla.weight("W", { ... }, hyla.zeros) end

describe("a traced expression", function()
  it("has shape, size, rank, width and a dtype without width", function()
    local e = weight(4, 3):exp()
    assert.same({ 4, 3 }, e.shape)
    assert.same({ 12, 2, 3, "float" }, { e.size, e.rank, e.width, e.dtype })
  end)

  it("prints shape, dtype, op and line", function()
    local e = weight(4, 3):exp(); local line = debug.getinfo(1, "l").currentline
    assert.are.equal(("float[4, 3] exp at %s:%d"):format(debug.getinfo(1, "S").source:sub(2), line), tostring(e))
    assert.truthy(tostring(weight(2)):find("float[2] weight 'W' at", 1, true))
  end)

  it("takes no new fields", function()
    local w = weight(2)
    assert.matches("cannot be changed", mistake(function() w.rate = 3 end))
  end)

  it("names the recipe's line in code that Hyla calls", function()
    local d = hyla.update { step = function(w) return w:matmul(w) end }
    local w = weight(2, 3)
    local ok, message = pcall(d.step, w)
    assert.is_false(ok)
    assert.matches("trace_spec.lua:%d+: matmul: expected %[..., n, k%] by %[..., k, m%], got float%[2, 3%]", message)
  end)

  it("broadcasts as numpy does", function()
    assert.same({ 4, 3 }, (weight(4, 3) + weight(3)).shape)
    assert.same({ 4, 3 }, (weight(4, 1) * weight(1, 3)).shape)
    assert.same({ 5, 4, 3 }, (weight(4, 3) - hyla.tensor.zeros { 5, 1, 1 }).shape)
    assert.same({ 2 }, (1 - weight(2)).shape)
    assert.same({}, (weight() / 2).shape)
  end)

  it("multiplies matrices, vectors and stacks as numpy does", function()
    assert.same({ 4, 5 }, weight(4, 3):matmul(weight(3, 5)).shape)
    assert.same({ 4 }, weight(4, 3):matmul(weight(3)).shape)
    assert.same({ 5 }, weight(3):matmul(weight(3, 5)).shape)
    assert.same({}, weight(3):matmul(weight(3)).shape)
    assert.same({ 7, 4, 5 }, weight(7, 4, 3):matmul(weight(3, 5)).shape)
    assert.same({ 6, 7, 4, 5 }, weight(7, 4, 3):matmul(weight(6, 1, 3, 5)).shape)
  end)

  it("counts axes from 1 or from the end", function()
    local w = weight(4, 3, 2)
    assert.same({ {}, { 3, 2 }, { 4, 3 }, { 3 }, { 4, 1, 2 } },
                { w:sum().shape, w:max(1).shape, w:mean(-1).shape, w:logsumexp({ 3, 1 }).shape,
                  w:min(2, { keep = true }).shape })
    assert.same({ 4, 2, 2 }, w:slice(2, 2).shape)
    assert.same({ 1, 3, 2 }, w:rows(-1).shape)
    assert.same({ 2, 3, 4 }, w:transpose().shape)
    assert.same({ 3, 4, 2 }, w:transpose({ 2, 1, 3 }).shape)
    assert.same({ 4, 6 }, w:reshape({ 4, -1 }).shape)
    assert.same({ 4, 6, 2 }, hyla.concat({ w, w, axis = 2 }).shape)
  end)

  it("gives the gradient the shape of the variable", function()
    local w = weight(4, 3)
    local loss = w:square():sum()
    assert.same({ 4, 3 }, hyla.gradient(loss, w).shape)
    assert.same({}, hyla.gradient(loss, { loss, w })[1].shape)
  end)
end)

describe("a mistake while tracing", function()
  local w, v = weight(4, 3), hyla.weight("v", { 5 }, hyla.ones)
  local labels = hyla.tensor({ 0, 1, 2, 0 }, "int32")
  local cases = {
    { function() local _ = w + v end, "add: expected shapes that broadcast to one, got float[4, 3] and float[5]" },
    { function() local _ = w:matmul(v) end,
      "matmul: expected [..., n, k] by [..., k, m], got float[4, 3] by float[5]" },
    { function() local _ = w < v end, "cannot be ordered while tracing; :lt()" },
    { function() local _ = w <= w end, "cannot be ordered while tracing" },
    { function() local _ = w < 1 end, "attempt to compare" },
    { function() local _ = w:sotfmax() end, "float[4, 3] has no method or field 'sotfmax'; did you mean 'softmax'" },
    { function() local _ = hyla.sofmax(w) end, "hyla has no op, option or function 'sofmax'; did you mean 'softmax'" },
    { function() local _ = w + "1" end, "add: expected an expression, a tensor or a number, got a string" },
    { function() local _ = w + labels:reshape { 4, 1 } end, "add: expected operands of one dtype" },
    { function() local _ = labels + 0.5 end, "expected a whole number beside int32 operands, got 0.5" },
    { function() local _ = w:sum(3) end, "sum: expected an axis of float[4, 3], got 3" },
    { function() local _ = w:sum { 1, -2 } end, "sum: axis -2 is named twice" },
    { function() local _ = w:sum(1, { kep = true }) end, "sum: unknown option 'kep'; did you mean 'keep'" },
    { function() local _ = w:reshape { 5, 3 } end, "reshape: expected as many elements" },
    { function() local _ = w:rows(3, 9) end, "slice: expected a part of axis 1 of float32[4, 3], got elements 3 to 9" },
    { function() local _ = v:t() end, "t: expected a matrix, got float[5]" },
    { function() local _ = w:transpose { 1, 1 } end, "transpose: expected each axis" },
    { function() local _ = w:cast("float64") end, "cast: expected \"float\" or \"int32\", got float64" },
    { function() local _ = w:one_hot(3) end, "one_hot: expected int32 indices" },
    { function() local _ = hyla.cross_entropy(w, w) end,
      "cross_entropy: expected logits [n, classes] and int32 labels" },
    { function() local _ = hyla.cross_entropy(w, labels:slice(1, 1, 3)) end, "take_along: expected an index" },
    { function() local _ = hyla.gradient(w, w) end,
      "gradient: expected an expression of one element, got float[4, 3]" },
    { function() local _ = hyla.gradient(labels, w) end, "gradient: expected a traced expression" },
    { function() local _ = hyla.gradient(w:sum(), 3) end, "gradient: expected a weight or another traced expression" },
  }
  for i, case in ipairs(cases) do
    it(("%d is told at its line: %s"):format(i, case[2]:sub(1, 40)), function()
      assert.truthy(mistake(case[1]):find(case[2], 1, true), mistake(case[1]))
    end)
  end
end)

describe("an operation on tensors", function()
  it("is done at once, as functions and as methods", function()
    local x = hyla.tensor { { 1, 2 }, { 3, 4 } }
    assert.same({ { 2, 3 }, { 4, 5 } }, (x + 1):totable())
    assert.same({ { 1, 4 }, { 9, 16 } }, (x ^ 2):totable())
    assert.same({ 3, 7 }, x:sum(2):totable())
    assert.are.equal(10, hyla.sum(x):item())
    assert.is_false(trace.is(x + 1))
  end)

  it("keeps float64, also beside float32", function()
    local x, y = hyla.tensor({ 1, 2 }, "float64"), hyla.tensor { 0.5, 0.25 }
    assert.are.equal("float64", (x / 3).dtype)
    assert.are.equal("float64", (x * y).dtype)
    assert.are.equal(1 / 3, (x / 3):get(1))
    assert.are.equal("float32", (y + 1).dtype)
  end)

  it("of numbers alone is a number, in double precision", function()
    assert.are.equal(math.sqrt(2), hyla.sqrt(2))
    assert.is_near(math.log(3), hyla.log(3), 1e-15)
  end)

  it("leaves its operands alone", function()
    local x = hyla.tensor { 1, -2 }
    local _ = x:relu() + x:abs()
    assert.same({ 1, -2 }, x:totable())
  end)
end)
