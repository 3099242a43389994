// Audit: integrity of the records, their anchors, gaps, keys and retention; verification on demand.
import { change } from '../changes.js';
import { data, h, who } from '../dom.js';
import { ago, bytes, count, now_ms, when } from '../format.js';
import { badge, decision_kind, facts, field, fill, filter_form, mark, nothing, panel } from '../parts.js';
import { shares, table } from '../table.js';

/* ---- what the daemon knows at once ---- */

const ANCHORED = ['taken', 'waiting'];

/* Records that do not verify. An auditor who knows the cause accepts a fault with a reason. */
const fault_name = (f) => `${f.node || '?'}/${f.seq}`;
function accept(page, f, reload) {
	const name = fault_name(f);
	return h('button', { type: 'button', class: 'small', onclick: async () => {
		const done = await change(page, {
			title: `Accept the fault of ${name}`,
			what: [data(name), ' does not verify: ', data(f.why), '. The fault stays listed here, but is no longer reported.'],
			action: 'Accept the fault',
			path: '/records/accept',
			body: () => ({ record: name }),
		});
		if (done) reload();
	} }, 'Accept', h('span', { class: 'hidden' }, ` ${name}`));
}

const faults = (page, list, reload) =>
	table({ caption: 'Records that do not verify', rows: list, columns: [
		{ title: 'record', cell: (f) => data(fault_name(f)) },
		{ title: 'in', cell: (f) => data(f.source) },
		{ title: 'reason', cell: (f) => data(f.why), wide: true },
		{ title: 'found', cell: (f) => when(f.found, { relative: true }) },
		{ title: '', cell: (f) => (f.accepted ? badge('accepted', 'edit') : page.has('auditor') && accept(page, f, reload)) },
	] });

function state(page, [s, now], reload) {
	const unwritten = (now.parts ?? []).filter((p) => /^audit/.test(p.part) && p.says !== 'up').map((p) => p.says.replace(/^down: /, ''));
	const a = s.audit ?? {}, k = s.audit_key ?? {}, c = a.checkpoint;
	const broken = a.verified?.faults ?? [], open = broken.filter((f) => !f.accepted);
	const bad = [...unwritten, open.length > 0 && `${open.length === 1 ? 'a record does' : `${count(open.length)} records do`} not verify`,
		a.tree !== undefined && a.tree !== 'ready' && `the hash tree is ${a.tree}`,
		a.tree_errors > 0 && `${a.tree_errors} errors of the hash tree`, k.revoked && 'the signing key is revoked',
		...(s.anchors ?? []).filter((x) => !ANCHORED.includes(x.state)).map((x) => `anchor ${x.place}: ${x.state}`)].filter(Boolean);
	return [
		h('p', { class: 'lead', role: 'status' }, bad.length
			? bad.map((label) => [mark({ label, kind: 'bad' }), ' '])
			: mark({ label: 'records are written and signed', kind: 'good' })),
		broken.length > 0 && faults(page, broken, reload),
		h('div', { class: 'grid' }, panel('Chain', facts([
			['records', count(a.records)],
			['records in the hash tree', count(a.tree_records)],
			['hash tree', a.tree && badge(a.tree, a.tree === 'ready' ? 'good' : 'edit')],
			['last checkpoint',
				c && [`${count(c.size)} records, `, c.age_s !== undefined && when(now_ms() - c.age_s * 1000, { relative: true })]],
			['closed segments verified since', a.verified &&
				(a.verified.since
					? when(a.verified.since, { relative: true })
					: `not yet: ${count(a.verified.done)} of ${count(a.verified.segments)}`)],
			['signing key', k.signs && h('code', {}, k.signs)],
			['next signing key', k.next && h('code', {}, k.next)],
			['key for hashes of texts', k.hash_key && [h('code', {}, k.hash_key.id), ` (${k.hash_key.from})`]],
		])), panel('Anchors', s.anchors?.length ?
			table({ caption: 'Places outside this daemon that hold checkpoints of the log.', rows: s.anchors, columns: [
				{ title: 'place', cell: (x) => data(x.place), wide: true },
				{ title: 'kind', cell: (x) => x.kind },
				{ title: 'state', cell: (
					x,
				) => [
					mark({ label: { taken: 'anchored', waiting: 'waiting' }[x.state] ?? x.state, kind: ANCHORED.includes(x.state) ? 'good' : 'bad' }),
					' ',
					x.why && data(x.why),
				], wide: true },
				{ title: 'last anchored', cell: (x) => (x.taken ? when(x.taken, { relative: true }) : 'never') },
				{ title: 'records', number: true, cell: (x) => count(x.size) },
			] }) :
			nothing('No anchor is configured.',
				'Without an anchor, the holder of the signing key can rewrite old records unnoticed. Add anchors in tollgate.yaml.'))),
	];
}

