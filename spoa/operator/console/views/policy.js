// Policy: rules with their hits, differences of a shadow policy, versions; checks a policy text, tries a request.
import { add, data, empty, h, lines } from '../dom.js';
import { count, drafts, when } from '../format.js';
import { rule_hits } from '../labels.js';
import { badge, facts, field, fill, form_values, nothing, panel, words } from '../parts.js';
import { pager, table } from '../table.js';
import { change, parts_of } from '../changes.js';
import { difference } from '../diff.js';

/* name, title, who may */
const PARTS = [['rules', 'Rules'], ['shadow', 'Shadow', 'auditor'], ['versions', 'Versions'], ['try', 'Try a request', 'operator'], [
	'check',
	'Check a text',
]];

/* ---- in force ---- */

function in_force(page, s, reload) {
	return panel('In force', facts([
		['policy', data(s.policy)],
		['version', h('code', {}, s.policy_version)],
		['mode', s.mode],
		['routes', count(s.routes)],
		['rules', count(s.rules)],
		['shadow', s.shadow_policy && data(typeof s.shadow_policy === 'string' ? s.shadow_policy : s.shadow_policy.policy ?? '')],
		['last reload', s.last_reload &&
			[when(s.last_reload.time), ' ', badge(s.last_reload.result, s.last_reload.result === 'done' ? 'good' : 'bad'),
				s.last_reload.by && [' by ', data(s.last_reload.by)],
				(s.last_reload.errors ?? []).map((e) => h('div', { class: 'wrong' }, data(typeof e === 'string' ? e : JSON.stringify(e))))]],
		['not in force', s.policy_differs &&
			[h('span', { class: 'wrong' }, 'The file differs from the policy in force: ', data(s.policy_differs.what)), ' since ',
				when(s.policy_differs.since)]],
		['needs a restart', s.last_reload?.at_restart && data(s.last_reload.at_restart)],
	]), page.has('operator') && h('p', {}, h('button', { type: 'button', onclick: async () => {
		let next;
		try {
			next = await page.get('/policy/next');
		} catch (e) {
			page.say(`Nothing to reload: ${e.message}`);
			return;
		}
		await change(page, { title: 'Read the policy again', action: 'Reload',
			what: ['The daemon puts these files in force: ', data(next.next), '. Changes: ', data(next.changes),
				'. If a file is saved before the daemon reads it, the daemon refuses the order.'], path: '/reload', body: () => ({
					checked: next.checked,
				}) });
		reload();
	} }, 'Reload')));
}

/* ---- rules ---- */

/* Rules with what they did, and the text of the policy's file. */
const rules_asked = async (page) => {
	const [policy, counted] = await Promise.all([page.get('/policy'), page.get('/policy/rules')]);
	return { ...policy, ...counted };
};

const rules = (page) => (got) => [panel('Rules', table({
	caption: `Rules in the order of evaluation. If no rule decides, the request is ${
		got.default === 'deny' ? 'denied' : 'permitted'
	}. This daemon counted the hits.`,
	rows: got.rules,
	empty: 'The policy has no rule. Its default decides every request.',
	href: (r) => page.href('thing', { kind: 'rule', name: r.name }),
	columns: [
		{ title: 'rule', cell: (r) => [data(r.name), r.shadow && [' ', badge('shadow', 'edit')]], wide: true },
		{ title: 'phase', cell: (r) => r.phase },
		{ title: 'effect', cell: (r) => r.effect },
		{ title: 'when', cell: (r) => (r.when ? h('code', {}, r.when) : h('small', {}, 'always')), wide: true },
		{ title: 'hits', number: true, cell: (r) => count(rule_hits(r.since_version)) },
		{ title: 'since the start', number: true, cell: (r) => count(rule_hits(r.since_start)) },
		got.rules.some((r) => r.since_start?.would) &&
		{ title: 'would have matched', number: true, cell: (r) => count(r.since_start?.would ?? 0) },
		{ title: 'last hit', cell: (r) => (r.last ? when(r.last, { relative: true }) : badge('never')) },
	],
}),
	h('p', { class: 'dim' }, 'Hits since the policy came into force, ', when(got.version_since), '; the daemon started ', when(got.started),
		'.')),
	h('details', { class: 'panel' }, h('summary', {}, 'Text of the policy file'),
		got.text_is_newer && h('p', { class: 'wrong' }, 'The file was changed after the last reload. The text below is not in force.'),
		typeof got.text === 'string' ? lines(got.text) : h('p', { class: 'dim' }, data(got.text_why ?? 'not readable')))];

