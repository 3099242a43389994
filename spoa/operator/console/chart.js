// Lines and stacked bands over time, by uPlot, which is fetched when the program is built. Without uPlot the same
// numbers are a table. With uPlot the table is one click away, for screen readers too.
import uPlot from './uplot.js';
import { empty, h, place as put, plain } from './dom.js';
import { when_text, zone } from './format.js';
import { total_of } from './trends.js';

export const charts_here = Boolean(uPlot);

const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [1, 3]];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawn = new Set(); /* drawn again when light becomes dark */
export function redraw_charts() {
	for (const draw of drawn) draw();
}

/* Indices of values between two gaps: neither neighbor exists, so no line would show them. */
function lone_points(u, at) {
	const values = u.data[at], known = (i) => values[i] !== null && values[i] !== undefined;
	return values.flatMap((v, i) => (known(i) && !known(i - 1) && !known(i + 1) ? [i] : []));
}

const compact = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
/* On the axis: 2M for 2,000,000, and no zeros after the second digit of a fraction. */
const axis_number = (text) =>
	text.replace(/\d[\d,]{6,}(\.\d+)?/, (n) => compact.format(Number(n.replaceAll(',', '')))).replace(/(\.\d\d\d*?)0+$/, '$1');
/* In the legend, which uPlot fills. The table has the whole label. */
const short = (label) => (label.length > 40 ? `${plain(label.slice(0, 40))}…` : plain(label));
const DAY_S = 86400;
/* As long as the span needs: seconds, minutes, or the day. */
function axis_text(t, times) {
	const span = times.at(-1) - times[0], text = when_text(t * 1000);
	return span > 2 * DAY_S ? text.slice(5, 10) : span < 600 ? text.slice(11, 19) : text.slice(11, 16);
}
/* Steps of an axis of whole numbers. */
const WHOLE = Array.from({ length: 48 }, (_, i) => [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3));
const is_whole = (v) => v === null || v === undefined || Number.isInteger(v);
const once = (text, i, all) => (text === all[i - 1] ? '' : text);
const shown_or_dash = (n, format) => (n === null || n === undefined ? '–' : format(n));

function numbers(times, series, format, link) {
	return h('table', { class: 'numbers' },
		h('thead', {},
			h('tr', {}, h('th', { scope: 'col' }, 'Time'), series.map((s) => h('th', { scope: 'col', class: 'number' }, s.label.slice(0, 200))))),
		h('tbody', {},
			times.map((t, i) =>
				h('tr', {}, h('th', { scope: 'row' }, link ? h('a', { href: link(t) }, when_text(t * 1000)) : when_text(t * 1000)),
					series.map((s) => h('td', { class: 'number' }, shown_or_dash(s.values[i], format))))
			)));
}

/* Stacked: each series begins where the one below ends, and the sum of all is drawn first, behind the others. Faint
 * series are not stacked. Returns [{ ...series, drawn }]. */
function layers(series, stacked) {
	if (!stacked) return series.map((s) => ({ ...s, drawn: s.values }));
	let below = null;
	const up = series.filter((s) => !s.faint).map((s) => {
		below = s.values.map((v, i) => (v === null && (below?.[i] ?? null) === null ? null : (v ?? 0) + (below?.[i] ?? 0)));
		return { ...s, drawn: below, filled: true };
	});
	return [...up.reverse(), ...series.filter((s) => s.faint).map((s) => ({ ...s, drawn: s.values }))];
}

/* times: seconds since 1970; series: [{ label, values, faint, kind }], null where nothing is known; at most six can be told
 * apart; faint: the period before; kind: good, bad, edit or dim, for the color of a decision. stacked: bands on top of each other; bars: a bar a step. total: without a pointer the legend shows the sums of all steps. format(n): for the axis and the table.
 * link(t): where a click on the step at t leads. signal: the view's. Returns { element, update(times, series) }. */
