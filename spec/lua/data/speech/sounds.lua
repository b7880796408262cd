-- What the specs of speech share: tones as samples, and files of them.
local ffi = require "ffi"
local sndfile = require "hyla.lib.sndfile"

local sounds = {}

-- n samples of a tone of amplitude 0.5, `silent` of them at both ends without it.
function sounds.tone(n, frequency, rate, silent)
  local samples = ffi.new("float[?]", n)
  for i = silent or 0, n - 1 - (silent or 0) do samples[i] = 0.5 * math.sin(2 * math.pi * frequency * i / rate) end
  return samples
end

function sounds.write(path, kind, samples, n, rate)
  os.execute(("mkdir -p '%s'"):format(path:match "^(.*)/"))
  assert(sndfile.write(path, kind, samples, n, rate))
  return path
end

return sounds
