// Search among all records, on the server: by a line of text or by a form, both of which are the URL. Denials come
// first: how many of each decision is above the list.
import { add, h, lines } from '../dom.js';
import { count, dollars, duration_us, when, zone } from '../format.js';
import { badge, copied, decided, decision_kind, ended, failed, field, fill, form_values, named, named_tools, nothing, panel,
	rule_and_reason, words } from '../parts.js';
import { WINDOW, command_csv, command_json, from_text, terms_of, to_query, to_text } from '../query.js';
import { pager, shares, table } from '../table.js';

const PAGE = 50;
/* [value, text, term]: since, or at for a calendar day. */
const WINDOWS = [['15m', '15 minutes'], ['1h', '1 hour'], ['24h', '24 hours'], ['yesterday', 'yesterday', 'at'], ['7d', '7 days'], ['30d',
	'30 days'], ['90d', '90 days'], [
	'all',
	'all',
]];
/* Asked for most; the others of the daemon's table are one click away. */
const MAIN = ['person', 'team', 'decision', 'outcome', 'model', 'route', 'rule', 'class', 'tool', 'target', 'key', 'agent', 'id'];
const WORDS = { decision: ['deny', 'redact', 'permit', 'observed'],
	outcome: ['error', 'denied', 'answer_denied', 'haproxy_answered', 'complete', 'client_abort', 'provider_abort', 'provider_error',
		'provider_timeout', 'provider_unavailable', '5xx', '429'], type: ['decision', 'change', 'policy', 'boot', 'alarm', 'read'],
	'called-by': ['mcp', 'answer', 'api'] };
const COUNTED = ['decision', 'outcome', 'status', 'rule', 'class', 'entity', 'person', 'team', 'department', 'model', 'route', 'target',
	'provider', 'tool', 'agent', 'tag', 'key', 'day'];

let terms = null; /* of the daemon's table, asked once */
async function known_terms(page) {
	if (!terms) {
		const rows = terms_of(await page.get('/openapi.json').catch((e) => {
			if (e.status === 404) return null;
			throw e;
		}));
		terms = rows.length ? rows : MAIN.map((name) => ({ name, what: '' }));
	}
	return terms;
}

/* Without any time, the range of the head. An id is looked for everywhere. */
function windowed(state, range) {
	if (state.id || WINDOW.some((w) => w !== 'zone' && state[w])) return state;
	return { ...state, since: range };
}

function columns() {
	return [
		{ title: 'Time', cell: (r) => when(r.decided_at ?? r.time, { relative: true }) },
		{ title: 'Decision', keep: true, cell: (r) => (r.type === 'decision' ? decided(r) : badge(r.type)) },
		{ title: 'Caller', wide: true, cell: (r) => who(r) },
		{ title: 'Agent', wide: true, optional: true, cell: (r) => named('agent', r.identity?.agent) },
		{ title: 'Tools', wide: true, optional: true, cell: (r) => named_tools(tools_of(r)) },
		{ title: 'Route', wide: true, cell: (r) => r.route },
		{ title: 'Model', wide: true, cell: (r) => r.model ?? r.requested_model },
		{ title: 'Rule and reason', wide: true, cell: (r) => why(r) },
		{ title: 'Outcome', cell: ended },
		{ title: 'Tokens', number: true, cell: (r) => (r.usage ? count((r.usage.input_tokens ?? 0) + (r.usage.output_tokens ?? 0)) : null) },
		{ title: 'Cost', number: true, cell: (r) => dollars(r.cost_nanousd) },
		{ title: 'Duration', number: true, cell: (r) => duration_us(r.duration_us) },
	];
}

const who = (r) =>
	r.identity?.person ?? r.identity?.key ?? (r.peer ? `${r.peer.user ?? r.peer.uid} at the admin socket` : r.identity?.method);
/* The calls that the gateway judged, else those that the response names. */
const tools_of = (r) =>
	r.calls?.length
		? r.calls.filter((c) => c.tool).map((c) => `${c.server ?? ''}/${c.tool}`)
		: (r.answer?.tool_calls ?? []).map((t) => `/${t}`);
const why = (r) => {
	if (r.type !== 'decision') return h('details', {}, h('summary', {}, r.read ?? r.what ?? 'the record'), lines(JSON.stringify(r, null, 2)));
	const found = words(r.classes);
	return [rule_and_reason(r), found.length ? [' ', found] : null];
};