/* ---- verify, on demand ---- */

/* The last result. A chain that fails states the record and the reason. */
function verified(got) {
	const last = got.last;
	if (got.running)
		return h('p', { class: 'state', role: 'status' }, 'In progress since ', when(got.began),
			'. The verification continues if you leave this page.');
	if (!last) return h('p', { class: 'dim' }, 'No verification since the daemon started.');
	const chains = last.chains ?? [], bad = chains.filter((c) => !c.ok);
	return [
		h('p', { role: 'status' },
			badge(last.holds ? 'all records verified' : bad.length ? 'verification failed' : 'not verified', last.holds ? 'good' : 'bad'), ' ',
			last.ended && when(last.ended, { relative: true }), last.why && [': ', data(last.why)]),
		bad.map((c) =>
			h('p', { class: 'wrong' }, 'Record ', h('strong', {}, data(`${c.node || '?'}/${c.seq}`)), ` (${c.source}): `, data(c.why))
		),
		chains.length > 0 && table({ caption: 'One row for each chain', rows: chains, columns: [
			{ title: 'node', cell: (c) => data(c.node) },
			{ title: 'result', cell: (c) => (c.ok ? badge('verified', 'good') : badge('failed', 'bad')) },
			{ title: 'verified', number: true, cell: (c) => count(c.ok ? c.records : c.verified) },
			{ title: 'last record', number: true, cell: (c) => count(c.seq) },
			{ title: 'starts', number: true, cell: (c) => count(c.boots) },
			{ title: 'checkpoints', number: true, cell: (c) => count(c.checkpoints) },
			{ title: 'anchors', number: true, cell: (c) => count(c.anchors) },
			{ title: 'trimmed', number: true, cell: (c) => count(c.trimmed) },
		] }),
	];
}

function verify(page) {
	const place = h('div', {});
	let runs = true; /* not known yet */
	const load = () => {
		runs = false;
		return fill(place, page, () => page.get('/records/verify'), (got) => {
			runs = got.running;
			return verified(got);
		});
	};
	const begin = async () => {
		try {
			await page.post('/records/verify', {});
		} catch (e) {
			if (e.status !== 409) {
				page.say(`The verification did not start: ${e.message}`);
				return;
			}
		}
		load();
	};
	page.every(1500, () => (runs ? load() : null)); /* until it is over */
	return panel('Verify',
		h('p', {}, 'The daemon reads every record from the disk again and checks each hash and signature. The verification can take minutes.'),
		h('p', {}, h('button', { type: 'button', id: 'verify', class: 'primary', onclick: begin }, 'Verify now')), place);
}

/* ---- the report ---- */

const rows_of = (o, colored) =>
	Object.entries(o ?? {}).map(([value, n]) => ({ value: data(value), kind: colored ? decision_kind(value) : undefined, count: n })).sort((x,
		y) => y.count - x.count
	);

/* What is missing or ended badly, a line each. */
const GAPS = {
	missing: (g) => ['records ', `${count(g.from)} to ${count(g.to)} of `, data(g.node), ' are missing', g.why && [': ', data(g.why)]],
	unclean_ends: (g) => ['the daemon ', data(g.node), ' stopped without closing the journal before ', when(g.boot_at)],
	refused_by_disk: (
		g,
	) => ['the disk refused records of ', data(g.node), ' between ', when(g.since), ' and ', when(g.time),
		`: ${count(g.refused)} requests refused, ${count(g.lost)} records lost`],
	alarms: (g) => ['alarm of ', data(g.node), ' at ', when(g.time), ': ', data(g.how ?? '')],
};
const gaps_of = (gaps) =>
	Object.entries(gaps ?? {}).flatMap(([kind, v]) => (Array.isArray(v) ?
		v.map((g) => h('li', {}, GAPS[kind]?.(g) ?? data(JSON.stringify(g))))
		: h('li', {}, `${kind.replaceAll('_', ' ')}: `, data(typeof v === 'object' ? JSON.stringify(v) : v)))
	);

