local ffi = require "ffi"
local C = require "hyla.ffi".C
local tensor = require "hyla.tensor"
local support = dofile "spec/engine/support.lua"

local function shape(dtype, ...)
  local s = ffi.new "hyla_shape"
  s.dtype, s.rank = C[dtype], select("#", ...)
  for i = 1, s.rank do s.dim[i - 1] = select(i, ...) end
  return s
end

local function shares(a, b)
  a:set(1234, 1, 1)
  return b:reshape({ -1 }):get(1) == 1234
end

describe("a view", function()
  local t
  before_each(function() t = tensor.arange(24):reshape { 2, 3, 4 } end)

  it("of a slice shows its part and writes into the whole", function()
    local part = t:slice(3, 2, 3)
    assert.same({ { { 2, 3 }, { 6, 7 }, { 10, 11 } }, { { 14, 15 }, { 18, 19 }, { 22, 23 } } }, part:totable())
    assert.equal(0, C.hyla_tensor_contiguous(part))
    part:set(-1, 2, 3, 2)
    assert.equal(-1, t:get(2, 3, 3))
    assert.same({ 2, 0, 4 }, t:slice(2, 1, 0).shape)
    assert.same({ 21, 22, -1, 24 }, t:rows(2, 2):slice(2, 3, 3):reshape({ 4 }):totable())
  end)

  it("keeps its storage when the whole is dropped", function()
    local part = tensor.arange(1000):rows(500, 501)
    for _ = 1, 3 do collectgarbage() end
    assert.same({ 500, 501 }, part:totable())
  end)

  it("of a transpose permutes axes", function()
    local p = t:transpose { 3, 1, 2 }
    assert.same({ 4, 2, 3 }, p.shape)
    for i = 1, 2 do
      for j = 1, 3 do
        for k = 1, 4 do assert.equal(t:get(i, j, k), p:get(k, i, j)) end
      end
    end
    assert.equal(1, C.hyla_tensor_contiguous(tensor.zeros({ 1, 5 }):t()))   -- an axis of size 1 is never stepped along
  end)

  it("of an expansion repeats axes of size 1", function()
    local e = tensor { { 1 }, { 2 } }:expand { 2, 3 }
    assert.same({ { 1, 1, 1 }, { 2, 2, 2 } }, e:totable())
    assert.same({ { 1, 2 }, { 1, 2 } }, tensor({ 1, 2 }):expand({ 2, 2 }):totable())
  end)

  it("of a reshape shares memory where strides can say it, and is a copy where not", function()
    local whole = tensor.zeros { 4, 6 }
    assert.is_true(shares(whole, whole:reshape { 2, 2, 3, 2 }))
    local columns = tensor.zeros({ 4, 6 }):slice(2, 1, 3)
    assert.is_true(shares(columns, columns:reshape { 2, 2, 3 }))        -- splits rows, which are apart
    columns:set(0, 1, 1)
    local flat = columns:reshape { 12 }                                  -- joins rows with gaps between
    columns:set(1234, 1, 1)
    assert.equal(0, flat:get(1))
    assert.same({ 1, 13, 5, 17, 9, 21 }, t:slice(3, 1, 1):transpose({ 2, 1, 3 }):reshape({ 6 }):totable())
  end)

  it("of a reshape keeps row-major order whatever the layout", function()
    local dims = { { 24 }, { 24, 1 }, { 1, 2, 12 }, { 3, 8 }, { 2, 2, 2, 3 }, { 6, 1, 4 }, { 4, 3, 2 } }
    local repeated = tensor.arange(8):reshape({ 2, 1, 4 }):expand { 2, 3, 4 }
    for _, source in ipairs { t, t:transpose { 2, 1, 3 }, t:transpose(), repeated } do
      local expected = source:clone():reshape({ 24 }):totable()
      for _, to in ipairs(dims) do
        assert.same(expected, source:reshape(to):clone():reshape({ 24 }):totable())
      end
    end
  end)

  it("that cannot be is an error that says why", function()
    local out = ffi.new "hyla_tensor *[1]"
    local perm = ffi.new("int[3]", { 0, 0, 1 })
    local cases = {
      { "ESHAPE", C.hyla_tensor_slice(t, 3, 0, 1, out) },
      { "EVALUE", C.hyla_tensor_slice(t, 0, 1, 3, out) },
      { "EVALUE", C.hyla_tensor_slice(t, 0, 1, 0, out) },
      { "EVALUE", C.hyla_tensor_slice(t, 0, -1, 1, out) },
      { "ESHAPE", C.hyla_tensor_transpose(t, perm, out) },
      { "ESHAPE", C.hyla_tensor_expand(t, shape("HYLA_FLOAT32", 2, 3, 8), out) },
      { "ESHAPE", C.hyla_tensor_expand(t, shape("HYLA_FLOAT32", 3, 4), out) },
      { "ETYPE", C.hyla_tensor_expand(t, shape("HYLA_INT32", 2, 3, 4), out) },
      { "ESHAPE", C.hyla_tensor_reshape(t, shape("HYLA_FLOAT32", 5, 5), out) },
      { "ESHAPE", C.hyla_tensor_reshape(t, shape("HYLA_FLOAT32", -4, -6), out) },
      { "ETYPE", C.hyla_tensor_reshape(t, shape("HYLA_FLOAT64", 24), out) },
    }
    for i, case in ipairs(cases) do assert.equal(C["HYLA_" .. case[1]], case[2], "case " .. i) end
    assert.is_true(out[0] == nil)
    C.hyla_tensor_reshape(t, shape("HYLA_FLOAT32", 5, 5), out)
    assert.equal("reshape: float32[2, 3, 4] has 24 elements and cannot become float32[5, 5]", support.words())
  end)

  it("survives a failure of any allocation", function()
    local out = ffi.new "hyla_tensor *[1]"
    local gaps, flat = t:slice(3, 1, 2), shape("HYLA_FLOAT32", 12)
    local n = support.fail_each_allocation(function()
      return C.hyla_tensor_reshape(gaps, flat, out), function() C.hyla_tensor_drop(out[0]) end
    end)
    assert.equal(4, n)   -- the copy's storage, elements and handle, and the view's handle
  end)
end)

