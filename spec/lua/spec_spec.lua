-- What users write specs with: what each assertion says when it fails, golden files, data, and a folder of one's own.
local hyla = require "hyla"
local shell = dofile "spec/lua/shell.lua"
local spec = require "hyla.spec"

local run, tree = shell.run, require "lfs".currentdir()

-- The words that a failing call raises.
local function words_of(work)
  local ok, message = pcall(work)
  assert.is_false(ok)
  return tostring(message)
end

describe("assert.reaches", function()
  it("shows all figures when one is off: got, expected, off by", function()
    local row = { accuracy = 0.81, loss = 0.5, steps = 12, method = "GD" }
    assert.reaches(row, { accuracy = { 0.8, tolerance = 0.01 }, loss = { at_most = 0.5 }, steps = { at_least = 12 } })
    local text = words_of(function()
      assert.reaches(row, { accuracy = { 0.85, tolerance = 0.01 }, loss = { at_most = 0.4 }, steps = { at_least = 3 } })
    end)
    assert.matches("figure +got +expected +off by\n", text)
    assert.matches("accuracy +0.81 +0.85 %+%- 0.01 +0.04\n", text)
    assert.matches("loss +0.5 +<= 0.4 +0.1\n", text)
    assert.matches("steps +12 +>= 3 +%-$", text)
  end)

  it("is off by a figure that is no number, on either side", function()
    for _, target in ipairs { { 1, tolerance = 1 }, { at_least = 0 }, { at_most = 0 } } do
      assert.not_reaches({ a = 0 / 0 }, { a = target })
    end
    assert.not_reaches({ a = 1.2 }, { a = { 1, tolerance = 0.1 } })
    assert.not_reaches({ a = 0.8 }, { a = { 1, tolerance = 0.1 } })
    assert.matches("expected a figure to be off", words_of(function()
      assert.not_reaches({ a = 1 }, { a = { 1, tolerance = 0.1 } })
    end))
  end)

  it("refuses what it cannot judge, at the spec's line", function()
    local row = { accuracy = 0.8, method = "GD" }
    for _, case in ipairs {
      { row, { acuracy = { 1, tolerance = 1 } }, "no figure 'acuracy'; did you mean 'accuracy'?" },
      { row, { method = { 1, tolerance = 1 } }, "no figure 'method'" },
      { row, { accuracy = { 0.8 } }, "'accuracy': expected { value, tolerance = ... }" },
      { row, { accuracy = { 0.8, tolerence = 1 } }, "unknown option 'tolerence'; did you mean 'tolerance'?" },
      { row, {}, "expected figures by name" }, { 3, { a = { 1, tolerance = 1 } }, "expected a run or a row" },
    } do
      for _, name in ipairs { "reaches", "not_reaches" } do      -- a mistake is no disagreement
        local text = words_of(function() assert[name](case[1], case[2]) end)
        assert.matches("^spec/lua/spec_spec.lua:%d+: reaches: ", text)
        assert.truthy(text:find(case[3], 1, true), text)
      end
    end
  end)
end)

describe("assert.hypergradient", function()
  it("names each hyperparameter that is wrong: got, expected, ratio", function()
    local c, w = hyla.hyper("c", { init = 0.8, size = 2 }), hyla.weight("w", {}, 0.5)
    local p = hyla.problem { inner = c:sum() * (w - 1) ^ 2 / 2, outer = w ^ 2 + 0.1 * hyla.stop_gradient(c:sum()),
      train = hyla.gd { rate = 0.05, steps = 5 } }
    local text = words_of(function() assert.hypergradient(p) end)
    assert.matches("c%[1%]: the hypergradient is %S+ by reverse, central differences give %S+ %(ratio", text)
    assert.matches("hyperparameter +got +expected +ratio\nc%[1%] +0.%d+ +0.%d+ +0.%d+\nc%[2%]", text)
    assert.not_hypergradient(p)
  end)

  it("says at the spec's line what is no problem, rather than that it disagrees", function()
    local text = words_of(function() assert.not_hypergradient { 1 } end)
    assert.matches("^spec/lua/spec_spec.lua:%d+: hypergradient: expected a problem", text)
  end)
end)

