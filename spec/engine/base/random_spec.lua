local bit = require "bit"
local ffi = require "ffi"
local C = require "hyla.ffi".C
local tensor = require "hyla.tensor"
local support = dofile "spec/engine/support.lua"

-- Philox 4x32-10 once more, in another language: words of the counter and key in, words out.
local function philox(c, k)
  local function product(a, b)
    local p = ffi.cast("uint64_t", a) * ffi.cast("uint64_t", b)
    return tonumber(p / 2 ^ 32), tonumber(p % 2 ^ 32)
  end
  local function xor(a, b, d) return bit.bxor(a, b, d) % 2 ^ 32 end
  for _ = 1, 10 do
    local high0, low0 = product(0xD2511F53, c[1])
    local high1, low1 = product(0xCD9E8D57, c[3])
    c = { xor(high1, c[2], k[1]), low1, xor(high0, c[4], k[2]), low0 }
    k = { (k[1] + 0x9E3779B9) % 2 ^ 32, (k[2] + 0xBB67AE85) % 2 ^ 32 }
  end
  return c
end

-- What a float64 uniform number in [0, 1) makes of two words.
local function unit(high, low) return (high * 2 ^ 21 + math.floor(low / 2 ^ 11)) * 2 ^ -53 end

local function halves(x) return x % 2 ^ 32, math.floor(x / 2 ^ 32) end

describe("Philox", function()
  it("of this spec gives the published answers", function()
    local f = 0xffffffff
    assert.same({ 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 }, philox({ 0, 0, 0, 0 }, { 0, 0 }))
    assert.same({ 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd }, philox({ f, f, f, f }, { f, f }))
    assert.same({ 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 },
                philox({ 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 }))
  end)

  it("of the engine starts with the published words", function()
    local t = tensor.uniform({ 2 }, { seed = 0, dtype = "float64" })
    assert.equal(unit(0x6627e8d5, 0xe169c58d), t:get(1))
    assert.equal(unit(0xbc57ac4c, 0x9b00dbd8), t:get(2))
  end)

  it("takes all bits of seed, stream and position", function()
    for _, case in ipairs { { 1, 0 }, { 2 ^ 53 - 1, 2 ^ 53 - 2 }, { 2 ^ 40 + 3, 5 }, { 7, 2 ^ 32 } } do
      local seed, stream = case[1], case[2]
      local t = tensor.uniform({ 20001 }, { seed = seed, stream = stream, dtype = "float64" })
      for _, i in ipairs { 0, 1, 2, 8191, 8192, 20000 } do
        local s0, s1 = halves(stream)
        local words = philox({ math.floor(i / 2), 0, s0, s1 }, { halves(seed) })
        local at = i % 2 * 2
        assert.equal(unit(words[at + 1], words[at + 2]), t:get(i + 1))
      end
    end
  end)
end)

