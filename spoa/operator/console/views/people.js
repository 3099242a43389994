// People and teams: requests, cost, denials and callers near a limit. One person: limits and keys, which an operator
// creates and revokes here.
import { data, h, who } from '../dom.js';
import { amount, count, dollars, duration_us, is_money, units, when } from '../format.js';
import { bar, badge, copied, facts, field, fill, filter_form, mark, nothing, panel, words } from '../parts.js';
import { paged_table, pager, table } from '../table.js';
import { change } from '../changes.js';
import { last_requests, usage_by_day } from './activity.js';
import { trend_charts } from './trend_charts.js';

const GROUPS = [['person', 'people'], ['team', 'teams'], ['agent', 'agents'], ['key', 'keys']];

const PAGE = 50;

const tokens_of = (r) => (r.input_tokens ?? 0) + (r.output_tokens ?? 0);
/* Tokens of responses that the cache returned. */
const saved_tokens_of = (r) => (r.saved_input_tokens ?? 0) + (r.saved_output_tokens ?? 0);
/* Of the tokens of prompts, against the same length of time before. */
const signed = (n) => `${n > 0 ? '+' : ''}${n.toFixed(1)}`;
const growth = (percent) => typeof percent === 'number' && `${signed(percent)} %`;

/* ---- changes ---- */

const made = (page) => (answer) => [
	h('p', { class: 'wrong' }, 'The key is shown only once. Copy the key now.'),
	h('p', {}, copied(answer.key, page.say)),
	h('p', {}, 'The id of the key, which is not secret: ', h('code', {}, answer.id)),
];

async function new_key(page, person, team, reload) {
	const done = await change(page, {
		title: person ? `Create a key for ${person}` : 'Create a key',
		action: 'Create the key',
		what: 'The key works immediately on every daemon that uses this Redis. The daemon stores only the hash of the key.',
		fields: [field({ name: 'person', label: 'Person', value: person ?? '', required: true }),
			field({ name: 'team', label: 'Team', value: team ?? '' }),
			field({ name: 'ttl', label: 'Expires after', value: '90d', hint: 'such as 12h or 90d, or never' })],
		path: '/keys/new',
		body: (v) => ({ person: v.person, ...(v.team ? { team: v.team } : {}), ttl: v.ttl || 'never' }),
		shown: made(page),
	});
	if (done) reload();
}

async function revoke(page, k, reload) {
	const done = await change(page, {
		title: `Revoke the key ${k.id}`,
		action: 'Revoke',
		typed: k.id,
		what: ['Every daemon refuses requests with this key with 401 from now on. The key belongs to ', data(k.person),
			'. A revoked key cannot be restored.'],
		path: '/keys/revoke',
		body: () => ({ id: k.id }),
	});
	if (done) reload();
}

async function set_limit(page, row, who, reload) {
	const money = is_money(row.counts);
	const done = await change(page, {
		title: `Change the limit ${row.limit}`,
		action: 'Set the limit',
		what: ['The change applies only to ', data(Object.values(who).join(', ')), '. The policy sets ',
			amount(row.counts, row.in_policy ?? row.of), '.'],
		fields: [
			field({ name: 'to', label: money ? 'US dollars' : `New limit (${units[row.counts] ?? row.counts})`, required: true,
				hint: money ? 'such as 25 or 0.50' : 'a whole number' }),
			field({ name: 'ttl', label: 'For', value: '24h', hint: 'such as 12h or 7d, or never' }),
		],
		path: '/limits/set',
		body: (v) => ({ limit: row.limit, for: who, to: money || !/^[0-9]+$/.test(v.to) ? v.to : Number(v.to), ttl: v.ttl || 'never' }),
	});
	if (done) reload();
}

async function clear_limit(page, o, reload) {
	const done = await change(page, {
		title: `Reset the limit ${o.limit}`,
		action: 'Reset the limit',
		what: 'The amount in the policy applies again.',
		path: '/limits/clear',
		body: () => ({ id: o.id }),
	});
	if (done) reload();
}

