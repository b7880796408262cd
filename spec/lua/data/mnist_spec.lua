-- Data sets from files: descriptors, IDX, and the commands that look at them. All on a tiny set in MNIST's format.
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "support.lua")
local crypto = require "hyla.lib.crypto"

local function sha256(text)
  local digest = crypto.sha256()
  digest:add(text, #text)
  return digest:hex()
end

local images = support.idx({ 3, 2, 2 }, string.char(0, 51, 102, 255, 1, 2, 3, 4, 5, 6, 7, 8))
local labels = support.idx({ 3 }, string.char(1, 0, 1))

local yaml_text = ([[
name: tiny
about: two by two
licence: MIT
source: here
format: idx
image: [2, 2]
classes: [dark, light]
parts:
  - {name: train, x: images, y: labels}
  - {name: test, x: more-images, y: labels}
files:
  - {name: images, bytes: 28, sha256: IMAGES, shape: [3, 2, 2]}
  - {name: more-images, bytes: 28, sha256: IMAGES, shape: [3, 2, 2]}
  - {name: labels, bytes: 11, sha256: LABELS, shape: [3]}
]]):gsub("IMAGES", sha256(images)):gsub("LABELS", sha256(labels))

describe("data from files", function()
  local folder, restore, hyla_data, command

  setup(function()
    hyla_data = require "hyla.data"
    command = require "hyla.data.command"
  end)
  before_each(function()
    folder = support.folder()
    restore = support.environment {
      HYLA_DATASETS = folder .. "/sets", HYLA_DATA = folder .. "/data", XDG_DATA_HOME = folder .. "/user",
    }
    support.write(folder .. "/sets/tiny.yaml", yaml_text)
    support.write(folder .. "/data/tiny/images", images)
    support.write(folder .. "/data/tiny/labels", labels)
  end)
  after_each(function()
    restore()
    support.remove(folder)
  end)

  local function refused(...)
    local ok, message = pcall(hyla_data, ...)
    assert.is_false(ok)
    assert.matches("^%S*mnist_spec.lua:%d+: data", message)
    return message
  end

  local function run(...)
    local said = {}
    local function note(text) said[#said + 1] = text end
    local code = command.run({ ... }, note, note)
    return code, table.concat(said, "\n")
  end

  local function check_tiny(set)
    local x = set.x:totable()
    assert.same({ 0, 1 }, { x[1][1], x[1][4] })
    assert.is_near(.2, x[1][2], 2 ^ -26)     -- half a unit in the last place of .2 in float32
    assert.same({ 1, 0, 1 }, set.y:totable())
    assert.same({ 3, 4, 2, "tiny" }, { set.size, set.width, set.classes, set.name })
    assert.same({ "dark", "light" }, set.names)
  end

  it("reads IDX files, plain and packed", function()
    check_tiny(hyla_data "tiny")
    support.gzip(folder .. "/data/tiny/images")
    support.gzip(folder .. "/data/tiny/labels")
    assert.is_false(support.exists(folder .. "/data/tiny/images"))
    check_tiny(hyla_data "tiny")
  end)

  it("looks in HYLA_DATA, then in the user's folder", function()
    os.execute(("mkdir -p '%s/user/hyla' && mv '%s/data/tiny' '%s/user/hyla/tiny'"):format(folder, folder, folder))
    check_tiny(hyla_data "tiny")
    os.remove(folder .. "/user/hyla/tiny/labels")
    local message = refused "tiny"
    assert.matches(("labels[.gz] is not in %s/data/tiny nor in %s/user/hyla/tiny")
      :format(folder, folder), message, 1, true)
  end)

  it("has parts by name", function()
    assert.matches("more-images[.gz] is not in", refused("tiny", { part = "test" }), 1, true)
    support.write(folder .. "/data/tiny/more-images", images)
    check_tiny(hyla_data("tiny", { part = "test" }))
    assert.matches("there is no part 'valid'; the parts are: train, test", refused("tiny", { part = "valid" }), 1, true)
    assert.matches("unknown option 'prat'", refused("tiny", { prat = "test" }), 1, true)
  end)

  describe("refuses", function()
    local function with_images(bytes)
      local path = support.write(folder .. "/data/tiny/images", bytes)
      return refused "tiny", path
    end

    it("truncated files", function()
      local message, path = with_images(images:sub(1, 20))
      assert.matches(path .. ": expected 28 bytes, got 20", message, 1, true)
      message = with_images(images .. "x")
      assert.matches("expected 28 bytes, got more", message, 1, true)
    end)

    it("a wrong magic and wrong counts", function()
      local message, path = with_images("\0\0\9\3" .. images:sub(5))
      assert.matches(path .. ": expected the IDX magic 0x00000803 (unsigned bytes, 3 axes), got 0x00000903", message,
                     1, true)
      message = with_images(support.idx({ 3, 4, 1 }, images:sub(17)))
      assert.matches(path .. ": expected the shape [3, 2, 2], got [3, 4, 1]", message, 1, true)
    end)

    it("packed files that end early or are damaged", function()
      local path = support.gzip(folder .. "/data/tiny/images")
      local packed = support.read(path)
      support.write(path, packed:sub(1, -9))
      assert.matches(path .. ": unexpected end of file", refused "tiny", 1, true)
      local crc = packed:byte(-8)
      support.write(path, packed:sub(1, -9) .. string.char((crc + 1) % 256) .. packed:sub(-7))
      assert.matches(path .. ": incorrect data check", refused "tiny", 1, true)
    end)

    it("labels outside the classes", function()
      local path = support.write(folder .. "/data/tiny/labels", support.idx({ 3 }, string.char(1, 2, 0)))
      local _, message = pcall(hyla_data, "tiny")
      assert.matches("data: " .. path .. ", row 2: expected 0 to 1, got 2", message, 1, true)
    end)

    it("descriptors that contradict themselves, with their path", function()
      local path = folder .. "/sets/tiny.yaml"
      local cases = {
        { "name: tiny", "name: tony", ": name is 'tony', the file's name says 'tiny'" },
        { "x: images", "x: pictures", ": part 'train': x: 'pictures' is none of the files" },
        { "shape: %[3, 2, 2%]", "shape: [3, 4]", ": images: shape: expected [examples, 2, 2]" },
        { "shape: %[3%]", "shape: [4]", ": labels: shape: expected [3], a label for each image" },
        { "sha256: %x+", "sha256: 12", ": images: sha256 must have 64 hexadecimal digits, got '12'" },
        { "image: %[2, 2%]", "image: [2]", ": image: expected height and width, got 1 numbers" },
        { "{name: images", "{name: ../images", ": files: '../images' is no plain file name" },
        { "about:", "abuot:", ":2: document: unknown key 'abuot'; did you mean 'about'?; known are: " },
        { "format: idx", "format: jpeg", ": unknown format 'jpeg'" },
      }
      for _, case in ipairs(cases) do
        support.write(path, (yaml_text:gsub(case[1], case[2], 1)))
        assert.matches(path .. case[3], refused "tiny", 1, true)
      end
    end)

    it("sets that nobody knows", function()
      assert.matches("there is no data set 'tinny'; known are: cifar10, ", refused "tinny", 1, true)
      support.write(folder .. "/tiny.yaml", (yaml_text:gsub("name: tiny", "name: ../tiny")))
      assert.matches("there is no data set '../tiny'", refused "../tiny", 1, true)
    end)
  end)

  it("is listed with what is missing", function()
    local code, text = run "list"
    assert.equal(0, code)
    assert.matches("\ndigits +built in +", "\n" .. text)
    assert.matches("\nmnist +missing ", "\n" .. text)
    assert.matches("\ntiny +1 of 3 files missing +two by two", "\n" .. text)
    assert.matches("two by two (" .. folder .. "/data/tiny)\n", text, 1, true)
    assert.matches("looked in:   " .. folder .. "/data, " .. folder .. "/user/hyla", text, 1, true)
    support.write(folder .. "/data/tiny/more-images", images)
    code, text = run "list"
    assert.equal(0, code)
    assert.matches("\ntiny +here +two by two", "\n" .. text)
    support.write(folder .. "/sets/bad.yaml", "name: bad\n")
    code, text = run "list"
    assert.equal(1, code)
    assert.matches("bad.yaml:1: document: key 'about' is missing", text)
  end)

  it("is checked file by file", function()
    local code, text = run("check", "tiny")
    assert.equal(1, code)
    assert.matches("/tiny/images: right", text, 1, true)
    assert.matches("more-images[.gz] is not in", text, 1, true)
    support.write(folder .. "/data/tiny/more-images", images:sub(1, -2) .. "?")
    code, text = run("check", "tiny")
    assert.equal(1, code)
    assert.matches("/tiny/more-images: SHA-256 of its contents is", text, 1, true)
    support.write(folder .. "/data/tiny/more-images", images)
    assert.equal(0, (run("check", "tiny")))
  end)

  it("has commands that refuse what they do not know", function()
    assert.same({ 2, 2, 2, 2 }, { (run()), (run "fetch"), (run "get"), (run("list", "tiny")) })
    local code, text = run("get", "nothing")
    assert.equal(1, code)
    assert.matches("there is no data set 'nothing'", text, 1, true)
    assert.equal(0, (run("get", "digits")))
    assert.equal(0, (run("check", "digits")))
    code, text = run("get", "tiny")
    assert.equal(1, code)
    assert.matches("tiny.yaml: no mirror is known", text, 1, true)
  end)
end)

describe("MNIST itself", function()
  local root = os.getenv "HYLA_DATA"
  local there = root and support.exists(root .. "/mnist")

  it("is read whole, as its publishers made it", function()
    if not there then
      pending "skipped: HYLA_DATA has no mnist"
      return
    end
    local hyla_data = require "hyla.data"
    assert.equal(0, require("hyla.data.command").run({ "check", "mnist" }, function() end))
    local train, test = hyla_data "mnist", hyla_data("mnist", { part = "test" })
    assert.same({ 60000, 784, 10000 }, { train.size, train.width, test.size })
    assert.same({ 5, 0, 4, 1, 9 }, train.y:rows(1, 5):totable())
    assert.same({ 7, 2, 1, 0, 4 }, test.y:rows(1, 5):totable())
    assert.is_near(3 / 255, train.x:get(1, 5 * 28 + 13), 2 ^ -30)     -- the first grey pixel of the first image
  end)
end)
