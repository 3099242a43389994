// Models that callers requested and models that targets send, with prices, tokens, cost, errors and targets.
import { data, h } from '../dom.js';
import { count, dollars, duration_us, when } from '../format.js';
import { badge, fill, mark, panel } from '../parts.js';
import { failing_of, state_of, target_state } from '../labels.js';
import { paged_table, table } from '../table.js';

const price = (
	p,
) => (p && Object.keys(p).length
	? ['input', 'cached', 'output'].filter((k) => typeof p[k] === 'number').map((k) => h('div', {}, `${k} $${p[k]}`))
	: badge('none', 'edit'));
const target = (t) =>
	h('div', {}, mark(target_state(t.state)), ' ', data(t.target), h('small', {}, ' of the route ', data(t.route)),
		t.errors > 0 && `, ${Math.round(t.errors * 100)} % errors`);

/* The median, and below it the slow end. */
const spent = (m, name) =>
	typeof m[`${name}_p50`] === 'number' &&
	[duration_us(m[`${name}_p50`] * 1000), h('div', {}, h('small', {}, `p95 ${duration_us(m[`${name}_p95`] * 1000)}`))];
const speed = (m) =>
	typeof m.tokens_per_s_p50 === 'number' &&
	[count(Math.round(m.tokens_per_s_p50)), h('div', {}, h('small', {}, `p5 ${count(Math.round(m.tokens_per_s_p5))}`))];
const times = [
	{ title: 'first token', number: true, cell: (m) => spent(m, 'first_token_ms') },
	{ title: 'total time', number: true, cell: (m) => spent(m, 'total_ms') },
	{ title: 'tokens/s', number: true, cell: speed },
];

const columns = [
	{ title: 'model', cell: (m) => [data(m.model || '(none)'), m.configured && h('div', {}, badge('configured'))], wide: true },
	{ title: 'requests', number: true, cell: (m) => count(m.requests ?? 0) },
	{ title: 'denied', number: true, cell: (m) => count(m.refused ?? 0) },
	{ title: 'input tokens', number: true, cell: (
		m,
	) => [count(m.input_tokens ?? 0),
		m.cached_tokens > 0 && h('div', {}, h('small', {}, `${count(m.cached_tokens)} cached, ${m.cached_percent} %`))] },
	{ title: 'output tokens', number: true, cell: (m) => count(m.output_tokens ?? 0) },
	{ title: 'cost', number: true, cell: (
		m,
	) => [dollars(m.cost_nanousd ?? 0),
		m.unpriced_answers > 0 && h('div', {}, h('small', {}, `${count(m.unpriced_answers)} without a price`)),
		m.unknown_usage > 0 && h('div', {}, h('small', {}, `${count(m.unknown_usage)} without usage`))] },
	...times,
	{ title: 'price per 1M', wide: true, optional: true, cell: (m) => m.configured && price(m.usd_per_million) },
	{ title: 'targets', wide: true, optional: true, cell: (m) => (m.targets ?? []).map(target) },
	{ title: 'last request', optional: true, cell: (m) => m.last_seen && when(m.last_seen, { relative: true }) },
];

/* Recorded usage of the period with the current targets and prices, then configured models without a request. */
function joined(usage, models) {
	const of = new Map(models.filter((m) => m.configured).map((m) => [m.model, m]));
	const rows = usage.map((u) => {
		const m = of.get(u.model);
		of.delete(u.model);
		return { ...u, configured: !!m, targets: m?.targets, usd_per_million: m?.usd_per_million };
	});
	return [...rows,
		...[...of.values()].map(({ model, configured, targets, usd_per_million }) => ({ model, configured, targets, usd_per_million }))];
}

export default {
	name: 'models',
	title: 'Models',
	key: 'm',
	records: true,
	help: 'Models that callers requested and models that targets send to providers: tokens, cost, prices, targets and errors.',
	show(page) {
		const place = h('div', {}), slow = h('div', {}), { since } = page;
		page.root.append(place, slow);
		fill(slow, page, () => page.get('/usage', { by: 'target', since }),
			(got) =>
				panel('Response times by provider and model',
					table({ caption: `Responses with text of the last ${since}: the median, and below it the slow end`, rows: got.rows.filter((r) =>
						r.target && r.total_ms_count > 0
					), empty: 'No response with text in this period.', href: (r) => page.href('thing', { kind: 'target', name: r.target }), columns: [
						{ title: 'target', cell: (r) => data(r.target), wide: true },
						{ title: 'responses', number: true, cell: (r) => count(r.total_ms_count) },
						...times,
					] })));
		fill(place, page,
			() =>
				Promise.all([page.get('/usage', { by: 'model', since }), page.get('/models'), page.get('/now')]).then(([usage, got, now]) => {
					for (const t of got.models.flatMap((m) => m.targets ?? [])) t.state = state_of(t, failing_of(now));
					return joined(usage.rows, got.models);
				}), (rows) =>
			panel('Models', paged_table(page, 'from', {
				caption: `Models of the last ${since}, the highest cost first, then configured models without a request`,
				rows,
				columns,
				empty: 'No caller requested a model in this period, and no target sets a model of its own. Choose a longer period.',
				href: (m) => (m.model ? page.href('thing', { kind: 'model', name: m.model }) : null),
			})));
	},
};