/* ---- shadow ---- */

const said = (decision, rule, status) => [badge(decision), status && ` ${status}`, rule && [' ', data(rule)]];

const differs = (page, shadow) => (got) => (!shadow && !got.records.length
	? nothing('No shadow policy is set.',
		'Set shadow_policy in tollgate.yaml. The gateway evaluates a shadow policy for each request without enforcing it.')
	: panel('Differences of the shadow policy', shadow && h('p', {}, 'Shadow policy: ', h('strong', {}, data(shadow))),
		table({ caption: 'Requests that the shadow policy decides differently, newest first', rows: got.records, ordered: true,
			empty: 'The shadow policy decides every request like the policy in force.', href: (r) => page.href('request', { id: r.id }),
			columns: [
				{ title: 'time', keep: true, cell: (r) => when(r.decided_at ?? r.time, { relative: true }) },
				{ title: 'caller', cell: (r) => data(r.identity?.person ?? ''), wide: true },
				{ title: 'in force', cell: (r) => said(r.decision, r.rule, r.decision === 'deny' && r.status), wide: true },
				{ title: 'shadow', cell: (r) => said(r.shadow_policy?.decision, r.shadow_policy?.rule, r.shadow_policy?.status), wide: true },
				{ title: 'differs in', cell: (r) => words(r.shadow_policy?.differs) },
			] }), pager(page, { next: got.after, shown: got.records.length })));

const versions = (page) => (got) =>
	panel('Versions',
		table({ caption: 'Recorded versions of the policy and the time at which each came into force, the newest first', rows: got.versions,
			ordered: true, empty: 'No record of a policy. The daemon writes one when it loads a policy.', columns: [
				{ title: 'from', keep: true, cell: (v) => when(v.time, { relative: true }) },
				{ title: 'policy', cell: (v) => data(v.policy), wide: true },
				{ title: 'node', cell: (v) => v.node && data(v.node) },
				{ title: 'version', cell: (v) => h('code', {}, short(v.policy_version)) },
				{ title: 'ordered by', cell: (v) => v.by && data(v.by), wide: true },
				{ title: 'why', cell: (v) => v.why && data(v.why), wide: true },
				{ title: 'shadow', cell: (v) => v.shadow && data(typeof v.shadow === 'string' ? v.shadow : v.shadow.policy ?? ''), wide: true },
			] }), pager(page, { next: got.after, shown: got.versions.length }), page.has('auditor') && compared(page, got.versions));

/* ---- two versions ---- */

const short = (version) => String(version ?? '').slice(0, 16);

/* The lines that differ between two kept texts, with two lines around each. */
function lines_between(was, is) {
	const rows = difference(was.split('\n'), is.split('\n')),
		near = (i) => rows.slice(Math.max(0, i - 2), i + 3).some(([sign]) => sign !== ' ');
	if (rows.every(([sign]) => sign === ' ')) return h('p', { class: 'dim' }, 'The two texts are equal.');
	return add(h('pre', { class: 'diff', tabindex: '0', 'aria-label': 'the lines that differ' }),
		rows.map(([sign, line], i) =>
			near(i) && h('span', { class: { '+': 'add', '-': 'del' }[sign] ?? null }, `${sign} `, line, document.createTextNode('\n'))
		));
}

/* Two versions of this page are chosen, and their texts compared. The two are in the URL. */
function compared(page, all) {
	const texts = new Map(all.map((v) => [v.policy_version, `${v.policy}, ${v.time?.slice(0, 19) ?? ''}`]));
	if (texts.size < 2) return null;
	const known = [...texts], of = (name, place) => (texts.has(page.state[name]) ? page.state[name] : known[place][0]);
	const place = h('div', {}), was = of('was', 1), is = of('is', 0);
	const form = h('form', { onsubmit: (e) => {
		e.preventDefault();
		page.set(form_values(form));
	} },
		h('div', { class: 'fields' }, field({ name: 'was', label: 'From version', value: was, options: known }),
			field({ name: 'is', label: 'to version', value: is, options: known })), h('p', {}, h('button', { class: 'primary' }, 'Compare')));
	if (page.state.is)
		fill(place, page, () => Promise.all([was, is].map((version) => page.get('/policy/text', { version }))),
			([x, y]) => lines_between(x.text, y.text));
	return [h('h3', {}, 'Compare two versions'), form, place];
}

/* ---- a text is checked ---- */

