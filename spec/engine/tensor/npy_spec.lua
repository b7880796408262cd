local ffi = require "ffi"
local C = require "hyla.ffi".C
local tensor = require "hyla.tensor"
local support = dofile "spec/engine/support.lua"

-- A .npy file by hand.
local function npy(dictionary, data, version)
  local length = #dictionary
  local bytes = { length % 256, math.floor(length / 256) }
  if version and version > 1 then bytes[3], bytes[4] = 0, 0 end
  return "\147NUMPY" .. string.char(version or 1, 0) .. string.char(unpack(bytes)) .. dictionary .. data
end

local function dictionary(descr, shape, fortran)
  return ("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n"):format(descr, fortran and "True" or "False", shape)
end

local function raw(c_type, values)
  local array = ffi.new(c_type .. "[?]", #values, values)
  return ffi.string(array, ffi.sizeof(array))
end

describe(".npy", function()
  local folder, remove, path
  setup(function()
    folder, remove = support.folder()
    path = folder .. "/x.npy"
  end)
  teardown(function() remove() end)

  local function load(bytes)
    support.write(path, bytes)
    return tensor.load(path)
  end

  local function refusal(bytes)
    support.write(path, bytes)
    local out = ffi.new "hyla_tensor *[1]"
    local status = C.hyla_npy_load(path, out)
    assert.is_true(out[0] == nil)
    assert.equal(path, support.words():sub(1, #path))
    return status, support.words():sub(#path + 3)
  end

  it("loads every kind of element", function()
    local cases = {
      { "<f4", "float", { 1.5, -2, 1e-40 }, "float32" },
      { "<f8", "double", { 1.5, -2, 1e-310 }, "float64" },
      { "|i1", "int8_t", { -128, 0, 127 }, "int32" },
      { "<i2", "int16_t", { -32768, 0, 32767 }, "int32" },
      { "<i4", "int32_t", { -2147483648, 0, 2147483647 }, "int32" },
      { "<i8", "int64_t", { -2147483648, 0, 2147483647 }, "int32" },
      { "|u1", "uint8_t", { 0, 128, 255 }, "int32" },
      { "<u2", "uint16_t", { 0, 32768, 65535 }, "int32" },
      { "<u4", "uint32_t", { 0, 1, 2147483647 }, "int32" },
      { "<u8", "uint64_t", { 0, 1, 2147483647 }, "int32" },
      { "|b1", "uint8_t", { 0, 1, 1 }, "int32" },
    }
    for _, case in ipairs(cases) do
      local descr, c_type, values, dtype = unpack(case)
      local t = load(npy(dictionary(descr, "(3,)"), raw(c_type, values)))
      assert.equal(dtype, t.dtype)
      assert.same(tensor(values, dtype):totable(), t:totable(), descr)
    end
  end)

  it("loads half precision: zeros, subnormals, ordinary numbers, infinities, NaN", function()
    local halves = { 0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00, 0xc100, 0x7bff, 0x7c00, 0xfc00, 0x7e01 }
    local t = load(npy(dictionary("<f2", "(11,)"), raw("uint16_t", halves)))
    local values = t:totable()
    assert.same({ 0, 0, 2 ^ -24, -1023 * 2 ^ -24, 2 ^ -14, 1, -2.5, 65504, 1 / 0, -1 / 0 }, { unpack(values, 1, 10) })
    assert.equal(-1 / 0, 1 / values[2])
    assert.is_true(values[11] ~= values[11])
  end)

  it("loads all shapes, versions and both orders", function()
    assert.equal(7, load(npy(dictionary("<f4", "()"), raw("float", { 7 }))):item())
    assert.same({ 0, 3 }, load(npy(dictionary("<f4", "(0, 3)"), "")).shape)
    local six = raw("float", { 1, 2, 3, 4, 5, 6 })
    for version = 1, 3 do
      assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, load(npy(dictionary("<f4", "(2, 3)"), six, version)):totable())
    end
    local t = load(npy(dictionary("<f4", "(2, 3)", true), six))
    assert.same({ { 1, 3, 5 }, { 2, 4, 6 } }, t:totable())
    assert.equal(1, C.hyla_tensor_contiguous(t))
    assert.same({ { { 1, 5 }, { 3, 7 } }, { { 2, 6 }, { 4, 8 } } },
                load(npy(dictionary("|u1", "(2, 2, 2)", true), "\1\2\3\4\5\6\7\8")):totable())
  end)

  it("loads a header written otherwise", function()
    local text = [[{"shape":(2,),"fortran_order":False,  "descr":"<f4"}]] .. (" "):rep(9) .. "\n"
    assert.same({ 1, 2 }, load(npy(text, raw("float", { 1, 2 }))):totable())
  end)

  it("converts long files piece by piece", function()
    local values = {}
    for i = 1, 70000 do values[i] = i % 251 end
    assert.same(values, load(npy(dictionary("|u1", "(70000,)"), raw("uint8_t", values))):totable())
  end)

  it("gives back what it saved, for any view", function()
    for _, dtype in ipairs { "float32", "float64", "int32" } do
      local t = tensor.arange(24):to(dtype):reshape { 2, 3, 4 }
      for _, view in ipairs { t, t:transpose(), t:slice(2, 2, 3), t:reshape { 24 }, t:slice(1, 1, 0), t:rows(2, 2) } do
        view:save(path)
        local back = tensor.load(path)
        assert.equal(dtype, back.dtype)
        assert.same(view.shape, back.shape)
        assert.same(view:totable(), back:totable())
      end
    end
    tensor(3):save(path)
    assert.same({}, tensor.load(path).shape)
  end)

  it("saves a header of whole lines of 64 bytes that numpy reads", function()
    for rank, text in pairs { [0] = "()", "(1,)", "(1, 1)", [8] = "(1, 1, 1, 1, 1, 1, 1, 1)" } do
      local shape = {}
      for i = 1, rank do shape[i] = 1 end
      tensor.zeros(shape):save(path)
      local bytes = support.read(path)
      local length = bytes:byte(9) + 256 * bytes:byte(10)
      assert.equal("\147NUMPY\1\0", bytes:sub(1, 8))
      assert.equal(0, (10 + length) % 64)
      assert.equal(10 + length + 4, #bytes)
      local header = bytes:sub(11, 10 + length)
      assert.equal(dictionary("<f4", text):gsub("\n", ""), (header:gsub(" *\n$", "")))
      assert.equal("\n", header:sub(-1))
    end
  end)

  it("refuses files that are not what they promise, and says what came", function()
    local good = npy(dictionary("<f4", "(2,)"), raw("float", { 1, 2 }))
    local cases = {
      { "", "expected a .npy file, which starts with \"\\x93NUMPY\"; got an empty file" },
      { "PK\3\4 a zip archive", "expected a .npy file, which starts with \"\\x93NUMPY\"; got other bytes" },
      { good:sub(1, 9), "the .npy header is cut off" },
      { good:sub(1, 40), "truncated: expected 58 bytes of header, got 30" },
      { good:sub(1, -2), "truncated: expected 8 bytes of data after the header, got 7" },
      { good .. "x", "too long: expected 8 bytes of data after the header, got 9" },
      { "\147NUMPY\4\0" .. good:sub(9), "expected .npy version 1.0 to 3.0, got 4.0" },
      { npy(dictionary("<f4", "(2000000000, 2000000000, 2000000000)"), ""), "truncated: expected 3" },
      { npy(dictionary(">f4", "(2,)"), ""), "got '>f4'" },
      { npy(dictionary("|f4", "(2,)"), ""), "got '|f4'" },
      { npy(dictionary("<c8", "(2,)"), ""), "expected a little-endian data type f2, f4" },
      { npy(dictionary("<f4", "(3000000000,)"), ""), "expected dimensions below 2^31, got 3000000000" },
      { npy(dictionary("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), ""), "expected at most 8 dimensions, got more" },
      { npy(dictionary("<f4", "(2)"), ""), "expected ','" },
      { npy(dictionary("<f4", "(2, -1)"), ""), "expected a dimension at byte" },
      { npy(dictionary("<f4", "2"), ""), "expected a shape such as (100, 3)" },
      { npy("{'descr': '<f4', 'fortran_order': 0}", ""), "expected True or False at byte 34, got \"0}\"" },
      { npy("{'descr': '<f4', 'shape': ()}", ""), "'fortran_order' is missing" },
      { npy("{'descr': '<f4', 'descr': '<f4'}", ""), "'descr' stands twice" },
      { npy("{'descr': '<f4', 'colour': 1}", ""), "expected the keys descr, fortran_order and shape, got 'colour'" },
      { npy("{'descr': [('a', '<f4')]}", ""), "expected a data type such as '<f4'" },
      { npy("{'descr': '<f4'", ""), "expected ',' or '}', got its end" },
      { npy("{'descr' '<f4'}", ""), "expected ':'" },
      { npy("[]", ""), "expected '{' at byte 0, got \"[]\"" },
      { npy(dictionary("<f4", "()") .. "x", ""), "expected nothing after '}'" },
      { npy("{\0}", ""), "a zero byte" },
      { npy(dictionary("|b1", "(2,)"), "\1\2"), "element 1: expected a bool, 0 or 1, got 2" },
    }
    for _, case in ipairs(cases) do
      local status, words = refusal(case[1])
      assert.equal(C.HYLA_EFORMAT, status, words)
      assert.truthy(words:find(case[2], 1, true), words)
    end
  end)

  it("refuses integers that int32 cannot hold", function()
    for _, case in ipairs {
      { "<i8", "int64_t", 2 ^ 31 }, { "<i8", "int64_t", -2 ^ 31 - 1 },
      { "<u4", "uint32_t", 2 ^ 31 }, { "<u8", "uint64_t", 2 ^ 63 },
    } do
      local status, words = refusal(npy(dictionary(case[1], "(2,)"), raw(case[2], { 1, case[3] })))
      assert.equal(C.HYLA_EVALUE, status)
      assert.equal(("element 1 of '%s' data is outside the range of int32"):format(case[1]:sub(2)), words)
    end
  end)

  it("refuses what is not there and what is no file", function()
    local out = ffi.new "hyla_tensor *[1]"
    assert.equal(C.HYLA_EIO, C.hyla_npy_load(folder .. "/none", out))
    assert.equal(folder .. "/none: cannot be opened: No such file or directory", support.words())
    assert.equal(C.HYLA_EIO, C.hyla_npy_load(folder, out))
  end)

  it("survives a failure of any allocation", function()
    support.write(path, npy(dictionary("|u1", "(2, 2)", true), "\1\2\3\4"))
    local out = ffi.new "hyla_tensor *[1]"
    local n = support.fail_each_allocation(function()
      return C.hyla_npy_load(path, out), function() C.hyla_tensor_drop(out[0]) end
    end)
    assert.equal(9, n)   -- header, tensor (3), piece, view, tensor in order (3)
    local view = tensor.zeros({ 3, 4 }):t()
    assert.is_true(support.fail_each_allocation(function() return C.hyla_npy_save(view, path) end) >= 6)
  end)
end)
