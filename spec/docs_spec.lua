-- Every block of code of every page. Those of the tutorial and of the how-to pages are done from top to bottom in a
-- folder of their own, as a reader would: files written (a block that begins with its name), commands run, their output
-- compared with the block of text that follows. `sh long` is only read. On the other pages Lua runs, each block after
-- the first of its page, and commands are read word by word.
local ffi = require "ffi"
local lfs = require "lfs"
local hyla = require "hyla"
local pages = dofile "spec/pages.lua"
local shell = dofile "spec/lua/shell.lua"
local spec = require "hyla.spec"
local sweep = require "hyla.run.sweep"

local tree = lfs.currentdir()

local function is_fast() return ffi.string(require("hyla.ffi").C.hyla_kernel_variant()) ~= "generic" end

local function markdown(folder)
  local list = {}
  for name in lfs.dir(folder) do
    if name:match "%.md$" then list[#list + 1] = folder .. "/" .. name end
  end
  table.sort(list)
  return list
end

-- ---- pages that are read ----

local function run_lua(first, block, path)
  local text = first == block and block.text or first.text .. "\n" .. block.text
  local chunk = assert(loadstring(text, "=" .. path))
  setfenv(chunk, setmetatable({ print = function(...) return tostring((...)) end }, { __index = _G }))
  return chunk()
end

-- A recipe's `run` alone: with few trials, and with problems whose names and hyperparameters such examples have.
local stages = [[
local hyla = require "hyla"
local function fit(o, hypers)
  local train, valid = hyla.data("digits", { n = 40 }):split({ 20, 20 }, 1)
  local W = hyla.weight("W", { train.width, 10 }, hyla.zeros)
  local rate, decay = hyla.hyper("rate", { init = 0.1 }), hyla.hyper("decay", { init = 1e-3 })
  local accuracy = hyla.accuracy(valid.x:matmul(W), valid.y)
  local p = hyla.problem { inner = hyla.cross_entropy(train.x:matmul(W), train.y):mean() + decay * (W ^ 2):sum(),
    outer = hyla.cross_entropy(valid.x:matmul(W), valid.y):mean(), train = hyla.gd { rate = rate, steps = 3 },
    improve = hyla.adam { rate = 0.01, steps = 2 }, watch = { valid_accuracy = accuracy, test_accuracy = accuracy } }
  if hypers then p:set { rate = hypers.rate, decay = hypers.decay } end
  return p
end
return hyla.recipe { about = "stages", options = { seed = 1 }, problems = { fit = fit, final = fit }, %s }
]]

local function run_stages(block)
  local path = os.tmpname()
  os.rename(path, path .. ".lua")
  local few = block.text:gsub("%s+$", ""):gsub("trials = %d+", "trials = 3"):gsub("restarts = %d+", "restarts = 2")
  shell.write(path .. ".lua", stages:format(few))
  local ok, run = pcall(spec.run, path .. ".lua")
  os.remove(path .. ".lua")
  assert(ok, run)
  return run
end

-- Lines that were promised, each in its place among those that came; "..." stands for anything.
local function pattern_of(line)
  return (line:gsub("[%^%$%(%)%%%[%]%*%+%-%?]", "%%%0"):gsub("%.%.%.", "\0"):gsub("%.", "%%."):gsub("%z", "[^\n]*"))
end

local function expect_output(promised, came, where)
  local at = 0
  for line in promised:gmatch "[^\n]+" do
    local first, last = came:find(pattern_of(line), at + 1)
    assert.truthy(first, ("%s: no line like '%s' in:\n%s"):format(where, line, came))
    at = last
  end
end

-- A session at the prompt, one that ends well; it goes on with those before it on its page.
local function run_prompt(block, folder, before)
  local lines, promised = {}, {}
  for line in block.text:gmatch "[^\n]+" do
    local typed = line:match "^hyla> (.*)$"
    if typed then lines[#lines + 1] = typed elseif line:sub(1, 1) ~= "$" then promised[#promised + 1] = line end
  end
  assert.is_true(#lines > 0, "a block without a language is a session of hyla>")
  local own = table.concat(lines, "\n") .. "\n"
  before.session = before.session or ""
  shell.write(folder .. "/session", before.session .. "print '---- this session'\n" .. own)
  before.session = before.session .. own
  local ran = shell.run(("cd %s; COLUMNS=80 %s/hyla <session"):format(folder, tree))
  assert.equal(0, ran.code, ran.out .. ran.err)
  assert.equal("", ran.err)
  expect_output(table.concat(promised, "\n"), ran.out:match "\n?%-%-%-%- this session\n(.*)$", "line " .. block.line)
end

-- A run's configuration, or the descriptor of a data set.
local function read_yaml(block, folder)
  if block.text:find "^recipe:" then
    shell.write(folder .. "/run.yaml", block.text)
    assert(sweep.file(folder .. "/run.yaml"))
    return
  end
  local name = block.text:match "name: (%S+)"
  shell.write(("%s/%s.yaml"):format(folder, name), block.text)
  local ran = shell.run(("HYLA_DATASETS=%s ./hyla data list"):format(folder))
  assert.equal(0, ran.code, ran.err)
  assert.truthy(ran.out:find(name, 1, true), ran.out)
end

local function read_block(first, block, path, folder, sessions)
  if block.language == "lua" and block.text:match "^run = " then
    assert.is_true(#run_stages(block).rows > 0)
  elseif block.language == "lua" then
    run_lua(first, block, path)
  elseif block.language == "sh" then
    for _, line in ipairs(pages.lines(block.text)) do pages.check_line(line) end
  elseif block.language == "yaml" then
    read_yaml(block, folder)
  elseif block.language == "" then
    run_prompt(block, folder, sessions)
  elseif block.language ~= "text" then
    error(("a block of an unknown language, '%s'"):format(block.language), 0)
  end
end

for _, path in ipairs { "README.md", unpack(markdown "docs") } do
  if path ~= "docs/tutorial.md" and path ~= "docs/troubleshooting.md" then
    describe(path, function()
      local folder, first
      local sessions = {}
      setup(function() folder = shell.folder() end)
      teardown(function() shell.remove(folder) end)
      for _, block in ipairs(pages.blocks(path)) do
        if block.language == "lua" then first = first or block end
        local begins = first
        it(("line %d holds"):format(block.line), function() read_block(begins, block, path, folder, sessions) end)
      end
    end)
  end
end

describe("README.md", function()
  it("shows the quickstart as it is", function()
    local block = pages.blocks "README.md"[3]
    assert.equal(pages.read "recipes/quickstart.lua", block.text)
    assert.truthy(hyla.load "quickstart")
  end)
end)

-- ---- pages that are done ----

local function write_file(folder, name, text)
  local above = name:match "^(.*)/"
  if above then shell.run(("mkdir -p %s/%s"):format(folder, above)) end
  shell.write(folder .. "/" .. name, text)
end

local function do_page(path)
  local folder = shell.folder()
  local outside = ("cd %s/work; unset HYLA_DATASETS; PATH=%s:$PATH; set -e\n"):format(folder, tree)
  shell.run(("mkdir %s/work"):format(folder))
  local first, ran
  local sessions = {}
  for _, block in ipairs(pages.blocks(path)) do
    local where = ("%s:%d"):format(path, block.line)
    local name = block.text:gsub("^#!%S+\n", ""):match "^[-#]+ (%S+%.%l+)\n"
    if name then
      write_file(folder .. "/work", name, block.text)
    elseif block.language == "lua" then
      first = first or block
      shell.write(folder .. "/block.lua", (first ~= block and first.text or "") .. block.text)
      ran = shell.run("(" .. outside .. "hyla ../block.lua)")
      assert.equal(0, ran.code, where .. ": " .. ran.err)
    elseif block.language == "sh" and block.info == "long" then
      lfs.chdir(folder .. "/work")
      local ok, message = pcall(function()
        for _, line in ipairs(pages.lines(block.text)) do pages.check_line(line) end
      end)
      lfs.chdir(tree)
      assert(ok, ("%s: %s"):format(where, tostring(message)))
    elseif block.language == "sh" then
      ran = shell.run("(" .. outside .. block.text .. ")")
      assert.equal(block.info == "fails", ran.code ~= 0, where .. ": " .. ran.out .. ran.err)
    elseif block.language == "text" then
      expect_output(block.text, ran.out .. "\n" .. ran.err, where)
    elseif block.language == "" then
      run_prompt(block, folder .. "/work", sessions)
    else
      error(("%s: what becomes of this block? a file begins with its name"):format(where), 0)
    end
  end
  shell.remove(folder)
end

-- Sanitizers are some six times slower and see the same commands in other specs: there the tutorial stands for all.
local howto = os.getenv "HYLA_CHECK_LEAKS" and {} or markdown "docs/howto"
for _, path in ipairs { "docs/tutorial.md", unpack(howto) } do
  it(path .. " holds from top to bottom", function() do_page(path) end)
end

-- ---- messages ----

-- Blocks of this page that fail do so by the message of their heading.
describe("docs/troubleshooting.md", function()
  local path = "docs/troubleshooting.md"
  local folder, first
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function words_of(block)
    if block.language == "lua" then
      local ok, message = pcall(run_lua, first, block, path)
      assert.is_false(ok)
      return tostring(message)
    end
    local ran = shell.run(("(cd %s; PATH=%s:$PATH; set -e\n%s)"):format(folder, tree, block.text))
    assert.is_true(ran.code ~= 0)
    return ran.out .. ran.err
  end

  local produced = {}
  for _, block in ipairs(pages.blocks(path)) do
    local name = block.text:match "^[-#]+ (%S+%.%l+)\n"
    local heading = block.heading
    if not first then
      first = block
    elseif name then
      it("has the file " .. name, function() write_file(folder, name, block.text) end)
    else
      it(("line %d fails as it says"):format(block.line), function()
        assert.equal("fails", block.info)
        if heading:find "begun with the engine" and not is_fast() then
          pending "this processor has generic kernels alone"
          return
        end
        local promised, got = heading:match "^`(.*)`$", words_of(block)
        assert.truthy(got:find(pattern_of(promised)), ("line %d: expected '%s', got:\n%s"):format(block.line, promised,
          got))
      end)
      produced[heading] = true
    end
  end

  it("has a block for every message", function()
    for heading in pages.read(path):gmatch "\n### ([^\n]*)" do
      -- What no spec should take away is tried where it is told: spec/lua/reference_spec.lua.
      assert.truthy(produced[heading] or heading:find "LDoc, which is not installed", heading)
    end
  end)
end)

-- ---- links ----

describe("every page", function()
  it("links to what is there, and can be found from the index", function()
    local linked = {}
    for _, list in ipairs { { "README.md" }, markdown "docs", markdown "docs/howto" } do
      for _, path in ipairs(list) do
        local above = path:match "^(.*)/" or "."
        for target in pages.read(path):gmatch "%]%(([^)#]+)#?[^)]*%)" do
          if not target:match "^https?:" then
            local there = shell.run(("realpath --relative-to=. %s/%s"):format(above, target)).out:gsub("%s+$", "")
            assert.truthy(lfs.attributes(there), ("%s links to %s"):format(path, target))
            if path == "docs/README.md" then linked[there] = true end
          end
        end
      end
    end
    for _, list in ipairs { markdown "docs", markdown "docs/howto" } do
      for _, path in ipairs(list) do
        assert.truthy(linked[path] or path == "docs/README.md", path .. " is not in the index")
      end
    end
  end)
end)
