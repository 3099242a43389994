// Tools: what MCP servers say of their tools, what changed since somebody looked, and who approved what.
import { add, data, h } from '../dom.js';
import { count, when } from '../format.js';
import { badge, facts, field, fill, form_values, nothing, panel } from '../parts.js';
import { go, href } from '../router.js';
import { table } from '../table.js';
import { change } from '../changes.js';
import { difference, tree } from '../diff.js';

const KIND = { approved: 'good', new: 'edit', changed: 'bad' };
const MEANS = { approved: 'its text is one that was approved', new: 'first seen, nobody looked yet', changed: 'hidden and denied until approved' };
const PAGE = 100;

const one_of = (t) => ({ server: t.server, kind: t.kind, tool: t.name || null });
const name_of = (t) => (t.name ? `${t.server}/${t.name}` : t.server);
const short = (hash) => hash && h('code', {}, hash.slice(0, 16));

/* ---- all of them ---- */

function filter(page, tools) {
	const servers = [...new Set(tools.map((t) => t.server))].sort();
	const form = h('form', { class: 'fields', 'aria-label': 'Filter', onsubmit: (e) => { e.preventDefault(); go('tools', form_values(form)); },
		onchange: () => go('tools', form_values(form)) },
	field({ name: 'state', label: 'State', value: page.state.state, options: [['', 'all'], 'changed', 'new', 'approved'] }),
	field({ name: 'of', label: 'Server', value: page.state.of, options: [['', 'all'], ...servers] }),
	field({ name: 'q', label: 'Name contains', value: page.state.q }));
	return form;
}

function list(page, got) {
	const { state, of, q, from = '0' } = page.state;
	const all = got.tools.filter((t) => (!state || t.state === state) && (!of || t.server === of) && (!q || (t.name ?? '').includes(q)));
	const order = ['changed', 'new', 'approved'];
	all.sort((x, y) => order.indexOf(x.state) - order.indexOf(y.state));
	const at = Number(from) || 0;
	const [changed, fresh] = ['changed', 'new'].map((s) => got.tools.filter((t) => t.state === s).length);
	return [
		h('p', { class: 'row', role: 'status' }, changed ? badge(`${changed} changed since somebody looked`, 'bad') : fresh ? badge(`${fresh} new, nobody looked yet`, 'edit') : got.tools.length ? badge('nothing changed', 'good') : null,
			got.full?.length > 0 && badge(`more listed than is kept: ${got.full.join(', ')}`, 'bad')),
		got.tools.length > 0 && filter(page, got.tools),
		panel('Tools, prompts, instructions', got.tools.length ? table({
			caption: `${count(all.length)} of ${count(got.tools.length)}, the changed ones first`, rows: all.slice(at, at + PAGE), empty: 'None fits the filter.',
			href: (t) => href('tools', one_of(t)),
			columns: [
				{ title: 'name', cell: (t) => data(name_of(t)), wide: true },
				{ title: 'kind', cell: (t) => t.kind },
				{ title: 'state', cell: (t) => [badge(t.state, KIND[t.state]), ' ', h('small', {}, MEANS[t.state] ?? '')] },
				{ title: 'listed last', cell: (t) => t.seen && when(t.seen) },
				{ title: 'approved', cell: (t) => t.approved && [when(t.approved), t.by && [' by ', data(t.by)]] },
				{ title: 'text', cell: (t) => short(t.hash) },
			],
		}) : nothing('No MCP server has listed a tool yet.', 'A route to a provider with dialect: mcp reads the lists that pass.'),
		all.length > PAGE && h('nav', { class: 'pager', 'aria-label': 'Pages' },
			at > 0 && h('button', { type: 'button', onclick: () => page.set({ from: String(Math.max(0, at - PAGE)) }) }, 'Back'),
			at + PAGE < all.length && h('button', { type: 'button', class: 'next', onclick: () => page.set({ from: String(at + PAGE) }) }, 'Next page'))),
	];
}

/* ---- one ---- */

