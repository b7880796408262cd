-- The page of a report in a real browser: its figures read back, no errors, no requests, both schemes of colours, a
-- phone's width, the legend under the pointer, and the page of a run that goes on.
local browser = dofile "spec/lua/browser.lua"
local json = require "hyla.report.json"
local made = dofile "spec/lua/report/made.lua"
local make = require "hyla.report.make"
local shell = dofile "spec/lua/shell.lua"

-- Points of the first line of the chart of a title, as pixels of the drawing and as what the axes' ticks say they are.
local READ = [[(function (title) {
  var figure = Array.from(document.querySelectorAll("figure")).find(function (one) {
    return one.querySelector("figcaption").textContent === title;
  });
  var svg = figure.querySelector("svg.chart"), left = +svg.dataset.left, bottom = +svg.dataset.bottom;
  var ticks = Array.from(svg.querySelectorAll("text"), function (text) {
    var at = text.getAttribute("transform").match(/translate\(([-\d.]+),([-\d.]+)\)( rotate)?/);
    return { x: +at[1], y: +at[2], turned: !!at[3], anchor: text.getAttribute("text-anchor"), text: text.textContent };
  });
  function scale(list, key, log) {
    var a = list[0], b = list[list.length - 1], f = log ? Math.log10 : Number;
    return function (pixel) {
      var value = f(+a.text) + (pixel - a[key]) / (b[key] - a[key]) * (f(+b.text) - f(+a.text));
      return log ? Math.pow(10, value) : value;
    };
  }
  var ys = ticks.filter(function (one) { return one.anchor === "end" && one.x < left; });
  var xs = ticks.filter(function (one) {
    return one.anchor === "middle" && !one.turned && one.y > bottom && !isNaN(+one.text);
  });
  var log = ys.some(function (one) { return +one.text > 0 && +one.text < 1e-3; });
  ys = ys.map(function (one) { return { text: one.text, y: one.y - 3.8 }; });   // from the base of a text to its middle
  var y = scale(ys, "y", log), x = scale(xs, "x", false);
  var line = svg.querySelector("path[style*='--s1']");
  var points = line.getAttribute("d").match(/[-\d.]+,[-\d.]+/g).map(function (pair) {
    var at = pair.split(",");
    return [x(+at[0]), y(+at[1])];
  });
  return JSON.stringify({ points: points, title: svg.querySelector("title").textContent,
    description: svg.querySelector("desc").textContent,
    rows: Array.from(figure.querySelectorAll("tbody tr"), function (row) {
      return Array.from(row.cells, function (cell) { return cell.textContent; }); }) });
}(%s))]]

local function figure(page, title)
  return assert(json.decode(page:eval(READ:format(json.encode(title)))))
end

local function near(expected, got, room, what)
  assert.is_true(math.abs(expected - got) <= room, ("%s: expected %g, got %g"):format(what, expected, got))
end

