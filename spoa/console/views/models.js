// Models: those that were asked and those that the policy names, with prices, tokens, cost and errors.
import { data, h } from '../dom.js';
import { count, dollars, when } from '../format.js';
import { badge, field, fill, form_values, nothing, panel } from '../parts.js';
import { go } from '../router.js';
import { table } from '../table.js';

const SPANS = [['24h', 'a day'], ['7d', '7 days'], ['30d', '30 days']];

const columns = [
	{ title: 'model', cell: (m) => data(m.model || '(none)'), wide: true },
	{ title: 'requests', number: true, cell: (m) => count(m.requests) },
	{ title: 'refused', number: true, cell: (m) => count(m.refused) },
	{ title: 'tokens in', number: true, cell: (m) => count(m.input_tokens) },
	{ title: 'of them cached', number: true, cell: (m) => count(m.cached_tokens) },
	{ title: 'tokens out', number: true, cell: (m) => count(m.output_tokens) },
	{ title: 'cost', number: true, cell: (m) => dollars(m.cost_nanousd) },
	{ title: 'not to be charged', cell: (m) => [m.unpriced_answers > 0 && badge(`${count(m.unpriced_answers)} without a price`, 'edit'), ' ', m.unknown_usage > 0 && badge(`${count(m.unknown_usage)} without usage`, 'edit')] },
	{ title: 'last', cell: (m) => m.last_seen && when(m.last_seen) },
];

export default {
	name: 'models', title: 'Models', key: 'm',
	help: 'Models that were asked: tokens, cost, what has no price, errors.',
	show(page) {
		const place = h('div', {});
		const { since = '7d' } = page.state;
		const form = h('form', { class: 'fields', 'aria-label': 'Filter', onchange: () => go('models', form_values(form)), onsubmit: (e) => { e.preventDefault(); go('models', form_values(form)); } },
			field({ name: 'since', label: 'Of the last', value: since, options: SPANS }));
		page.root.append(form, place);
		fill(place, page, () => page.get('/usage', { by: 'model', since }), (got) => panel('Models', got.rows.length ? table({
			caption: `Since ${since} ago, the most expensive first`, rows: got.rows.slice(0, 200), columns,
			href: (m) => (page.has('auditor') && m.model ? page.href('search', { model: m.model, since }) : null),
		}) : nothing('No model was asked in this time.'), got.rows.length > 200 && h('p', { class: 'dim' }, `The first 200 of ${count(got.rows.length)}.`)));
	},
};
