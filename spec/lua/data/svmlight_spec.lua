local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local support = dofile(here .. "support.lua")
local data = require "hyla.data"

describe("a file of svmlight's format", function()
  local folder
  before_each(function() folder = support.folder() end)
  after_each(function() support.remove(folder) end)

  local function read(text, given)
    local set = data.svmlight(support.write(folder .. "/a.svm", text), given)
    return set
  end

  it("is examples in rows", function()
    local set = read "+1 1:0.5 3:-2e1\n-1 2:1.25 # a comment\n\n# another\n+1 4:.5\n"
    assert.same({ { 0.5, 0, -20, 0 }, { 0, 1.25, 0, 0 }, { 0, 0, 0, 0.5 } }, set.x:totable())
    assert.same({ 1, 0, 1 }, set.y:totable())
    assert.same({ "-1", "1" }, set.names)
    assert.equal(2, set.classes)
    assert.equal("float32", set.x.dtype)
  end)

  it("may be packed, end without a newline, and have lines as other systems end them", function()
    local path = support.gzip(support.write(folder .. "/b.svm", "3 1:1\r\n7 2:2"))
    local set = data.svmlight(path)
    assert.same({ { 1, 0 }, { 0, 2 } }, set.x:totable())
    assert.same({ "3", "7" }, set.names)
  end)

  it("takes width and labels from its training set", function()
    local set = read("1 1:1\n1\n", { width = 3, labels = { 1, -1 } })
    assert.same({ { 1, 0, 0 }, { 0, 0, 0 } }, set.x:totable())
    assert.same({ 0, 0 }, set.y:totable())
    assert.equal(2, set.classes)
  end)

  for words, text in pairs {
    ["a.svm:2: expected a label first, got '3:1'"] = "1 1:1\n3:1 4:1\n",
    ["a.svm:1: label: expected a whole number, got 0.5"] = "0.5 1:1\n",
    ["a.svm:1: label: 'x' is no number"] = "x 1:1\n",
    ["a.svm:1: label: nan is not finite"] = "nan 1:1\n",
    ["a.svm:2: expected index:value, got '7'"] = "1 1:1\n1 7\n",
    ["a.svm:1: expected index:value, got 'qid:3'"] = "1 qid:3 1:1\n",
    ["a.svm:1: expected index:value, got '-2:1'"] = "1 -2:1\n",
    ["a.svm:1: indices begin at 1, got 0:1"] = "1 0:1\n",
    ["a.svm:1: index 2147483648 is larger than the width, 2147483647"] = "1 2147483648:1\n",
    ["a.svm:3: expected ascending indices, got 2 after 5"] = "1 1:1\n\n1 5:1 2:1\n",
    ["a.svm:1: index 5 comes twice"] = "1 5:1 5:1\n",
    ["a.svm:1: feature 2: NaN is not finite"] = "1 2:NaN\n",
    ["a.svm:1: feature 2: -inf is not finite"] = "1 2:-inf\n",
    ["a.svm:1: feature 2: 1e999 is not finite"] = "1 2:1e999\n",
    ["a.svm:1: feature 2: '0x10' is no number"] = "1 2:0x10\n",
    ["a.svm:1: feature 2: '1:2' is no number"] = "1 2:1:2\n",
    ["a.svm: there is no example in it"] = "# nothing\n",
    ["a.svm: no example has a feature; width = ... says how many there are"] = "1\n-1\n",
  } do
    it("is refused: " .. words, function()
      local ok, message = pcall(read, text)
      assert.is_false(ok)
      assert.is_truthy(message:find(words, 1, true), message)
    end)
  end

  it("is refused where it does not fit what was said of it", function()
    local function words(...)
      local ok, message = pcall(read, ...)
      assert.is_false(ok)
      return message
    end
    assert.matches("a.svm:2: index 4 is larger than the width, 3", words("1 3:1\n1 4:1\n", { width = 3 }))
    assert.matches("a.svm:2: label 3 is none of the labels given", words("1 3:1\n3 4:1\n", { labels = { -1, 1 } }))
    assert.matches("option 'labels': expected a list of distinct whole numbers", words("1\n", { labels = { 1, 1 } }))
    assert.matches("nothing.svm", select(2, pcall(data.svmlight, folder .. "/nothing.svm")))
    assert.matches("svmlight: expected a path, got a nil", select(2, pcall(data.svmlight)))
  end)
end)
