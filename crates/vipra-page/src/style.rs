//! The one style of all pages.

/// Phone first: one column, and what is wider than the page scrolls within itself.
pub(crate) const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --faint: #8882; --first: #1c68b3; --second: #b8500a; --third: #6b6b6b; }
@media (prefers-color-scheme: dark) { :root { --first: #6cb2f5; --second: #f59e52; --third: #a3a3a3; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { max-width: 44rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 1rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
td, th { padding: .2rem 1rem .2rem 0; text-align: right; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; }
tbody tr { border-top: 1px solid var(--faint); }
td:first-child, th:first-child { text-align: left; }
.facts td { text-align: left; }
.text { white-space: normal; min-width: 9rem; max-width: 24rem; }
.all td, .verdict { font-weight: 600; }
.verdict, .whole { white-space: nowrap; }
.quiet, figcaption { font-size: .9rem; opacity: .85; }
.absent { border-left: .25rem solid var(--line); padding-left: .75rem; opacity: .85; }
code { font-size: .9em; overflow-wrap: anywhere; }
pre { overflow-x: auto; font-size: .8rem; line-height: 1.4; border: 1px solid var(--line); padding: .75rem; }
details { margin: 1rem 0; }
summary { cursor: pointer; padding: .4rem 0; }
figure { margin: 0 0 1.5rem; min-width: 0; }
img { max-width: 100%; height: auto; image-rendering: pixelated; vertical-align: top; }
.scroll img { max-width: none; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 0 1.5rem; }
.charts figure { max-width: 27rem; margin-bottom: 1.75rem; } .charts h3 { margin: 0 0 .25rem; }
.charts svg { display: block; width: 100%; height: auto; }
.charts text { font: 11px system-ui, sans-serif; fill: currentColor; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; }
.legend span { white-space: nowrap; }
.legend svg { display: inline; width: 1.5rem; height: .6rem; }
.first { stroke: var(--first); fill: none; } .second { stroke: var(--second); fill: none; }
.third { stroke: var(--third); fill: none; stroke-dasharray: 4 3; }
.dot { fill: var(--second); stroke: none; }
.grid { stroke: var(--faint); } .axis { stroke: var(--line); }
.interval { width: 8rem; height: .8rem; vertical-align: middle; }
.interval .range { stroke: var(--first); } .interval .rule { stroke: var(--line); } .interval circle { fill: currentColor; }
.bars { display: flex; gap: 2px; align-items: flex-end; height: 5rem; }
.bars div { background: var(--first); flex: 1; min-width: 0; min-height: 1px; }
.positions { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; font-size: .85rem; }
.videos { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
.videos img { width: 100%; }
.videos figure { margin: 0; }
@media print { .scroll { overflow: visible; } }
";
