--- The binary archives of CIFAR-10 and CIFAR-100: tar.gz files whose members are records, one an image of 3 x 32 x 32
-- bytes (all of red, then green, then blue, row by row) behind its labels: of CIFAR-10 one byte, the class; of
-- CIFAR-100 two, the superclass and the class.
-- @module hyla.data.cifar

local cifar = {}

--- Bytes of an image.
cifar.width = 3 * 32 * 32

--- What is where, by name: bytes of labels before an image, which of them is the class and which its group, from 0;
-- members of each part.
cifar.layouts = {
  cifar10 = {
    labels = 1, class = 0,
    parts = {
      train = { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin" },
      test = { "test_batch.bin" },
    },
  },
  cifar100 = { labels = 2, class = 1, group = 0, parts = { train = { "train.bin" }, test = { "test.bin" } } },
}

--- Reads the records of a part.
-- @tparam string path of the archive
-- @tparam table layout of cifar.layouts
-- @tparam string part "train" or "test"
-- @treturn {table,...} bytes, n (records) of each member, in order; a record has layout.labels + cifar.width bytes; or
--   nil and a message
function cifar.read(path, layout, part)
  local wanted, list, record = {}, {}, layout.labels + cifar.width
  for _, name in ipairs(layout.parts[part]) do wanted[name] = true end
  local archive = require "hyla.lib.archive"           -- loads a library: only where an archive is read
  local found, problem = archive.read(path, wanted)
  if not found then return nil, problem end
  for i, name in ipairs(layout.parts[part]) do
    local member = found[name]
    if not member then return nil, ("%s: there is no %s in it"):format(path, name) end
    if member.size == 0 or member.size % record ~= 0 then
      return nil, ("%s: %s: expected whole records of %d bytes, got %d bytes"):format(path, name, record, member.size)
    end
    list[i] = { bytes = member.bytes, n = member.size / record }
  end
  return list
end

return cifar