describe("spec.run", function()
  it("gives rows, series, hypers and what was said, and writes nothing", function()
    local got = spec.run("recurrent", { sequences = 4, steps = 4, units = 2, hyper_steps = 2 })
    assert.equal(3, #got.rows)
    assert.equal(got.rows[2], got.rows["Forward-HG"])
    assert.equal(3, #got.series["Reverse-HG"])
    assert.same({ 2, 2 }, got.hypers.RTHO.W.shape)
    assert.matches("largest difference", got.said[1])
    local text = words_of(function() assert.reaches(got, { updates = { at_least = 1 } }) end)
    assert.matches("the run has 3 rows of results; expected one of them, such as run.rows%[", text)
  end)

  it("raises what the run fails with, and refuses other options", function()
    assert.matches("unknown option 'unit'; did you mean 'units'", words_of(function()
      spec.run("recurrent", { unit = 3 })
    end))
    assert.matches("infeasible constraint", words_of(function()
      spec.run("hyper_cleaning", { train = 20, valid = 20, test = 20, budget = { -1 }, final_steps = 1 })
    end))
  end)
end)

describe("spec.data", function()
  -- A checksum of all features and labels, in whole numbers.
  local code = [[
    local d, sum = require "hyla.spec".data { examples = 50, width = 7, classes = 4, seed = 3 }, 0
    for i, row in ipairs(d.x:totable()) do
      for j, x in ipairs(row) do sum = (sum * 31 + x * 64 + d.y:get(i) * j) % 2147483647 end
    end
    print(sum)]]

  it("has the same bits on every machine", function()
    for _, variant in ipairs { "generic", "" } do
      local forced = variant == "" and "" or "HYLA_KERNELS=generic "
      assert.equal("1557385646\n", run(forced .. "./hyla -e " .. shell.quote(code)).out)
    end
  end)

  it("can be learned, but not without mistakes", function()
    local set = spec.data { examples = 200 }
    local train, valid = set:split({ 100, 100 }, 1)
    local W = hyla.weight("W", { train.width, set.classes }, hyla.zeros)
    local p = hyla.problem {
      inner = hyla.cross_entropy(train.x:matmul(W), train.y):mean(), train = hyla.gd { rate = 0.5, steps = 100 },
      watch = { accuracy = hyla.accuracy(valid.x:matmul(W), valid.y) },
    }
    p:train()
    local accuracy = p:watch().accuracy
    assert.is_true(accuracy > 0.8 and accuracy < 1, tostring(accuracy))
    assert.same({ 6, 3 }, { set.width, set.classes })
  end)

  it("refuses fewer features than classes, and unknown options", function()
    assert.matches("width = 2 and classes = 3", words_of(function() spec.data { width = 2 } end))
    assert.matches("unknown option 'n'", words_of(function() spec.data { n = 2 } end))
  end)
end)

describe("assert.golden", function()
  local folder

  before_each(function()
    folder = shell.folder()
    run(("mkdir %s/spec"):format(folder))
  end)
  after_each(function() shell.remove(folder) end)

  -- Runs a spec whose one assertion is assert.golden(...), in a folder of its own.
  local function golden(arguments, options)
    shell.write(folder .. "/spec/a_spec.lua", ([[require "hyla.spec"
it("stays", function()
  assert.golden(%s)
end)]]):format(arguments))
    return run(("cd %s; %s/hyla test %s"):format(folder, tree, options or ""))
  end

  local path = "spec/golden/a.yaml"
  local function stored()
    local file = io.open(folder .. "/" .. path)
    if not file then return nil end
    local text = file:read "*a"
    file:close()
    return text
  end

  it("fails without a file and tells the command that writes one, which then passes", function()
    local r = golden '"a", { { iteration = 0, f = 0.5 }, { iteration = 1, f = 0.1 } }'
    assert.equal(1, r.code)
    assert.truthy(r.out:find("spec/a_spec.lua:3: no golden file " .. path, 1, true), r.out)
    assert.matches("hyla test %-%-update%-golden spec/a_spec.lua", r.out)
    assert.is_nil(stored())
    r = golden('"a", { { iteration = 0, f = 0.5 }, { iteration = 1, f = 0.1 } }', "--update-golden")
    assert.equal(0, r.code, r.out .. r.err)
    assert.matches("wrote " .. path, r.out, 1, true)
    assert.matches("^# Golden values 'a' of spec/a_spec.lua, written by:\n# hyla test %-%-update%-golden %S+\n"
      .. "recorded: {hyla: '%S+', kernels: %w+}\ncolumns: %[iteration, f%]\nrows:\n  %- %[0, 0.5%]\n  %- %[1, 0.1%]\n$",
      stored())
    local before = stored()
    r = golden '"a", { { iteration = 0, f = 0.5 }, { iteration = 1, f = 0.1 } }'
    assert.equal(0, r.code, r.out .. r.err)
    -- However the spec is named, the file says the same.
    golden('"a", { { iteration = 0, f = 0.6 } }', "--update-golden")
    golden('"a", { { iteration = 0, f = 0.5 }, { iteration = 1, f = 0.1 } }', "--update-golden $PWD/spec/a_spec.lua")
    assert.equal(before, stored())
  end)

  it("shows where a series first differs, each value with what was allowed and why", function()
    golden('"a", { { iteration = 0, f = 1 }, { iteration = 1, f = 2 }, { iteration = 2, f = 3 } }', "--update-golden")
    local now = '"a", { { iteration = 0, f = 1 }, { iteration = 1, f = 2.01 }, { iteration = 2, f = 3.5 } }'
    local r = golden(now .. ', { relative = 0.01, why = "the weather" }')
    assert.equal(1, r.code)
    assert.matches("golden 'a' %(spec/golden/a.yaml%) differs first at iteration 2, in 1 of 3 rows:\n"
      .. "iteration +value +got +expected +off by +allowed\n2 +f +3.5 +3 +0.5 +relative 0.01: the weather\n", r.out)
    assert.matches("differs first at iteration 1, in 2 of 3 rows", golden(now).out)
    assert.equal(0, golden(now .. ', { columns = { f = { absolute = 0.51, why = "so" } } }').code)
    assert.equal(0, golden(now .. ", { columns = { f = false } }", "--update-golden").code)
    assert.matches("columns: %[iteration%]", stored())          -- what is left out is no difference, but is stale
  end)

  it("tells on which kernels values were recorded, where others run", function()
    golden('"a", { 1 }', "--update-golden")
    shell.write(folder .. "/" .. path, (stored():gsub("kernels: %w+", "kernels: abacus")))
    local r = golden '"a", { 2 }'
    assert.matches("\nrecorded with the kernels abacus, run with %w+: they sum in another order", r.out)
    assert.equal(0, golden('"a", { 1 }').code)
  end)

  it("names what is stale, new or of another length", function()
    golden('"a", { { iteration = 0, f = 1, g = 2 } }', "--update-golden")
    local r = golden '"a", { { iteration = 0, f = 1 } }'
    assert.matches("stale: the golden file has 'g', the series has not", r.out, 1, true)
    r = golden '"a", { f = 1, g = 2, h = 3, iteration = 0 }'
    assert.matches("the golden file has no 'h', the series has", r.out, 1, true)
    r = golden '"a", { { iteration = 0, f = 1, g = 2 }, { iteration = 1, f = 1, g = 2 } }'
    assert.matches("2 rows, expected 1", r.out, 1, true)
    r = golden '"a", { { iteration = 0, f = 1 }, { iteration = 1, g = 1 } }'
    assert.matches("0 +g +none +2 ", r.out)
    shell.write(folder .. "/spec/golden/b.yaml", "")
    r = golden '"a", { iteration = 0, f = 1, g = 2 }'
    assert.equal("hyla: test: no spec asked for spec/golden/b.yaml; remove it where none will\n", r.err)
    assert.equal(0, r.code)
    assert.equal("", golden('"a", { iteration = 0, f = 1, g = 2 }', "spec/a_spec.lua").err)
  end)

  it("leaves a file alone that agrees, and writes one anew that is damaged", function()
    golden('"a", { 1, 2 }', "--update-golden")
    local before = stored()
    local r = golden('"a", { 1, 2.1 }, { absolute = 1, why = "so" }', "--update-golden")
    assert.is_nil(r.out:match "wrote")
    assert.equal(before, stored())
    for _, bad in ipairs {
      { "rows: [", "did not find expected node" }, { before .. "  - [1, 2]\n", "row 3: expected 1 values" },
      { before .. "  - [x]\n", "row 3: expected numbers, got 'x'" },
    } do
      shell.write(folder .. "/" .. path, bad[1])
      r = golden '"a", { 1, 2 }'
      assert.equal(1, r.code)
      assert.truthy(r.out:find(path, 1, true) and r.out:find(bad[2], 1, true), r.out)
    end
    assert.equal(0, golden('"a", { 1, 2 }', "--update-golden").code)
    assert.equal(before, stored())
  end)

  it("refuses tolerances without words, values that are not finite, and one name for two series", function()
    for arguments, expected in pairs {
      ['"a", { 1 }, { relative = 1e-3 }'] = "a tolerance says why",
      ['"a", { 1 }, { relative = 1e-3, why = " " }'] = "a tolerance says why",
      ['"a", { f = 1 }, { columns = { f = { absolute = 1 } } }'] = "golden: column 'f': a tolerance says why",
      ['"a", { 1 }, { why = "so" }'] = "why belongs to a tolerance",
      ['"a", { 1, 0 / 0 }'] = "row 2, 'value': expected a finite number, got nan",
      ['"a", {}'] = "expected a series",
      ['"../a", { 1 }'] = "expected a name of letters",
      ['"a", { 1 })\n  assert.golden("a", { 1 }'] = "golden: 'a' is asserted already at spec/a_spec.lua:3",
    } do
      local r = golden(arguments, "--update-golden")
      assert.equal(1, r.code, arguments)
      assert.truthy(r.out:find(expected, 1, true), r.out)
      assert.matches("spec/a_spec.lua:[34]: golden: ", r.out)
    end
  end)

  it("says so where the golden folder cannot be written", function()
    shell.write(folder .. "/spec/golden", "")
    local r = golden('"a", { 1 }', "--update-golden")
    assert.equal(1, r.code)
    assert.matches("spec/golden/a.yaml", r.out, 1, true)
  end)
end)

describe("a folder of one's own", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)
  local function here(line) return run(("cd %s; %s"):format(folder, line:gsub("hyla", tree .. "/hyla"))) end

  it("gets a recipe and its spec by hyla new, which pass as they are", function()
    local r = here "hyla new recipe mine"
    assert.equal(0, r.code, r.err)
    assert.matches("^wrote recipes/mine.lua\nwrote spec/mine_spec.lua\nwrote spec/golden/mine.yaml\nnext: ", r.out)
    r = here "hyla test"
    assert.equal(0, r.code, r.out .. r.err)
    assert.matches("^%+%+%+\n3 successes", r.out)
    assert.equal(0, here("hyla run recipes/mine.lua --dry-run --quiet").code)
    r = here "luacheck --std luajit+busted --quiet recipes spec"
    assert.truthy(r.code == 0 or r.code == 127, r.out)     -- 127: there is no luacheck here
    local before = here("cat recipes/* spec/*.lua spec/golden/*").out
    r = here "hyla new recipe mine"
    assert.same({ 1, "hyla: new: recipes/mine.lua exists already; nothing was written\n" }, { r.code, r.err })
    assert.equal(before, here("cat recipes/* spec/*.lua spec/golden/*").out)
  end)

  it("gets nothing by a name that is none, or where it cannot be written", function()
    for _, name in ipairs { "../a", "a-b", "1a", "''", "a.lua" } do
      local r = here("hyla new recipe " .. name)
      assert.equal(2, r.code)
      assert.matches("expected a name of letters, digits and '_'", r.err)
    end
    assert.equal(2, here("hyla new problem a").code)
    shell.write(folder .. "/spec", "")
    local r = here "hyla new recipe a"
    assert.equal(1, r.code)
    assert.matches("nothing was written", r.err)
    assert.equal("", here("ls recipes").out)
  end)

  it("has its own specs run, of several files, and says so where there are none", function()
    -- A tree without specs, as an installation is.
    local installed = shell.folder()
    run(("cp -r hyla lua engine recipes datasets %s; mkdir %s/build; ln -s %s %s/build/libhyla.so"):format(installed,
      installed, os.getenv "HYLA_LIB", installed))
    local r = run(("cd %s; %s/hyla test"):format(folder, installed))
    assert.same({ 1, "hyla: test: no folder 'spec' here, and no specs named; `hyla new recipe NAME` writes a recipe "
      .. "with its spec\n" }, { r.code, r.err })
    run(("mkdir %s/spec"):format(folder))
    for _, name in ipairs { "a", "b" } do
      shell.write(("%s/spec/%s_spec.lua"):format(folder, name),
                  "it('sees', function() assert.equal(6, require('hyla.spec').data().width) end)")
    end
    assert.matches("^%+%+\n2 successes", here("hyla test").out)
    assert.matches("^%+%+\n2 successes", run(("cd %s; %s/hyla test"):format(folder, installed)).out)
    shell.remove(installed)
    assert.matches("^%+\n1 success", here("hyla test spec/a_spec.lua").out)
    assert.matches("^%+%+\n2 successes", here("cd spec; hyla test .").out)
  end)
end)