describe("a page in a browser", function()
  local page

  setup(function() if browser.there then page = browser.start() end end)
  teardown(function() if page then page:stop() end end)
  after_each(made.clean)

  local function it_in_browser(what, work)
    it(what, function()
      if not browser.there then return pending("chromium is not installed") end
      work()
    end)
  end

  it_in_browser("shows the figures of the run", function()
    page:open("file://" .. make.page(made.whole(20)), 1200)
    local response = figure(page, "outer objective")
    assert.equal("outer objective", response.title)
    assert.is_truthy(response.description:find("learn from 1 to 0.3679", 1, true), response.description)
    assert.equal(21, #response.points)
    assert.equal(21, #response.rows)
    for i = 0, 20 do
      near(i, response.points[i + 1][1], 0.01, "x")
      near(math.exp(-i / 20), response.points[i + 1][2], 0.003, "response")     -- a third of a pixel
      near(math.exp(-i / 20), tonumber(response.rows[i + 1][2]), 5e-5, "table")
    end
    local norm = figure(page, "norm of the hypergradient").points
    for i = 0, 20 do near(-4 * i / 20, math.log10(norm[i + 1][2]), 0.02, "log10 of |g|") end
    assert.equal(2, page:eval [[document.querySelectorAll("ul.images img").length]])
    assert.is_true(page:eval [[Array.from(document.images).every(function (i) { return i.naturalWidth === 3; })]])
    assert.same({}, page:troubles())
  end)

  it_in_browser("shows the figures under the pointer", function()
    page:open("file://" .. make.page(made.whole(20)), 1200)
    local function value()
      return page:eval [[document.querySelectorAll(".legend")[1].querySelector("b").textContent]]
    end
    local box = assert(json.decode(page:eval [[(function () {
      var svg = document.querySelectorAll(".legend")[1].parentNode.querySelector("svg.chart");
      svg.scrollIntoView();
      var box = svg.getBoundingClientRect(), d = svg.dataset, unit = box.width / svg.viewBox.baseVal.width;
      return JSON.stringify({ title: svg.querySelector("title").textContent, top: box.top,
        x: box.left + unit * (+d.left + (d.right - d.left) / 2) });
    }())]]))
    assert.equal("outer objective", box.title)
    assert.equal("0.3679", value())
    page:call("Input.dispatchMouseEvent", { type = "mouseMoved", x = box.x, y = box.top + 50 })
    assert.equal("0.6065", value())                                    -- exp(-1/2), at the tenth of 20
    page:call("Input.dispatchMouseEvent", { type = "mouseMoved", x = 1, y = 1 })
    assert.equal("0.3679", value())
    assert.same({}, page:troubles())
  end)

  it_in_browser("is light or dark as the reader prefers, and fits a phone", function()
    local path = "file://" .. make.page(made.whole(20))
    local shades = {}
    for scheme, width in pairs { light = 360, dark = 1400 } do
      page:open(path, width, scheme)
      assert.is_true(page:eval [[document.documentElement.scrollWidth <= document.documentElement.clientWidth]])
      assert.is_true(page:eval [[Array.from(document.querySelectorAll("main *")).every(function (one) {
        return one.closest(".scroll, pre, details") || one.getBoundingClientRect().right <= window.innerWidth; })]])
      shades[scheme] = { page:eval "getComputedStyle(document.body).backgroundColor",
        page:eval [[getComputedStyle(document.querySelector("svg.chart path[style*='--s1']")).stroke]] }
      assert.same({}, page:troubles())
    end
    assert.same({ "rgb(251, 251, 250)", "rgb(47, 111, 181)" }, shades.light)
    assert.same({ "rgb(20, 23, 26)", "rgb(106, 169, 239)" }, shades.dark)
  end)

  it_in_browser("overlays runs", function()
    local out = made.runs.new_folder()
    assert.equal(0, shell.run(("./hyla report %s %s --out %s"):format(made.whole(20, 1), made.whole(20, 2), out)).code)
    local file = out .. ".html"
    os.rename(out, file)
    page:open("file://" .. file, 1200)
    os.remove(file)
    local rows = figure(page, "outer objective").rows
    assert.same({ "0", "1", "2" }, rows[1])
    assert.same({ "20", "0.3679", "0.7358" }, rows[21])
    assert.same({}, page:troubles())
  end)

  it_in_browser("follows a run that goes on", function()
    local live = made.live(made.whole(3))
    page:open(live.url, 800)
    page:eval [[document.querySelector("figure details").open = true]]
    assert.equal(4, #figure(page, "outer objective").rows)
    live.append(made.metrics("learn", 5, { response = function(i) return i end }):match "\n[^\n]*,4,.*$":sub(2))
    -- True as soon as an expression is, within 40 seconds: the page may ask every ten only.
    local function comes(text)
      return page:eval(([[new Promise(function (done) {
        var tries = 0, timer = setInterval(function () {
          var there = %s;
          tries += 1;
          if (there || tries > 800) { clearInterval(timer); done(there); }
        }, 50); })]]):format(text))
    end
    assert.is_true(comes [[Array.from(document.querySelectorAll("figure")).find(function (one) {
      return one.querySelector("figcaption").textContent === "outer objective";
    }).querySelectorAll("tbody tr").length === 6]])
    assert.is_true(page:eval [[document.querySelector("figure details").open]])
    live.finish()
    assert.equal(0, live.wait())
    assert.is_true(comes [[document.querySelector(".status").textContent === "done"]])
  end)
end)
