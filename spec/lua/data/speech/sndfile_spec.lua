local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "../support.lua")
local sounds = dofile(here .. "sounds.lua")
local ffi = require "ffi"
local sndfile = require "hyla.lib.sndfile"

describe("audio files", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(function() support.remove(folder) end)

  local function written(name, kind)
    return sounds.write(folder .. "/" .. name, kind, sounds.tone(1000, 440, 8000), 1000, 8000)
  end

  -- The first bytes of a file as a file of its own.
  local function cut(path, bytes) return support.write(path .. ".cut", support.read(path):sub(1, bytes)) end

  local function refused(path, words, rate)
    local samples, message = sndfile.read(path, rate or 8000)
    assert.is_nil(samples)
    assert.equal(path .. ": " .. words, message)
  end

  for _, kind in ipairs { "wav", "nist" } do
    it("of kind " .. kind .. " come back to a step of 16 bits", function()
      local samples, n = sndfile.read(written("a." .. kind, kind), 8000)
      local wanted, farthest = sounds.tone(1000, 440, 8000), 0
      assert.equal(1000, n)
      for i = 0, n - 1 do farthest = math.max(farthest, math.abs(samples[i] - wanted[i])) end
      assert.is_true(farthest <= 2 ^ -15)
    end)
  end

  it("are of the rate that is expected, or refused", function()
    refused(written("b.wav", "wav"), "expected 16000 samples a second, got 8000", 16000)
  end)

  it("that are cut short are refused, in their samples and in their header", function()
    local wav, nist = written("c.wav", "wav"), written("c.nist", "nist")
    refused(cut(wav, 1000), "cut short: expected 2000 bytes of samples, got 956")
    refused(cut(wav, 44), "cut short: expected 2000 bytes of samples, got 0")
    assert.equal("NIST_1A", support.read(nist):sub(1, 7))
    refused(cut(nist, 1524), "cut short: expected 1000 samples, got 250")
    refused(cut(nist, 1024), "cut short: expected 1000 samples, got 0")
    assert.is_nil((sndfile.read(cut(wav, 30), 8000)))
    assert.is_nil((sndfile.read(cut(nist, 500), 8000)))
  end)

  it("that are empty, without samples, no audio or not there are refused", function()
    refused(support.write(folder .. "/empty.wav", ""), "the file is empty")
    refused(sounds.write(folder .. "/none.wav", "wav", ffi.new "float[1]", 0, 8000), "there is no sample in it")
    assert.is_nil((sndfile.read(support.write(folder .. "/text.wav", ("words "):rep(100)), 8000)))
    assert.is_nil((sndfile.read(folder .. "/absent.wav", 8000)))
  end)
end)