/* ---- lists ---- */

const key_columns = (page, reload) => [
	{ title: 'id', cell: (k) => h('a', { href: page.href('thing', { kind: 'key', name: k.id }) }, h('code', {}, k.id)) },
	{ title: 'person', cell: (k) => h('a', { href: page.href('people', { person: k.person }) }, data(k.person)), wide: true },
	{ title: 'team', cell: (k) => k.team && data(k.team) },
	{ title: 'state', cell: (k) => mark({ label: k.state === 'live' ? 'active' : k.state, kind: k.state === 'live' ? 'good' : 'dim' }) },
	{ title: 'expires', cell: (k) => (k.expires ? when(k.expires, { relative: true }) : 'never') },
	{ title: 'created', cell: (k) => k.created && [when(k.created, { relative: true }), k.by && [' by ', who(k)]] },
	{ title: 'reason', cell: (k) => k.reason && data(k.reason), wide: true },
	page.has('operator') &&
	{ title: 'change', action: true, cell: (k) =>
		k.state === 'live' &&
		h('button', { type: 'button', class: 'small', onclick: () => revoke(page, k, reload) }, 'Revoke',
			h('span', { class: 'hidden' }, ` ${k.id}`)) },
];

function keys_panel(page, got, { person, team, reload }) {
	return panel('Keys created at run time', page.has('operator') && (got.state_key
		? h('p', {}, h('button', { type: 'button', class: 'primary', onclick: () => new_key(page, person, team, reload) }, 'Create a key'))
		: h('p', { class: 'dim' }, 'To create keys here, run tollgate keygen --secret FILE and name the file as state_key in tollgate.yaml.')),
		paged_table(page, 'keys', { caption: 'Keys in the policy’s key file are not listed. Run tollgate key list to see them', rows: got.keys,
			columns: key_columns(page, reload), empty: person ? 'The person has no key of this kind.' : 'No key was created at run time.' }));
}

const override_columns = (page, reload) => [
	{ title: 'limit', cell: (o) => data(o.limit) },
	{ title: 'applies to', cell: (o) => data(Object.entries(o.for ?? {}).map(([k, v]) => `${k} ${v}`).join(', ') || 'everyone'), wide: true },
	{ title: 'amount', number: true, cell: (o) => amount(o.counts, o.to) },
	{ title: 'until', cell: (o) => (o.until ? when(o.until, { relative: true }) : 'reset by an operator') },
	{ title: 'reason', cell: (o) => o.reason && data(o.reason), wide: true },
	{ title: 'by', cell: who },
	page.has('operator') && { title: 'change', action: true, cell: (o) =>
		o.state === 'live' &&
		h('button', { type: 'button', class: 'small', onclick: () => clear_limit(page, o, reload) }, 'Reset',
			h('span', { class: 'hidden' }, ` ${o.limit}`)) },
];

const near_columns = (page) => [
	{ title: 'caller',
		cell: (n) => (n.person ? h('a', { href: page.href('people', { person: n.person }) }, data(n.person)) : data(n.team ?? 'everyone')),
		wide: true },
	{ title: 'team', cell: (n) => n.person && n.team && data(n.team) },
	{ title: 'limit', cell: (n) => data(n.limit) },
	{ title: 'route', optional: true, cell: (n) => n.route && data(n.route) },
	{ title: 'used', cell: (n) => bar(n.used_percent, 100) },
	{ title: 'level reached', cell: (n) => n.at && when(n.at, { relative: true }) },
	{ title: 'resets', cell: (n) => n.resets_at && when(n.resets_at, { relative: true }) },
];

/* ---- all ---- */

/* The request of a row with the largest number of that name. */
const largest_of = (page, r, name, text) =>
	r[`${name}_id`] && h('a', { href: page.href('request', { id: r[`${name}_id`] }) }, text(r[name]));

