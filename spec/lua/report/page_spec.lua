-- The page of a report, as text: what is on it, what is escaped, how large and how fast it is.
local made = dofile "spec/lua/report/made.lua"
local make = require "hyla.report.make"
local page = require "hyla.report.page"
local report_runs = require "hyla.report.runs"
local shell = dofile "spec/lua/shell.lua"
local times = require "posix.sys.times"

after_each(made.clean)

local function page_of(...) return page.html(assert(report_runs.read { ... })) end

local function count(text, pattern)
  local _, n = text:gsub(pattern, "")
  return n
end

describe("the page of a run", function()
  it("says where the data came from, of a large corpus by one sum of all", function()
    local text = page_of(made.run { data = { { name = "corpus", count = 4620, sha256 = "ab12" },
      { name = "digits", generated = true } } })
    assert.is_truthy(text:find("<td>corpus</td><td>4,620 files</td><td>ab12</td>", 1, true))
    assert.is_truthy(text:find("<td>digits</td><td>made by Hyla</td><td></td>", 1, true))
  end)

  it("has configuration, results beside the paper's, pictures, curves and the recipe", function()
    local text = page_of(made.whole(20))
    for _, words in ipairs { "<h1>whole</h1>", ">1000, 1500<", '<td class="n">0.7500</td>', '<td class="n">0.8000</td>',
      "this run", ">paper<", "Suspects", ">wrong label<", "Ties, heat map", "Ties, graph", "Discarded, learn",
      "<figcaption>outer objective</figcaption>", "<figcaption>valid accuracy</figcaption>",
      "<figcaption>norm of the hypergradient</figcaption>", "<figcaption>rate</figcaption>",
      "return 1 &lt; 2", "Plain training", "12 s", "2026-11-25 22:38:30 UTC" } do
      assert.is_truthy(text:find(words, 1, true), words)
    end
    assert.is_true(text:find("Objectives", 1, true) < text:find("Hyperparameters", 1, true))
    assert.equal(count(text, "<figure"), count(text, "<figcaption"))
    assert.is_nil(text:gsub("http://www.w3.org/2000/svg", ""):find("://", 1, true), "nothing is asked of a network")
  end)

  it("says what failed", function()
    local path = made.run { status = "failed", message = "stage 'x': <b>" }
    assert.is_truthy(page_of(path):find("stage &#39;x&#39;: &lt;b&gt;", 1, true))
  end)

  it("takes nothing from users for markup, or for gnuplot's commands", function()
    local target = made.runs.new_folder()
    local bad = ("</title><script>alert(1)</script> `touch %s` ' . system('touch %s') . ' \" %%s %%1 é"):format(target,
      target)
    local path = made.run {
      recipe = bad, options = { [bad] = bad }, source = bad, columns = { bad }, results = { { [bad] = bad } },
      metrics = made.metrics(bad .. "\255", 3, { [bad] = math.sqrt, response = math.exp }),
      matrix = { name = "C", title = bad, values = require "hyla.tensor" { { 1, 2 }, { 2, 1 } }, names = { bad, bad } },
      charts = { own = { title = bad, unit = bad, left = { "response" }, stacked = {}, right = { bad },
        right_unit = bad } },
      images = { name = "i", title = bad, values = require "hyla.tensor" { { { 1, 2 } } }, captions = { bad },
        marks = { bad } },
    }
    local text = page_of(path)
    assert.equal(1, count(text, "<script>"))
    assert.equal(1, count(text, "</title>[^<]*<style>"))
    assert.is_nil(text:find("alert%(1%)</script>"))
    assert.is_nil(text:find "\255")
    local where = made.runs.new_folder()
    make.figures(assert(report_runs.read { path }), where, "svg")
    assert.is_nil(io.open(target), "a command was run")
  end)

  it("compares runs: overlaid curves, options that differ, results side by side", function()
    local text = page_of(made.whole(20, 1), made.whole(20, 2))
    assert.is_truthy(text:find("One option differs: seed.", 1, true))
    assert.equal(2, count(text, 'class="differs"'))
    local first = text:match "<figcaption>outer objective, learn</figcaption>.-</figure>"
      or text:match "<figcaption>outer objective</figcaption>.-</figure>"
    assert.is_truthy(first:find("<span>seed=1</span>", 1, true) and first:find("<span>seed=2</span>", 1, true))
    assert.equal(2, count(first:match "<svg.-</svg>", "var%(%-%-s%d%)"))
    assert.equal(2, count(text, '<td class="n">0.7500</td>'))
  end)

  it("has runs of equal options under the names of their folders", function()
    local a, b = made.whole(3), made.whole(3)
    local text = page_of(a, b)
    assert.is_truthy(text:find("The options are the same.", 1, true))
    for _, path in ipairs { a, b } do assert.is_truthy(text:find(path:match "[^/]+$", 1, true)) end
    local other = made.runs.new_folder()
    assert.equal(0, shell.run(("mkdir %s && cp -r %s %s/"):format(other, a, other)).code)
    text = page_of(a, other .. "/" .. a:match "[^/]+$")                -- of one name, in two places
    for _, path in ipairs { a, other } do assert.is_truthy(text:find(("<b>%s"):format(path), 1, true)) end
  end)

  it("gives stages that differ in numbers one colour where there are many", function()
    local lines = {}
    for k = 1, 5 do
      for _, method in ipairs { "A", "B" } do
        lines[#lines + 1] = made.metrics(("split %d, %s"):format(k, method), 3, { response = math.exp })
      end
    end
    local legend = page_of(made.run { metrics = table.concat(lines) }):match '<ul class="legend">.-</ul>'
    assert.equal(2, count(legend, "<li>"))
    assert.is_truthy(legend:find("split …, A", 1, true))
    assert.equal(2, count(legend, "5 lines"))
  end)

  it("of 500 hyper-iterations takes less than 3 s and 3 MB", function()
    local path = made.whole(500)
    local before = times.times()
    local text = page_of(path)
    local after = times.times()
    local ticks = require "posix.unistd".sysconf(require "posix.unistd"._SC_CLK_TCK)
    local function spent(name) return (after[name] - before[name]) / ticks end
    assert.is_true(#text < 3e6, #text .. " bytes")
    assert.is_true(spent "tms_utime" + spent "tms_stime" + spent "tms_cutime" + spent "tms_cstime" < 3)
    assert.is_truthy(text:find("Every 6 of 501 rows", 1, true))
  end)
end)

describe("hyla report", function()
  local function report(line) return shell.run("./hyla report " .. line) end

  -- The command where the path has no gnuplot.
  local function without_gnuplot(line)
    local bin = made.runs.new_folder()
    return shell.run(("mkdir %s && for t in dirname sh luajit; do ln -s $(command -v $t) %s; done; PATH=%s ./hyla %s")
      :format(bin, bin, bin, line))
  end

  it("writes the page into the run's folder, or where it is told", function()
    local path = made.whole(5)
    local r = report(path)
    assert.same({ code = 0, out = path .. "/report.html\n", err = "" }, r)
    local text = made.runs.read(path .. "/report.html")
    assert.equal("<!DOCTYPE html>", text:sub(1, 15))
    assert.equal(0, report(("%s %s --out %s/two.html"):format(path, made.whole(5), path)).code)
    assert.is_truthy(made.runs.read(path .. "/two.html"):find("whole, 2 runs", 1, true))
  end)

  it("draws each chart for a paper, too", function()
    local path, out = made.whole(5), made.runs.new_folder()
    local r = report(("%s --figures %s"):format(path, out))
    assert.equal(0, r.code, r.err)
    local svg = made.runs.read(out .. "/outer-objective.svg")
    assert.is_truthy(svg:find("outer objective", 1, true) and svg:find("hyper-iteration", 1, true))
    assert.is_truthy(made.runs.read(out .. "/Ties-heat-map.svg"):find("cat", 1, true))
    assert.equal(0, report(("%s --figures %s --format png"):format(path, out)).code)
    assert.equal("\137PNG", made.runs.read(out .. "/Discarded-learn.png"):sub(1, 4))
    assert.equal(2, report(path .. " --figures x --format gif").code)
  end)

  it("says what is wrong", function()
    local old = made.runs.new_folder()
    assert(require "lfs".mkdir(old))
    made.runs.write(old .. "/series.csv", "series,iteration\n")
    for words, line in pairs {
      ["no such folder"] = "/nowhere", ["a run of an older version, which kept no metrics"] = old,
      ["not a run"] = "spec",
    } do
      local r = report(line)
      assert.equal(1, r.code)
      assert.is_truthy(r.err:find(words, 1, true), r.err)
    end
    local path = made.whole(3)
    local r = without_gnuplot("report " .. path)
    assert.equal(1, r.code)
    assert.is_truthy(r.err:find("gnuplot is not installed (Debian package gnuplot-nox)", 1, true), r.err)
    assert.equal(2, report(path .. " --port 1").code)
    assert.equal(2, report(path .. " --live --out x.html").code)
  end)

  it("is made at the end of a run", function()
    local out = made.runs.new_folder()
    local recipe = made.runs.new_recipe [[
local hyla = require "hyla"
return hyla.recipe { about = "Charts", charts = { own = { title = "Own chart", left = { "w" }, unit = "w" } },
  build = function()
    local w, a = hyla.weight("w", {}, hyla.zeros), hyla.hyper("a", { init = 1 })
    return hyla.problem { inner = (w - a) ^ 2, outer = (w - 2) ^ 2, train = hyla.gd { rate = 0.1, steps = 3 },
      method = hyla.reverse(), improve = hyla.adam { rate = 0.1, steps = 3 }, watch = { w = w } }
  end }]]
    local r = shell.run(("./hyla run %s --out %s --quiet"):format(recipe, out))
    assert.equal(0, r.code, r.err)
    local text = made.runs.read(out .. "/report.html")
    for _, words in ipairs { "Own chart, optimise", "<figcaption>a</figcaption>", '<span class="status done">' } do
      assert.is_truthy(text:find(words, 1, true), words)
    end
    r = without_gnuplot(("run %s --out %s --quiet"):format(recipe, made.runs.new_folder()))
    assert.equal(0, r.code)
    assert.equal("hyla: no report.html: gnuplot is not installed (Debian package gnuplot-nox)\n", r.err)
  end)
end)

describe("charts of a recipe", function()
  local function recipe(charts)
    return "local hyla = require 'hyla'\nreturn hyla.recipe { about = 'x', build = print,\ncharts = " .. charts .. " }"
  end

  it("are refused where they do not fit, at the recipe's line", function()
    for words, charts in pairs {
      ["unknown option 'lines'"] = "{ a = { title = 'A', lines = {} } }", ["'title' is missing"] = "{ a = {} }",
      ["expected figures in stacked or left"] = "{ a = { title = 'A', right = { 'x' } } }",
      ["expected a list of names of figures"] = "{ a = { title = 'A', left = { 1 } } }",
      ["expected names of letters"] = "{ ['a/b'] = { title = 'A', left = { 'x' } } }",
      ["expected 'minutes'"] = "{ a = { title = 'A', left = { 'x' }, x = 'hours' } }",
    } do
      local value, message = require "hyla.recipe".try_load(made.runs.new_recipe(recipe(charts)))
      assert.is_nil(value)
      assert.is_truthy(message:find(words, 1, true), message)
      assert.is_truthy(message:find("stages.lua", 1, true), message)
    end
  end)
end)