/* The number of each decision, and of requests that failed at the provider, each with a link to its requests. */
function decisions(page, state, rows, failures) {
	const total = rows.reduce((sum, r) => sum + r.hits, 0);
	const tile = (name, text, n) =>
		h('a', { class: 'tile', href: page.href('search', { ...state, decision: name, after: null }),
			'aria-current': (state.decision ?? '') === name ? 'true' : null }, h('b', {}, count(n)), text);
	const of = (name) => rows.find((r) => r.decision === name)?.hits ?? 0;
	return h('div', { class: 'tiles' }, tile('deny', 'denied', of('deny')), tile('redact', 'redacted', of('redact')),
		tile('permit', 'permitted', of('permit')), of('observed') ? tile('observed', 'observed', of('observed')) : null, tile('', 'all', total),
		h('a', { class: 'tile', id: 'failed',
			href: page.href('search', { ...state, outcome: state.outcome === 'error' ? null : 'error', after: null }),
			'aria-current': state.outcome === 'error' ? 'true' : null }, h('b', {}, count(failures)), 'failed at the provider'));
}

function text_form(page, names) {
	const state = page.state;
	const wrong = h('div', { role: 'alert' });
	const submit = (e) => {
		e.preventDefault();
		const got = from_text(e.target.elements.text.value, names);
		wrong.replaceChildren();
		if (got.wrong.length) add(wrong, h('p', { class: 'wrong' }, got.wrong.join('; ')));
		else page.go('search', { ...got.state, by: state.by });
	};
	return h('form', { role: 'search', onsubmit: submit },
		h('div', { class: 'row' },
			h('label', { for: 'q', class: 'grow' }, h('span', { class: 'dim' }, 'Search: '),
				h('input', { id: 'q', name: 'text', type: 'search', class: 'long', value: to_text(state, names),
					placeholder: 'person:alice decision:deny since:7d   or an id', autocomplete: 'off', spellcheck: 'false',
					autocapitalize: 'off' })), h('button', { class: 'primary' }, 'Search')), wrong);
}

function windows(page, state) {
	return h('div', { class: 'row', role: 'group', 'aria-label': 'Time' },
		WINDOWS.map(([value, text, term = 'since']) =>
			h('button', { type: 'button', id: `window-${value}`, 'aria-pressed': String(state[term] === value && !state.until), onclick: () =>
				page.set({ since: null, until: null, at: null, between: null, after: null, [term]: value }) }, text)
		));
}

function full_form(page, names, all) {
	const state = page.state;
	const submit = (e) => {
		e.preventDefault();
		const got = form_values(e.target);
		if (!got.oldest) delete got.oldest;
		page.go('search', { ...got, by: state.by });
	};
	const one = (name) =>
		[].concat(state[name] ?? '').map((value) =>
			field({ name, label: name, value, list: WORDS[name], hint: MAIN.includes(name) ? null : all.find((t) => t.name === name)?.what })
		);
	const main = MAIN.filter((n) => names.includes(n));
	const more = names.filter((n) => !MAIN.includes(n));
	const form = h('form', { onsubmit: submit },
		h('div', { class: 'fields' }, main.map(one),
			field({ name: 'since', label: 'since', value: state.since, placeholder: '24h, yesterday 14:00, 2026-11' }),
			field({ name: 'until', label: 'until', value: state.until }),
			field({ name: 'at', label: 'at', value: state.at, placeholder: 'last tuesday 11:47, 2026-11-17' }),
			field({ name: 'between', label: 'between', value: state.between, placeholder: '11:00..11:30' }),
			field({ name: 'zone', label: 'time zone', value: state.zone, placeholder: 'Europe/Berlin' }),
			field({ name: 'oldest', label: 'order', value: state.oldest, options: [['', 'newest first'], ['true', 'oldest first']] })),
		field({ name: 'where', label: 'where (a condition over record, in CEL)', value: state.where,
			placeholder: 'has(record.usage) && record.usage.output_tokens > 100000' }),
		h('details', { open: more.some((n) => state[n]) }, h('summary', {}, `${more.length} more terms`),
			h('div', { class: 'fields' }, more.map(one))),
		h('p', { class: 'dim' },
			'x* matches values that begin with x. - matches records without a value. Separate several values of decision, outcome, class and status by commas. Repeat other terms in the line above: person:a person:b.'),
		h('p', {}, h('button', { class: 'primary' }, 'Search')));
	const set = names.filter((n) => state[n]).length;
	return h('details', { class: 'panel', id: 'form', open: Boolean(state.form) },
		h('summary', {}, set ? `All terms (${set} set)` : 'All terms'), form);
}

