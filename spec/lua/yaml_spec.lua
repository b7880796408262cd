local yaml = require "hyla.yaml"

local declared = yaml.map({ name = "text", count = "integer" },
                          { ratio = "number", flag = "boolean", sides = yaml.list "integer" })

local function refused(text)
  local value, message = yaml.load(text, declared, "f.yaml")
  assert.is_nil(value)
  return message
end

describe("the YAML loader", function()
  it("reads values as the types that are declared", function()
    local text = "name: no\ncount: -3\nratio: 1e-3\nflag: false\nsides: [28, 28]\n"
    assert.same({ name = "no", count = -3, ratio = 1e-3, flag = false, sides = { 28, 28 } },
                yaml.load(text, declared, "f.yaml"))
  end)

  it("keeps text as it is spelled", function()
    for _, word in ipairs { "1e5", "0x10", "~", "true", "'  quoted '" } do
      local value = assert(yaml.load("name: " .. word .. "\ncount: 1", declared, "f.yaml"))
      assert.equal((word:gsub("'", "")), value.name)
    end
  end)

  local cases = {
    { "a second document", "name: a\ncount: 1\n---\nname: b\n", "f.yaml:3: a second document is not allowed" },
    { "a key given twice", "name: a\nname: b\n", "f.yaml:2: document: key 'name' is given twice" },
    { "a key given twice, false the first time", "flag: false\nflag: true\n",
      "f.yaml:2: document: key 'flag' is given twice" },
    { "an alias", "name: a\ncount: *a\n", "f.yaml:2: an alias (*a) is not allowed" },
    { "an anchor", "name: &a b\n", "f.yaml:1: an anchor (&a) is not allowed" },
    { "a tag", "name: !!int 3\n", "f.yaml:1: a tag (tag:yaml.org,2002:int) is not allowed" },
    { "an unknown key", "name: a\ncuont: 1\n",
      "f.yaml:2: document: unknown key 'cuont'; did you mean 'count'?; known are: count, flag, name, ratio, sides" },
    { "a missing key", "name: a\n", "f.yaml:1: document: key 'count' is missing" },
    { "text for a number", "count: three\n", "f.yaml:1: count: expected integer, got 'three'" },
    { "a fraction for an integer", "count: 1.5\n", "f.yaml:1: count: expected integer, got '1.5'" },
    { "a quoted number", "count: '3'\n", "f.yaml:1: count: expected integer, got the quoted text '3'" },
    { "not-a-number", "ratio: nan\n", "f.yaml:1: ratio: expected number, got 'nan'" },
    { "other spellings of truth", "flag: yes\n", "f.yaml:1: flag: expected boolean, got 'yes'" },
    { "nothing", "name:\n", "f.yaml:1: name: expected text, got nothing" },
    { "a scalar for a list", "sides: 28\n", "f.yaml:1: sides: expected a list, got text" },
    { "a wrong element", "sides:\n  - 28\n  - x\n", "f.yaml:3: sides[2]: expected integer, got 'x'" },
    { "a list for a map", "- 1\n", "f.yaml:1: document: expected a map, got a list" },
    { "a map for a scalar", "name: {a: 1}\n", "f.yaml:1: name: expected text, got a map" },
    { "a key that is a list", "? [a]\n: 1\n", "f.yaml:1: document: a key must be text" },
    { "an empty file", "", "f.yaml: expected a document, the file is empty" },
    { "broken syntax", "name: a\n  count: 1\n", "f.yaml:2: mapping values are not allowed in this context" },
  }
  for _, case in ipairs(cases) do
    it("refuses " .. case[1], function() assert.equal(case[3], refused(case[2])) end)
  end

  it("names a file that cannot be read", function()
    local value, message = yaml.read("/nowhere/x.yaml", declared)
    assert.is_nil(value)
    assert.matches("/nowhere/x.yaml: No such file", message, 1, true)
  end)
end)
