-- Event files: what stands in them by a reader of its own, and by TensorBoard's where it is installed.
local ffi = require "ffi"
local json = require "hyla.report.json"
local made = dofile "spec/lua/report/made.lua"
local report_runs = require "hyla.report.runs"
local shell = dofile "spec/lua/shell.lua"
local tensorboard = require "hyla.report.tensorboard"

after_each(made.clean)

local function hex(text) return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local function write(path)
  local out = made.runs.new_folder()
  return out, tensorboard.write(assert(report_runs.read { path }), out)
end

-- The Python that has TensorBoard: HYLA_PYTHON, or python3.
local python = os.getenv "HYLA_PYTHON" or "python3"

describe("event files", function()
  it("frame records as TFRecord does", function()
    -- The CRC-32C of "123456789" is e3069283 (RFC 3720's polynomial); masked: rotated right by 15 bits, plus a282ead8.
    local crc = 0xe3069283
    local masked = (math.floor(crc / 2 ^ 15) + crc % 2 ^ 15 * 2 ^ 17 + 0xa282ead8) % 2 ^ 32
    local record = tensorboard.record "123456789"
    assert.equal(8 + 4 + 9 + 4, #record)
    assert.equal("0900000000000000", hex(record:sub(1, 8)))
    assert.equal(hex(ffi.string(ffi.new("uint32_t[1]", masked), 4)), hex(record:sub(-4)))
  end)

  it("are a file a stage, in the folder of the run", function()
    local path = made.whole(3)
    local out, paths = write(path)
    local name = path:match "[^/]+$"
    assert.same({ ("%s/%s/learn/events.out.tfevents.1795646310.hyla"):format(out, name),
      ("%s/%s/final/events.out.tfevents.1795646310.hyla"):format(out, name),
      ("%s/%s/events.out.tfevents.1795646310.hyla"):format(out, name) }, paths)
    local text = made.runs.read(paths[1])
    assert.equal(24, text:byte(1))                                     -- the first record is the version's
    assert.is_truthy(text:find("brain.Event:2", 1, true))
    local r = shell.run(("./hyla report %s --tensorboard %s"):format(path, out))
    assert.same({ 0, table.concat(paths, "\n") .. "\n" }, { r.code, r.out })
  end)

  it("are read by TensorBoard", function()
    if shell.run(python .. " -c 'import tensorboard'").code ~= 0 then
      return pending "TensorBoard is not installed (pip install tensorboard; HYLA_PYTHON names its Python)"
    end
    local path = made.whole(20)
    local out = write(path)
    local script = made.runs.new_folder()
    made.runs.write(script, [[
import json, sys, os
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = {}
for folder, _, files in os.walk(sys.argv[1]):
    if files:
        events = EventAccumulator(folder, size_guidance={"scalars": 0, "images": 0})
        events.Reload()
        tags = events.Tags()
        found[os.path.basename(folder)] = {
            "scalars": {tag: [[e.step, e.value, e.wall_time] for e in events.Scalars(tag)] for tag in tags["scalars"]},
            "images": {tag: [events.Images(tag)[0].width, events.Images(tag)[0].height] for tag in tags["images"]}}
print(json.dumps(found))
]])
    local r = shell.run(("%s %s %s"):format(python, script, out))
    os.remove(script)
    assert.equal(0, r.code, r.err)
    local found = assert(json.decode(r.out:match "[^\n]+\n?$"))
    local response = found.learn.scalars.response
    assert.equal(21, #response)
    for i = 0, 20 do
      local event = response[i + 1]
      assert.equal(i, event[1])
      assert.is_near(math.exp(-i / 20), event[2], 2 ^ -24)             -- float32 in [1/4, 1]
      assert.is_near(1795646310 + i / 10, event[3], 1e-5)              -- 2026-11-25T22:38:30Z and its seconds
    end
    assert.equal(0.75, found.final.scalars.test_accuracy[1][2])
    assert.same({ ["suspects/1"] = { 3, 4 }, ["suspects/2"] = { 3, 4 } }, found[path:match "[^/]+$"].images)
  end)
end)
