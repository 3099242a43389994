// The last hour by the daemon's own samples, ten seconds each: how much, how well, how fast, for how much.
import { chart } from '../chart.js';
import { add, h } from '../dom.js';
import { count, duration_us, instant } from '../format.js';
import { failed } from '../parts.js';

const BY = [['total', 'all'], ['route', 'route'], ['target', 'target'], ['model', 'model']];
const SHOWN = 5; /* names with a line of their own; the others are one */

const per_second = (n) => (n >= 100 ? count(Math.round(n)) : String(Math.round(n * 100) / 100));
const money = (n) => `$${n >= 100 ? Math.round(n) : n.toFixed(2)}`;
const ms = (n) => duration_us(n * 1000);

/* Members of a series; one that is all 0 is left out of the answer. A quantile of 0 is none. */
const sum = (got, ...names) => Array.from({ length: got.steps }, (_, i) => names.reduce((n, name) => n + (got.row[name]?.[i] ?? 0), 0));
const rate = (...names) => (got) => sum(got, ...names).map((n) => n / got.step_s);
const quantile = (name) => (got) => sum(got, name).map((n) => n || null);
const hourly = (got) => sum(got, 'cost_microusd').map((n) => (n / 1e6 / got.step_s) * 3600);
const mean_wait = (got) => {
	const wait = sum(got, 'stream_wait_ms'), n = sum(got, 'streams');
	return wait.map((w, i) => (n[i] ? w / n[i] : null));
};
const ALL = ['permit', 'redact', 'deny', 'observed'];
/* The colors of decisions. */
const KINDS = { permitted: 'good', denied: 'bad', 'denied by the gateway': 'bad', redacted: 'edit', observed: 'dim' };

/* Of all: each line is another number of the one row. */
const of_all = [
	['Requests per second', per_second, [['permitted', rate('permit')], ['denied', rate('deny')], ['redacted', rate('redact')], ['observed',
		rate('observed')]]],
	['Errors per second', per_second, [['of providers', rate('errors')], ['denied by the gateway', rate('deny')]]],
	['Latency of the gateway', duration_us, [['p50', quantile('overhead_p50_us')], ['p95', quantile('overhead_p95_us')]]],
	['Streams: mean time to the first text', ms, [['to the first text', mean_wait]]],
	['Tokens per second', per_second, [['input', rate('input_tokens')], ['output', rate('output_tokens')]]],
	['Dollars per hour', money, [['dollars', hourly]]],
];
/* By name: each line is the same number of another row; adds: whether the others' sum means something. */
const by_name = {
	route: [['Requests per second', per_second, rate(...ALL), true], ['Denied per second', per_second, rate('deny'), true], [
		'Latency of the gateway, p95',
		duration_us,
		quantile('overhead_p95_us'),
	], ['Streams: mean time to the first text', ms, mean_wait], ['Dollars per hour', money, hourly, true]],
	target: [['Requests per second', per_second, rate(...ALL), true], ['Provider errors per second', per_second, rate('errors'), true], [
		'Time to the first byte, p95',
		ms,
		quantile('first_byte_p95_ms'),
	], ['Latency of the gateway, p95', duration_us, quantile('overhead_p95_us')], ['Dollars per hour', money, hourly, true]],
};
by_name.model = by_name.route;

function lines(got, by) {
	const { step_s, steps } = got;
	const of = (row) => ({ step_s, steps, row });
	if (by === 'total')
		return of_all.map(([title, format, parts]) => ({ title, format,
			series: parts.map(([label, f]) => ({ label, kind: KINDS[label], values: f(of(got.series[0] ?? {})) })).filter((s, i) =>
				!i || s.values.some((v) => v)
			) })
		);
	const much = (row) => sum(of(row), ...ALL).reduce((a, b) => a + b, 0) + sum(of(row), 'errors').reduce((a, b) => a + b, 0);
	const rows = [...got.series].sort((a, b) => much(b) - much(a));
	const own = rows.slice(0, SHOWN), rest = rows.slice(SHOWN);
	return by_name[by].map(([title, format, f, adds]) => {
		const series = own.map((row) => ({ label: row.name || '-', values: f(of(row)) }));
		if (rest.length && adds) {
			const values = rest.map((row) => f(of(row)));
			series.push({ label: `${rest.length} others`, values: Array.from({ length: steps }, (_, i) =>
				values.reduce((n, v) => n + (v[i] ?? 0), 0)) });
		}
		return { title, format, series };
	});
}

export function hour(page) {
	const by = BY.some(([k]) => k === page.state.by) ? page.state.by : 'total';
	const wrong = h('div', {}), grid = h('div', { class: 'grid charts three' });
	const charts = new Map(); /* by title */
	page.every(10000, async () => {
		let got;
		try {
			got = await page.get('/series', { by });
		} catch (e) {
			if (e.name !== 'AbortError') wrong.replaceChildren(failed(e));
			return;
		}
		wrong.replaceChildren();
		const until = Math.floor(instant(got.until) / 1000);
		const times = Array.from({ length: got.steps }, (_, i) => until - (got.steps - 1 - i) * got.step_s);
		for (const { title, format, series } of lines(got, by)) {
			let c = charts.get(title);
			if (!c) {
				c = chart({ title, times, series, format, signal: page.signal });
				charts.set(title, c);
				add(grid, h('div', { class: 'panel' }, c.element));
			} else c.update(times, series);
		}
	});
	return h('section', { 'aria-label': 'The last hour' }, h('h2', {}, 'The last hour'),
		h('div', { class: 'row', role: 'group', 'aria-label': 'By' }, h('span', { class: 'dim' }, 'by'),
			BY.map(([k, text]) =>
				h('button', { type: 'button', id: `by-${k}`, 'aria-pressed': String(by === k), onclick: () =>
					page.set({ by: k === 'total' ? null : k }) }, text)
			)), wrong, grid);
}
