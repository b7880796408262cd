--- The embedded data set: 28 x 28 grey pictures of handwritten-looking digits.
--
-- Picture i is a pure function of (seed, i): a way of writing its digit (hyla.data.glyphs) goes through a smooth random
-- displacement and a random affine map, and a pen of random width draws it. Pixels are whole 255ths, as in MNIST.
-- @module hyla.data.digits
local ffi = require "ffi"
local engine = require "hyla.ffi"
local glyphs = require "hyla.data.glyphs"
local raster = require "hyla.data.raster"
local interrupt = require "hyla.interrupt"
local tensor = require "hyla.tensor"

local exp, sin, cos, pi, floor, min, max = math.exp, math.sin, math.cos, math.pi, math.floor, math.min, math.max

local SIDE = 28
local BOX = 19                 -- pixels that the unit square of a glyph takes before scaling
local WAVES = 3                -- the displacement is a sum of so many plane waves
local POINTS = 64              -- room for the points of one stroke
-- Changes of the generator change this number, so that no cache of an older one is read.
local VERSION = 1

-- How much hands differ: standard deviations, of the unit named.
local SPREAD = {
  turn = .12,                  -- radians
  slant = .22,                 -- horizontal shift per height
  size = .10, width = .14,     -- logarithm of the scale of both axes, and of x against y
  shift = 1.05,                  -- pixels
  wave = .043,                 -- amplitude of each wave, of the unit square
  pen = .22,                   -- logarithm of the pen's radius
  press = .12,                 -- change of the radius from a stroke's start to its end, relative
}
local PEN = 1.15               -- the usual radius, pixels
local FADE = .25               -- ink loses up to this part of itself, pixel by pixel

-- Streams of the random numbers: three for each picture, far from those that other parts of Hyla use.
local STREAM = 2 ^ 44

-- Room for the numbers of one picture, filled anew for each. It is handed from function to function: what a closure
-- held could stay alive in compiled code.
local function numbers()
  return { uniform = tensor.zeros({ 16 }, "float64"), normal = tensor.zeros({ 24 }, "float64"),
           grain = tensor.zeros({ SIDE * SIDE }, "float64") }
end

local function elements(t) return ffi.cast("const double *", engine.C.hyla_tensor_data(t)) end

-- Draws the numbers of picture `index`; returns pointers to the uniform, the normal and those of the grain.
local function draw_numbers(room, seed, index)
  local C, check, stream = engine.C, engine.check, STREAM + 3 * index
  check(C.hyla_random_uniform(room.uniform, seed, stream, 0, 1))
  check(C.hyla_random_normal(room.normal, seed, stream + 1, 0, 1))
  check(C.hyla_random_uniform(room.grain, seed, stream + 2, 0, 1))
  return elements(room.uniform), elements(room.normal), elements(room.grain)
end

-- The map of one picture from the unit square to pixels: waves first, then the affine part.
local function hand(u, g)
  local turn, slant = SPREAD.turn * g[0], SPREAD.slant * g[1]
  local scale, aspect = BOX * exp(SPREAD.size * g[2]), exp(SPREAD.width * g[3])
  local shift_x, shift_y = SIDE / 2 + SPREAD.shift * g[4], SIDE / 2 + SPREAD.shift * g[5]
  local c, s = cos(turn), sin(turn)
  return function(x, y)
    x, y = x - .5, y - .5
    local wave_x, wave_y = 0, 0
    for k = 0, WAVES - 1 do
      local phase = 2 * pi * ((2 * u[2 + 3 * k] - 1) * x + (2 * u[3 + 3 * k] - 1) * y + u[4 + 3 * k])
      wave_x = wave_x + g[8 + 2 * k] * sin(phase)
      wave_y = wave_y + g[9 + 2 * k] * sin(phase + 1)
    end
    x, y = (x + SPREAD.wave * wave_x) * aspect, y + SPREAD.wave * wave_y
    x = x - slant * y
    return shift_x + scale * (c * x - s * y), shift_y + scale * (s * x + c * y)
  end
end

local function draw(way, place, pen, press, picture, points)
  ffi.fill(picture, SIDE * SIDE * 8)
  for _, stroke in ipairs(way) do
    local n = #stroke / 2
    for k = 0, n - 1 do points[2 * k], points[2 * k + 1] = place(stroke[2 * k + 1], stroke[2 * k + 2]) end
    raster.curve(picture, SIDE, points, n, pen * (1 - press), pen * (1 + press))
  end
end

--- Draws pictures 0 .. n-1 of a seed.
-- @tparam number n
-- @tparam number seed whole, 0 <= seed < 2^53
-- @tparam cdata out uint8_t[n * 784 + n], written: pixels in 255ths, one picture after another, then the digits
local function generate(n, seed, out)
  local area = SIDE * SIDE
  local picture, points = ffi.new("double[?]", area), ffi.new("double[?]", 2 * POINTS)
  local room = numbers()
  for i = 0, n - 1 do
    interrupt.look()
    local u, g, grain = draw_numbers(room, seed, i)
    local digit = floor(10 * u[0])
    local ways = glyphs[digit]
    local pen = min(2.2, max(.6, PEN * exp(SPREAD.pen * g[6])))
    draw(ways[1 + floor(#ways * u[1])], hand(u, g), pen, SPREAD.press * g[7], picture, points)
    out[n * area + i] = digit
    local pixels = out + i * area
    for k = 0, area - 1 do pixels[k] = 255 * picture[k] * (1 - FADE * grain[k]) + .5 end
  end
end

return { generate = generate, version = VERSION, side = SIDE }
