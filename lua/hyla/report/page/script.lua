--- What a page does: under the pointer a chart's legend shows the figures of the table behind it. Everything is in the
-- page without it, too.
-- @module hyla.report.page.script
return [[
(function () {
  "use strict";
  function rows(figure) {
    if (!figure.rows) {
      figure.rows = Array.from(figure.querySelectorAll("table.figures tbody tr"), function (row) {
        return Array.from(row.cells, function (cell) { return cell.textContent; });
      });
    }
    return figure.rows;
  }
  function nearest(list, x) {
    var best = null;
    list.forEach(function (row) {
      if (best === null || Math.abs(row[0] - x) < Math.abs(best[0] - x)) { best = row; }
    });
    return best;
  }
  function pointer(svg) {
    var line = svg.querySelector(".pointer");
    if (!line) {
      line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      line.setAttribute("class", "pointer");
      svg.appendChild(line);
    }
    return line;
  }
  function show(svg, clientX) {
    var box = svg.getBoundingClientRect(), d = svg.dataset, figure = svg.closest("figure");
    var at = (clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    var share = Math.min(1, Math.max(0, (at - d.left) / (d.right - d.left)));
    var row = nearest(rows(figure), +d.x0 + share * (d.x1 - d.x0));
    if (!row) { return; }
    var span = d.x1 - d.x0 || 1, x = +d.left + (row[0] - d.x0) / span * (d.right - d.left);
    pointer(svg).setAttribute("d", "M" + x + "," + d.top + " V" + d.bottom);
    figure.querySelectorAll(".legend b[data-column]").forEach(function (cell) {
      if (cell.last === undefined) { cell.last = cell.textContent; }
      cell.textContent = row[cell.dataset.column] || "\u2013";
    });
  }
  function hide(svg) {
    var line = svg.querySelector(".pointer");
    if (line) { line.remove(); }
    svg.closest("figure").querySelectorAll(".legend b[data-column]").forEach(function (cell) {
      if (cell.last !== undefined) { cell.textContent = cell.last; }
    });
  }
  document.addEventListener("pointermove", function (event) {
    var svg = event.target.closest ? event.target.closest("svg.chart") : null;
    document.querySelectorAll("svg.chart .pointer").forEach(function (line) {
      if (line.ownerSVGElement !== svg) { hide(line.ownerSVGElement); }
    });
    if (svg) { show(svg, event.clientX); }
  });
}());
]]
