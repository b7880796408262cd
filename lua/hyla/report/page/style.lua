--- The look of a page: light and dark by what the reader's system prefers, from a phone's width to a wide window.
-- @module hyla.report.page.style
return [[
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #ffffff; --ink: #1d2126; --soft: #5c6670; --line: #e3e5e8;
  --axis: #9aa2ab; --grid: #eceef0; --accent: #2f6fb5; --mark: #fff3d6; --good: #2f8f5b; --bad: #c4412f;
  --s1: #2f6fb5; --s2: #d9622b; --s3: #2f8f5b; --s4: #8057b3; --s5: #b98a1c; --s6: #1d8f96; --s7: #c2497d;
  --s8: #6b7280; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1b1f23; --ink: #e6e8ea; --soft: #9aa4ae;
  --line: #2c3238; --axis: #5f6973; --grid: #282e34; --accent: #6aa9ef; --mark: #43391c; --good: #5cc48a;
  --bad: #f0806c; --s1: #6aa9ef; --s2: #f0925c; --s3: #5cc48a; --s4: #b493e6; --s5: #dcb24a; --s6: #4cc3ca;
  --s7: #ea82b0; --s8: #a3aab5; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 1200px; margin: 0 auto; padding: 28px 16px 64px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 40px 0 12px; }
p { margin: 0 0 10px; }
.about { color: var(--soft); display: flex; flex-wrap: wrap; gap: 2px 18px; }
.about > span { overflow-wrap: anywhere; }
.status { font-weight: 600; }
.done { color: var(--good); } .failed { color: var(--bad); } .running { color: var(--accent); }
.message { border-left: 3px solid var(--bad); padding: 6px 12px; background: var(--card); white-space: pre-wrap;
  overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, monospace; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr)); gap: 16px;
  align-items: start; }
figure { margin: 0; padding: 12px 14px; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  min-width: 0; }
figcaption { font-weight: 600; margin-bottom: 6px; overflow-wrap: anywhere; }
svg.chart { display: block; width: 100%; height: auto; color: var(--soft); touch-action: pan-y; }
svg text { fill: currentColor; stroke: none; font-family: system-ui, sans-serif; }
svg polygon, .area { fill-opacity: 0.45; }
svg .pointer { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
.legend { list-style: none; margin: 8px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 2px 16px;
  font-size: 13px; }
.legend li { display: flex; align-items: center; gap: 6px; min-width: 0; }
.legend svg { flex: none; }
.legend span { overflow-wrap: anywhere; color: var(--soft); } .legend b { font-weight: 600; }
.note { margin: 8px 0 0; font-size: 13px; color: var(--soft); }
details { margin-top: 8px; font-size: 13px; }
summary { cursor: pointer; color: var(--soft); width: fit-content; }
.scroll { overflow-x: auto; max-width: 100%; }
details .scroll { max-height: 320px; overflow-y: auto; }
details p { color: var(--soft); margin: 6px 0 0; }
table { border-collapse: collapse; font-size: 14px; }
details table { font-size: 13px; }
th, td { text-align: left; padding: 4px 18px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
.n { text-align: right; } td.n { white-space: nowrap; }
details thead th { position: sticky; top: 0; background: var(--card); }
td.differs { background: var(--mark); }
td.aside { color: var(--soft); }
.chip { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 7px; }
code, pre { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { overflow-x: auto; margin: 8px 0 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
.fit { width: fit-content; max-width: 100%; }
.fit td:first-child, .run { white-space: nowrap; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(76px, 1fr)); gap: 12px 10px; margin: 0;
  padding: 0; list-style: none; }
.images img { width: 100%; max-width: 96px; aspect-ratio: 1; image-rendering: pixelated; display: block;
  border-radius: 4px; border: 1px solid var(--line); background: #000; }
.images li { font-size: 12px; line-height: 1.35; color: var(--soft); overflow-wrap: anywhere; }
.images b { color: var(--ink); font-weight: 600; display: block; }
.images .hit { border: 2px solid var(--good); } .images .miss { border: 2px solid var(--bad); }
.wide { grid-column: 1 / -1; }
.names { columns: 2; }
@media (max-width: 480px) { svg.chart[data-left] text { font-size: 13px; } }
@media print { body { background: none; } figure { break-inside: avoid; } }
]]
