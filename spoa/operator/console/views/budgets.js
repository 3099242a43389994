// Budgets nearest to their limit, as bars, with the day on which each is used up at the rate of the last 24 hours.
import { data, h } from '../dom.js';
import { count, dollars, when } from '../format.js';
import { bar, fill, panel } from '../parts.js';
import { table } from '../table.js';

const SHOWN = 8;
const READ = { usd: (r) => r.cost_nanousd ?? 0, tokens: (r) => (r.input_tokens ?? 0) + (r.output_tokens ?? 0),
	requests: (r) => r.requests ?? 0 };
const DAY_MS = 86400000;

/* The current use of a limit, and the use of the last 24 hours by the callers that share it. */
async function forecast(page, near) {
	const { person, team } = near;
	const [quota, usage] = await Promise.all([
		page.post('/quota', { identity: { ...(person ? { person } : {}), ...(team ? { team } : {}) } }),
		page.get('/usage', { by: person ? 'person' : 'team', since: '24h', match: person ?? team, limit: 50 }),
	]);
	const named = quota.limits.filter((l) => l.limit === near.limit), limit = named.find((l) => l.route === near.route) ?? named[0];
	const used = (limit?.used ?? 0) + (limit?.held ?? 0);
	const row = person || team ? usage.rows.find((r) => (person ? r.person === person : r.team === team)) : usage.total;
	const rate = limit && READ[limit.counts] && row ? READ[limit.counts](row) : 0;
	return { ...near, counts: limit?.counts, used, of: limit?.of,
		ends: rate > 0 && limit.of > used ? Date.now() + ((limit.of - used) / rate) * DAY_MS : null };
}

function used_up(b) {
	if (b.of !== undefined && b.used >= b.of) return 'used up';
	if (b.of === undefined) return 'unknown';
	if (!b.ends) return 'no use in the last 24 hours';
	return b.resets_at && b.ends > Date.parse(b.resets_at) ? 'not before the reset' : when(b.ends, { time: false });
}

const amount = (b, n) => (b.counts === 'usd' ? dollars(n) : count(n));

export function budgets(page) {
	const place = h('div', {});
	fill(place, page, async () => {
		const { near } = await page.get('/limits/near', { count: SHOWN });
		return Promise.all(near.map((n) =>
			forecast(page, n).catch((e) => {
				if (e.name === 'AbortError') throw e;
				return n;
			})
		));
	}, (rows) =>
		panel('Budgets nearest to their limit', table({
			caption: 'The day on which a budget is used up, at the rate of the last 24 hours',
			rows,
			empty: 'No caller has used 80 % of a budget.',
			href: (
				b,
			) => (b.person ? page.href('people', { person: b.person }) : b.team ? page.href('thing', { kind: 'team', name: b.team }) : null),
			columns: [
				{ title: 'caller', cell: (b) => data(b.person ?? b.team ?? 'everyone'), wide: true },
				{ title: 'limit', cell: (b) => data(b.limit), wide: true },
				{ title: 'used', keep: true, cell: (b) => (b.of === undefined ? bar(b.used_percent, 100) : bar(b.used, b.of)) },
				{ title: 'amount', number: true, cell: (b) => b.of !== undefined && `${amount(b, b.used)} of ${amount(b, b.of)}` },
				{ title: 'used up on', keep: true, cell: used_up },
				{ title: 'resets', keep: true, cell: (b) => b.resets_at && when(b.resets_at, { relative: true }) },
			],
		})));
	return place;
}
