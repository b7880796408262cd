--- The secondary target of phone classification: a vector for the context of a frame, computed from the transcripts of
-- training utterances alone.
--
-- A transcript is its sequence of states. A frame's context are the three states before its own and the three after
-- it. Each state has a vector of 50 numbers that says in which company it is found: its positive pointwise mutual
-- information with the states at each of the six offsets (Church and Hanks 1990), projected at random, which keeps
-- inner products (Johnson and Lindenstrauss 1984). The context's vector has the six states' vectors side by side: 300
-- numbers. Over the training frames each has mean 0, and all together the mean square 1.
--
-- The end of an utterance counts as a state of its own, with the number `states`.
-- @module hyla.data.speech.embedding
local ffi = require "ffi"
local draws = require "hyla.data.speech.draws"
local engine = require "hyla.ffi"
local tensor = require "hyla.tensor"

local embedding = {}

local OFFSETS = { -3, -2, -1, 1, 2, 3 }
local EACH = 50                  -- numbers of a state's vector
local PROJECTION = { seed = 1, stream = 2 ^ 46 + 2 ^ 40 }

embedding.offsets = #OFFSETS
embedding.width = #OFFSETS * EACH

-- The runs of equal states of an utterance: a list of { state, first frame, frames }.
local function runs_of(state, first, n)
  local runs = {}
  for t = first, first + n - 1 do
    local last = runs[#runs]
    if last and last.state == state[t] then
      last.count = last.count + 1
    else
      runs[#runs + 1] = { state = state[t], first = t, count = 1 }
    end
  end
  return runs
end

--- The states around each frame.
-- @tparam cdata state int32_t array, a frame each
-- @tparam {{number,number},...} spans first frame and number of frames of each utterance
-- @tparam number states how many there are
-- @tparam cdata to int32_t[frames * 6], written
function embedding.neighbours(state, spans, states, to)
  for _, span in ipairs(spans) do
    local runs = runs_of(state, span[1], span[2])
    for i, run in ipairs(runs) do
      for k, offset in ipairs(OFFSETS) do
        local other = runs[i + offset]
        for t = run.first, run.first + run.count - 1 do to[t * #OFFSETS + k - 1] = other and other.state or states end
      end
    end
  end
end

-- How often each state has each other one at each offset: [state][offset, other], an utterance's ends included.
local function counts_of(state, spans, states)
  local width = #OFFSETS * (states + 1)
  local count = ffi.new("double[?]", (states + 1) * width)
  for _, span in ipairs(spans) do
    local runs = runs_of(state, span[1], span[2])
    local function at(i) return runs[i] and runs[i].state or states end
    for i = 0, #runs + 1 do
      for k, offset in ipairs(OFFSETS) do
        local cell = at(i) * width + (k - 1) * (states + 1) + at(i + offset)
        count[cell] = count[cell] + 1
      end
    end
  end
  return count, width
end

-- Counts to positive pointwise mutual information, in place: max(0, log p(s, o) / p(s) p(o)), for each offset.
local function to_information(count, states, width)
  for k = 0, #OFFSETS - 1 do
    local own, other, all = ffi.new("double[?]", states + 1), ffi.new("double[?]", states + 1), 0
    local function each(work)
      for s = 0, states do
        for o = 0, states do work(s, o, s * width + k * (states + 1) + o) end
      end
    end
    each(function(s, o, cell)
      own[s], other[o], all = own[s] + count[cell], other[o] + count[cell], all + count[cell]
    end)
    each(function(s, o, cell)
      if count[cell] > 0 then count[cell] = math.max(0, math.log(count[cell] * all / (own[s] * other[o]))) end
    end)
  end
end

-- Moves and scales the vectors of states so that contexts have mean 0, and numbers of mean square 1, over the frames.
local function standardise(vector, neighbours, frames, states)
  local often, total = ffi.new("double[?]", states + 1), frames * #OFFSETS
  for k = 0, total - 1 do often[neighbours[k]] = often[neighbours[k]] + 1 end
  local square = 0
  for j = 0, EACH - 1 do
    local mean = 0
    for s = 0, states do mean = mean + often[s] / total * vector[s * EACH + j] end
    for s = 0, states do
      vector[s * EACH + j] = vector[s * EACH + j] - mean
      square = square + often[s] / total * vector[s * EACH + j] ^ 2
    end
  end
  local scale = square > 0 and math.sqrt(EACH / square) or 0
  for k = 0, (states + 1) * EACH - 1 do vector[k] = vector[k] * scale end
end

--- The vectors of states.
-- @tparam cdata state int32_t array of the training frames
-- @tparam {{number,number},...} spans of the training utterances
-- @tparam cdata neighbours int32_t[frames * 6] of the training frames
-- @tparam number frames
-- @tparam number states how many there are
-- @treturn tensor float32 [states + 1, 50]; a state that training never has is a vector like any that is rare
function embedding.vectors(state, spans, neighbours, frames, states)
  local information, width = counts_of(state, spans, states)
  to_information(information, states, width)
  local by = draws.normal(width * EACH, PROJECTION.seed, PROJECTION.stream)
  local vector = ffi.new("double[?]", (states + 1) * EACH)
  for s = 0, states do
    for i = 0, width - 1 do
      local weight = information[s * width + i]
      if weight ~= 0 then
        for j = 0, EACH - 1 do vector[s * EACH + j] = vector[s * EACH + j] + weight * by[i * EACH + j] end
      end
    end
  end
  standardise(vector, neighbours, frames, states)
  local out = tensor.zeros({ states + 1, EACH }, "float32")
  local to = ffi.cast("float *", engine.C.hyla_tensor_data(out))
  for k = 0, out.size - 1 do to[k] = vector[k] end
  return out
end

return embedding
