local ffi = require "ffi"
local C = require "hyla.ffi".C
local tensor = require "hyla.tensor"
local support = dofile "spec/engine/support.lua"

local dtypes = { "float32", "float64", "int32" }

-- Layouts of a tensor [3, 4, 5]: row-major, permuted, cut out of a larger one, with steps.
local layouts = {
  function(dtype) return tensor.zeros({ 3, 4, 5 }, dtype) end,
  function(dtype) return tensor.zeros({ 5, 4, 3 }, dtype):transpose() end,
  function(dtype) return tensor.zeros({ 4, 3, 5 }, dtype):transpose { 2, 1, 3 } end,
  function(dtype) return tensor.zeros({ 5, 6, 7 }, dtype):slice(1, 2, 4):slice(2, 3, 6):slice(3, 2, 6) end,
  function(dtype) return tensor.zeros({ 3, 4, 5, 2 }, dtype):slice(4, 2, 2):reshape { 3, 4, 5 } end,
}

local function number(t)
  local value = 0
  for i = 1, 3 do
    for j = 1, 4 do
      for k = 1, 5 do
        value = value + 1
        t:set(value, i, j, k)
      end
    end
  end
  return t
end

describe("copy", function()
  it("goes between any layouts and dtypes", function()
    local expected = tensor.arange(60):reshape({ 3, 4, 5 }):totable()
    for _, from_dtype in ipairs(dtypes) do
      for _, to_dtype in ipairs(dtypes) do
        for _, from in ipairs(layouts) do
          for _, to in ipairs(layouts) do
            assert.same(expected, to(to_dtype):copy_from(number(from(from_dtype))):totable())
          end
        end
      end
    end
  end)

  it("repeats what was expanded, and knows scalars and nothing", function()
    assert.same({ { 1, 2 }, { 1, 2 } }, tensor({ 1, 2 }):expand({ 2, 2 }):clone():totable())
    assert.equal(7, tensor(7):clone():item())
    assert.same({ 0, 3 }, tensor.zeros({ 0, 3 }):clone("float64").shape)
  end)

  it("between views that overlap is as if through a third", function()
    local t = tensor.arange(6)
    t:rows(2, 6):copy_from(t:rows(1, 5))
    assert.same({ 1, 1, 2, 3, 4, 5 }, t:totable())
    local m = tensor { { 1, 2 }, { 3, 4 } }
    m:copy_from(m:t())
    assert.same({ { 1, 3 }, { 2, 4 } }, m:totable())
  end)

  it("to int32 cuts fractions off and refuses what does not fit, leaving its target alone", function()
    assert.same({ 1, -1, 2147483647, -2147483648 },
                tensor({ 1.9, -1.9, 2147483647.5, -2147483648.5 }, "float64"):to("int32"):totable())
    local target = tensor({ 5, 6 }, "int32")
    for _, wrong in ipairs { 2 ^ 31, -2 ^ 31 - 1, 0 / 0, 1 / 0, -1 / 0 } do
      local status = C.hyla_tensor_copy(target, tensor({ 1, wrong }, "float64"))
      assert.equal(C.HYLA_EVALUE, status)
      assert.equal("copy: element 1 of float64[2] is not in the range of int32", support.words())
      assert.same({ 5, 6 }, target:totable())
    end
  end)

  it("wants equal dimensions and a target with elements of its own", function()
    assert.equal(C.HYLA_ESHAPE, C.hyla_tensor_copy(tensor.zeros { 2, 3 }, tensor.zeros { 3, 2 }))
    assert.equal("copy: expected the dimensions of float32[2, 3], got float32[3, 2]", support.words())
    assert.equal(C.HYLA_EVALUE, C.hyla_tensor_copy(tensor.zeros({ 1 }):expand { 3 }, tensor.zeros { 3 }))
  end)

  it("survives a failure of any allocation", function()
    local m = tensor.zeros { 2, 2 }
    local view = m:t()
    assert.equal(3, support.fail_each_allocation(function() return C.hyla_tensor_copy(m, view) end))
  end)
end)

describe("the search for values that are not finite", function()
  local bad = { 0 / 0, 1 / 0, -1 / 0 }

  it("finds the first in row-major order, in any layout", function()
    local where = ffi.new "double[1]"
    for _, dtype in ipairs { "float32", "float64" } do
      for _, layout in ipairs(layouts) do
        local t = number(layout(dtype))
        assert.equal(1, C.hyla_tensor_finite(t, where))
        for _, x in ipairs(bad) do
          t:set(x, 3, 4, 5)
          t:set(x, 2, 3, 4)
          assert.equal(0, C.hyla_tensor_finite(t, where))
          assert.equal(33, where[0])
          assert.equal(0, C.hyla_tensor_finite(t, nil))
        end
      end
    end
  end)

  it("looks at the view alone", function()
    local t = tensor { 1, 0 / 0, 3 }
    assert.equal(1, C.hyla_tensor_finite(t:rows(3, 3), nil))
    assert.equal(0, C.hyla_tensor_finite(t:rows(2, 3), nil))
  end)

  it("passes integers and the largest numbers", function()
    assert.equal(1, C.hyla_tensor_finite(tensor({ 1, 2 }, "int32"), nil))
    assert.equal(1, C.hyla_tensor_finite(tensor({ 1.7976931348623157e308, -1.7976931348623157e308 }, "float64"), nil))
  end)
end)
