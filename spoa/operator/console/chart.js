// Lines over time by uPlot, which is fetched when the program is built. Where it was not to be had the same
// numbers are a table; with it that table is one click away, and what screen readers read.
import uPlot from './uplot.js';
import { empty, h } from './dom.js';
import { when_text, zone } from './format.js';

export const charts_here = Boolean(uPlot);

const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [1, 3]];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawn = new Set(); /* drawn again when light becomes dark */
export function redraw_charts() { for (const draw of drawn) draw(); }

/* Indices of values between two gaps: neither neighbor exists, so no line would show them. */
function lone_points(u, at) {
	const values = u.data[at], known = (i) => values[i] !== null && values[i] !== undefined;
	return values.flatMap((v, i) => (known(i) && !known(i - 1) && !known(i + 1) ? [i] : []));
}

function numbers(times, series, format) {
	return h('table', { class: 'numbers' }, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'time'), series.map((s) => h('th', { scope: 'col', class: 'number' }, s.label)))),
		h('tbody', {}, times.map((t, i) => h('tr', {}, h('th', { scope: 'row' }, when_text(t * 1000, { day: false })),
			series.map((s) => h('td', { class: 'number' }, s.values[i] === null || s.values[i] === undefined ? '–' : format(s.values[i])))))));
}

/* times: seconds since 1970; series: [{label, values}], null where nothing is known; six at most are told
 * apart. format(n): of axis and table. signal: the view's. Returns {element, update(times, series)}. */
export function chart({ title, times, series, format = String, signal, height = 160 }) {
	const place = h('div', { class: 'plot', 'aria-hidden': 'true' });
	const table = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${title}: numbers` });
	const details = h('details', { ontoggle: () => show_numbers() }, h('summary', {}, 'Numbers'), table);
	const element = h('figure', { class: 'chart' }, h('figcaption', {}, title), charts_here && place, details);
	let plot = null;

	function show_numbers() {
		if (details.open) empty(table, times.length ? numbers(times, series, format) : 'No data yet.');
	}

	/* Where no pointer is, the legend says the newest. */
	const newest = () => requestAnimationFrame(() => { if (plot && !(plot.cursor.left >= 0)) plot.setLegend({ idx: times.length - 1 }); });

	function draw() {
		plot?.destroy();
		plot = null;
		const width = place.clientWidth;
		if (!charts_here || !width) return;
		if (!times.length) { empty(place, h('p', { class: 'dim' }, 'No data yet.')); return; }
		empty(place);
		const axis = { stroke: css('--dim'), grid: { stroke: css('--line'), width: 1 }, ticks: { stroke: css('--line'), width: 1 }, font: '11px system-ui, sans-serif' };
		plot = new uPlot({
			width, height, padding: [8, 8, 0, 0],
			tzDate: (s) => (zone() === 'utc' ? uPlot.tzDate(new Date(s * 1000), 'Etc/UTC') : new Date(s * 1000)),
			cursor: { y: false, drag: { x: false, y: false } },
			scales: { y: { range: (u, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.08 : 1] } },
			axes: [{ ...axis, values: (u, at) => at.map((s) => when_text(s * 1000, { day: false }).slice(0, times.at(-1) - times[0] < 600 ? 8 : 5)) },
				{ ...axis, size: 58, values: (u, at) => at.map((n) => format(n)) }],
			series: [{ label: 'time', value: (u, s) => (s === null ? '–' : when_text(s * 1000, { day: false })) },
				...series.map((s, i) => ({ label: s.label, stroke: css(`--series-${(i % 6) + 1}`), width: 2, dash: DASHES[i % 6], points: { show: times.length < 3, size: 5, filter: lone_points }, value: (u, n) => (n === null || n === undefined ? '–' : format(n)) }))],
		}, [times, ...series.map((s) => s.values)], place);
		newest();
	}

	if (charts_here) {
		const seen = new ResizeObserver(() => { if (place.clientWidth && plot?.width !== place.clientWidth) draw(); });
		seen.observe(place);
		drawn.add(draw);
		signal.addEventListener('abort', () => { seen.disconnect(); drawn.delete(draw); plot?.destroy(); plot = null; }, { once: true });
	} else details.open = true;
	return { element, update(new_times, new_series) {
		const same = plot && new_series.length === series.length && new_series.every((s, i) => s.label === series[i].label);
		times = new_times;
		series = new_series;
		if (same && times.length) {
			plot.setData([times, ...series.map((s) => s.values)]);
			newest();
		} else draw();
		show_numbers();
	} };
}