function shown_diff(t) {
	const approved = t.approved_hashes?.length > 0;
	/* What was approved may differ from the first text: who comes later sees what somebody let pass. */
	const passed = approved && t.state === 'approved';
	const old = approved && !passed ? t.approved_text : t.first_text;
	const against = approved && !passed ? 'approved last' : 'listed first';
	if (t.state !== 'changed' && (!passed || t.first_hash === t.hash)) return h('p', { class: 'dim' }, `The text listed last is the one ${passed ? 'listed first, and approved' : against}.`);
	if (old === null || old === undefined || t.text === null || t.text === undefined)
		return h('p', { class: 'wrong' }, 'It differs, and its texts are not kept: over 16 KB, or the server\'s over 4 MB.');
	const rows = difference(tree(old), tree(t.text));
	return [h('p', {}, h('span', { class: 'del' }, `- ${against}`), ' ', h('span', { class: 'add' }, '+ listed last')),
		add(h('pre', { class: 'diff', tabindex: '0', 'aria-label': `what changed since the text ${against}` }),
			rows.map(([sign, line]) => h('span', { class: { '+': 'add', '-': 'del' }[sign] ?? null }, `${sign} `, line, document.createTextNode('\n'))))];
}

function approve(page, t, reload) {
	return h('button', { type: 'button', class: 'primary', onclick: async () => {
		const done = await change(page, {
			title: `Approve ${name_of(t)}`, action: 'Approve this text',
			what: ['The text with the hash ', short(t.hash), ', as it is shown here, passes from then on, on every daemon of this Redis. If the server says something else meanwhile, nothing is approved.'],
			fields: t.approved_hashes?.length ? [field({ name: 'only', label: 'Texts approved before', options: [['', 'stay approved'], ['only', 'are taken back']] })] : [],
			path: '/tools/approve', body: (v) => ({ server: t.server, kind: t.kind, ...(t.name ? { name: t.name } : {}), hash: t.hash, ...(v.only ? { only: true } : {}) }),
		});
		if (done) reload();
	} }, 'Approve this text');
}

function take_back(page, t, reload) {
	return h('button', { type: 'button', onclick: async () => {
		const done = await change(page, {
			title: `Approve no text of ${name_of(t)}`, action: 'Take back', typed: t.name || t.server,
			what: 'No text of it is approved any more: what is listed is held against the first one that was seen.',
			path: '/tools/approve', body: () => ({ server: t.server, kind: t.kind, ...(t.name ? { name: t.name } : {}), none: true }),
		});
		if (done) reload();
	} }, 'Take approvals back');
}

function one(page, t, reload) {
	const may = page.has('operator');
	return [
		h('p', {}, h('a', { href: href('tools') }, 'All tools')),
		panel(name_of(t), facts([
			['kind', t.kind], ['server', data(t.server)], ['state', [badge(t.state, KIND[t.state]), ' ', h('small', {}, MEANS[t.state] ?? '')]],
			['listed last', t.seen && when(t.seen)], ['its text', t.hash && h('code', {}, t.hash)],
			['listed first', t.first && when(t.first)], ['the first text', t.first_hash !== t.hash && t.first_hash && h('code', {}, t.first_hash)],
			['approved', t.approved && [when(t.approved), t.by && [' by ', data(t.by)]]],
			['approved texts', (t.approved_hashes ?? []).map((x) => h('div', {}, h('code', {}, x)))],
		]),
		may && h('p', { class: 'row' }, t.state !== 'approved' && t.hash && approve(page, t, reload), t.approved_hashes?.length > 0 && take_back(page, t, reload))),
		panel('What changed', shown_diff(t)),
		typeof t.text === 'string' && panel('The text listed last', add(h('pre', { tabindex: '0', 'aria-label': 'the text listed last' }), tree(t.text).flatMap((line) => [line, document.createTextNode('\n')]))),
		page.has('auditor') && panel('Who looked and approved', h('p', {}, h('a', { href: page.href('search', { type: 'change', since: '30d', where: `record.what == "tool" && record.id == ${JSON.stringify(name_of(t))}` }) }, 'Records of its approvals, of the last 30 days'))),
	];
}

export default {
	name: 'tools', title: 'Tools', key: 'o',
	help: 'What MCP servers say of their tools, held against what was approved.',
	show(page) {
		const place = h('div', {});
		const { server, kind, tool } = page.state;
		const load = () => (server
			? fill(place, page, () => page.post('/tools/show', { server, kind: kind ?? (tool ? 'tool' : 'instructions'), ...(tool ? { name: tool } : {}) }), (t) => one(page, t, load))
			: fill(place, page, () => page.get('/tools'), (got) => list(page, got)));
		page.root.append(place);
		load();
	},
};