const usage_columns = (page) => [
	{ title: 'requests', number: true, sort: 'requests', cell: (r) => count(r.requests) },
	{ title: 'denied', number: true, sort: 'refused', cell: (r) => count(r.refused) },
	{ title: 'denial rate', number: true, sort: 'refused_growth', optional: true, cell: (r) =>
		r.refused > 0 &&
		[`${r.refused_percent} %`,
			h('div', {}, h('small', {}, typeof r.refused_growth_points === 'number' && `${signed(r.refused_growth_points)} points`))] },
	{ title: 'redacted', number: true, sort: 'redacted', optional: true, cell: (r) => count(r.redacted) },
	{ title: 'tokens', number: true, sort: 'tokens', cell: (r) => count(tokens_of(r)) },
	{ title: 'growth', number: true, optional: true, cell: (r) => growth(r.input_tokens_growth_percent) },
	{ title: 'cached', number: true, extra: true, cell: (r) => typeof r.cached_percent === 'number' && `${r.cached_percent} %` },
	{ title: 'cost', number: true, sort: 'cost', cell: (
		r,
	) => [dollars(r.cost_nanousd),
		r.embedded_nanousd > 0 && h('div', {}, h('small', {}, `and ${dollars(r.embedded_nanousd)} for embeddings`))] },
	{ title: 'dearest', number: true, sort: 'cost_max', optional: true, cell: (r) => largest_of(page, r, 'request_nanousd_max', dollars) },
	{ title: 'saved', number: true, optional: true,
		cell: (r) => r.cache_hits > 0 && [dollars(r.saved_nanousd), h('div', {}, h('small', {}, `${count(saved_tokens_of(r))} tokens`))] },
	{ title: 'largest prompt', number: true, sort: 'prompt_max', optional: true, cell: (r) =>
		r.prompt_tokens_count > 0 &&
		[largest_of(page, r, 'prompt_tokens_max', count), h('div', {}, h('small', {}, `mean ${count(Math.round(r.prompt_tokens_mean))}`))] },
	{ title: 'unpriced', number: true, extra: true, cell: (r) => r.unpriced_answers > 0 && count(r.unpriced_answers) },
	{ title: 'last request', sort: 'last_seen', cell: (r) => r.last_seen && when(r.last_seen, { relative: true }) },
];

const filter = (page) =>
	filter_form(page, 'Filter', field({ name: 'by', label: 'Group by', value: page.state.by ?? 'person', options: GROUPS }),
		field({ name: 'q', label: 'Name contains', type: 'search', value: page.state.q }));

/* by: of /usage; title of the panel; name: the text of a row without a value; sort: the first order, if it is not the cost. */
const LISTS = {
	person: { by: 'person,team', title: 'People', name: '(not identified)',
		href: (page, r) => page.href('people', { ...page.kept, person: r.person }) },
	team: { by: 'team', title: 'Teams', name: '(no team)', href: (page, r) => r.team && page.href('thing', { kind: 'team', name: r.team }) },
	agent: { by: 'agent', title: 'Agents', name: '(no agent)', sort: 'requests',
		href: (page, r) => r.agent && page.href('thing', { kind: 'agent', name: r.agent }) },
	key: { by: 'key', title: 'Keys', name: '(no key)', sort: 'requests',
		href: (page, r) => r.key && page.href('thing', { kind: 'key', name: r.key }) },
};

