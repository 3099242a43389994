// Tools: descriptions from MCP servers, their changes since the last approval, and the approvers.
import { add, data, h } from '../dom.js';
import { count, when } from '../format.js';
import { badge, facts, field, fill, filter_form, mark, marked_state, nothing, panel, tool_terms } from '../parts.js';
import { tool_state } from '../labels.js';
import { href } from '../router.js';
import { paged_table, table } from '../table.js';
import { change } from '../changes.js';
import { last_requests, usage_by_day } from './activity.js';
import { trend_charts } from './trend_charts.js';
import { difference, tree } from '../diff.js';

const one_of = (t) => ({ server: t.server, kind: t.kind, tool: t.name || null });
const name_of = (t) => (t.name ? `${t.server}/${t.name}` : t.server);

/* Which tools were called and denied in the range, the most denied first. listed: names that have a page. */
function calls(page, listed) {
	const place = h('div', {});
	fill(place, page, () => page.get('/usage', { by: 'tool', since: page.since, sort: 'refused', limit: 50 }),
		({ rows }) =>
			panel('Requests with calls of tools', table({
				caption: `Of the last ${page.since}, the most denied tool first`,
				rows: rows.filter((r) => r.tool),
				ordered: rows.length >= 50,
				empty: 'No request of this period called a tool. To see older requests, choose a longer time range at the top.',
				href: (r) => listed.get(r.tool) ?? page.href('thing', { kind: 'tool', name: r.tool }),
				columns: [
					{ title: 'tool', cell: (r) => data(r.tool), wide: true },
					{ title: 'requests', number: true, cell: (r) => count(r.requests) },
					{ title: 'denied', number: true, cell: (r) => (r.refused && page.has('auditor')
						? h('a', { href: page.href('search', { ...tool_terms(r.tool), decision: 'deny', since: page.since }) }, count(r.refused))
						: count(r.refused)) },
					{ title: 'last request', cell: (r) => r.last_seen && when(r.last_seen, { relative: true }) },
				],
			})));
	return place;
}
const short = (hash) => hash && h('code', {}, hash.slice(0, 16));

/* ---- all of them ---- */

function filter(page, tools) {
	const servers = [...new Set(tools.map((t) => t.server))].sort();
	return filter_form(page, 'Filter',
		field({ name: 'state', label: 'State', value: page.state.state, options: [['', 'all'], 'changed', 'new', 'approved'] }),
		field({ name: 'of', label: 'Server', value: page.state.of, options: [['', 'all'], ...servers] }),
		field({ name: 'q', label: 'Name contains', type: 'search', value: page.state.q }));
}

function list(page, got) {
	const { state, of, q } = page.state;
	const all = got.tools.filter((t) => (!state || t.state === state) && (!of || t.server === of) && (!q || (t.name ?? '').includes(q)));
	const order = ['changed', 'new', 'approved'];
	all.sort((x, y) => order.indexOf(x.state) - order.indexOf(y.state));
	const [changed, fresh] = ['changed', 'new'].map((s) => got.tools.filter((t) => t.state === s).length);
	return [
		h('p', { class: 'lead', role: 'status' }, changed
			? mark({ label: `${count(changed)} of ${count(got.tools.length)} changed after the last approval`, kind: 'bad' })
			: fresh
			? mark({ label: `${count(fresh)} of ${count(got.tools.length)} new, without a review`, kind: 'edit' })
			: got.tools.length
			? mark({ label: 'no tool changed', kind: 'good' })
			: null),
		got.full?.length > 0 && h('p', {}, badge(`servers with more tools than the daemon keeps: ${got.full.join(', ')}`, 'bad')),
		got.tools.length > 0 && filter(page, got.tools),
		panel('Tools, prompts and instructions', got.tools.length ?
			paged_table(page, 'from', {
				caption: `${count(all.length)} of ${count(got.tools.length)}, changed tools first`,
				rows: all,
				empty: 'No tool matches the filter. Choose another state or server, or a shorter part of the name.',
				href: (t) => href('tools', one_of(t)),
				columns: [
					{ title: 'name', cell: (t) => data(name_of(t)), wide: true },
					{ title: 'kind', cell: (t) => t.kind },
					{ title: 'state', wide: true, cell: (t) => marked_state(tool_state(t.state)) },
					{ title: 'last listed', cell: (t) => t.seen && when(t.seen, { relative: true }) },
					{ title: 'approved', optional: true,
						cell: (t) => t.approved && [when(t.approved, { relative: true }), t.by && [' by ', data(t.by)]] },
					{ title: 'hash of the text', cell: (t) => short(t.hash) },
				],
			}) :
			nothing('No MCP server has listed a tool yet.',
				'Add a route to a provider with dialect: mcp. The gateway then reads the lists that it forwards.')),
		calls(page, new Map(got.tools.filter((t) => t.kind === 'tool').map((t) => [name_of(t), href('tools', one_of(t))]))),
	];
}

/* ---- one ---- */