function holds(v) {
	if (!v?.done) return [badge('not verified', 'edit'), ' ', v?.why && data(v.why)];
	return v.holds ? badge('verified', 'good') : badge('failed', 'bad');
}

function report(got) {
	const r = got.records ?? {}, a = got.anchors ?? {}, gaps = gaps_of(got.gaps);
	const texts = (how) => ['prompts', 'answers', 'calls'].reduce((sum, part) => sum + (got.texts?.[`${part}_${how}`] ?? 0), 0);
	return [
		facts([['from', got.report?.since && when(got.report.since)], ['until', got.report?.until ? when(got.report.until) : 'now'], ['records',
			count(r.total)], ['verification', got.verification && holds(got.verification)], ['gaps',
			gaps.length ? h('ul', {}, gaps) : badge('none', 'good')], ['checkpoints', count(a.checkpoints)], ['last checkpoint',
			a.last_checkpoint && [when(a.last_checkpoint.time), `, ${count(a.last_checkpoint.size)} records`]], ['oldest record',
			got.retention?.oldest_record && when(got.retention.oldest_record)], ['trimmed by retention',
			got.retention?.trims && `${count(got.retention.trims.length)} ${got.retention.trims.length === 1 ? 'time' : 'times'}`], [
			'sealed texts',
			texts('kept') > 0 &&
			`${count(texts('kept'))} of ${bytes(texts('sealed_bytes'))}, ${count(texts('cut'))} of them cut; ${
				count(texts('not_kept'))
			} not kept`,
		]]),
		r.nodes?.length > 0 && table({ caption: 'Nodes', rows: r.nodes, columns: [
			{ title: 'node', cell: (n) => data(n.node) },
			{ title: 'records', number: true, cell: (n) => count(n.records) },
			{ title: 'from', keep: true, cell: (n) => n.begin && when(n.begin, { relative: true }) },
			{ title: 'to', keep: true, cell: (n) => n.end && when(n.end, { relative: true }) },
			{ title: 'starts', number: true, cell: (n) => count(n.boots) },
			{ title: 'unclean stops', number: true, cell: (n) => count(n.unclean_ends) },
			{ title: 'verified', number: true, cell: (n) => count(n.verified) },
		] }),
		got.decisions &&
		h('div', { class: 'grid' },
			[['Decisions', 'by_decision'], ['Rules', 'by_rule'], ['Classes', 'by_class']].map(([title, name]) =>
				rows_of(got.decisions[name]).length > 0 &&
				h('div', {}, shares(title, rows_of(got.decisions[name], name === 'by_decision').slice(0, 20), { format: count }))
			)),
		got.changes?.changes?.length > 0 && table({ caption: 'Changes', rows: got.changes.changes.slice(-50).reverse(), columns: [
			{ title: 'time', keep: true, cell: (c) => when(c.time, { relative: true }) },
			{ title: 'change', cell: (c) => `${c.what} ${c.change}` },
			{ title: 'object', cell: (c) => c.id && data(c.id), wide: true },
			{ title: 'by', cell: (c) => who(c) },
			{ title: 'reason', cell: (c) => c.reason && data(c.reason), wide: true },
		] }),
	];
}

function report_panel(page) {
	const place = h('div', {});
	const { since } = page, { article } = page.state;
	const form = filter_form(page, 'Report',
		field({ name: 'article', label: 'Article of the AI Act', value: article ?? '', options: [['', 'all'], '12', '14', '19', '26'] }));
	fill(place, page, () => page.get('/records/report', { since, article }), report);
	return panel('Report', form, place);
}

export default {
	name: 'audit',
	title: 'Audit',
	key: 'a',
	help: 'Integrity of the records: chain, checkpoints, anchors, gaps and keys, and a report over a period.',
	show(page) {
		const now = h('div', {});
		page.root.append(now);
		const load = () => fill(now, page, () => Promise.all([page.get('/status'), page.get('/now')]), (got) => state(page, got, load));
		load();
		if (!page.has('auditor')) {
			page.root.append(nothing('To read or verify records, you need the role auditor.'));
			return;
		}
		page.root.append(verify(page), report_panel(page));
	},
};
