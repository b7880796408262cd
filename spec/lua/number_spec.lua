local ffi = require "ffi"
local number = require "hyla.number"

describe("a number as text", function()
  it("reads back as the same number, for float64 and float32", function()
    local values = { 0.1, 1 / 3, 2 / 3, 1e-5, 123456.789, 5e-324, 1.7976931348623157e308, 2 ^ 53 + 2, 0.1 + 0.2 }
    for i = 1, 200 do values[#values + 1] = math.sin(i) * 10 ^ (i % 40 - 20) end
    for _, x in ipairs(values) do
      for _, y in ipairs { x, -x } do
        assert.equal(y, tonumber(number.format(y)))
        local f = tonumber(ffi.new("float", y))
        assert.equal(f, tonumber(ffi.new("float", tonumber(number.format(f, "float32")))))
      end
    end
  end)

  it("takes all nine digits of a float32 that needs them", function()
    for i = 1, 9 do
      local x = 1000 + i * 2 ^ -14   -- neighbours are 6e-5 apart, eight digits 1e-4
      assert.equal(x, tonumber(ffi.new("float", tonumber(number.format(x, "float32")))))
    end
  end)

  it("is short where that is enough", function()
    assert.equal("0.1", number.format(0.1))
    assert.equal("0.30000000000000004", number.format(0.1 + 0.2))
    assert.equal("0.1", number.format(tonumber(ffi.new("float", 0.1)), "float32"))
    assert.equal("0.10000000149011612", number.format(tonumber(ffi.new("float", 0.1))))
    assert.equal("1e+300", number.format(1e300))
  end)

  it("writes whole numbers in full", function()
    assert.equal("0", number.format(0))
    assert.equal("-0", number.format(-0.0 * 1))
    assert.equal("1234567890", number.format(1234567890))
    assert.equal("16777217", number.format(16777217, "float32"))
    assert.equal("-999999999999999", number.format(-999999999999999))
    assert.equal("1e+15", number.format(1e15))
  end)

  it("has one spelling for what is no number, whatever its sign bit", function()
    for _, f in ipairs { number.format, number.short } do
      assert.equal("nan", f(0 / 0))
      assert.equal("nan", f(-(0 / 0)))
      assert.equal("inf", f(1 / 0))
      assert.equal("-inf", f(-1 / 0))
    end
  end)

  it("for people has the digits they asked for", function()
    assert.equal("3.142", number.short(math.pi))
    assert.equal("3.14159", number.short(math.pi, 6))
    assert.equal("1.235e+05", number.short(123456))
  end)

  it("fits columns of a table, whatever the size", function()
    for text, x in pairs { ["-0.8500"] = -0.85, ["12345.6000"] = 12345.6, ["1.235e+06"] = 1234567.8, ["0"] = -0.0,
      ["5.123e-05"] = 5.1234e-5, ["4000000000"] = 4e9, ["1e+22"] = 1e22, ["-inf"] = -math.huge } do
      assert.equal(text, number.cell(x))
    end
  end)

  it("writes sizes in powers of 1024", function()
    assert.equal("0 bytes", number.size(0))
    assert.equal("1023 bytes", number.size(1023))
    assert.equal("1 KiB", number.size(1024))
    assert.equal("61.04 MiB", number.size(64e6))
    assert.equal("4096 TiB", number.size(2 ^ 52))
  end)

  it("counts in thousands", function()
    assert.equal("1 step", number.count(1, "step"))
    assert.equal("0 steps", number.count(0, "step"))
    assert.equal("999 steps", number.count(999, "step"))
    assert.equal("1,000 steps", number.count(1000, "step"))
    assert.equal("12,345,678.5 steps", number.count(12345678.5, "step"))
  end)
end)
