// Audit: does the record hold? The chain, its anchors, gaps, keys, what is kept for how long; verified on demand.
import { data, h, who } from '../dom.js';
import { ago, bytes, count, when } from '../format.js';
import { badge, facts, field, fill, form_values, nothing, panel } from '../parts.js';
import { go } from '../router.js';
import { shares, table } from '../table.js';

/* ---- what the daemon knows at once ---- */

const ANCHORED = ['taken', 'waiting'];

function state(page, s) {
	const a = s.audit ?? {}, k = s.audit_key ?? {}, c = a.checkpoint;
	const bad = [a.tree !== undefined && a.tree !== 'ready' && `the tree is ${a.tree}`, a.tree_errors > 0 && `${a.tree_errors} errors of the tree`, k.revoked && 'the signing key is revoked',
		...(s.anchors ?? []).filter((x) => !ANCHORED.includes(x.state)).map((x) => `anchor ${x.place}: ${x.state}`)].filter(Boolean);
	return [
		h('p', { class: 'row', role: 'status' }, bad.length ? bad.map((b) => badge(b, 'bad')) : badge('records are written and signed', 'good')),
		h('div', { class: 'grid' },
			panel('Chain', facts([
				['records', count(a.records)], ['in the tree', count(a.tree_records)], ['tree', a.tree && badge(a.tree, a.tree === 'ready' ? 'good' : 'edit')],
				['last checkpoint', c && [`${count(c.size)} records, `, c.age_s !== undefined && `${count(c.age_s)} s ago`]],
				['signs with', k.signs && h('code', {}, k.signs)], ['next key', k.next && h('code', {}, k.next)],
				['hashes texts with', k.hash_key && [h('code', {}, k.hash_key.id), ` (${k.hash_key.from})`]],
			])),
			panel('Anchors', s.anchors?.length ? table({ caption: 'Who else holds checkpoints of this log.', rows: s.anchors, columns: [
				{ title: 'place', cell: (x) => data(x.place), wide: true }, { title: 'kind', cell: (x) => x.kind },
				{ title: 'state', cell: (x) => [badge(x.state, ANCHORED.includes(x.state) ? 'good' : 'bad'), ' ', x.why && data(x.why)], wide: true },
				{ title: 'last taken', cell: (x) => (x.taken ? [when(x.taken), ' ', h('small', {}, ago(x.taken))] : 'never') },
				{ title: 'of records', number: true, cell: (x) => count(x.size) },
			] }) : nothing('No anchor is configured.', 'Without one, who holds the signing key can rewrite the past unseen: anchors in tollgate.yaml.'))),
	];
}

/* ---- verify, on demand ---- */

/* What the last one said: a chain that does not hold says where and why. */
function verified(got) {
	const last = got.last;
	if (got.running) return h('p', { class: 'state', role: 'status' }, 'Under way since ', when(got.began), '. Who leaves this page does not end it.');
	if (!last) return h('p', { class: 'dim' }, 'Not verified since the daemon started.');
	const chains = last.chains ?? [], bad = chains.filter((c) => !c.ok);
	return [
		h('p', { role: 'status' }, badge(last.holds ? 'the record holds' : bad.length ? 'the record does not hold' : 'not verified', last.holds ? 'good' : 'bad'), ' ', last.ended && [when(last.ended), ' ', h('small', {}, ago(last.ended))], last.why && [': ', data(last.why)]),
		bad.map((c) => h('p', { class: 'wrong' }, 'Record ', h('strong', {}, data(`${c.node || '?'}/${c.seq}`)), ` (${c.source}): `, data(c.why))),
		chains.length > 0 && table({ caption: 'A row for each chain.', rows: chains, columns: [
			{ title: 'node', cell: (c) => data(c.node) }, { title: 'holds', cell: (c) => (c.ok ? badge('yes', 'good') : badge('no', 'bad')) },
			{ title: 'verified', number: true, cell: (c) => count(c.ok ? c.records : c.verified) }, { title: 'last', number: true, cell: (c) => count(c.seq) },
			{ title: 'starts', number: true, cell: (c) => count(c.boots) }, { title: 'checkpoints', number: true, cell: (c) => count(c.checkpoints) },
			{ title: 'anchors', number: true, cell: (c) => count(c.anchors) }, { title: 'trimmed', number: true, cell: (c) => count(c.trimmed) },
		] }),
	];
}

function verify(page) {
	const place = h('div', {});
	let runs = true; /* not known yet */
	const load = () => { runs = false; return fill(place, page, () => page.get('/records/verify'), (got) => { runs = got.running; return verified(got); }); };
	const begin = async () => {
		try { await page.post('/records/verify', {}); } catch (e) { if (e.status !== 409) { page.say(`not begun: ${e.message}`); return; } }
		load();
	};
	page.every(1500, () => (runs ? load() : null)); /* until it is over */
	return panel('Verify', h('p', {}, 'Every record’s hash and every signature, read again from the disk, from the oldest record on. It may take minutes.'),
		h('p', {}, h('button', { type: 'button', id: 'verify', class: 'primary', onclick: begin }, 'Verify now')), place);
}

/* ---- the report ---- */

const rows_of = (o) => Object.entries(o ?? {}).map(([value, n]) => ({ value: data(value), count: n })).sort((x, y) => y.count - x.count);