function all(page) {
	const by = LISTS[page.state.by] ? page.state.by : 'person', list = LISTS[by];
	const { sort = list.sort ?? 'cost', q, after } = page.state, { since } = page, from = Number(page.state.near) || 0;
	const spent = h('div', {}), near = h('div', {}), keys = h('div', {}), overrides = h('div', {}), jump = h('p', {});
	const load = () =>
		fill(spent, page, () => page.get('/usage', { by: list.by, since, sort, match: q, after, limit: PAGE }), (got) =>
			panel(list.title, table({
				caption: `Usage of the last ${since}`,
				rows: got.rows,
				sort: `-${sort}`,
				on_sort: (to) =>
					page.set({ sort: to.replace('-', ''), after: null }),
				empty: 'No request in this period. Choose a longer period.',
				href: (r) => list.href(page, r),
				columns: [{ title: by, cell: (r) => data(r[by] || list.name), wide: true }, ...(by === 'person'
					? [{ title: 'team', cell: (r) => r.team && h('a', { href: page.href('thing', { kind: 'team', name: r.team }) }, data(r.team)) }]
					: []), ...usage_columns(page)],
			}), pager(page, { next: got.after, shown: got.rows.length, total: got.groups === undefined ? undefined : count(got.groups) })));
	const load_near = () =>
		fill(near, page, () => page.get('/limits/near', { from, count: PAGE }), (got) => {
			jump.replaceChildren(got.near.length
				? h('button', { type: 'button', id: 'to-near', onclick: () => near.scrollIntoView() }, `Near a limit: ${count(got.total)} ↓`)
				: '');
			return panel('Near a limit', table({
				caption:
					'Callers by the used share at the level that they reached last: a soft limit, 80, 90 or 100 %. The name leads to the current amount',
				part: got.total > got.near.length,
				rows: got.near,
				columns: near_columns(page),
				empty: 'No caller is near a limit: none has used 80 % or more.',
			}), got.total > from + got.near.length &&
				h('p', {},
					h('a', { href: page.href('people', { ...page.state, near: from + PAGE }) }, `Next page of ${count(got.total)} callers`)));
		});
	const load_keys = () => fill(keys, page, () => page.get('/keys'), (got) => keys_panel(page, got, { reload: load_keys }));
	const load_overrides = () =>
		fill(overrides, page, () => page.get('/limits'), (got) =>
			panel('Changed limits', paged_table(page, 'changed', {
				caption: 'Amounts that operators set at run time instead of the amounts of the policy',
				rows: got.overrides,
				columns: override_columns(page, load_overrides),
				empty: 'No limit was changed. To change one, open a person: the table of limits has a button.',
			})));
	page.root.append(filter(page), jump, spent, near, overrides, keys);
	load();
	load_near();
	load_overrides();
	load_keys();
}

/* ---- one ---- */

const WINDOWS = (r) => (r.window ? `calendar ${r.window}` : r.window_s ? `${count(r.window_s)} s` : '');

function limits_panel(page, person, got, reload) {
	return panel('Limits', table({
		caption: 'Current use',
		rows: got.limits,
		empty: 'No limit of the policy applies. To set one, add it to limits in the policy.',
		columns: [
			{ title: 'limit', cell: (r) => data(r.limit) },
			{ title: 'counts', cell: (r) => units[r.counts] ?? r.counts },
			{ title: 'window', cell: WINDOWS },
			{ title: 'used', number: true, cell: (r) => amount(r.counts, (r.used ?? 0) + (r.held ?? 0)) },
			{ title: 'limit of', number: true,
				cell: (r) => [amount(r.counts, r.of), r.in_policy !== undefined && h('small', {}, ` (policy: ${amount(r.counts, r.in_policy)})`)] },
			{ title: 'share used', cell: (r) => r.used !== undefined && bar(r.used + (r.held ?? 0), r.of) },
			{ title: 'route', cell: (r) => r.route && data(r.route) },
			page.has('operator') &&
			{ title: 'change', action: true, cell: (r) =>
				!r.own &&
				h('button', { type: 'button', class: 'small', onclick: () => set_limit(page, r, { person }, reload) }, 'Change',
					h('span', { class: 'hidden' }, ` the limit ${r.limit}`)) },
		],
	}));
}

