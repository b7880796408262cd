-- Downloads against a local server that truncates, lies and ignores ranges.
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "support.lua")
local crypto = require "hyla.lib.crypto"

local function sha256(text)
  local digest = crypto.sha256()
  digest:add(text, #text)
  return digest:hex()
end

-- 2,500 bytes: three connections of a server that hangs up after 1,000.
local body = ("0123456789"):rep(250)

describe("hyla data get", function()
  local folder, server, restore, command, said

  local function describe_set(mirrors, packed)
    local lines = {
      "name: tiny", "about: a test", "licence: MIT", "source: here", "format: idx", "image: [1, 1]", "classes: ['0']",
      "files:", "  - {name: blob, bytes: 2500, sha256: " .. sha256(body) .. ", shape: [2500]"
        .. (packed and ", packed: true" or "") .. "}", "mirrors:",
    }
    for _, habit in ipairs(mirrors) do lines[#lines + 1] = ("  - %s/%s"):format(server.address, habit) end
    support.write(folder .. "/sets/tiny.yaml", table.concat(lines, "\n") .. "\n")
  end

  local function get()
    said = {}
    local function note(text) said[#said + 1] = text end
    local code = command.run({ "get", "tiny" }, note, note)
    said = table.concat(said, "\n")
    return code
  end

  local function requests()
    local text = server.requests()
    os.remove(folder .. "/www/requests")
    return text
  end

  setup(function()
    folder = support.folder()
    support.write(folder .. "/www/blob", body)
    support.write(folder .. "/www/packed/blob", body)
    os.rename(support.gzip(folder .. "/www/packed/blob"), folder .. "/www/blob.gz")
    server = support.serve(folder .. "/www")
    restore = support.environment {
      HYLA_DATASETS = folder .. "/sets", HYLA_DATA = folder .. "/data", http_proxy = false, all_proxy = false,
    }
    command = require "hyla.data.command"
  end)
  teardown(function()
    restore()
    server.stop()
    support.remove(folder)
  end)
  before_each(function()
    support.remove(folder .. "/data")
    os.remove(folder .. "/www/requests")
  end)

  local blob = function(ending) return support.read(folder .. "/data/tiny/blob" .. (ending or "")) end

  it("fetches, checks and leaves no part behind; a second time there is nothing to do", function()
    describe_set { "good" }
    assert.equal(0, get())
    assert.equal(body, blob())
    assert.is_nil(blob ".part")
    assert.equal("good blob 0\n", requests())
    assert.equal(0, get())
    assert.equal("", requests())
  end)

  it("fetches packed files and checks what is in them", function()
    describe_set({ "good" }, true)
    assert.equal(0, get())
    assert.equal(support.read(folder .. "/www/blob.gz"), blob ".gz")
    assert.equal("good blob.gz 0\n", requests())
    assert.equal(0, command.run({ "check", "tiny" }, function() end))
  end)

  it("goes on where a connection broke", function()
    describe_set { "cut" }
    assert.equal(0, get())
    assert.equal(body, blob())
    assert.equal("cut blob 0\ncut blob 1000\ncut blob 2000\n", requests())
  end)

  it("goes on with what an earlier run left, and accepts a part that is whole", function()
    describe_set { "good" }
    support.write(folder .. "/data/tiny/blob.part", body:sub(1, 700))
    assert.equal(0, get())
    assert.equal(body, blob())
    assert.equal("good blob 700\n", requests())
    support.remove(folder .. "/data")
    support.write(folder .. "/data/tiny/blob.part", body)
    assert.equal(0, get())
    assert.equal(body, blob())
    assert.equal("good blob 2500\n", requests())
  end)

  it("starts anew when the part is of other contents", function()
    describe_set { "good" }
    support.write(folder .. "/data/tiny/blob.part", ("y"):rep(700))
    assert.equal(0, get())
    assert.equal(body, blob())
    assert.equal("good blob 700\ngood blob 0\n", requests())
  end)

  it("starts anew with a server that ignores ranges", function()
    describe_set { "ignorant" }
    support.write(folder .. "/data/tiny/blob.part", body:sub(1, 700))
    assert.equal(0, get())
    assert.equal(body, blob())
    assert.equal("ignorant blob 700\nignorant blob 0\n", requests())
  end)

  it("gives up a server that hangs up and ignores ranges", function()
    describe_set { "forgetful" }
    assert.equal(1, get())
    assert.matches("forgetful/blob: the connection broke 4 times", said, 1, true)
    assert.is_nil(blob())
  end)

  it("takes the next mirror after one that lies, one that is short and one that has nothing", function()
    describe_set { "liar", "short", "absent", "good" }
    assert.equal(0, get())
    assert.equal(body, blob())
    assert.equal("liar blob 0\nshort blob 0\nabsent blob 0\ngood blob 0\n", requests())
  end)

  it("says of each mirror what was wrong, and keeps nothing that is", function()
    describe_set { "liar", "short", "absent" }
    assert.equal(1, get())
    assert.matches("blob cannot be fetched", said, 1, true)
    assert.matches("/liar/blob: .*SHA%-256 of its contents is " .. sha256(("x"):rep(2500)) .. ", expected", said)
    assert.matches("/short/blob: .*expected 2500 bytes, got 1000", said)
    assert.matches("/absent/blob: .*404", said)
    assert.is_nil(blob())
    assert.is_nil(blob ".part")
  end)

  it("replaces a damaged file and keeps it aside", function()
    describe_set { "good" }
    support.write(folder .. "/data/tiny/blob", "damaged")
    assert.equal(1, command.run({ "check", "tiny" }, function() end, function() end))
    assert.equal(0, get())
    assert.equal(body, blob())
    assert.equal("damaged", blob ".damaged")
    assert.matches("expected 2500 bytes, got 7", said, 1, true)
  end)

  it("says when the disk is full, and asks no other mirror", function()
    describe_set { "good", "good" }
    support.write(folder .. "/data/tiny/other", "")
    os.execute(("ln -s /dev/full '%s/data/tiny/blob.part'"):format(folder))
    assert.equal(1, get())
    assert.matches("blob.part: No space left on device", said, 1, true)
    assert.equal("good blob 0\n", requests())
  end)

  it("says where it cannot write", function()
    describe_set { "good" }
    support.write(folder .. "/data", "a file, no folder")
    assert.equal(1, get())
    assert.matches(folder .. "/data: cannot make the folder: File exists", said, 1, true)
  end)
end)
