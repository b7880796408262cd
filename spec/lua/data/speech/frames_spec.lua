local ffi = require "ffi"
local hyla = require "hyla"
local embedding = require "hyla.data.speech.embedding"
local frames = require "hyla.data.speech.frames"

-- Two utterances of 4 and 9 frames of two values: frame t has t and -t.
local function part()
  local values = {}
  for t = 0, 12 do values[t + 1] = { t, -t } end
  return frames.new {
    name = "counted", frames = hyla.tensor(values), classes = 3, spans = { { 0, 4 }, { 4, 9 } },
    y = hyla.tensor({ 0, 1, 1, 2, 2, 2, 0, 0, 0, 1, 2, 0, 0 }, "int32"),
  }
end

-- What an expression without leaves is.
local function value(e)
  local w = hyla.weight("w", {}, hyla.zeros)
  local p = hyla.problem { inner = w ^ 2, train = hyla.gd { rate = 1, steps = 1 }, watch = { e = e:cast "float" } }
  p:start()
  return p:watch().e:totable()
end

describe("frames", function()
  it("are seen with five frames to each side, the utterance's edges standing for those beyond", function()
    local x = value(part():stretch(1, 13).x)
    local function context(t) -- the frames' numbers; the second value is the negative of the first
      local list = {}
      for k = 1, 11 do
        list[k] = x[t][2 * k - 1]
        assert.equal(-list[k], x[t][2 * k])
      end
      return list
    end
    assert.same({ 0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3 }, context(1))
    assert.same({ 0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3 }, context(4))
    assert.same({ 4, 4, 4, 4, 4, 4, 5, 6, 7, 8, 9 }, context(5))
    assert.same({ 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 12 }, context(10))
  end)

  it("come in batches, stretches and samples of rows that belong together", function()
    local set = part()
    local batch = set:batches { size = 4, seed = 1 }
    assert.same({ { 4, 22 }, { 4 }, { 4, 300 } }, { batch.x.shape, batch.y.shape, batch.target.shape })
    local all, three = set:stretch(1, 13), set:stretch(6, 3)
    assert.same({ 2, 0, 0 }, value(three.y))
    assert.same(value(all.x)[7], value(three.x)[2])
    assert.same(value(all.target)[8], value(three.target)[3])
    local sample = set:sample(5, 1)
    local index, x = value(sample.index), value(sample.x)
    for i = 1, 5 do assert.equal(index[i], x[i][11]) end
    assert.same({ 13 }, set:sample(100, 1).y.shape)
    assert.has_error(function() set:stretch(10, 5) end)
  end)

  it("are stored once: no tensor of a part has as many numbers as the contexts", function()
    local set = part()
    for _, name in ipairs { "frames", "y", "context", "neighbours" } do
      assert.is_true(set[name].size < set.size * set.width)
    end
  end)
end)

describe("the embedding of contexts", function()
  it("knows the three states before and after a frame's own, and the utterance's end", function()
    local state = ffi.new("int32_t[13]", { 0, 1, 1, 2, 2, 2, 0, 0, 0, 1, 2, 0, 0 })
    local to = ffi.new "int32_t[78]"
    embedding.neighbours(state, { { 0, 4 }, { 4, 9 } }, 3, to)
    local function row(t)
      local list = {}
      for k = 0, 5 do list[k + 1] = to[6 * t + k] end
      return list
    end
    assert.same({ 3, 3, 3, 1, 2, 3 }, row(0))
    assert.same({ 3, 3, 0, 2, 3, 3 }, row(2))
    assert.same({ 3, 3, 3, 0, 1, 2 }, row(5))
    assert.same({ 3, 2, 0, 2, 0, 3 }, row(9))
    assert.same({ 0, 1, 2, 3, 3, 3 }, row(12))
  end)

  it("has mean 0 and mean square 1 over the training frames", function()
    local set = part()
    local target, sum, square = value(set:stretch(1, 13).target), {}, 0
    for j = 1, 50 do sum[j] = 0 end
    for _, row in ipairs(target) do
      for j, v in ipairs(row) do
        sum[(j - 1) % 50 + 1] = sum[(j - 1) % 50 + 1] + v
        square = square + v * v / (13 * 300)
      end
    end
    for j = 1, 50 do assert.is_near(0, sum[j], 1e-4) end
    assert.is_near(1, square, 1e-5)
  end)

  it("puts states of one company near each other", function()
    -- 0 and 1 stand between 2 and 3, in either; 4 stands between 5 and 6.
    local list = {}
    for i = 1, 40 do
      for _, s in ipairs { 2, i % 2, 3, 5, 4, 6 } do list[#list + 1] = s end
    end
    local n = #list
    local state, neighbours = ffi.new("int32_t[?]", n, list), ffi.new("int32_t[?]", 6 * n)
    embedding.neighbours(state, { { 0, n } }, 7, neighbours)
    local v = embedding.vectors(state, { { 0, n } }, neighbours, n, 7):totable()
    local function distance(a, b)
      local sum = 0
      for j = 1, 50 do sum = sum + (v[a + 1][j] - v[b + 1][j]) ^ 2 end
      return math.sqrt(sum)
    end
    assert.is_true(distance(0, 1) < 0.5 * distance(0, 4))
    assert.is_true(distance(0, 1) < 0.5 * distance(1, 4))
  end)

  it("takes the vectors of training for the other parts", function()
    local train = part()
    local valid = frames.new { name = "other", frames = train.frames, y = train.y, classes = 3, spans = { { 0, 13 } },
      vectors = train.vectors }
    assert.is_true(valid.vectors == train.vectors)
  end)
end)
