-- CIFAR's binary archives: fetched from a local server and read, on small ones in the real layout.
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "support.lua")
local crypto = require "hyla.lib.crypto"

local function sha256(text)
  local digest = crypto.sha256()
  digest:add(text, #text)
  return digest:hex()
end

-- A record: its labels, then an image whose red bytes are `shade`, green shade + 1, blue shade + 2.
local function record(labels, shade)
  local planes = {}
  for k = 0, 2 do planes[k + 1] = string.char(shade + k):rep(1024) end
  return labels .. table.concat(planes)
end

describe("CIFAR's archives", function()
  local folder, server, restore, hyla_data, command, said

  -- Packs folder/NAME/* as www/ARCHIVE, and describes it.
  local function archive(format, name, members, classes)
    for member, text in pairs(members) do support.write(("%s/%s/%s"):format(folder, name, member), text) end
    local path = ("%s/www/%s.tar.gz"):format(folder, format)
    assert(os.execute(("mkdir -p '%s/www' && tar -C '%s' -czf '%s' %s"):format(folder, folder, path, name)) == 0)
    local text = support.read(path)
    support.write(folder .. "/sets/small.yaml", table.concat({
      "name: small", "about: a test", "licence: MIT", "source: here", "format: " .. format, "features: 3072",
      "classes: [" .. classes .. "]", "files:",
      ("  - {name: %s.tar.gz, bytes: %d, sha256: %s}"):format(format, #text, sha256(text)), "mirrors:",
      ("  - %s/good"):format(server.address),
    }, "\n") .. "\n")
  end

  local function run(...)
    local lines = {}
    local function note(text) lines[#lines + 1] = text end
    local code = command.run({ ... }, note, note)
    said = table.concat(lines, "\n")
    return code
  end

  local function refused(words, ...)
    local ok, message = pcall(hyla_data, ...)
    assert.is_false(ok)
    assert.matches(words, message, 1, true)
  end

  local function ten()
    local members = { ["batches.meta.txt"] = "airplane\n", ["test_batch.bin"] = record("\0", 200) }
    for k = 1, 5 do members[("data_batch_%d.bin"):format(k)] = record(string.char(k % 2), k) .. record("\2", 10 * k) end
    return members
  end

  setup(function()
    folder = support.folder()
    os.execute(("mkdir -p '%s/www'"):format(folder))
    server = support.serve(folder .. "/www")
    restore = support.environment {
      HYLA_DATASETS = folder .. "/sets", HYLA_DATA = folder .. "/data", XDG_DATA_HOME = folder .. "/user",
      http_proxy = false, all_proxy = false,
    }
    hyla_data, command = require "hyla.data", require "hyla.data.command"
  end)
  teardown(function()
    restore()
    server.stop()
    support.remove(folder)
  end)
  before_each(function() support.remove(folder .. "/data") end)

  it("of CIFAR-10 are fetched, checked as they are, and read batch by batch", function()
    archive("cifar10", "cifar-10-batches-bin", ten(), "a, b, c")
    refused("`hyla data get small` fetches it", "small")
    assert.equal(0, run("get", "small"))
    assert.equal(0, run("check", "small"))
    assert.matches("cifar10.tar.gz: right", said, 1, true)
    local set = hyla_data("small")
    assert.same({ 10, 3072, 3 }, { set.size, set.width, set.classes })
    assert.same({ 1, 2, 0, 2, 1, 2, 0, 2, 1, 2 }, set.y:totable())
    -- Record 3 is the first of the second batch, shade 2: red, then green, then blue.
    for column, shade in pairs { [1] = 2, [1024] = 2, [1025] = 3, [2048] = 3, [2049] = 4, [3072] = 4 } do
      assert.is_near(shade / 255, set.x:get(3, column), 1e-7)
    end
    local test = hyla_data("small", { part = "test" })
    assert.same({ 1, 0 }, { test.size, test.y:get(1) })
    assert.is_nil(test.groups)
    refused("the parts are: train, test", "small", { part = "valid" })
  end)

  it("of CIFAR-100 have the class second, and its group", function()
    local members = { ["train.bin"] = record("\5\0", 1) .. record("\7\1", 2) .. record("\5\2", 3) .. record("\5\0", 4),
      ["test.bin"] = record("\7\1", 9) }
    archive("cifar100", "cifar-100-binary", members, "a, b, c")
    assert.equal(0, run("get", "small"))
    local set = hyla_data("small")
    assert.same({ 0, 1, 2, 0 }, set.y:totable())
    assert.same({ 5, 7, 5 }, set.groups)
    assert.is_near(2 / 255, set.x:get(2, 1), 1e-7)
    assert.is_nil(hyla_data("small", { part = "test" }).groups)      -- it has one class alone
  end)

  it("that do not fit are refused", function()
    local members = ten()
    members["data_batch_4.bin"] = members["data_batch_4.bin"]:sub(1, -2)
    archive("cifar10", "cifar-10-batches-bin", members, "a, b, c")
    assert.equal(0, run("get", "small"))
    refused("data_batch_4.bin: expected whole records of 3073 bytes, got 6145 bytes", "small")

    support.remove(folder .. "/data")
    archive("cifar10", "cifar-10-batches-bin", ten(), "a, b")
    assert.equal(0, run("get", "small"))
    refused("cifar10.tar.gz, row 2: expected 0 to 1, got 2", "small")

    support.write(folder .. "/data/small/cifar10.tar.gz", "no archive")
    assert.equal(1, run("check", "small"))
    assert.matches("expected %d+ bytes, got 10", said)
    refused("cifar10.tar.gz: ", "small")

    support.remove(folder .. "/data")
    support.remove(folder .. "/cifar-10-batches-bin")
    archive("cifar10", "cifar-10-batches-bin", { ["data_batch_1.bin"] = record("\0", 1) }, "a, b")
    assert.equal(0, run("get", "small"))
    refused("there is no data_batch_2.bin in it", "small")
  end)

  it("of CIFAR-100 whose classes change their group are refused", function()
    local members = { ["train.bin"] = record("\5\0", 1) .. record("\6\0", 2), ["test.bin"] = record("\5\0", 1) }
    archive("cifar100", "cifar-100-binary", members, "a")
    assert.equal(0, run("get", "small"))
    refused("record 2: class 0 was of group 5 before, not 6", "small")
  end)
end)

describe("the descriptors of CIFAR", function()
  it("name every class once", function()
    local descriptor = require "hyla.data.descriptor"
    for name, classes in pairs { cifar10 = 10, cifar100 = 100, cifar10_features = 10 } do
      local d = assert(descriptor.read(name))
      local seen = {}
      for _, class in ipairs(d.classes) do
        assert.is_nil(seen[class])
        seen[class] = true
      end
      assert.equal(classes, #d.classes)
    end
  end)
end)
