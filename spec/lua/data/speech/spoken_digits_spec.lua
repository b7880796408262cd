-- A small copy of the recordings: tones with silence around them, a few takes of each digit by two speakers.
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "../support.lua")
local sounds = dofile(here .. "sounds.lua")
local command = require "hyla.data.command"
local data = require "hyla.data"
local descriptor = require "hyla.data.descriptor"
local spoken_digits = require "hyla.data.speech.spoken_digits"

local RATE, N, SILENT = 8000, 3200, 800
local TAKES = { 0, 1, 5, 6, 10, 11, 12 }

describe("spoken digits", function()
  local folder, restore
  local path = function(digit, speaker, take)
    return ("%s/fsdd/recordings/%d_%s_%d.wav"):format(folder, digit, speaker, take)
  end

  local function record(digit, speaker, take)
    return sounds.write(path(digit, speaker, take), "wav", sounds.tone(N, 300 + 200 * digit, RATE, SILENT), N, RATE)
  end

  setup(function()
    folder = support.folder()
    restore = support.environment { HYLA_DATA = folder, XDG_DATA_HOME = folder, XDG_CACHE_HOME = folder .. "/cache" }
    for _, speaker in ipairs { "ann", "bob" } do
      for digit = 0, 9 do
        for _, take in ipairs(TAKES) do record(digit, speaker, take) end
      end
    end
  end)
  teardown(function()
    restore()
    support.remove(folder)
  end)

  local function source(options)
    options = options or {}
    local d = assert(descriptor.read "speech_digits")
    return assert(spoken_digits.source(d, { seed = options.seed or 1, states = 6, normalise = "speaker" }))
  end

  local function fails(words)
    support.remove(folder .. "/cache")               -- a file changed within a second at the same size is not noticed
    local ok, message = pcall(data, "speech_digits")
    assert.is_false(ok)
    assert.is_truthy(message:find(words, 1, true), message)
  end

  it("are joined to utterances of three to seven by one speaker, each recording once, no take in two parts", function()
    local count = { train = 0, valid = 0, test = 0 }
    for _, utterance in ipairs(source().utterances) do
      local _, n, segments = utterance.read()
      local digits = (#segments - 1) / 2
      assert.is_true(digits >= 3 and digits <= 7)
      count[utterance.part] = count[utterance.part] + digits
      local at = 0
      for i, s in ipairs(segments) do
        assert.equal(at, s.first)
        assert.equal(i % 2 == 1, s.phone == 10)
        local seconds = (s.stop - s.first) / RATE
        if i % 2 == 1 then assert.is_true(seconds > 0.049 and seconds <= 0.2) end
        at = s.stop
      end
      assert.equal(n, at)
    end
    assert.same({ train = 60, valid = 40, test = 40 }, count)
  end)

  it("lose the silence at their ends, keep their sound, and have noise between them", function()
    local utterance = source().utterances[1]
    local samples, _, segments = utterance.read()
    for _, s in ipairs(segments) do
      local sum = 0
      for i = s.first, s.stop - 1 do sum = sum + samples[i] ^ 2 end
      local level = math.sqrt(sum / (s.stop - s.first))
      if s.phone == 10 then
        assert.is_true(level > 0 and level < 1e-4)
      else
        assert.equal(N - 2 * SILENT, s.stop - s.first)
        assert.is_near(0.5 / math.sqrt(2), level, 0.01)
      end
    end
  end)

  it("are drawn by the seed alone", function()
    local function order(seed)
      local list = {}
      for _, utterance in ipairs(source { seed = seed }.utterances) do
        for _, s in ipairs(select(3, utterance.read())) do list[#list + 1] = s.phone .. ":" .. s.stop end
      end
      return table.concat(list, " ")
    end
    assert.equal(order(1), order(1))
    assert.not_equal(order(1), order(2))
  end)

  it("are frames of digits in six states each, and of silence", function()
    local set = data("speech_digits", { seed = 3 })
    assert.equal(61, set.classes)
    local seen = {}
    for _, state in ipairs(set.test.y:totable()) do seen[state] = (seen[state] or 0) + 1 end
    -- A digit of 0.2 s has 20 frames, so three or four a state; four recordings of each.
    for state = 0, 59 do
      assert.is_true(seen[state] >= 8 and seen[state] <= 18, ("state %d: %d"):format(state, seen[state]))
    end
    assert.is_true(seen[60] > 100)
  end)

  it("are normalised for each speaker, or for each utterance", function()
    for _, how in ipairs { "speaker", "utterance" } do
      local part = data("speech_digits", { normalise = how }).valid
      local sum, square = 0, 0
      for _, row in ipairs(part.frames:totable()) do sum, square = sum + row[41], square + row[41] ^ 2 end
      assert.is_near(0, sum / part.size, 1e-4)
      assert.is_near(1, square / part.size, 1e-3)
    end
  end)

  it("that are bad are refused, with their file", function()
    local bad = path(3, "bob", 11)
    local whole = support.read(bad)
    sounds.write(bad, "wav", sounds.tone(N, 300, 16000), N, 16000)
    fails(bad .. ": expected 8000 samples a second, got 16000")
    support.write(bad, "")
    fails(bad .. ": the file is empty")
    support.write(bad, whole:sub(1, 2000))
    fails(bad .. ": cut short")
    sounds.write(bad, "wav", sounds.tone(N, 300, RATE, N / 2), N, RATE)
    fails(bad .. ": nothing sounds in it")
    support.write(bad, whole)
    local stranger = sounds.write(folder .. "/fsdd/recordings/eleven.wav", "wav", sounds.tone(N, 300, RATE), N, RATE)
    fails(stranger .. ": expected a name like 7_speaker_12.wav")
    os.remove(stranger)
  end)

  it("are checked against a whole copy", function()
    local said = {}
    local function note(text) said[#said + 1] = text end
    assert.equal(1, command.run({ "check", "speech_digits" }, note, note))
    assert.same({
      "hyla data: ann: 430 of 500 recordings are missing, the first of them 0_ann_2.wav",
      "hyla data: bob: 430 of 500 recordings are missing, the first of them 0_bob_2.wav",
    }, said)
  end)

  it("of one speaker are enough, for takes are what divides them", function()
    os.execute(("rm '%s'/fsdd/recordings/*_bob_*"):format(folder))
    assert.is_true(data("speech_digits").test.size > 0)
    os.execute(("rm '%s'/fsdd/recordings/*_[01].wav"):format(folder))
    fails("no utterance is left for the part 'test': testing has takes 0 to 4 of each speaker")
  end)
end)
