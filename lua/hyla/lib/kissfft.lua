--- KISS FFT (BSD licence), float32: the power spectrum of real frames.
-- @module hyla.lib.kissfft
local ffi = require "ffi"

ffi.cdef [[
typedef struct { float r, i; } kiss_fft_cpx;
void *kiss_fftr_alloc(int size, int inverse, void *memory, size_t *bytes);
void kiss_fftr(void *plan, const float *from, kiss_fft_cpx *to);
void free(void *memory);
]]
local C = require "hyla.lib.load"("libkissfft-float.so.131", "libkissfft-float131")

--- A power spectrum of a fixed size.
-- @tparam number size samples of a frame, even
-- @treturn function (float[size] frame, float[size/2 + 1] power): writes the squared magnitudes of frequencies 0,
--   1/size, ..., 1/2 of the rate, without any factor
local function power_spectrum(size)
  local plan = C.kiss_fftr_alloc(size, 0, nil, nil)
  if plan == nil then error(("kissfft: no plan for %d samples"):format(size), 0) end
  plan = ffi.gc(plan, ffi.C.free)
  local bins = ffi.new("kiss_fft_cpx[?]", size / 2 + 1)
  return function(frame, power)
    C.kiss_fftr(plan, frame, bins)
    for k = 0, size / 2 do power[k] = bins[k].r * bins[k].r + bins[k].i * bins[k].i end
  end
end

return { power_spectrum = power_spectrum }
