-- A corpus of a few sentences in TIMIT's own layout: names of capitals, SPHERE files, phones with sample numbers.
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "../support.lua")
local sounds = dofile(here .. "sounds.lua")
local command = require "hyla.data.command"
local data = require "hyla.data"

local RATE, N = 16000, 4800
local PHONES = "0 1600 h#\n1600 3200 ae\n3200 4000 tcl\n4000 4800 h#\n"

describe("TIMIT", function()
  local folder, restore
  setup(function()
    folder = support.folder()
    restore = support.environment { HYLA_DATA = folder, XDG_DATA_HOME = folder, XDG_CACHE_HOME = folder .. "/cache" }
  end)
  teardown(function()
    restore()
    support.remove(folder)
  end)

  local root = function() return folder .. "/timit/TIMIT" end

  -- A sentence, tones of the frequency and of its double.
  local function sentence(speaker, name, frequency, phones)
    local path = root() .. "/" .. speaker .. "/" .. name
    sounds.write(path .. ".WAV", "nist", sounds.tone(N, frequency, RATE), N, RATE)
    support.write(path .. ".PHN", phones or PHONES)
    return path
  end

  before_each(function()
    support.remove(folder .. "/timit")
    sentence("TRAIN/DR1/FCJF0", "SX37", 300)
    sentence("TRAIN/DR1/FCJF0", "SI648", 500)
    sentence("TRAIN/DR1/FCJF0", "SA1", 700)
    sentence("TRAIN/DR2/MABW0", "SX44", 900)
    sentence("TEST/DR1/MDAB0", "SX49", 1100)               -- of the core test set
    sentence("TEST/DR1/FAKS0", "SI943", 1300)
  end)

  local function fails(words)
    local ok, message = pcall(data, "timit")
    assert.is_false(ok)
    assert.is_truthy(message:find(words, 1, true), message)
  end

  it("is read without SA sentences: training, core test set, the rest of the test speakers", function()
    local set = data "timit"
    assert.equal(183, set.classes)
    assert.same({ 3, 1, 1 }, { set.train.utterances, set.valid.utterances, set.test.utterances })
    local each = 1 + math.floor((N - 400) / 160)
    assert.same({ 3 * each, each, each, 1353 }, { set.train.size, set.valid.size, set.test.size, set.train.width })
  end)

  it("has three states for each phone, by where the middle of a frame is", function()
    local y, number = data("timit").valid.y:totable(), {}
    for i, phone in ipairs(data("timit").phones) do number[phone] = i - 1 end
    for t, state in ipairs(y) do
      local middle = (t - 1) * 160 + 200
      local phone, piece = "h#", math.floor(middle / 1600 * 3)
      if middle >= 1600 then phone, piece = "ae", math.floor((middle - 1600) / 1600 * 3) end
      if middle >= 3200 then phone, piece = "tcl", math.floor((middle - 3200) / 800 * 3) end
      if middle >= 4000 then phone, piece = "h#", math.floor((middle - 4000) / 800 * 3) end
      assert.equal(3 * number[phone] + piece, state)
    end
  end)

  it("is read with names of small letters, in a folder less", function()
    os.execute(("cd '%s/timit' && mv TIMIT/TRAIN train && mv TIMIT/TEST TEST && rmdir TIMIT"):format(folder))
    os.execute(("cd '%s/timit/train/DR1/FCJF0' && mv SX37.WAV sx37.wav && mv SX37.PHN sx37.phn"):format(folder))
    assert.equal(3, data("timit").train.utterances)
  end)

  it("refuses unknown phones, transcripts beyond the audio, and segments that overlap, with file and line", function()
    local path = sentence("TRAIN/DR2/MABW0", "SX45", 900, "0 1600 h#\n1600 3200 aeh\n")
    fails(path .. ".PHN:2: unknown phone 'aeh'")
    sentence("TRAIN/DR2/MABW0", "SX45", 900, "0 1600 h#\n1600 4801 ae\n")
    fails(path .. ".PHN:2: the segment ends at sample 4801, beyond the audio's end (" .. path
      .. ".WAV has 4800 samples)")
    sentence("TRAIN/DR2/MABW0", "SX45", 900, "0 1600 h#\n1500 4800 ae\n")
    fails(path .. ".PHN:2: expected segments one after another, got samples 1500 to 4800 after 1600")
    sentence("TRAIN/DR2/MABW0", "SX45", 900, "0 1600 h#\n1600 ae\n")
    fails(path .. ".PHN:2: expected two sample numbers and a phone, got '1600 ae'")
    sentence("TRAIN/DR2/MABW0", "SX45", 900, "")
    fails(path .. ".PHN: the transcript is empty")
    sentence("TRAIN/DR2/MABW0", "SX45", 900, "0 300 h#\n")
    fails(path .. ".WAV: expected 400 samples or more, a frame's, got 300")
  end)

  it("refuses audio of another rate, empty and cut short, and sentences without their phones", function()
    local path = sentence("TRAIN/DR2/MABW0", "SX45", 900)
    local whole = support.read(path .. ".WAV")
    sounds.write(path .. ".WAV", "nist", sounds.tone(N, 300, 8000), N, 8000)
    fails(path .. ".WAV: expected 16000 samples a second, got 8000")
    support.write(path .. ".WAV", whole:sub(1, 3000))
    fails(path .. ".WAV: cut short: expected 4800 samples, got 988")
    support.write(path .. ".WAV", "")
    fails(path .. ".WAV: the file is empty")
    os.remove(path .. ".PHN")
    fails(path .. " has no .PHN")
  end)

  it("of one speaker has nobody to validate and test on, and says so", function()
    os.execute(("rm -rf '%s/TEST' '%s/TRAIN/DR2'"):format(root(), root()))
    fails("timit: no utterance is left for the part 'valid': training has the speakers of TRAIN")
  end)

  it("is checked: what a whole copy has and this one lacks, by region and speaker", function()
    local said = {}
    local function note(text) said[#said + 1] = text end
    os.remove(root() .. "/TRAIN/DR1/FCJF0/SX37.PHN")
    assert.equal(1, command.run({ "check", "timit" }, note, note))
    local text = table.concat(said, "\n")
    for _, words in ipairs {
      "/TRAIN/DR1/FCJF0: expected 8 sentences besides SA1 and SA2, got 1; without their .WAV or .PHN: SX37",
      "/TRAIN/DR1: expected 38 speakers, got 1", "/TRAIN/DR8: expected 22 speakers, got 0",
      "/TEST/DR1: expected 11 speakers, got 2", "/TEST/DR7: expected 23 speakers, got 0",
    } do assert.is_truthy(text:find(words, 1, true), words .. " is not in " .. text) end
    assert.equal(1, command.run({ "get", "timit" }, note, note))
    assert.matches("cannot be fetched: bring a copy", said[#said])
    support.remove(folder .. "/timit")
    assert.equal(1, command.run({ "check", "timit" }, note, note))
    assert.matches("the folder of 'timit' is none of ", said[#said])
  end)

  it("is checked whole: 462 and 168 speakers with eight sentences each", function()
    support.remove(folder .. "/timit")
    local regions = { TRAIN = { 38, 76, 76, 68, 70, 35, 77, 22 }, TEST = { 11, 26, 26, 32, 28, 11, 23, 11 } }
    local one, script = folder .. "/one", {}             -- a speaker's folder, which stands for all of them
    for _, name in ipairs { "SX1", "SX2", "SX3", "SX4", "SX5", "SI6", "SI7", "SI8" } do
      support.write(("%s/%s.WAV"):format(one, name), "")
      support.write(("%s/%s.PHN"):format(one, name), "")
    end
    for half, counts in pairs(regions) do
      for region, count in ipairs(counts) do
        local at = ("%s/%s/DR%d"):format(root(), half, region)
        script[#script + 1] = ("mkdir -p %s; for i in $(seq %d); do ln -s %s %s/M$i; done"):format(at, count, one, at)
      end
    end
    os.execute(table.concat(script, "\n"))
    local said = {}
    local function note(text) said[#said + 1] = text end
    assert.equal(0, command.run({ "check", "timit" }, note, note))
    assert.same({ root() .. ": all is there" }, said)
  end)
end)
