// Charts of the trends of the range in the head: a table of charts, each of one question.
import { chart } from '../chart.js';
import { add, data, empty, h } from '../dom.js';
import { count, dollars, duration_us } from '../format.js';
import { failed, mark } from '../parts.js';
import { add_up, largest, load_trends, means, quantiles, search_at, sums, times_of } from '../trends.js';

const ms = (n) => duration_us(n * 1000);
const usd = (n) => dollars(n * 1000); /* of micro-dollars */
const whole = (n) => count(Math.round(n));

/* Decisions: [label, member of a row, color]. */
const DECISIONS = [['permitted', 'permit', 'good'], ['denied', 'deny', 'bad'], ['redacted', 'redact', 'edit'], ['observed', 'observed',
	'dim']];
const some = (s) => s.values.some((v) => v);

/* The first row now and in the period before: read(row): values. */
const one = (got, label, read) => ({ label, values: read(got.series[0]), before: read(got.before?.[0]) });
/* Lines, each with a faint line of the period before if that had any. */
const with_before = (rows) =>
	rows.flatMap((r) =>
		[{ label: r.label, values: r.values, kind: r.kind }, r.before?.some((v) =>
			v
		) && { label: `${r.label}, period before`, values: r.before, faint: true }].filter(Boolean)
	);
/* Bands, and the sum of the period before as one faint line. */
function bands(got, read) {
	const rows = largest(got, read);
	const before = add_up(got.steps, (got.before ?? []).map(read));
	return [...rows.map(({ label, values }) => ({ label, values })),
		before.some((v) => v) && { label: 'period before', values: before, faint: true }].filter(Boolean);
}
const top = (read, most) => (got) => with_before(largest(got, read(got.steps), most).filter(some));

/* by: the rows to ask for; total: a sum of all steps has a meaning; series(got); terms: of the search that a click opens. */
const CHARTS = {
	requests: { title: 'Requests by decision', by: 'total', format: whole, total: true, series: (got) =>
		with_before(
			DECISIONS.map(([label, member, kind]) => ({ ...one(got, label, (row) => sums(got.steps, row, member)), kind })).filter((s, i) =>
				!i || some(s)
			),
		) },
	denials: { title: 'Denials by rule', by: 'rule', format: whole, total: true, series: top((n) => (row) => sums(n, row, 'deny'), 3),
		terms: { decision: 'deny' } },
	dollars: { title: 'Cost by team', by: 'team', format: usd, total: true, stacked: true,
		series: (got) => bands(got, (row) => sums(got.steps, row, 'cost_microusd')) },
	tokens: { title: 'Tokens by team', by: 'team', format: whole, total: true, stacked: true,
		series: (got) => bands(got, (row) => sums(got.steps, row, 'input_tokens', 'output_tokens')) },
	gateway_latency: { title: 'Latency of the gateway', by: 'total', format: duration_us,
		series: (got) => with_before(['p50', 'p95'].map((q) => one(got, q, (row) => quantiles(got.steps, row, `overhead_${q}_us`)))) },
	provider_latency: { title: 'Time to the first byte by provider, p95', by: 'target', format: ms,
		series: top((n) => (row) => quantiles(n, row, 'first_byte_p95_ms'), 3) },
	first_text: { title: 'Mean time to the first text of a stream', by: 'model', format: ms,
		series: (got) => with_before([one(got, 'mean', (row) => means(got.steps, row, 'stream_wait_ms', 'streams'))]) },
	errors: { title: 'Failed attempts by provider', by: 'target', format: whole, total: true,
		series: top((n) => (row) => sums(n, row, 'errors'), 3) },
	cache: { title: 'Cache hits', by: 'total', format: whole, total: true,
		series: (got) => with_before([one(got, 'cache hits', (row) => sums(got.steps, row, 'cache_hits'))]) },
};

/* Which daemons the sums are of. */
function source(got) {
	if (got.alone) return h('p', { class: 'dim' }, 'The charts show only this daemon, because it shares no Redis or Redis does not answer.');
	const missing = got.daemons.filter((d) => d.missing);
	return missing.length > 0 &&
		h('p', {}, mark({ label: 'incomplete', kind: 'edit' }), ' No new figures of the daemon ',
			missing.map((d, i) => [i ? ', ' : null, data(d.node)]),
			' have reached Redis for ten seconds. The charts have its figures until then.');
}

/* Each minute of the trends keeps the names with the highest cost (TRENDS_SLOT_NAMES). The sums per day have all names. */
const KEPT = { person: '24 people', team: '24 teams', key: '24 keys', tool: '24 tools' };
const bounded = (kind, shown) =>
	h('p', { class: 'dim' },
		!shown && `The daemon keeps no trend of this ${kind} in this period. It keeps the trends of each ${kind} with a high cost. `,
		KEPT[kind] &&
			`Each minute keeps the ${
				KEPT[kind]
			} with the highest cost, so that trends can lack requests. The charts per day count every request.`);

/* The section of these charts. only: the row of this kind and name alone. on_total(got): gets the sums of all requests. */
export function trend_charts(page, chosen, { only, terms = {}, title = 'Trends', on_total = () => {} } = {}) {
	const note = h('div', {}), below = h('div', {}), grid = h('div', { class: 'grid charts' });
	const shown = new Map(); /* by the chart's name */
	const all = chosen.map((
		name,
	) => [name, only ? { ...CHARTS[name], title: CHARTS[name].title.replace(/ by (rule|team|provider)/, ''), by: only.by } : CHARTS[name]]);
	const asked = [...new Set(all.map(([, c]) => c.by))];
	for (const [name, c] of all) {
		const place = h('div', { class: 'panel' });
		add(grid, place);
		shown.set(name, { place, chart: null, ...c });
	}

	function draw(c, got) {
		const times = times_of(got), series = c.series(got);
		if (c.chart) {
			c.chart.update(times, series);
			return;
		}
		const link = page.has('auditor') ? (t) => search_at(t, got.step_s, { ...terms, ...c.terms }) : undefined;
		c.chart = chart({ title: c.title, times, series, format: c.format, stacked: c.stacked, total: c.total, link, signal: page.signal });
		empty(c.place, c.chart.element);
	}
	page.every(60000, async () => {
		for (const by of asked) {
			try {
				const got = await load_trends(page, by, only?.name);
				if (by === asked[0])
					empty(note, source(got), only && !got.series.length && bounded(only.by, false));
				grid.hidden = Boolean(only && !got.series.length);
				empty(below, only && KEPT[only.by] && !grid.hidden && bounded(only.by, true));
				if (by === 'total') on_total(got);
				for (const c of shown.values()) if (c.by === by) draw(c, got);
			} catch (e) {
				if (e.name === 'AbortError') return;
				empty(note, failed(e));
			}
		}
	});
	return h('section', { 'aria-label': title }, h('h2', {}, data(title)), note, grid, below);
}
