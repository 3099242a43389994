#!/usr/bin/env python3
"""Prints the table of tests/bench/peers-run and draws its picture.

  peers_table.py NAMES ROWS SVG TICKS

NAMES has a line NAME|TITLE|CELLS for each gateway; ROWS has the measurements, one a line, in rounds; TICKS is the number of clock
ticks in a second. Each figure is the median of the rounds; a figure in
parentheses is the provider's own, to which the others are added."""
import collections, html, statistics, sys

names_file, rows_file, svg, ticks = sys.argv[1:5]
names = [line.rstrip("\n").split("|", 2) for line in open(names_file)]
rows = collections.defaultdict(list)
for line in open(rows_file):
	kind, name, *values = line.split()
	rows[kind, name].append([float(v) for v in values])


def median(kind, name, value):
	found = [value(r) for r in rows[kind, name]]
	return statistics.median(found) if found else None


def figures(name):
	return {
		"rate": median("many", name, lambda r: r[0] * 1e6 / r[1]),
		"p50": median("many", name, lambda r: r[2]), "p99": median("many", name, lambda r: r[3]),
		"cpu": median("many", name, lambda r: r[4] * 1e6 / float(ticks) / r[0]),
		"memory": median("many", name, lambda r: r[5] / 1024),
		"one": median("one", name, lambda r: r[2]), "one99": median("one", name, lambda r: r[3]),
		"first": median("stream", name, lambda r: r[0]),
	}


measured = {name: figures(name) for name, _, _ in names}
alone = measured["provider"]
print("| | version | identity | detection | limits | durable record | requests/s, 32 connections | p50, ms | p99, ms | CPU µs a request | one at a time: added p50, µs "
	"| added p99, µs | first event of a stream: added p50, µs | MB |")
print("|" + "---|" * 14)
for name, title, cells in names:
	m = measured[name]
	own = name != "provider"
	added = ["failed" if m[k] is None else f"{m[k] - alone[k]:+,.0f}" if own else f"({m[k]:,.0f})" for k in ("one", "one99", "first")]
	cpu, memory = (f"{m['cpu']:,.0f}", f"{m['memory']:,.0f}") if own else ("", "")
	print(f"| {title} {cells} | {m['rate']:,.0f} | {m['p50'] / 1000:.1f} | {m['p99'] / 1000:.1f} | {cpu} | {' | '.join(added)} | {memory} |")

# Two groups of bars: requests a second, and the time that a gateway adds to one request at a time.
shown = [(title, measured[name]) for name, title, _ in names if name != "provider"]
BAR, LEFT, WIDTH = 22, 250, 400
out, y = [], 24


def bars(heading, value):
	global y
	out.append(f'<text x="0" y="{y}" class="heading">{html.escape(heading)}</text>')
	y += 12
	most = max(value(m) for _, m in shown) or 1
	for title, m in shown:
		kind = "ours" if title.startswith("tollgate") else "peer"
		out.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{html.escape(title)}</text>'
			f'<rect x="{LEFT}" y="{y + 2}" width="{max(1, value(m) / most * WIDTH):.0f}" height="{BAR - 6}" class="{kind}"/>'
			f'<text x="{LEFT + value(m) / most * WIDTH + 6:.0f}" y="{y + 14}">{value(m):,.0f}</text>')
		y += BAR
	y += 24


bars("Requests per second, 32 connections", lambda m: m["rate"])
bars("Time added to one request at a time, p50, µs", lambda m: max(0, m["one"] - alone["one"]))
with open(svg, "w") as f:
	f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 80} {y}" width="{LEFT + WIDTH + 80}" height="{y}" font-family="sans-serif" font-size="13">'
		"<style>text{fill:#333}.heading{font-weight:bold}.ours{fill:#2563eb}.peer{fill:#9ca3af}"
		"@media(prefers-color-scheme:dark){text{fill:#ddd}.peer{fill:#6b7280}}</style>" + "\n".join(out) + "</svg>\n")