/* What is missing or ended badly, a line each. */
const GAPS = {
	missing: (g) => ['records ', `${count(g.from)} to ${count(g.to)} of `, data(g.node), ' are missing', g.why && [': ', data(g.why)]],
	unclean_ends: (g) => ['the daemon ', data(g.node), ' ended without a close before ', when(g.boot_at)],
	refused_by_disk: (g) => ['the disk refused records of ', data(g.node), ' between ', when(g.since), ' and ', when(g.time), `: ${count(g.refused)} requests refused, ${count(g.lost)} records lost`],
	alarms: (g) => ['alarm of ', data(g.node), ' at ', when(g.time), ': ', data(g.how ?? '')],
};
const gaps_of = (gaps) => Object.entries(gaps ?? {}).flatMap(([kind, v]) => (Array.isArray(v) ? v.map((g) => h('li', {}, GAPS[kind]?.(g) ?? data(JSON.stringify(g))))
	: h('li', {}, `${kind.replaceAll('_', ' ')}: `, data(typeof v === 'object' ? JSON.stringify(v) : v))));

function holds(v) {
	if (!v?.done) return [badge('not verified', 'edit'), ' ', v?.why && data(v.why)];
	return v.holds ? badge('yes', 'good') : badge('no', 'bad');
}

function report(got) {
	const r = got.records ?? {}, a = got.anchors ?? {}, gaps = gaps_of(got.gaps);
	const texts = (how) => ['prompts', 'answers', 'calls'].reduce((sum, part) => sum + (got.texts?.[`${part}_${how}`] ?? 0), 0);
	return [
		facts([['from', got.report?.since && when(got.report.since)], ['until', got.report?.until ? when(got.report.until) : 'now'], ['records', count(r.total)],
			['it holds', got.verification && holds(got.verification)],
			['gaps', gaps.length ? h('ul', {}, gaps) : badge('none', 'good')],
			['checkpoints', count(a.checkpoints)], ['last checkpoint', a.last_checkpoint && [when(a.last_checkpoint.time), `, ${count(a.last_checkpoint.size)} records`]],
			['oldest record', got.retention?.oldest_record && when(got.retention.oldest_record)], ['trimmed', got.retention?.trims && `${count(got.retention.trims.length)} times`],
			['texts sealed', texts('kept') > 0 && `${count(texts('kept'))} of ${bytes(texts('sealed_bytes'))}, ${count(texts('cut'))} of them cut; ${count(texts('not_kept'))} not kept`]]),
		r.nodes?.length > 0 && table({ caption: 'Nodes', rows: r.nodes, columns: [
			{ title: 'node', cell: (n) => data(n.node) }, { title: 'records', number: true, cell: (n) => count(n.records) }, { title: 'from', cell: (n) => n.begin && when(n.begin) }, { title: 'to', cell: (n) => n.end && when(n.end) },
			{ title: 'starts', number: true, cell: (n) => count(n.boots) }, { title: 'without a close', number: true, cell: (n) => count(n.unclean_ends) }, { title: 'verified', number: true, cell: (n) => count(n.verified) } ] }),
		got.decisions && h('div', { class: 'grid' }, [['Decisions', 'by_decision'], ['Rules', 'by_rule'], ['Classes', 'by_class']].map(([title, name]) =>
			rows_of(got.decisions[name]).length > 0 && h('div', {}, shares(title, rows_of(got.decisions[name]).slice(0, 20), { format: count })))),
		got.changes?.changes?.length > 0 && table({ caption: 'Changes', rows: got.changes.changes.slice(-50).reverse(), columns: [
			{ title: 'when', cell: (c) => when(c.time) }, { title: 'what', cell: (c) => `${c.what} ${c.change}` }, { title: 'which', cell: (c) => c.id && data(c.id), wide: true },
			{ title: 'who', cell: (c) => who(c) }, { title: 'why', cell: (c) => c.reason && data(c.reason), wide: true } ] }),
	];
}

function report_panel(page) {
	const place = h('div', {});
	const { since = '24h', article } = page.state;
	const form = h('form', { class: 'fields', 'aria-label': 'Report', onchange: () => go('audit', { ...form_values(form) }), onsubmit: (e) => { e.preventDefault(); go('audit', form_values(form)); } },
		field({ name: 'since', label: 'Of the last', value: since, options: [['1h', 'hour'], ['24h', 'day'], ['7d', '7 days'], ['30d', '30 days']] }),
		field({ name: 'article', label: 'For article (AI Act)', value: article ?? '', options: [['', 'all'], '12', '14', '19', '26'] }));
	fill(place, page, () => page.get('/records/report', { since, article }), report);
	return panel('Report', form, place);
}

export default {
	name: 'audit', title: 'Audit', key: 'a',
	help: 'Whether the record holds: chain, checkpoints, anchors, gaps, keys; what a report over it says.',
	show(page) {
		const now = h('div', {});
		page.root.append(now);
		fill(now, page, () => page.get('/status'), (s) => state(page, s));
		if (!page.has('auditor')) {
			page.root.append(nothing('Who reads records or has them verified needs the role auditor.'));
			return;
		}
		page.root.append(verify(page), report_panel(page));
	},
};
