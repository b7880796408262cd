local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "../support.lua")
local data = require "hyla.data"
local descriptor = require "hyla.data.descriptor"
local syllables = require "hyla.data.speech.syllables"

local function source(n, seed)
  return assert(syllables.source(assert(descriptor.read "syllables"), { n = n, seed = seed, normalise = "speaker" }))
end

describe("syllables", function()
  local folder, restore
  setup(function()
    folder = support.folder()
    restore = support.environment { XDG_CACHE_HOME = folder }
  end)
  teardown(function()
    restore()
    support.remove(folder)
  end)

  it("are a function of seed and number alone", function()
    local a, n = source(20, 1).utterances[7].read()
    local b, m = source(20, 1).utterances[7].read()
    local other = source(20, 2).utterances[7].read()
    assert.equal(n, m)
    local same, changed = true, false
    for i = 0, n - 1 do
      same = same and a[i] == b[i]
      changed = changed or i < 400 and a[i] ~= other[i]
    end
    assert.is_true(same and changed)
  end)

  it("are sound within bounds, loud in vowels and faint in silence", function()
    for _, utterance in ipairs(source(20, 1).utterances) do
      local samples, n, segments = utterance.read()
      local square, count = { vowel = 0, silence = 0 }, { vowel = 0, silence = 0 }
      assert.equal(n, segments[#segments].stop)
      for _, s in ipairs(segments) do
        local kind = s.phone < 5 and "vowel" or s.phone == 12 and "silence" or nil
        for i = s.first, s.stop - 1 do
          assert.is_true(math.abs(samples[i]) < 1)
          if kind then square[kind], count[kind] = square[kind] + samples[i] ^ 2, count[kind] + 1 end
        end
      end
      assert.is_true(square.vowel / count.vowel > 10 * square.silence / count.silence)
    end
  end)

  it("have speakers of their own in each part", function()
    local part_of = {}
    for _, utterance in ipairs(source(50, 1).utterances) do
      assert.is_true(part_of[utterance.speaker] == nil or part_of[utterance.speaker] == utterance.part)
      part_of[utterance.speaker] = utterance.part
    end
    assert.equal(18, #part_of + 1)                             -- 10, 4 and 4, from 0
  end)

  it("are a data set of three parts, with all states in each", function()
    local set = data("syllables", { n = 60, seed = 2 })
    assert.equal(37, set.classes)
    for _, part in ipairs { set.train, set.valid, set.test } do
      local seen = {}
      for _, state in ipairs(part.y:totable()) do seen[state] = true end
      for state = 0, 36 do assert.is_true(seen[state], part.name .. " lacks state " .. state) end
    end
  end)

  it("that are too few are refused", function()
    local ok, message = pcall(data, "syllables", { n = 1 })
    assert.is_false(ok)
    assert.matches("syllables_spec.lua:%d+: data: syllables: no utterance is left for the part 'valid'", message)
  end)
end)
