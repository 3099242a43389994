// Overview: what is wrong, the sums and trends of the range, and which budgets are nearest to their limit.
import { empty, h } from '../dom.js';
import { count, dollars } from '../format.js';
import { sums, total_of } from '../trends.js';
import { budgets } from './budgets.js';
import { health } from './health.js';
import { trend_charts } from './trend_charts.js';

const CHARTS = ['requests', 'denials', 'dollars', 'tokens', 'gateway_latency', 'provider_latency', 'errors', 'cache'];

/* [name, members of a row, format, the view with its state that shows more] */
const SUMS = [['requests', ['permit', 'redact', 'deny', 'observed'], count, ['search']], ['denied', ['deny'], count, ['search', {
	decision: 'deny',
}]], ['failed requests', ['failed'], count, ['search', { outcome: 'error' }]], ['tokens', ['input_tokens', 'output_tokens'], count, [
	'people',
	{ sort: 'tokens' },
]], ['cost', ['cost_microusd'], (n) => dollars(n * 1000), ['people', { sort: 'cost' }]], ['cache hits', [
	'cache_hits',
], count]];

/* Against the period before, in percent; nothing without figures of it. */
const growth = (now, before) => before > 0 && `${now < before ? '−' : '+'}${count(Math.round(Math.abs(100 * (now / before - 1))))} %`;

const totals = (page, got) =>
	SUMS.map(([name, members, format, more]) => {
		const [now, before] = [got.series[0], got.before?.[0]].map((row) => total_of(sums(got.steps, row, ...members)));
		const grown = growth(now, before);
		return h(more ? 'a' : 'div', { class: 'tile', href: more && page.href(...more) }, h('b', {}, format(now)), name,
			grown && h('small', { title: `${format(before)} in the period before` }, `${grown} vs. before`));
	});

export default {
	name: 'overview',
	title: 'Overview',
	key: 'v',
	help:
		'What is wrong, the trends of the time range in the head, and the budgets nearest to their limit. A click on a chart opens Search at that time.',
	show(page) {
		const tiles = h('div', { class: 'tiles', role: 'group', 'aria-label': 'Sums of the time range' });
		page.root.append(health(page), tiles, trend_charts(page, CHARTS, { on_total: (got) => empty(tiles, totals(page, got)) }),
			budgets(page));
	},
};