export function chart({ title, times, series, format = String, signal, height = 170, stacked = false, bars = false, total = false, link }) {
	const place = h('div', { class: link ? 'plot linked' : 'plot', 'aria-hidden': 'true', onclick: () => {
		if (link && plot?.cursor.idx >= 0) location.hash = link(times[plot.cursor.idx]);
	}, onpointerleave: () => newest() });
	const table = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${title}: numbers` });
	const details = h('details', { ontoggle: () => show_numbers() }, h('summary', {}, 'Numbers'), table);
	const element = h('figure', { class: 'chart' }, h('figcaption', {}, title, ' ', h('small', { class: 'before' }, 'period before')),
		charts_here && place, details);
	let plot = null;

	function show_numbers() {
		if (details.open) empty(table, times.length ? numbers(times, series, format, link) : 'No data yet.');
	}

	/* Without a pointer the legend shows the sums, or the newest step that has a value. */
	const of_all = (u) => total && u.cursor.left < 0;
	const known_at = (i) => series.some((s) => !s.faint && s.values[i] !== null && s.values[i] !== undefined);
	const newest = () =>
		requestAnimationFrame(() => {
			if (!plot || plot.cursor.left >= 0) return;
			let last = times.length - 1;
			while (last > 0 && !known_at(last)) last--;
			plot.setLegend({ idx: last });
		});

	function draw() {
		plot?.destroy();
		plot = null;
		const width = place.clientWidth;
		if (!charts_here || !width) return;
		if (!times.some((_, i) => known_at(i))) {
			empty(place, h('p', { class: 'dim' }, 'No data in this period.'));
			return;
		}
		empty(place);
		const all = layers(series, stacked);
		element.classList.toggle('has-before', series.some((s) => s.faint));
		const room = bars ? (times.at(-1) - times[0]) / Math.max(1, times.length - 1) / 2 : 0; /* half a step on each side */
		const axis = { stroke: css('--dim'), grid: { stroke: css('--line'), width: 1 }, ticks: { stroke: css('--line'), width: 1 },
			font: '11px system-ui, sans-serif' };
		const solid = series.filter((s) => !s.faint).map((s) => s.label);
		const color = (s) => css(s.faint ? '--strong' : s.kind ? `--${s.kind}` : `--series-${(solid.indexOf(s.label) % 6) + 1}`);
		plot = new uPlot({
			width,
			height,
			padding: [8, times.at(-1) - times[0] < 600 ? 28 : 18, 0, 0], /* half a label of the axis */
			tzDate: (s) => (zone() === 'utc' ? uPlot.tzDate(new Date(s * 1000), 'Etc/UTC') : new Date(s * 1000)),
			cursor: { y: false, drag: { x: false, y: false } },
			scales: { x: { range: (u, low, high) => [low - room, high + room] },
				y: { range: (u, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.08 : 1] } },
			axes: [{ ...axis, size: 28, values: (u, at) => at.map((s) => axis_text(s, times)).map(once) }, {
				...axis,
				size: 58,
				incrs: series.every((s) => s.values.every(is_whole)) ? WHOLE : undefined,
				values: (u, at) => at.map((n) => axis_number(format(n))).map(once),
			}],
			series: [{ label: 'Time',
				value: (u, s) => (of_all(u) ? 'Total' : s === null ? '–' : when_text(s * 1000, { day: times.at(-1) - times[0] >= DAY_S / 2 })) },
				...all.map((s, i) => ({ label: short(s.label), class: s.faint ? 'faint' : undefined, stroke: color(s),
					fill: s.filled || bars ? color(s) : undefined, paths: bars && uPlot.paths.bars({ size: [.6, 60] }),
					width: s.filled ? 0 : s.faint ? 1 : 2, dash: s.faint ? [3, 3] : s.filled ? [] : DASHES[i % 6],
					points: { show: times.length < 3, size: 5, stroke: color(s), fill: color(s), filter: lone_points },
					value: (u, n, k, at) =>
						shown_or_dash(of_all(u) ? total_of(s.values) : at === null || at === undefined ? null : s.values[at], format) })
				)],
		}, [times, ...all.map((s) => s.drawn)], place);
		if (stacked) place.querySelectorAll('.u-series').forEach((row, i) => put(row, { order: i ? 99 - i : 0 })); /* the largest first */
		newest();
	}

	if (charts_here) {
		const seen = new ResizeObserver(() => {
			if (place.clientWidth && plot?.width !== place.clientWidth) draw();
		});
		seen.observe(place);
		drawn.add(draw);
		signal.addEventListener('abort', () => {
			seen.disconnect();
			drawn.delete(draw);
			plot?.destroy();
			plot = null;
		}, { once: true });
	} else details.open = true;
	return { element, update(new_times, new_series) {
		const same = plot && !stacked && new_series.length === series.length && new_series.every((s, i) => s.label === series[i].label);
		times = new_times;
		series = new_series;
		if (same && times.length) {
			plot.setData([times, ...layers(series, stacked).map((s) => s.drawn)]);
			newest();
		} else draw();
		show_numbers();
	} };
}
