/** The style sheet of report.html: follows the reader's light or dark, and prints. */
export const reportStyle = `
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1b2230; --soft: #5c667a; --rule: #dfe3ea; --grid: #e9ecf1;
  --good: #15803d; --bad: #c62828; --unsure: #a15c00;
  --requests: #2563eb; --failed: #d92d20; --waiting: #8a63d2; --latency: #0e7c86; --span: #f59e0b; --abort: #b3261e; }
@media (prefers-color-scheme: dark) { :root {
  --page: #11151c; --card: #1a202b; --text: #e6eaf2; --soft: #9aa6ba; --rule: #303949; --grid: #283040;
  --good: #4ade80; --bad: #ff7b72; --unsure: #fbbf5a;
  --requests: #6ea8fe; --failed: #ff7b72; --waiting: #b79cf2; --latency: #45c4cf; --span: #f5b83d; --abort: #ff8f86; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 60px; }
header p { margin: 0; color: var(--soft); }
h1 { font-size: 28px; line-height: 1.2; margin: 2px 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 12px; }
h3 { font-size: 15px; margin: 0; overflow-wrap: anywhere; }
code { font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.purpose { margin: 10px 0 0; max-width: 75ch; white-space: pre-line; color: var(--text); }
.banner { margin: 20px 0; padding: 16px 20px; border-radius: 10px; background: var(--card); border: 1px solid var(--rule); border-left: 8px solid var(--tone); display: flex; gap: 22px; align-items: baseline; }
.banner strong { color: var(--tone); font-size: 24px; letter-spacing: .02em; white-space: nowrap; }
.banner ul { margin: 0; padding: 0; list-style: none; overflow-wrap: anywhere; min-width: 0; }
.banner li + li { margin-top: 4px; color: var(--soft); }
.passed { --tone: var(--good); } .failed-run { --tone: var(--bad); } .inconclusive { --tone: var(--unsure); }
.warning { margin: 0 0 20px; padding: 12px 20px; border-radius: 10px; border: 1px solid var(--bad); color: var(--bad); font-weight: 600; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 12px; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tile span { display: block; color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 16px; overflow-x: auto; }
.gates { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(460px, 100%), 1fr)); gap: 14px; }
.gates p { margin: 3px 0 8px; color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.row { display: flex; justify-content: space-between; gap: 10px; align-items: baseline; }
.badge { color: var(--tone); border: 1px solid var(--tone); border-radius: 99px; padding: 0 10px; font-size: 12px; font-weight: 600; white-space: nowrap; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12.5px; white-space: nowrap; }
th, td { padding: 7px 12px 7px 0; border-bottom: 1px solid var(--rule); vertical-align: top; overflow-wrap: anywhere; }
tr:last-child > * { border-bottom: 0; } td:first-child { white-space: nowrap; }
td.when { white-space: nowrap; font-variant-numeric: tabular-nums; color: var(--soft); }
td.good { color: var(--good); } td.bad { color: var(--bad); }
svg.plot { display: block; width: 100%; height: auto; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
svg text { fill: var(--text); } svg .title { font-weight: 600; font-size: 13px; } svg .small { font-size: 11.5px; fill: var(--soft); }
.grid { stroke: var(--grid); } .span { fill: var(--span); opacity: .17; } .hover { fill: transparent; }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .fill { opacity: .16; }
.curve.requests { stroke: var(--requests); } .curve.failed { stroke: var(--failed); } .curve.latency { stroke: var(--latency); }
.curve.waiting { stroke: var(--waiting); stroke-dasharray: 5 3; } .curve.share { stroke: var(--soft); stroke-width: 1.2; }
.fill.requests, .swatch.requests, .dot.requests { fill: var(--requests); } .fill.failed, .swatch.failed, .dot.failed { fill: var(--failed); }
.fill.latency, .swatch.latency, .dot.latency { fill: var(--latency); } .swatch.waiting, .dot.waiting { fill: var(--waiting); } .dot.share { fill: none; }
.dot.holding { fill: var(--good); } .dot.breaking { fill: var(--bad); } .nodata { stroke: var(--unsure); stroke-width: 1.6; fill: none; }
line.limit { stroke: var(--bad); stroke-dasharray: 7 4; stroke-width: 1.3; } svg text.limit { fill: var(--bad); paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
line.breach { stroke: var(--failed); stroke-dasharray: 3 3; stroke-width: 1.6; } line.abort { stroke: var(--abort); stroke-width: 2; }
.leader { stroke-width: 1; opacity: .55; } line.leader.fault { stroke: var(--span); } svg .label { font-weight: 600; }
svg .label.fault { fill: var(--unsure); } svg .label.breach { fill: var(--failed); } svg .label.abort { fill: var(--abort); }
.phase { fill: var(--grid); }
@media (max-width: 640px) { .banner { flex-direction: column; gap: 6px; } .card > svg.plot { min-width: 720px; } }
@media print { body { background: none; } .card, .tile, .banner { break-inside: avoid; } }
`