describe("a tensor", function()
  it("has a dtype, a rank and dimensions that exist", function()
    local out = ffi.new "hyla_tensor *[1]"
    local wrong = shape("HYLA_FLOAT32", 2)
    wrong.dtype = 3
    assert.equal(C.HYLA_ETYPE, C.hyla_tensor_new(wrong, out))
    wrong.dtype, wrong.rank = 0, 9
    assert.equal(C.HYLA_ESHAPE, C.hyla_tensor_new(wrong, out))
    assert.equal(C.HYLA_ESHAPE, C.hyla_tensor_new(shape("HYLA_FLOAT32", 2, -1), out))
    assert.equal(C.HYLA_ENOMEM, C.hyla_tensor_new(shape("HYLA_FLOAT32", 2 ^ 30, 2 ^ 30, 2 ^ 30), out))
    assert.equal(C.HYLA_ENOMEM, C.hyla_tensor_new(shape("HYLA_FLOAT32", 2 ^ 30, 2 ^ 30, 2 ^ 30, 0), out))
  end)

  it("lives as long as somebody holds it", function()
    for _ = 1, 2 do collectgarbage() end
    local before = C.hyla_memory_current()
    local out = ffi.new "hyla_tensor *[1]"
    C.hyla_tensor_new(shape("HYLA_FLOAT32", 100), out)
    assert.equal(out[0], C.hyla_tensor_keep(out[0]))
    C.hyla_tensor_drop(out[0])
    assert.is_true(C.hyla_memory_current() > before)
    C.hyla_tensor_drop(out[0])
    assert.equal(before, C.hyla_memory_current())
    C.hyla_tensor_drop(nil)
  end)

  it("tells its strides", function()
    local t = tensor.zeros({ 2, 3, 4 }):transpose { 3, 1, 2 }
    assert.same({ 1, 12, 4 }, { C.hyla_tensor_stride(t, 0), C.hyla_tensor_stride(t, 1), C.hyla_tensor_stride(t, 2) })
    assert.equal(C.HYLA_ESHAPE, C.hyla_tensor_stride(t, 3))
  end)
end)
