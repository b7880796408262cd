--- Event files for TensorBoard: TFRecord framing (length, data, masked CRC-32C of each) around Event protobufs of
-- scalars and images. A run becomes a folder, each of its stages a folder in it: what TensorBoard calls a run. A run's
-- images are in its folder itself.
-- @module hyla.report.tensorboard
local bit = require "bit"
local ffi = require "ffi"
local engine = require "hyla.ffi"
local folder = require "hyla.run.folder"
local pictures = require "hyla.report.page.pictures"

local tensorboard = {}

-- ---- CRC-32C (Castagnoli) ----

local crc_table = ffi.new "uint32_t[256]"
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = bit.bxor(bit.rshift(c, 1), bit.band(c, 1) == 1 and 0x82F63B78 or 0) end
  crc_table[i] = bit.tobit(c)
end

local function crc32c(text)
  local c = bit.bnot(0)
  for i = 1, #text do
    c = bit.bxor(bit.tobit(crc_table[bit.band(bit.bxor(c, text:byte(i)), 255)]), bit.rshift(c, 8))
  end
  return bit.bnot(c)
end

local function little_endian(n, bytes)
  local out = {}
  for i = 1, bytes do
    out[i] = string.char(n % 256)
    n = math.floor(n / 256)
  end
  return table.concat(out)
end

-- A CRC rotated by 15 bits and moved, since CRCs of what holds CRCs are poor.
local function masked(text)
  local crc = bit.ror(crc32c(text), 15)
  return little_endian((crc % 2 ^ 32 + 0xa282ead8) % 2 ^ 32, 4)
end

--- A record as TFRecord files have it.
-- @tparam string data
-- @treturn string
function tensorboard.record(data)
  local length = little_endian(#data, 8)
  return length .. masked(length) .. data .. masked(data)
end

-- ---- protobuf ----

local function varint(n)
  local out = {}
  repeat
    local low = n % 128
    n = math.floor(n / 128)
    out[#out + 1] = string.char(n > 0 and low + 128 or low)
  until n == 0
  return table.concat(out)
end

local VARINT, BITS_64, LENGTH, BITS_32 = 0, 1, 2, 5

local function key(field, wire) return varint(field * 8 + wire) end
local function whole(field, n) return key(field, VARINT) .. varint(n) end
local function bytes(field, text) return key(field, LENGTH) .. varint(#text) .. text end
local function double(field, x) return key(field, BITS_64) .. ffi.string(ffi.new("double[1]", x), 8) end
local function float(field, x) return key(field, BITS_32) .. ffi.string(ffi.new("float[1]", x), 4) end

-- Event { wall_time = 1, step = 2, file_version = 3, summary = 5 }; Summary { value = 1 }.
local function event(time, step, value)
  return double(1, time) .. whole(2, step) .. bytes(5, bytes(1, value))
end

-- Summary.Value { tag = 1, simple_value = 2, image = 4 }.
local function scalar(tag, x) return bytes(1, tag) .. float(2, x) end

-- Image { height = 1, width = 2, colorspace = 3 (1: grey), encoded_image_string = 4 }.
local function image(tag, png, width, height)
  return bytes(1, tag) .. bytes(4, whole(1, height) .. whole(2, width) .. whole(3, 1) .. bytes(4, png))
end

local function first_event(time) return double(1, time) .. bytes(3, "brain.Event:2") end

-- ---- runs ----

-- Seconds since 1970 of a time of status.json, "2026-11-25T22:39:00Z"; years begin in March here.
local function epoch(text)
  local y, m, d, hour, minute, second = (text or ""):match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)Z$"
  if not y then return 0 end
  y = m + 0 <= 2 and y - 1 or y + 0
  local days = 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400)
    + math.floor((153 * ((m + 9) % 12) + 2) / 5) + d - 1 - 719468
  return ((days * 24 + hour) * 60 + minute) * 60 + second
end

-- The events of a stage, by time.
local function stage_events(stage, began)
  local list = {}
  for _, name in ipairs(stage.names) do
    local one = stage.of[name]
    for i, value in ipairs(one.values) do
      local time = began + (one.seconds[i] or 0)
      list[#list + 1] = { time = time, order = #list, data = event(time, one.iterations[i], scalar(name, value)) }
    end
  end
  table.sort(list, function(a, b)
    if a.time ~= b.time then return a.time < b.time end
    return a.order < b.order
  end)
  return list
end

-- The images of a run, each picture's numbered.
local function image_events(run, began)
  local list = {}
  for _, about in ipairs(run.pictures) do
    local pngs, width, height = {}, nil, nil
    if about.kind == "images" then pngs, width, height = pictures.pngs(about) end
    for i, png in ipairs(pngs) do
      list[#list + 1] = { data = event(began, 0, image(("%s/%d"):format(about.name, i), png, width, height)) }
    end
  end
  return list
end

local function write(where, began, events)
  folder.make(where)
  local out = { tensorboard.record(first_event(began)) }
  for i, one in ipairs(events) do out[i + 1] = tensorboard.record(one.data) end
  local path, text = ("%s/events.out.tfevents.%010d.hyla"):format(where, began), table.concat(out)
  engine.check(engine.C.hyla_file_write(path, text, #text))
  return path
end

--- Writes the event files of runs.
-- @tparam {table,...} runs as hyla.report.runs gives them
-- @tparam string where a folder, made when missing: TensorBoard's --logdir
-- @treturn {string,...} paths of the files
function tensorboard.write(runs, where)
  local paths = {}
  for _, run in ipairs(runs) do
    local began, own = epoch(run.status.began), ("%s/%s"):format(where, run.name)
    for _, stage in ipairs(run.stages) do
      paths[#paths + 1] = write(("%s/%s"):format(own, folder.encoded(stage.stage)), began, stage_events(stage, began))
    end
    local images = image_events(run, began)
    if #images > 0 then paths[#paths + 1] = write(own, began, images) end
  end
  return paths
end

return tensorboard
