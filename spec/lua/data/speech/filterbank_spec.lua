-- The audio front end beside kaldi-native-fbank and python_speech_features, whose values reference.py stored
-- beside this file; and its parts by hand.
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local ffi = require "ffi"
local filterbank = require "hyla.data.speech.filterbank"
local tensor = require "hyla.tensor"

local WIDTH = 123

local function elements(t) return ffi.cast("const float *", require("hyla.ffi").C.hyla_tensor_data(t)) end

-- The 123 values of every frame.
local function features(x, rate)
  local bank = filterbank.new(rate)
  local n, width = bank.frames(x.size), filterbank.width
  local narrow, wide = ffi.new("float[?]", n * width), ffi.new("float[?]", n * WIDTH)
  bank.compute(elements(x), x.size, narrow)
  for t = 0, n - 1 do ffi.copy(wide + t * WIDTH, narrow + t * width, width * 4) end
  filterbank.differences(wide, n, WIDTH, width, wide + width)
  filterbank.differences(wide + width, n, WIDTH, width, wide + 2 * width)
  return wide, n
end

describe("the filterbank", function()
  for _, rate in ipairs { 8000, 16000 } do
    it(("equals the reference at %d samples a second"):format(rate), function()
      local x = tensor.load(here .. "signal-" .. rate .. ".npy")
      local expected = tensor.load(here .. "features-" .. rate .. ".npy")
      local got, n = features(x, rate)
      assert.same({ n, WIDTH }, expected.shape)
      local farthest, wanted = 0, elements(expected)
      for k = 0, n * WIDTH - 1 do farthest = math.max(farthest, math.abs(got[k] - wanted[k])) end
      -- Both compute in float32: they are 2e-5 apart. A bound of the filters that is 1 Hz off is .3 away.
      assert.is_true(farthest < 1e-4, ("largest difference %g"):format(farthest))
    end)
  end

  it("has a frame for every whole window and no other", function()
    local bank = filterbank.new(8000)
    assert.same({ 200, 80 }, { bank.length, bank.shift })
    assert.same({ 0, 1, 1, 2 }, { bank.frames(199), bank.frames(200), bank.frames(279), bank.frames(280) })
  end)

  it("keeps to its floor where nothing sounds", function()
    local silence = ffi.new "float[200]"
    local to = ffi.new("float[?]", filterbank.width)
    filterbank.new(8000).compute(silence, 200, to)
    for j = 0, filterbank.width - 1 do assert.is_near(-23 * math.log(2), to[j], 1e-5) end
  end)

  it("refuses a rate whose spectrum is too coarse for its filters", function()
    local bank, message = filterbank.new(1000)
    assert.is_nil(bank)
    assert.matches("filter 1 of 40 has no bin", message)
  end)
end)

describe("normalisation", function()
  it("takes mean and deviation out of the pieces it is given together, and leaves the rest", function()
    local x = ffi.new("float[10]", { 1, 5, 2, 5, 100, 200, 3, 5, 6, 5 })
    filterbank.normalise(x, { { 0, 2 }, { 3, 2 } }, 2)
    local deviation = math.sqrt((4 + 1 + 0 + 9) / 4)
    for i, value in ipairs { 1, 2, 3, 6 } do
      local at = ({ 0, 2, 6, 8 })[i]
      assert.is_near((value - 3) / deviation, x[at], 1e-6)
      assert.equal(0, x[at + 1])
    end
    assert.same({ 100, 200 }, { x[4], x[5] })
  end)
end)