function one(page) {
	const { person } = page.state, { since } = page;
	const head = h('div', {}), limits = h('div', {}), keys = h('div', {}), overrides = h('div', {});
	page.heading(`Person ${person}`);
	let team; /* of the last request: limits may be its */
	const tile = ([name, value]) => h('div', { class: 'tile' }, h('b', {}, value), name);
	const load_head = () =>
		fill(head, page, () => page.get('/usage', { by: 'person,team', match: person, since, limit: PAGE }), (got) => {
			const rows = got.rows.filter((x) => x.person === person);
			const sum = (f) => rows.reduce((n, r) => n + (f(r) ?? 0), 0);
			const last = rows.map((r) => r.last_seen).filter(Boolean).sort().at(-1);
			team = (rows.find((r) => r.last_seen === last) ?? rows[0])?.team;
			/* a row a team: means of all by how many each has */
			const mean = (name) => (sum((r) => r[`${name}_count`])
				? sum((r) => (r[`${name}_mean`] ?? 0) * r[`${name}_count`]) / sum((r) => r[`${name}_count`])
				: null);
			const largest = (name, text) => largest_of(page, [...rows].sort((a, b) => b[name] - a[name])[0], name, text);
			return panel('Usage', rows.length ?
				[
					h('div', { class: 'tiles' },
						[['requests', count(sum((r) => r.requests))], ['denied', count(sum((r) => r.refused))], ['tokens', count(sum(tokens_of))], [
							'cost',
							dollars(sum((r) => r.cost_nanousd)),
						]].map(tile)),
					facts([['saved by the cache', sum((r) => r.cache_hits) > 0 && `${
						dollars(sum((r) => r.saved_nanousd))
					}, ${count(sum(saved_tokens_of))} tokens in ${count(sum((r) => r.cache_hits))} responses`], ['embeddings for the cache',
						sum((r) => r.embedded_tokens) > 0 && `${
							dollars(sum((r) => r.embedded_nanousd))
						}, ${count(sum((r) => r.embedded_tokens))} tokens`], ['largest prompt, in tokens', largest('prompt_tokens_max', count)], [
						'dearest request',
						largest('request_nanousd_max', dollars),
					], ['mean time', mean('total_ms') !== null &&
						`${mean('first_token_ms') !== null ? `${duration_us(mean('first_token_ms') * 1000)} to the first token, ` : ''}${
							duration_us(mean('total_ms') * 1000)
						} for the whole response`], ['team', words(rows.map((r) => r.team).filter(Boolean))], ['last request', last && when(last)], [
						'responses without a price',
						count(sum((r) => r.unpriced_answers)) !== '0' && count(sum((r) => r.unpriced_answers)),
					]]),
				] :
				nothing(`No request in the last ${since}.`, 'Choose a longer period.'),
				h('p', { class: 'row' }, h('a', { href: page.href('people') }, 'All people'),
					h('a', { href: page.href('search', { person, since }) }, 'All requests'),
					h('a', { href: page.href('search', { person, since, decision: 'deny' }) }, 'Denied requests')));
		});
	const load_limits = () =>
		fill(limits, page, () => page.post('/quota', { identity: { person, ...(team ? { team } : {}) } }), (got) =>
			limits_panel(page, person, got, () => {
				load_limits();
				load_overrides();
			}));
	const load_overrides = () =>
		fill(overrides, page, () => page.get('/limits'), (got) => {
			const mine = got.overrides.filter((o) => o.for?.person === person);
			return mine.length > 0 &&
				panel('Changed limits',
					table({ caption: 'These amounts replace the amounts of the policy.', rows: mine, columns: override_columns(page, () => {
						load_limits();
						load_overrides();
					}) }));
		});
	const load_keys = () =>
		fill(keys, page, () => page.get('/keys'), (got) =>
			keys_panel(page, { ...got, keys: got.keys.filter((k) => k.person === person) }, { person, reload: load_keys }));
	page.root.append(head, limits,
		trend_charts(page, ['requests', 'tokens', 'dollars'], { only: { by: 'person', name: person }, terms: { person } }),
		usage_by_day(page, 'person', person));
	if (page.has('auditor'))
		page.root.append(last_requests(page, 'Last denials', { person, decision: 'deny' }, 'No request was denied in this period.'));
	page.root.append(overrides, keys);
	load_head().then(load_limits);
	load_overrides();
	load_keys();
}

export default {
	name: 'people',
	title: 'People',
	key: 'p',
	records: true,
	help: 'Requests and cost of each person and team, callers near a limit, and a person’s limits and keys.',
	show: (page) => (page.state.person ? one(page) : all(page)),
};
