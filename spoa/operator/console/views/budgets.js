// Budgets nearest to their limit, as bars, with the day on which each is used up at the rate of the last days.
import { data, h } from '../dom.js';
import { amount, when } from '../format.js';
import { bar, fill, panel } from '../parts.js';
import { table } from '../table.js';

const SHOWN = 10;

const used_up = (b) =>
	b.used >= b.of
		? 'used up'
		: b.used_up_at
		? when(b.used_up_at, { time: false })
		: b.rate_since
		? 'not before the reset'
		: 'not known within a day';

export function budgets(page) {
	const place = h('div', {});
	fill(place, page, () => page.get('/limits/fullest', { count: SHOWN }), ({ limits }) =>
		panel('Budgets nearest to their limit', table({
			caption:
				'The limits of callers with the largest used share, and the day on which each is used up at the rate of the last one to two days',
			rows: limits,
			empty: 'No caller has used a limit yet. Add limits to the policy to see budgets here.',
			href: (
				b,
			) => (b.person ? page.href('people', { person: b.person }) : b.team ? page.href('thing', { kind: 'team', name: b.team }) : null),
			columns: [
				{ title: 'caller', cell: (b) => data(b.person ?? b.team ?? 'everyone'), wide: true },
				{ title: 'limit', cell: (b) => data(b.limit), wide: true },
				{ title: 'used', keep: true, cell: (b) => bar(b.used, b.of) },
				{ title: 'amount', number: true, cell: (b) => `${amount(b.counts, b.used)} of ${amount(b.counts, b.of)}` },
				{ title: 'used up on', keep: true, cell: used_up },
				{ title: 'resets', keep: true, cell: (b) => b.resets_at && when(b.resets_at, { relative: true }) },
			],
		})));
	return place;
}