function marked(text, errors) {
	const at = new Map();
	for (const e of errors) at.set(e.line, [...(at.get(e.line) ?? []), e]);
	const list = h('ol', { class: 'marked', 'aria-label': 'the text with its errors' });
	text.split('\n').forEach((line, i) => {
		const wrong = at.get(i + 1);
		add(list,
			h('li', { class: wrong && 'wrong' }, h('code', {}, line || ' '),
				wrong?.map((e) =>
					h('div', { class: 'mistake', id: `mistake-${i + 1}` },
						h('strong', {}, `line ${e.line}${e.column ? `, column ${e.column}` : ''}: `), e.message)
				)));
	});
	return list;
}

function checked(text) {
	return (got) => {
		const errors = got.errors ?? [], n = errors.length;
		return [
			h('p', { role: 'status' }, badge(n ? `${n} ${n === 1 ? 'error' : 'errors'}` : 'no error', n ? 'bad' : 'good'), !n && got.policy &&
				[' ', data(got.policy), `: ${count(got.routes)} routes, ${count(got.rules)} rules, ${count(got.limits)} limits`]),
			n > 0 && marked(text, errors.filter((x) => x.line)),
			errors.filter((x) => !x.line).map((x) => h('p', { class: 'wrong' }, data(x.message))),
			got.notes?.length > 0 && h('ul', { 'aria-label': 'notes' }, got.notes.map((x) => h('li', {}, data(x)))),
		];
	};
}

/* What the text would have said of requests of the past. */
const replayed = (page) => (got) => [
	h('p', { role: 'status' }, badge(
		got.different
			? `${count(got.different)} of ${count(got.total)} requests decided differently`
			: `all ${count(got.total)} requests decided alike`,
		got.different ? 'edit' : 'good',
	), Object.entries(got.not_compared ?? {}).map(([why, n]) => h('div', {}, `${count(n)} requests were not compared: `, data(why)))),
	table({ caption: 'Examples', rows: got.examples ?? [], empty: 'No difference.', columns: [
		{ title: 'request', cell: (x) => x.id && h('a', { href: page.href('request', { id: x.id }) }, x.id) },
		{ title: 'recorded', cell: (x) => said(x.was?.decision, x.was?.rule, x.was?.status), wide: true },
		{ title: 'with this text', cell: (x) => said(x.is?.decision, x.is?.rule, x.is?.status), wide: true },
		{ title: 'explanation', cell: (x) => x.says && data(x.says), wide: true },
	] }),
];

function check(page) {
	const place = h('div', { class: 'result' });
	const text = () => form.elements.policy.value;
	/* Above the text, and seen at once, however long that is. */
	const answer = (path, more, show) =>
		fill(place, page, () => page.post(path, { policy: text(), ...more }), show).then(() => {
			place.scrollIntoView();
			place.querySelector('.mistake')?.scrollIntoView({ block: 'nearest' });
		});
	const form = h('form', { onsubmit: (e) => {
		e.preventDefault();
		answer('/policy/check', {}, checked(text()));
	} }, field({ name: 'policy', label: 'Policy (YAML)', type: 'area', required: true }),
		h('p', { class: 'row' }, h('button', { class: 'primary' }, 'Check'), page.has('auditor') &&
			h('button', { type: 'button', onclick: () => answer('/policy/replay', { since: '24h' }, replayed(page)) },
				'Replay the last day with this text')));
	const input = form.elements.policy, note = h('p', { class: 'row', role: 'status' });
	const load = () =>
		page.get('/policy').then((p) => {
			if (!text() && typeof p.text === 'string') input.value = p.text;
		}, () => {});
	const discard = () => {
		drafts.set('policy', '');
		input.value = '';
		empty(note);
		load();
		input.focus();
	};
	input.value = drafts.get('policy', '');
	if (text())
		add(note, 'This is your unsaved text.', h('button', { type: 'button', class: 'small', onclick: discard }, 'Show the policy in force'));
	input.addEventListener('input', () => drafts.set('policy', text()));
	load();
	return panel('Check a text',
		h('p', { class: 'dim' },
			'The daemon compiles the text and discards the result. To put the text into force, write it to the policy file and reload.'), place,
		note, form);
}

/* ---- a request is tried ---- */

const SHAPES = {
	'/v1/chat/completions': (v) => ({ model: v.model, messages: [{ role: 'user', content: v.prompt ?? '' }] }),
	'/v1/messages': (v) => ({ model: v.model, max_tokens: 100, messages: [{ role: 'user', content: v.prompt ?? '' }] }),
};

