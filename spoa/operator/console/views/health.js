// The health of the gateway: one sentence with a link, then a row for each degraded part.
import { data, empty, h } from '../dom.js';
import { count, when } from '../format.js';
import { degraded_state, failing_of, failure_cause, state_of, target_state } from '../labels.js';
import { facts, failed, mark } from '../parts.js';
import { table } from '../table.js';

/* The view that shows more of a degraded part. */
const VIEW_OF = { providers: 'targets', provider: 'targets', target: 'targets', anchors: 'audit', anchor: 'audit', audit: 'audit',
	journal: 'audit', tree: 'audit', 'audit tree': 'audit', 'audit stream': 'audit', 'pins of tools': 'tools', 'keys and limits': 'people',
	policy: 'policy', shadow: 'policy', tools: 'tools', prices: 'models' };

/* Degraded parts and unhealthy targets: [{ what, state, since, why, view }], the longest first. */
function problems(got) {
	const failing = failing_of(got);
	const rows = [
		...(got.degraded ?? []).map((d) => ({ what: d.name ? `${d.what} ${d.name}` : d.what, state: degraded_state(d.state), since: d.since,
			why: d.why, view: VIEW_OF[d.what] })
		),
		...(got.targets ?? []).map((t) => ({ ...t, state: state_of(t, failing) })).filter((t) => t.state && t.state !== 'closed').map((t) => ({
			what: `target ${t.target}`,
			state: target_state(t.state),
			since: t.since,
			view: 'targets',
			why: [t.last_failure && failure_cause(t.last_failure), t.last_status && ` (${t.last_status})`,
				t.state !== 'half_open' && t.back_in_s > 0 && `; next try in ${Math.ceil(t.back_in_s)} s`],
		})),
	];
	if (got.redis?.refuses) rows.push({ what: 'redis', state: degraded_state('refuses'), why: got.redis.refuses });
	if (got.log_dropped) rows.push({ what: 'log', state: degraded_state('dropped'), why: `${count(got.log_dropped)} lines` });
	return rows;
}

/* Parts because of which the daemon is not ready. The other parts are descriptions. */
function down(got) {
	const parts = (got.parts ?? []).filter((p) => /^down\b/.test(p.says));
	return parts.length ? parts : (got.parts ?? []).filter((p) => !/^(policy|degraded)$/.test(p.part) && !/^(up|ok|ready)$/.test(p.says));
}

/* What is wrong, in one sentence: green only if nothing is. */
function sentence(page, got, rows) {
	if (!got.ready)
		return [mark({ label: 'not ready', kind: 'bad' }), ' The daemon is not ready: ', down(got).map((p, i) => {
			const text = data(`${p.part}: ${p.says.replace(/^down: /, '')}`);
			return [i ? '; ' : null, VIEW_OF[p.part] ? h('a', { href: page.href(VIEW_OF[p.part]) }, text) : text];
		}), '.'];
	if (!rows.length) return [mark({ label: 'healthy', kind: 'good' }), ' The gateway accepts requests. Nothing is degraded.'];
	const [{ what, state, since, view }] = rows;
	const first = [data(what), ': ', state.label, since && [' (', when(since, { relative: true }), ')']];
	return [mark({ label: 'degraded', kind: rows.some((r) => r.state.kind === 'bad') ? 'bad' : 'edit' }),
		' The gateway accepts requests, but a part needs attention: ', view ? h('a', { href: page.href(view) }, first) : first,
		rows.length > 1 && ` (${rows.length} degraded parts)`, '.'];
}

function content(page, got) {
	const rows = problems(got);
	return [h('p', { class: 'lead' }, sentence(page, got, rows)),
		rows.length > 0 && table({ caption: 'Degraded parts', rows, href: (r) => (r.view ? page.href(r.view) : null), columns: [
			{ title: 'Part', cell: (r) => r.what, wide: true },
			{ title: 'State', cell: (r) => mark(r.state), keep: true },
			{ title: 'Since', cell: (r) => r.since && when(r.since, { relative: true }), keep: true },
			{ title: 'Reason', cell: (r) => r.why, wide: true },
		] }),
		h('details', { class: 'parts-of' }, h('summary', {}, 'All parts'),
			facts([['Node', data(got.node)], ['Policy', data(got.policy)], ['Mode',
				got.mode === 'shadow' ? 'shadow: nothing is enforced' : got.mode], ...(got.parts ?? []).map((p) => [p.part, data(p.says)])]))];
}

/* The panel of the state, renewed every five seconds. shown(got): gets the same answer of /now. */
export function health(page, shown = () => {}) {
	const panel = h('section', { class: 'panel', 'aria-label': 'Health' });
	let open = false;
	page.every(5000, async () => {
		try {
			const got = await page.get('/now');
			open = panel.querySelector('details.parts-of')?.open ?? open;
			empty(panel, content(page, got));
			panel.querySelector('details.parts-of').open = open;
			shown(got);
		} catch (e) {
			if (e.name !== 'AbortError') empty(panel, failed(e));
		}
	});
	return panel;
}
