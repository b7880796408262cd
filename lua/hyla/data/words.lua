--- The embedded data set of text-like features: two kinds of documents over a vocabulary whose words are as unequally
-- frequent as those of a language.
--
-- Document i is a pure function of (seed, i). Word j of the vocabulary has probability proportional to
-- (j + SHIFT)^-POWER (Zipf and Mandelbrot); some words, spread over the vocabulary, are SIGNAL times more frequent in
-- one kind of documents and as much rarer in the other. Each document also has one of TOPICS, which says nothing about
-- its kind: words of the topic are TOPICAL times more frequent in it. A length is drawn, then as many words. The value
-- of a word is (1 + log count) times its rarity log(1/p), and a document's values have norm 1, as tf-idf has it.
-- @module hyla.data.words
local ffi = require "ffi"
local engine = require "hyla.ffi"
local interrupt = require "hyla.interrupt"
local tensor = require "hyla.tensor"

local exp, floor, log, min, max, sqrt = math.exp, math.floor, math.log, math.min, math.max, math.sqrt

-- Changes of the generator change this number.
local VERSION = 1
local POWER, SHIFT = 1.05, 2.5
local SIGNAL, INFORMATIVE = 1.8, 8      -- every 8th word tells the kinds apart
local TOPICS, TOPICAL = 12, 4
local LENGTH, SPREAD, LONGEST = 50, .5, 400   -- median of words, deviation of its logarithm
local WRONG = .06                     -- of the labels

-- Streams of the random numbers: two for each document, far from those of other generators.
local STREAM = 2 ^ 46

-- What a word is, by its rank from 0: the kind it speaks for (0, 1 or nil), and its topic.
local function kind_of(j) return j % INFORMATIVE == 5 and floor(j / INFORMATIVE) % 2 or nil end
local function topic_of(j) return (j * 7 + floor(j / TOPICS)) % TOPICS end

-- Rarities, and for each kind and topic the cumulative weights of the words.
local function vocabulary(width)
  local plain, total, rarity, cumulative = {}, 0, ffi.new("double[?]", width), {}
  for j = 0, width - 1 do
    plain[j] = (j + SHIFT) ^ -POWER
    total = total + plain[j]
  end
  for j = 0, width - 1 do rarity[j] = log(total / plain[j]) end
  for kind = 0, 1 do
    for topic = 0, TOPICS - 1 do
      local list, sum = ffi.new("double[?]", width), 0
      for j = 0, width - 1 do
        local speaks = kind_of(j)
        local factor = speaks == nil and 1 or speaks == kind and SIGNAL or 1 / SIGNAL
        sum = sum + plain[j] * factor * (topic_of(j) == topic and TOPICAL or 1)
        list[j] = sum
      end
      cumulative[kind * TOPICS + topic] = list
    end
  end
  return rarity, cumulative
end

-- The first word whose cumulative weight passes `at`.
local function find(list, width, at)
  local lo, hi = 0, width - 1
  while lo < hi do
    local middle = floor((lo + hi) / 2)
    if list[middle] > at then hi = middle else lo = middle + 1 end
  end
  return lo
end

local function elements(t) return ffi.cast("const double *", engine.C.hyla_tensor_data(t)) end

-- Counts the words of one document; returns its kind.
local function count_words(cumulative, width, u, g, count)
  local kind, topic = floor(2 * u[0]), floor(TOPICS * u[1])
  local list = cumulative[kind * TOPICS + topic]
  ffi.fill(count, width * 4)
  for k = 1, max(1, min(LONGEST, floor(LENGTH * exp(SPREAD * g)))) do
    local j = find(list, width, u[2 + k] * list[width - 1])
    count[j] = count[j] + 1
  end
  return u[2] < WRONG and 1 - kind or kind
end

--- Draws documents 0 .. n-1 of a seed.
-- @tparam number n
-- @tparam number width words of the vocabulary
-- @tparam number seed whole, 0 <= seed < 2^53
-- @tparam cdata x float[n * width], written
-- @tparam cdata y int32_t[n], written: 0 or 1
local function generate(n, width, seed, x, y)
  local C, check = engine.C, engine.check
  local rarity, cumulative = vocabulary(width)
  local uniform, normal = tensor.zeros({ 3 + LONGEST }, "float64"), tensor.zeros({ 1 }, "float64")
  local count, value = ffi.new("int32_t[?]", width), ffi.new("double[?]", width)
  for i = 0, n - 1 do
    interrupt.look()
    check(C.hyla_random_uniform(uniform, seed, STREAM + 2 * i, 0, 1))
    check(C.hyla_random_normal(normal, seed, STREAM + 2 * i + 1, 0, 1))
    y[i] = count_words(cumulative, width, elements(uniform), elements(normal)[0], count)
    local square = 0
    for j = 0, width - 1 do
      value[j] = count[j] > 0 and (1 + log(count[j])) * rarity[j] or 0
      square = square + value[j] * value[j]
    end
    for j = 0, width - 1 do x[i * width + j] = value[j] / sqrt(square) end
  end
end

return { generate = generate, version = VERSION }
