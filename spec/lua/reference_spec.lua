-- hyla docs: the reference, from the comments in the sources.
local hyla = require "hyla"
local known = require "hyla.prompt.known"
local reference = require "hyla.reference"
local shell = dofile "spec/lua/shell.lua"

describe("the reference", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function read(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
  end

  it("has a page of every module, with everything that is public", function()
    -- Into a folder that is there: an earlier reference is written anew.
    local ran = shell.run(("mkdir -p %s/made/here; >%s/made/here/ldoc.css; ./hyla docs %s/made/here"):format(folder,
      folder, folder))
    if ran.code == 1 and ran.err:find "LDoc, which is not installed" then
      pending "there is no ldoc here: apt-get install lua-ldoc"
      return
    end
    assert.same({ 0, ("wrote %s/made/here/index.html\n"):format(folder) }, { ran.code, ran.out })
    local index = read(folder .. "/made/here/index.html")
    for path in shell.run "cd lua; find hyla -name '*.lua'".out:gmatch "[^\n]+" do
      local name = path:gsub("%.lua$", ""):gsub("/", "."):gsub("%.init$", "")
      assert.truthy(index:find(('/%s.html"'):format(name), 1, true), name)
    end
    assert.is_true(index:find "Modules" < index:find "Parts inside")
    local pages = shell.run(("cat %s/made/here/modules/*.html"):format(folder)).out
    for _, name in ipairs(known.public()) do
      local value = hyla[name]
      if type(value) == "function" and known.entry_of(value) then
        local entry = known.entry_of(value)
        assert.truthy(pages:find(('<a name = "%s">'):format(entry.name), 1, true), name)
      end
    end
    for _, method in ipairs { "split", "train", "optimise", "hypergradient" } do
      assert.truthy(pages:find(('<a name = "%s">'):format(method), 1, true), method)
    end
    -- A folder of other things is left alone.
    ran = shell.run("./hyla docs " .. folder)
    assert.same({ 1, ("hyla: docs: %s exists and is no reference; name another folder\n"):format(folder) },
                { ran.code, ran.err })
  end)

  it("tells the package that is missing", function()
    local ran = shell.run(("mkdir -p %s/bin; for t in sh luajit dirname readlink; do ln -s $(command -v $t) %s/bin/$t; "
      .. "done; PATH=%s/bin ./hyla docs %s/other"):format(folder, folder, folder, folder))
    assert.equal(1, ran.code)
    assert.matches("LDoc, which is not installed %(Debian and Ubuntu: apt%-get install lua%-ldoc%)", ran.err)
  end)

  it("is made of sources in LDoc's words", function()
    local text = reference.prepared("--- Head.\nlocal x\n--- A.\ndefine(\"a\", function(x, y)\n  return x\n--- B.\n"
      .. "define(\"b\", b)\n--- C.\nreturn function(z) end\nlocal function d()", "hyla.some.thing")
    assert.equal("--- Head.\n-- @script hyla.some.thing\nlocal x\n--- A.\nfunction a(x, y) end\n  return x\n--- B.\n"
      .. "-- @function b\n--- C.\nfunction thing(z) end\nfunction d()\n", text)
    assert.matches("^%-%-%- Head.\n%-%- @module hyla.problem\nlocal x\nfunction problem:set%(%)\n",
                   reference.prepared("--- Head.\n-- @module other\nlocal x\nfunction methods:set()", "hyla.problem"))
  end)
end)