describe("random tensors", function()
  it("have the same bits on any number of threads, and in any shape", function()
    local threads = C.hyla_threads(0)
    local o = { seed = 3, stream = 4, dtype = "float64" }
    C.hyla_threads(1)
    local uniform, normal = tensor.uniform({ 50001 }, o), tensor.normal({ 50001 }, o)
    for _, n in ipairs { 2, 3, 8 } do
      C.hyla_threads(n)
      for _ = 1, 5 do
        assert.same(uniform:totable(), tensor.uniform({ 50001 }, o):totable())
      end
      assert.same(normal:totable(), tensor.normal({ 3, 16667 }, o):reshape({ 50001 }):totable())
    end
    C.hyla_threads(threads)
  end)

  it("are float64's numbers rounded in float32", function()
    local o32, o64 = { seed = 5 }, { seed = 5, dtype = "float64" }
    assert.same(tensor.normal({ 999 }, o64):to("float32"):totable(), tensor.normal({ 999 }, o32):totable())
    local u32, u64 = tensor.uniform({ 999 }, o32):totable(), tensor.uniform({ 999 }, o64):totable()
    for i = 1, 999 do assert.equal(math.floor(u64[i] * 2 ^ 24) * 2 ^ -24, u32[i]) end   -- cut: 1 is never reached
  end)

  it("fill views, and nothing beside them", function()
    local whole = tensor.zeros({ 6, 5 }, "float64")
    assert.equal(0, C.hyla_random_uniform(whole:slice(2, 2, 4), 9, 0, 1, 2))
    local expected = tensor.uniform({ 6, 3 }, { seed = 9, lo = 1, hi = 2, dtype = "float64" })
    assert.same(expected:totable(), whole:slice(2, 2, 4):totable())
    assert.same(tensor.zeros({ 6, 1 }):totable(), whole:slice(2, 5, 5):totable())
  end)

  it("stay within [lo, hi)", function()
    local next_float = 1 + 2 ^ -23
    for _, x in ipairs(tensor.uniform({ 1000 }, { seed = 1, lo = 1, hi = next_float }):totable()) do
      assert.equal(1, x)   -- the only float32 there; rounding alone would give the other half of the time
    end
    for _, x in ipairs(tensor.uniform({ 1000 }, { seed = 1, lo = -3, hi = -2 }):totable()) do
      assert.is_true(x >= -3 and x < -2)
    end
  end)

  it("have the moments they should", function()
    local n = 100000
    local sums = { 0, 0, 0, 0 }
    for _, x in ipairs(tensor.normal({ n }, { seed = 2, mean = 3, deviation = 2, dtype = "float64" }):totable()) do
      local z = (x - 3) / 2
      for k = 1, 4 do sums[k] = sums[k] + z ^ k / n end
    end
    -- Five standard errors: those of the moments 1..4 are 1, sqrt 2, sqrt 15 and sqrt 96 over sqrt n.
    for k, expected in ipairs { 0, 1, 0, 3 } do
      assert.is_near(expected, sums[k], 5 * math.sqrt(({ 1, 2, 15, 96 })[k] / n))
    end
  end)

  it("refuse seeds, bounds and dtypes that are not meant", function()
    local t = tensor.zeros { 3 }
    for _, seed in ipairs { -1, .5, 2 ^ 53, 0 / 0 } do
      assert.equal(C.HYLA_EVALUE, C.hyla_random_uniform(t, seed, 0, 0, 1))
      assert.truthy(support.words():find "seed that is a whole number", support.words())
      assert.equal(C.HYLA_EVALUE, C.hyla_random_normal(t, 0, seed, 0, 1))
    end
    for _, bounds in ipairs { { 1, 1 }, { 2, 1 }, { 0, 1 / 0 }, { 0 / 0, 1 }, { 1, 1 + 1e-12 }, { -1e308, 1e308 } } do
      local status = C.hyla_random_uniform(t, 0, 0, bounds[1], bounds[2])
      if bounds[2] == 1 + 1e-12 then assert.equal(0, status) else assert.equal(C.HYLA_EVALUE, status) end
    end
    assert.equal(C.HYLA_EVALUE, C.hyla_random_normal(t, 0, 0, 0, -1))
    assert.equal(C.HYLA_ETYPE, C.hyla_random_normal(tensor.zeros({ 3 }, "int32"), 0, 0, 0, 1))
  end)

  it("survive a failure of any allocation", function()
    local view = tensor.zeros({ 4, 4 }):slice(2, 1, 2)
    assert.equal(3, support.fail_each_allocation(function() return C.hyla_random_uniform(view, 1, 1, 0, 1) end))
  end)
end)

describe("permutations", function()
  it("hold every number once and depend on seed and stream", function()
    local first = tensor.permutation(1000, { seed = 1 }):totable()
    local seen = {}
    for _, i in ipairs(first) do seen[i] = true end
    for i = 0, 999 do assert.is_true(seen[i]) end
    assert.same(first, tensor.permutation(1000, { seed = 1 }):totable())
    assert.are_not.same(first, tensor.permutation(1000, { seed = 2 }):totable())
    assert.are_not.same(first, tensor.permutation(1000, { seed = 1, stream = 1 }):totable())
    assert.same({}, tensor.permutation(0, { seed = 1 }):totable())
    assert.same({ 0 }, tensor.permutation(1, { seed = 1 }):totable())
  end)

  it("are all as likely", function()
    local count, n = {}, 6000
    for seed = 1, n do
      local key = table.concat(tensor.permutation(3, { seed = seed }):totable())
      count[key] = (count[key] or 0) + 1
    end
    -- Chi squared with 5 degrees of freedom passes 25.7 once in 10^4.
    local chi2, kinds = 0, 0
    for _, c in pairs(count) do chi2, kinds = chi2 + (c - n / 6) ^ 2 / (n / 6), kinds + 1 end
    assert.equal(6, kinds)
    assert.is_true(chi2 < 25.7)
  end)

  it("send an element anywhere in a long list", function()
    local seen = {}
    for seed = 1, 200 do seen[math.floor(tensor.permutation(1000, { seed = seed }):get(1000) / 100)] = true end
    for tenth = 0, 9 do assert.is_true(seen[tenth]) end   -- one stays empty once in 10^8 choices of seeds
  end)

  it("want int32 of rank 1 with elements of its own", function()
    assert.equal(C.HYLA_ETYPE, C.hyla_random_permutation(tensor.zeros { 3 }, 1, 1))
    assert.equal(C.HYLA_ETYPE, C.hyla_random_permutation(tensor.zeros({ 3, 1 }, "int32"), 1, 1))
    assert.equal(C.HYLA_EVALUE, C.hyla_random_permutation(tensor.zeros({ 1 }, "int32"):expand { 3 }, 1, 1))
  end)
end)
