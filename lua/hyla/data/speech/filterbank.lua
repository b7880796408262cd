--- Samples to frames of log filterbank energies, as HTK and Kaldi compute them: every 10 ms a frame of 25 ms, whose
-- energy is taken; pre-emphasis, Hamming window, power spectrum; triangular filters, equally wide on the mel scale.
--
-- A frame's 41 values are the natural logarithms of 40 filters' energies, from the lowest, and of the frame's own
-- energy before pre-emphasis. Samples are in [-1, 1).
-- @module hyla.data.speech.filterbank
local ffi = require "ffi"
local kissfft = require "hyla.lib.kissfft"

local log, cos, pi, floor, max = math.log, math.cos, math.pi, math.floor, math.max

local filterbank = {}

--- Settings that everything computed here depends on, as text: part of a cache's key.
filterbank.settings = { window = 0.025, shift = 0.01, emphasis = 0.97, filters = 40, lowest = 64, floor = 2 ^ -23 }
local settings = filterbank.settings

--- Values of a frame.
filterbank.width = settings.filters + 1

local function mel(hertz) return 1127 * log(1 + hertz / 700) end

-- Triangles over the bins of the spectrum: the first bin of each filter with a weight, how many there are, the weights.
-- Centres are equally far apart on the mel scale from `lowest` to half the rate; a filter is 1 at its centre and falls
-- to 0 at the centres beside it, linearly in mel.
local function triangles(rate, size)
  local lo, hi = mel(settings.lowest), mel(rate / 2)
  local step, list = (hi - lo) / (settings.filters + 1), {}
  for filter = 1, settings.filters do
    local centre, first, weights = lo + filter * step, nil, {}
    for bin = 0, size / 2 do
      local weight = 1 - math.abs(mel(bin * rate / size) - centre) / step
      if weight > 0 then
        first = first or bin
        weights[#weights + 1] = weight
      end
    end
    if not first then
      return nil, ("filter %d of %d has no bin of the spectrum at %d samples a second"):format(filter, settings.filters,
        rate)
    end
    list[filter] = { first = first, count = #weights, weights = ffi.new("double[?]", #weights, weights) }
  end
  return list
end

--- A filterbank for a sample rate.
-- @tparam number rate samples a second
-- @treturn table length and shift (samples of a frame, and between two), frames(n): how many there are of n samples;
--   compute(samples, n, to): writes them to float[frames(n) * 41]; or nil and a message
function filterbank.new(rate)
  local length, shift = floor(settings.window * rate + .5), floor(settings.shift * rate + .5)
  local size = 2 ^ math.ceil(log(length) / log(2))
  local filters, problem = triangles(rate, size)
  if not filters then return nil, problem end
  local spectrum = kissfft.power_spectrum(size)
  local frame, power = ffi.new("float[?]", size), ffi.new("float[?]", size / 2 + 1)
  local window = ffi.new("double[?]", length)
  for i = 0, length - 1 do window[i] = 0.54 - 0.46 * cos(2 * pi * i / (length - 1)) end

  -- Writes one frame's values.
  local function one(samples, to)
    local energy, emphasis = 0, settings.emphasis
    for i = 0, length - 1 do
      energy = energy + samples[i] * samples[i]
      frame[i] = (samples[i] - emphasis * samples[max(i - 1, 0)]) * window[i]
    end
    for i = length, size - 1 do frame[i] = 0 end
    spectrum(frame, power)
    for k = 1, #filters do
      local filter, sum = filters[k], 0
      for j = 0, filter.count - 1 do sum = sum + filter.weights[j] * power[filter.first + j] end
      to[k - 1] = log(max(sum, settings.floor))
    end
    to[settings.filters] = log(max(energy, settings.floor))
  end

  local function frames(n) return n < length and 0 or 1 + floor((n - length) / shift) end
  local function compute(samples, n, to)
    for t = 0, frames(n) - 1 do one(samples + t * shift, to + t * filterbank.width) end
  end
  return { length = length, shift = shift, frames = frames, compute = compute }
end

--- Changes with time by regression over two frames to each side, as HTK's: d_t = sum_k k (x_{t+k} - x_{t-k}) / 10,
-- k = 1, 2; the first and last frame stand for those beyond them.
-- @tparam cdata x float array of frames
-- @tparam number n frames
-- @tparam number stride floats from a frame to the next, of x and of `to`
-- @tparam number width values of a frame
-- @tparam cdata to written: float array
function filterbank.differences(x, n, stride, width, to)
  local function row(t) return x + math.min(max(t, 0), n - 1) * stride end
  for t = 0, n - 1 do
    local before2, before1, after1, after2 = row(t - 2), row(t - 1), row(t + 1), row(t + 2)
    local out = to + t * stride
    for j = 0, width - 1 do out[j] = (after1[j] - before1[j] + 2 * (after2[j] - before2[j])) / 10 end
  end
end

--- Takes mean and deviation of every value out of frames, in place. A value that hardly changes keeps its deviation.
-- @tparam cdata x float array
-- @tparam {{number,number},...} spans first frame and number of frames of the pieces that are taken together
-- @tparam number width values of a frame
function filterbank.normalise(x, spans, width)
  local sum, square, n = ffi.new("double[?]", width), ffi.new("double[?]", width), 0
  for _, span in ipairs(spans) do
    n = n + span[2]
    for t = span[1], span[1] + span[2] - 1 do
      for j = 0, width - 1 do sum[j] = sum[j] + x[t * width + j] end
    end
  end
  for j = 0, width - 1 do sum[j] = sum[j] / n end
  for _, span in ipairs(spans) do
    for t = span[1], span[1] + span[2] - 1 do
      for j = 0, width - 1 do
        local d = x[t * width + j] - sum[j]
        square[j] = square[j] + d * d
      end
    end
  end
  for j = 0, width - 1 do
    local deviation = math.sqrt(square[j] / n)
    square[j] = deviation > 1e-3 and 1 / deviation or 1
  end
  for _, span in ipairs(spans) do
    for t = span[1], span[1] + span[2] - 1 do
      for j = 0, width - 1 do x[t * width + j] = (x[t * width + j] - sum[j]) * square[j] end
    end
  end
end

--- The settings as text.
-- @treturn string
function filterbank.key()
  return ("window %g shift %g emphasis %g filters %d lowest %g floor %g"):format(settings.window, settings.shift,
    settings.emphasis, settings.filters, settings.lowest, settings.floor)
end

return filterbank