function shown_diff(t) {
	const approved = t.approved_hashes?.length > 0;
	/* An approved text may differ from the first one: a later reader sees what was approved. */
	const passed = approved && t.state === 'approved';
	const old = approved && !passed ? t.approved_text : t.first_text;
	const against = approved && !passed ? 'last approved' : 'first listed';
	if (t.state !== 'changed' && (!passed || t.first_hash === t.hash))
		return h('p', { class: 'dim' }, `The last listed text is the one ${passed ? 'first listed, and approved' : against}.`);
	if (old === null || old === undefined || t.text === null || t.text === undefined)
		return h('p', { class: 'wrong' },
			'The text differs, but the daemon does not keep it: a text is over 16 KB, or all texts of the server are over 4 MB.');
	const rows = difference(tree(old), tree(t.text));
	return [h('p', {}, h('span', { class: 'del' }, `- ${against}`), ' ', h('span', { class: 'add' }, '+ last listed')),
		add(h('pre', { class: 'diff', tabindex: '0', 'aria-label': `changes since the text ${against}` }),
			rows.map(([sign, line]) =>
				h('span', { class: { '+': 'add', '-': 'del' }[sign] ?? null }, `${sign} `, line, document.createTextNode('\n'))
			))];
}

function approve(page, t, reload) {
	return h('button', { type: 'button', class: 'primary', onclick: async () => {
		const done = await change(page, {
			title: `Approve ${name_of(t)}`,
			action: 'Approve this text',
			what: ['Every daemon that uses this Redis accepts the text shown here, with the hash ', short(t.hash),
				'. If the server has changed the text in the meantime, nothing is approved.'],
			fields: t.approved_hashes?.length
				? [field({ name: 'only', label: 'Earlier approved texts', options: [['', 'stay approved'], ['only', 'are no longer approved']] })]
				: [],
			path: '/tools/approve',
			body: (v) => ({ server: t.server, kind: t.kind, ...(t.name ? { name: t.name } : {}), hash: t.hash,
				...(v.only ? { only: true } : {}) }),
		});
		if (done) reload();
	} }, 'Approve this text');
}

function take_back(page, t, reload) {
	return h('button', { type: 'button', onclick: async () => {
		const done = await change(page, {
			title: `Withdraw the approvals of ${name_of(t)}`,
			action: 'Withdraw',
			typed: t.name || t.server,
			what: 'No text of the tool remains approved. The gateway compares the listed text with the first text that it saw.',
			path: '/tools/approve',
			body: () => ({ server: t.server, kind: t.kind, ...(t.name ? { name: t.name } : {}), none: true }),
		});
		if (done) reload();
	} }, 'Withdraw the approvals');
}

function one(page, t, reload) {
	const may = page.has('operator');
	return [
		h('p', {}, h('a', { href: href('tools') }, 'All tools')),
		panel('Settings and state', facts([
			['kind', t.kind],
			['server', data(t.server)],
			['state', marked_state(tool_state(t.state))],
			['last listed', t.seen && when(t.seen)],
			['hash of the text', t.hash && h('code', {}, t.hash)],
			['first listed', t.first && when(t.first)],
			['hash of the first text', t.first_hash !== t.hash && t.first_hash && h('code', {}, t.first_hash)],
			['approved', t.approved && [when(t.approved), t.by && [' by ', data(t.by)]]],
			['approved texts', (t.approved_hashes ?? []).map((x) => h('div', {}, h('code', {}, x)))],
		]), may &&
			h('p', { class: 'row' }, t.state !== 'approved' && t.hash && approve(page, t, reload),
				t.approved_hashes?.length > 0 && take_back(page, t, reload))),
		panel('What changed', shown_diff(t)),
		typeof t.text === 'string' &&
		panel('Last listed text',
			add(h('pre', { tabindex: '0', 'aria-label': 'last listed text' }),
				tree(t.text).flatMap((line) => [line, document.createTextNode('\n')]))),
		page.has('auditor') && t.kind === 'tool' &&
		last_requests(page, 'Last denied calls', { ...tool_terms(name_of(t)), decision: 'deny' }, 'No call was denied in this period.'),
		t.kind === 'tool' &&
		trend_charts(page, ['requests', 'denials'], { only: { by: 'tool', name: name_of(t) }, terms: tool_terms(name_of(t)) }),
		usage_by_day(page, 'tool', name_of(t)),
		page.has('auditor') &&
		panel('Approvals', h('p', {}, h('a', {
			href: page.href('search', { type: 'change', since: '30d',
				where: `record.what == "tool" && record.id == ${JSON.stringify(name_of(t))}` }),
		}, 'Records of its approvals in the last 30 days'))),
	];
}

export default {
	name: 'tools',
	title: 'Tools',
	key: 'o',
	records: true,
	help: 'Tool descriptions of MCP servers, compared with the approved texts.',
	show(page) {
		const place = h('div', {});
		const { server, kind, tool } = page.state;
		const load = () => (server
			? fill(place, page,
				() => page.post('/tools/show', { server, kind: kind ?? (tool ? 'tool' : 'instructions'), ...(tool ? { name: tool } : {}) }),
				(t) => one(page, t, load))
			: fill(place, page, () => page.get('/tools'), (got) => list(page, got)));
		if (tool) page.heading(`Tool ${server}/${tool}`);
		page.root.append(place);
		load();
	},
};
