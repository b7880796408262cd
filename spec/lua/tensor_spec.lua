local C = require "hyla.ffi".C
local tensor = require "hyla.tensor"

local function refusal(f, ...)
  local ok, words = pcall(f, ...)
  assert.is_false(ok)
  return words
end

describe("tensors from Lua", function()
  it("come from numbers and nested tables", function()
    local t = tensor { { 1, 2.5 }, { 3, 4 }, { 5, 6 } }
    assert.same({ 3, 2 }, t.shape)
    assert.equal("float32", t.dtype)
    assert.equal(6, t.size)
    assert.equal(2, t.rank)
    assert.equal(2, t.width)
    assert.equal(3, #t)
    assert.same({ { 1, 2.5 }, { 3, 4 }, { 5, 6 } }, t:totable())
    assert.same({ {}, 1, 1, 7 }, { tensor(7).shape, tensor(7).size, tensor(7).width, tensor(7):item() })
    assert.equal(1, tensor({ 1, 2 }).width)
    assert.same({ 0 }, tensor({}).shape)
    assert.same({ 2, 0 }, tensor({ {}, {} }).shape)
    assert.same({ 0.1 }, tensor({ 0.1 }, "float64"):totable())
  end)

  it("say where a table is ragged or holds something else", function()
    for _, case in ipairs {
      { { { 1, 2 }, { 3 } }, "tensor: expected 2 elements in [2], as in the first list of its level, got 1" },
      { { { { 1 }, { 2 } }, { { 1 }, { 2, 3 } } }, "expected 1 elements in [2][2]" },
      { { { 1 }, 2 }, "expected 1 elements in [2], as in the first list of its level, got a number" },
      { { { 1, 2 }, { 3, "x" } }, "tensor: expected a number at [2][2], got a string" },
      { { 1, { 2 } }, "tensor: expected a number at [2], got a table" },
      { "x", "tensor: expected a number or nested lists of numbers, got a string" },
    } do
      assert.truthy(refusal(tensor, case[1]):find(case[2], 1, true), case[2])
    end
    assert.truthy(refusal(tensor, { 1, 1.5 }, "int32"):find("in the range of int32 at [2], got 1.5", 1, true))
    assert.truthy(refusal(tensor, { 1 }, "float16"):find("expected a dtype", 1, true))
  end)

  it("name the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local words = refusal(function() local t = tensor { { 1, 2 }, { 3 } } return t end)
    assert.truthy(words:find("tensor_spec.lua:" .. line .. ": ", 1, true), words)
  end)

  it("are held while their elements become a table", function()
    for _ = 1, 3 do
      local wrong = 0
      for _, row in ipairs(tensor.ones({ 20000, 20 }):totable()) do
        for _, x in ipairs(row) do wrong = wrong + (x == 1 and 0 or 1) end
      end
      assert.equal(0, wrong)
    end
  end)

  it("are made filled", function()
    assert.same({ { 0, 0 } }, tensor.zeros({ 1, 2 }):totable())
    assert.same({ 0, 0 }, tensor.zeros(2):totable())
    assert.same({ 1, 1 }, tensor.ones({ 2 }, "int32"):totable())
    assert.same({ 7, 7 }, tensor.full({ 2 }, 7):totable())
    assert.same({ 1, 2, 3 }, tensor.arange(3):totable())
    assert.same({ 5, 6, 7 }, tensor.arange(5, 7, "int32"):totable())
    assert.same({}, tensor.arange(0):totable())
    assert.truthy(refusal(tensor.zeros, { 2, -1 }):find("dimension 2 to be a whole number >= 0, got -1", 1, true))
    assert.truthy(refusal(tensor.zeros, { 1, 1, 1, 1, 1, 1, 1, 1, 1 }):find("at most 8 dimensions, got 9", 1, true))
    assert.truthy(refusal(tensor.full, { 2 }, 1.5, "int32"):find("whole number in the range of int32", 1, true))
  end)

  it("take random numbers from a seed alone", function()
    assert.same(tensor.normal({ 5 }, { seed = 1 }):totable(), tensor.normal({ 5 }, { seed = 1 }):totable())
    assert.truthy(refusal(tensor.normal, { 5 }):find("option 'seed' is missing", 1, true))
    assert.truthy(refusal(tensor.uniform, { 5 }, { seed = 1, low = 0 }):find("unknown option 'low'", 1, true))
    assert.equal("float64", tensor.uniform({ 5 }, { seed = 1, dtype = "float64" }).dtype)
  end)
end)

describe("elements", function()
  it("are read and written by indices from 1", function()
    local t = tensor.zeros { 2, 3 }
    t:set(5, 2, 3)
    assert.equal(5, t:get(2, 3))
    assert.same({ { 0, 0, 0 }, { 0, 0, 5 } }, t:totable())
    assert.truthy(refusal(t.get, t, 0, 1):find("get: expected index 1 from 1 to 2, got 0", 1, true))
    assert.truthy(refusal(t.get, t, 1, 4):find("get: expected index 2 from 1 to 3, got 4", 1, true))
    assert.truthy(refusal(t.get, t, 1):find("get: expected 2 indices, got 1", 1, true))
    assert.truthy(refusal(t.set, t, "x", 1, 1):find("set: expected a number, got a string", 1, true))
    assert.truthy(refusal(t.item, t):find("item: expected one element, got a tensor of 6", 1, true))
  end)

  it("are searched for what is not finite", function()
    assert.is_true(tensor({ 1, 2 }):is_finite())
    local finite, where = tensor({ { 1, 2 }, { 0 / 0, 4 } }):is_finite()
    assert.is_false(finite)
    assert.equal(3, where)
  end)

  it("go to another dtype, and stay where they are in the same", function()
    local t = tensor { 1, 2 }
    assert.equal("float64", t:to("float64").dtype)
    assert.equal(t, t:to "float32")
    assert.equal(t, t:to "float")
    assert.equal("float32", t:to("int32"):to("float").dtype)
    assert.are_not.equal(t, t:clone())
    assert.equal(t, t:contiguous())
    assert.truthy(refusal(t.to, t, "int64"):find("expected a dtype", 1, true))
  end)
end)

describe("views", function()
  local t = tensor.arange(12):reshape { 3, 4 }

  it("count axes and positions from 1, or from the end", function()
    assert.same({ { 2, 3 }, { 6, 7 }, { 10, 11 } }, t:slice(2, 2, 3):totable())
    assert.same({ { 4 }, { 8 }, { 12 } }, t:slice(-1, -1):totable())
    assert.same({ { 5, 6, 7, 8 } }, t:rows(2, 2):totable())
    assert.same(t:totable(), t:rows():totable())
    assert.same({ { 1, 4 }, { 5, 8 }, { 9, 12 } }, t:slice(2, 1, 4, 3):totable())
    assert.same({ { 1, 3 }, { 5, 7 }, { 9, 11 } }, t:slice(2, 1, 4, 2):totable())
    assert.same({ 0, 4 }, t:rows(1, 0).shape)
  end)

  it("refuse what is outside", function()
    for _, case in ipairs {
      { t.slice, { 3, 1, 1 }, "slice: expected an axis from 1 to 2, got 3" },
      { t.slice, { 0, 1, 1 }, "expected an axis" },
      { t.slice, { 1, 0, 1 }, "slice: expected a range within 1..3, got 0..1" },
      { t.slice, { 1, 1, 4 }, "expected a range within 1..3, got 1..4" },
      { t.slice, { 1, 3, 1 }, "expected a range within 1..3, got 3..1" },
      { t.slice, { 1, 1.5, 2 }, "slice: expected a whole number for start, got 1.5" },
      { t.slice, { 1, 1, 2, 0 }, "expected a whole number >= 1 for step, got 0" },
      { t.rows, { 4, 4 }, "rows: expected a range within 1..3, got 4..4" },
      { t.transpose, { { 1 } }, "transpose: expected 2 axes, got 1" },
      { t.transpose, { { 1, 1 } }, "transpose: expected each axis" },
      { t.reshape, { { 5, -1 } }, "reshape: float32[3, 4] has 12 elements and cannot become float32[5, 2]" },
    } do
      local f, arguments, words = unpack(case)
      assert.truthy(refusal(f, t, unpack(arguments)):find(words, 1, true), words)
    end
    assert.truthy(refusal(t.t, tensor(1)):find("t: expected a matrix", 1, true))
  end)

  it("reshape with what is left, transpose, expand", function()
    assert.same({ 2, 6 }, t:reshape({ 2, -1 }).shape)
    assert.same({ 4, 3 }, t:t().shape)
    assert.same({ 4, 3 }, t:transpose({ 2, 1 }).shape)
    assert.same({ 2, 3, 4 }, t:expand({ 2, 3, 4 }).shape)
  end)
end)

describe("a tensor's handle", function()
  it("is told from everything else", function()
    local engine_data = C.hyla_tensor_data(tensor { 1 })
    assert.is_true(tensor.is(tensor { 1 }))
    for _, x in pairs { 1, "x", {}, tensor, engine_data, print } do assert.is_false(tensor.is(x)) end
    assert.is_false(tensor.is(nil))
  end)

  it("equals itself alone", function()
    local t = tensor { 1, 2 }
    assert.is_true(t == t)
    assert.is_false(t == tensor { 1, 2 })
    assert.is_false(t == nil)
    assert.is_false(t == 1)
  end)

  it("has no order", function()
    local a, b = tensor { 1 }, tensor { 2 }
    for _, f in ipairs { function() return a < b end, function() return a <= b end, function() return a < 1 end,
                         function() return 1 >= b end } do
      assert.truthy(refusal(f):find("use :lt(), :le()", 1, true))
    end
  end)

  it("knows its fields and hints at near ones", function()
    local t = tensor { 1 }
    assert.truthy(refusal(function() return t.shap end):find("no field or method 'shap'; did you mean", 1, true))
    assert.truthy(refusal(function() t.shape = { 2 } end):find("'shape' cannot be set", 1, true))
    assert.truthy(refusal(function() return #tensor(1) end):find("rank 0 has no length", 1, true))
  end)

  it("gives its operators to the registered operations", function()
    local calls, names = {}, { "add", "sub", "mul", "div", "pow", "neg" }
    local before = {}
    for _, name in ipairs(names) do
      before[name] = rawget(tensor.methods, name)
      tensor.methods[name] = function(a, b)
        calls[#calls + 1] = { name, a, b }
        return name
      end
    end
    local t = tensor { 1 }
    local results = { t + 1, 1 + t, t - t, t * 2, t / 2, t ^ 2, -t }
    for _, name in ipairs(names) do tensor.methods[name] = before[name] end
    assert.same({ "add", "add", "sub", "mul", "div", "pow", "neg" }, results)
    assert.equal(1, calls[2][2])
    assert.equal(t, calls[2][3])
  end)

  it("frees its memory when Lua lets go", function()
    for _ = 1, 2 do collectgarbage() end
    local before = C.hyla_memory_current()
    do
      local t = tensor.zeros { 1000 }
      assert.is_true(C.hyla_memory_current() > before)
      t:rows(1, 10):reshape { 2, 5 }:t():clone()
    end
    for _ = 1, 2 do collectgarbage() end
    assert.equal(before, C.hyla_memory_current())
  end)

  it("is one type however often its module is loaded", function()
    package.loaded["hyla.tensor"], package.loaded["hyla.ffi"] = nil, nil
    assert.equal(tensor, require "hyla.tensor")
    assert.equal(C, require "hyla.ffi".C)
  end)
end)

describe("a printed tensor", function()
  it("has its type and aligned values", function()
    assert.equal("float32[] 3.5", tostring(tensor(3.5)))
    assert.equal("float32[0, 3] []", tostring(tensor.zeros { 0, 3 }))
    assert.equal("int32[3]\n[ 1, 20, -3]", tostring(tensor({ 1, 20, -3 }, "int32")))
    assert.equal("float64[2, 2]\n[[     1, 0.3333],\n [   nan,   -inf]]",
                 tostring(tensor({ { 1, 1 / 3 }, { 0 / 0, -1 / 0 } }, "float64")))
    assert.equal("float32[2, 1, 2]\n[[[1, 2]],\n\n [[3, 4]]]", tostring(tensor { { { 1, 2 } }, { { 3, 4 } } }))
  end)

  it("breaks long rows", function()
    local text = tostring(tensor.arange(40))
    for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 81, line) end
    assert.truthy(text:find("\n [", 1, true) == nil and text:find("\n 2%d, "))
  end)

  it("shows the ends beyond 1000 elements", function()
    assert.equal("float32[1001]\n[   1,    2,    3, ...,  999, 1000, 1001]", tostring(tensor.arange(1001)))
    assert.is_nil(tostring(tensor.arange(1000)):find("...", 1, true))
    local text = tostring(tensor.zeros { 100, 2, 100 })
    assert.truthy(text:find("[[[0, 0, 0, ..., 0, 0, 0],\n  [0, 0, 0, ..., 0, 0, 0]],\n\n", 1, true), text)
    assert.truthy(text:find(",\n\n ...,\n\n [[0", 1, true), text)
  end)
end)