function tried(got) {
	return [
		h('p', { role: 'status', class: 'row' }, badge(got.decision), got.status && ` ${got.status}`,
			got.rule && [' by the rule ', h('strong', {}, data(got.rule))], got.reason && [': ', data(got.reason)]),
		facts([['route', got.route && data(got.route)], ['model', got.model && data(got.model)], ['classes', words(got.classes)], ['findings',
			(got.findings ?? []).map((f) =>
				h('div', {}, data(f.entity), f.role && ` in a segment of ${f.role}`, f.with && `, replaced by ${f.with}`,
					typeof f.score === 'number' && ` (${f.score.toFixed(2)})`)
			)]]),
		got.explain && [h('h3', {}, 'Why'), explained(got.explain)],
		got.body !== undefined &&
		[h('h3', {}, 'Body for the provider'), lines(typeof got.body === 'string' ? pretty(got.body) : JSON.stringify(got.body, null, 2))],
	];
}
const pretty = (text) => {
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
};

const FATE = { matched: 'edit', 'not matched': 'dim', 'not reached': 'dim', error: 'bad' };

const explained = (
	e,
) => [h('p', {}, data(e.says ?? '')),
	table({ caption: 'Rules in the order of evaluation', rows: e.rules ?? [], empty: 'The policy has no rules.', columns: [
		{ title: 'rule', cell: (r) => data(r.rule), wide: true },
		{ title: 'result', cell: (r) => badge(r.outcome, FATE[r.outcome]) },
		{ title: 'effect', cell: (r) => [r.effect, r.status ? ` ${r.status}` : null] },
		{ title: 'when', cell: (r) => r.when && h('code', {}, r.when), wide: true },
		{ title: 'values read', wide: true,
			cell: (r) => Object.entries(r.values ?? {}).map(([k, v]) => h('div', {}, h('code', {}, `${k} = ${JSON.stringify(v)}`))) },
		{ title: 'explanation', cell: (r) => data(r.says ?? ''), wide: true },
	] })];

function attempt(page) {
	const place = h('div', {});
	const { path = '/v1/chat/completions', model = '', prompt = '', person = 'somebody', team = '' } = page.state;
	const form = h('form', { onsubmit: (e) => {
		e.preventDefault();
		const v = form_values(form);
		let body = v.body;
		if (!body) body = JSON.stringify((SHAPES[v.path] ?? SHAPES['/v1/chat/completions'])(v));
		fill(place, page, () =>
			page.post('/policy/decide', {
				request: { method: 'POST', path: v.path, headers: { 'content-type': 'application/json' }, body,
					...(v.person ? { identity: { method: 'jwt', person: v.person, ...(v.team ? { team: v.team } : {}) } } : {}) },
			}), tried);
	} },
		h('div', { class: 'fields' }, field({ name: 'path', label: 'Path', value: path, required: true }),
			field({ name: 'model', label: 'Model', value: model }),
			field({ name: 'person', label: 'Person', value: person, hint: 'empty: the caller is not identified' }),
			field({ name: 'team', label: 'Team', value: team })),
		field({ name: 'prompt', label: 'Prompt of the user', type: 'area', value: prompt }),
		h('details', {}, h('summary', {}, 'Enter the whole body instead'), field({ name: 'body', label: 'Body (JSON)', type: 'area' })),
		h('p', {}, h('button', { class: 'primary' }, 'Try')));
	return panel('Try a request',
		h('p', { class: 'dim' },
			'The policy in force decides this request. The gateway sends nothing to a provider, charges nothing and does not record the prompt.'),
		form, place);
}

export default {
	name: 'policy',
	title: 'Policy',
	key: 'y',
	help: 'Rules and their hits, differences of a shadow policy, and versions. You can try a request or check a policy text.',
	show(page) {
		const now = h('div', {}), place = h('div', {});
		const { here, nav } = parts_of(page, PARTS.filter(([, , role]) => !role || page.has(role)));
		page.root.append(nav, now, place);
		const load = () => fill(now, page, () => page.get('/status'), (s) => in_force(page, s, load));
		if (here === 'rules') {
			load();
			fill(place, page, () => rules_asked(page), rules(page));
		} else if (here === 'shadow') {
			fill(place, page, () =>
				Promise.all([page.get('/policy/shadow', { since: '30d', limit: 50, after: page.state.after }), page.get('/status')]).then((
					[got, s],
				) => ({ ...got, shadow: s.shadow_policy })), (got) =>
				differs(page, got.shadow)(got));
		} else if (here === 'versions')
			fill(place, page, () => page.get('/policy/versions', { limit: 50, after: page.state.after }), versions(page));
		else place.append(here === 'try' ? attempt(page) : check(page));
	},
};