function facet(page, state, query) {
	const by = page.state.by ?? '';
	const place = h('div', {});
	const select = h('select', { id: 'by', onchange: (e) => page.set({ by: e.target.value || null }) }, h('option', { value: '' }, 'nothing'),
		COUNTED.map((n) => h('option', { value: n, selected: n === by }, n)));
	if (by)
		fill(place, page, () => page.get('/records/search', { ...query, count: 'true', by }), ({ counts }) => {
			const rows = counts.filter((r) => r[by] !== undefined).map((r) => ({ value: r[by],
				kind: by === 'decision' ? decision_kind(r[by]) : undefined, count: r.hits })
			);
			const narrowed = (v) => ({ ...page.state, [by === 'day' ? 'at' : by]: v,
				...(by === 'day' ? { since: null, until: null, between: null } : {}), by: null, after: null });
			return [shares(`Requests by ${by}`, rows.slice(0, 100), { format: count, href: (r) => page.href('search', narrowed(r.value)) }),
				rows.length > 100 && h('p', { class: 'dim' }, `The table shows the first 100 of ${count(rows.length)} values.`)];
		});
	return panel('Count', h('p', { class: 'row' }, h('label', { for: 'by' }, 'by'), select), place);
}

function commands(page, query) {
	const csv = command_csv(query);
	return h('details', { class: 'panel' }, h('summary', {}, 'Export all results as a file'),
		h('p', {}, 'Run a command on the daemon’s machine. The daemon records the reader. As lines of JSON, each request with its outcome:'),
		h('p', {}, copied(command_json(query), page.say)), csv
		? [h('p', {}, 'As CSV with a signed manifest:'), h('p', {}, copied(csv, page.say))]
		: h('p', { class: 'dim' }, 'CSV is available only for a search without "where".'));
}

async function results(page, place, names) {
	const state = windowed(page.state, page.range);
	const query = to_query(state, names);
	if (zone() === 'local' && !query.zone) query.zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
	const tiles = h('div', {}), list = h('div', {});
	place.replaceChildren(windows(page, state), tiles, list, facet(page, state, query), commands(page, query));
	if (!state.type || state.type === 'decision') {
		const { decision, ...rest } = query;
		const counted = (terms) => page.get('/records/search', { ...rest, ...terms, count: 'true', by: 'decision' }).then((got) => got.counts);
		fill(tiles, page, () => Promise.all([counted({}), counted({ outcome: 'error' })]), ([counts, failed_ones]) =>
			decisions(page, state, counts, failed_ones.reduce((sum, r) => sum + r.hits, 0)));
	}
	await fill(list, page, () => page.get('/records/search', { ...query, limit: PAGE, after: page.state.after }), (got) => {
		if (!got.records.length)
			return page.state.after
				? panel('Records', nothing('No more records.'), pager(page, { shown: 0 }))
				: panel('Records',
					nothing('No record matches.',
						'Choose a longer time or fewer terms. A person or model must match exactly; x* matches values that begin with x.'));
		return panel('Records',
			table({ caption: `${state.oldest ? 'Oldest' : 'Newest'} first${state.since && state.since !== 'all' ? `, since ${state.since}` : ''}`,
				ordered: true, rows: got.records, columns: columns(),
				href: (r) => (r.id && r.type === 'decision' ? page.href('request', { id: r.id }) : null) }),
			pager(page, { next: got.after, shown: got.records.length }));
	});
}

export default {
	name: 'search',
	title: 'Search',
	key: 's',
	records: true,
	help: 'Search all records by any term. The URL contains the filter, so you can bookmark or send it. The view needs the role auditor.',
	show(page) {
		if (!page.has('auditor')) {
			page.root.append(nothing('To search records, you need the role auditor.', 'People and Models show sums without this role.'));
			return;
		}
		const place = h('div', {});
		page.root.append(place);
		fill(place, page, () => known_terms(page), (all) => {
			const names = all.map((t) => t.name);
			const found = h('div', {});
			results(page, found, names).catch((e) => found.append(failed(e)));
			return [text_form(page, names), full_form(page, names, all), found];
		});
	},
};
