"""The look of the HTML report. Every rule stands below `.calprof`, so that a notebook keeps its own."""

from __future__ import annotations

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{title} · calprof</title>
</head>
<body style="margin:0">
{body}
<script>{script}</script>
</body>
</html>
"""  # noqa: E501

SCRIPT = """
document.querySelectorAll(".calprof button").forEach(button => button.addEventListener("click", () =>
  button.closest(".calprof").querySelectorAll("details").forEach(each => {
  each.open = !!button.dataset.open; })));
"""

STYLE = """
.calprof { --ink: #1c2430; --faint: #69748a; --line: #e3e7ee; --paper: #ffffff; --card: #f5f7fa;
  --bar: #d7e6fb; --accent: #2563c9; --warn: #a85b00; --good: #1d7a46;
  color: var(--ink); background: var(--paper); padding: 2rem clamp(1rem, 4vw, 3rem);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) { .calprof { --ink: #e4e8ef; --faint: #93a0b6; --line: #2b3342;
  --paper: #12161d;
  --card: #1b212b; --bar: #1f3a60; --accent: #7fb0ff; --warn: #f0b35a; --good: #6fd39b;
  color-scheme: dark; } }
body > .calprof { min-height: 100vh; }
.calprof, .calprof * { box-sizing: border-box; }
.calprof > * { max-width: 1100px; margin-inline: auto; }
.calprof header { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: end;
  justify-content: space-between; }
.calprof h1 { font-size: 1.7rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; color: var(--ink); }
.calprof h2 { font-size: 1.05rem; margin-block: 2rem .5rem; display: flex; gap: .5rem;
  align-items: baseline; }
.calprof h2.warn { color: var(--warn); }
.calprof .good { color: var(--good); }
.calprof button { font: inherit; font-size: .75rem; color: var(--accent); background: none; cursor: pointer;
  border: 1px solid var(--line); border-radius: 6px; padding: .1rem .5rem; }
.calprof .cards { display: flex; flex-wrap: wrap; gap: .6rem; }
.calprof .cards div { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .5rem .9rem; }
.calprof .cards b { display: block; font-size: 1.15rem; white-space: nowrap; }
.calprof .cards span { color: var(--faint); font-size: .8rem; }
.calprof dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem;
  margin-block: 1.2rem 0; }
.calprof dt { color: var(--faint); grid-column: 1; }
.calprof dd { margin: 0; grid-column: 2; overflow-wrap: anywhere; }
.calprof .tree, .calprof .wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; }
.calprof .row { display: grid; grid-template-columns: minmax(15rem, 1fr) repeat(var(--columns), 6rem);
  min-width: calc(15rem + var(--columns) * 6rem + 1rem); padding: .12rem .8rem .12rem .2rem;
  align-items: baseline;
  border-top: 1px solid var(--line); list-style: none;
  background: linear-gradient(90deg, var(--bar) var(--share, 0%), transparent var(--share, 0%)); }
.calprof .row::-webkit-details-marker { display: none; }
.calprof .row > span:not(.name) { text-align: right; white-space: nowrap; }
.calprof .row .name { padding-left: calc(1.3rem + var(--level, 0) * 1.1rem); position: relative; min-width: 0;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.calprof .row i { font-style: normal; color: var(--faint); }
.calprof summary { cursor: pointer; }
.calprof summary:hover, .calprof button:hover { color: var(--accent); }
.calprof summary .name::before { content: "▸"; color: var(--faint); position: absolute;
  margin-left: -.95rem; }
.calprof details[open] > summary .name::before { content: "▾"; }
.calprof .head { font-weight: 600; border-top: 0; background: var(--card); }
.calprof .own, .calprof .more, .calprof .each, .calprof .nothing { color: var(--faint); }
.calprof .each { background: none; }
.calprof .each i { font-style: italic; }
.calprof table { border-collapse: collapse; width: 100%; margin: 0; }
.calprof tr { background: linear-gradient(90deg, var(--bar) var(--share, 0%), transparent var(--share, 0%)); }
.calprof thead tr { background: var(--card); }
.calprof th, .calprof td { text-align: left; padding: .15rem .8rem; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; vertical-align: baseline; }
.calprof thead th { border-top: 0; }
.calprof .figure { text-align: right; white-space: nowrap; }
@media print { .calprof { padding: 0; } .calprof button { display: none; } }
"""
