// One request by its id: all its records, from the request to the cost, the rules that decided, and the proof that
// others can verify.
import { data, h, lines } from '../dom.js';
import { amount, bytes, count, dollars, duration_us, when } from '../format.js';
import { badge, copied, ended, facts, field, fill, form_values, named, nothing, panel, save, words } from '../parts.js';
import { candidate_result, failure_cause, left_reason } from '../labels.js';
import { table } from '../table.js';
import { story_panel } from './request_story.js';
import { texts } from './request_texts.js';

const of = (records, type) => records.find((r) => r.type === type) ?? {};
const list = (value) => (Array.isArray(value) ? value : value ? [value] : []);
/* A person's or model's other requests. */
const PAGES = { person: (page, name) => page.href('people', { person: name }), ...Object.fromEntries(
	['team', 'agent', 'key', 'route', 'model', 'target'].map((kind) => [kind, (page, name) => page.href('thing', { kind, name })]),
) };
const more = (page, term, value) =>
	value &&
	[PAGES[term] ? h('a', { href: PAGES[term](page, value) }, data(value)) : data(value), ' ',
		h('a', { class: 'dim', href: page.href('search', { [term]: value, since: '7d' }) }, 'search')];

function outcome(d, c) {
	const sentence = d.decision === 'deny' ?
		`Denied with ${d.status}: ${d.reason ?? d.code}`
		: d.decision === 'observed' ?
		`Observed only; with enforcement: ${d.would?.decision ?? 'unknown'}`
		: c.answer?.decision === 'deny' ?
		`The response was denied with ${c.answer.denied_with ?? c.status}`
		: d.decision === 'redact'
		? 'Sent to the provider without the findings'
		: 'Permitted';
	const sent = d.decision !== 'deny' && d.decision !== 'observed';
	return h('p', { class: 'lead' }, badge(d.decision), ' ', sentence,
		sent ? ['; ', c.outcome ? ended({ ...c, decision: d.decision }) : 'no completion yet'] : null, c.why ? [': ', data(c.why)] : null);
}

const about = (page, d) =>
	panel('Request', facts([
		['Time', when(d.decided_at ?? d.time, { fraction: true })],
		['Request line', d.request && h('code', {}, `${d.request.method} ${d.request.host}${d.request.path}`)],
		['From', d.request?.src],
		['Route', more(page, 'route', d.route)],
		['Model', more(page, 'model', d.model)],
		['Requested model', d.requested_model && data(d.requested_model)],
		['Translated to', d.translated_to],
		['Removed in translation', words(d.translated_without)],
		['Size', d.prompt?.bytes !== undefined
			? `${bytes(d.prompt.bytes)}, ${count(d.prompt.segments)} segments, ${bytes(d.prompt.inspected_bytes ?? 0)} inspected`
			: null],
		['Not inspected', d.prompt?.opaque_bytes ? `${bytes(d.prompt.opaque_bytes)} in ${d.prompt.opaque_parts} parts` : null],
		['Parameters', d.request?.parameters && words(Object.entries(d.request.parameters).map(([k, v]) => `${k} ${v}`))],
		['Conversation', more(page, 'conversation', d.request?.conversation)],
		['Trace', d.request?.traceparent && h('code', {}, d.request.traceparent)],
		['Purpose', d.about && words(Object.entries(d.about).map(([k, v]) => `${k}: ${v}`))],
		['Tags', words([...list(d.tags), ...list(d.request_tags)])],
		['Text as sent', d.prompt?.text && lines(d.prompt.text)],
	])); /* of records before texts were sealed */

const identity = (page, i = {}) =>
	panel('Caller', facts([
		['Person', more(page, 'person', i.person)],
		['Agent', more(page, 'agent', i.agent)],
		['Team', more(page, 'team', i.team)],
		['Department', more(page, 'department', i.department)],
		['Authenticated by', i.method],
		['Key', more(page, 'key', i.key)],
		['Issuer', i.issuer && data(i.issuer)],
		['Tier', i.tier && data(i.tier)],
		['Clearance', i.clearance],
		['Roles', words(i.roles)],
		['Attributes', i.attributes && words(Object.entries(i.attributes).map(([k, v]) =>
			`${k}: ${typeof v === 'object' ? JSON.stringify(v) : v}`
		))],
	]) ?? nothing('The caller was not identified.'));

function findings(d, c) {
	const row = (where) => ([entity, f]) => ({ where, entity, ...f });
	const rows = [...Object.entries(d.entities ?? {}).map(row('request')),
		...list(c.answer?.findings).map((f) => ({ where: 'response', ...f })),
		...Object.entries(c.answer?.verdict?.entities ?? {}).filter(([e]) => !list(c.answer?.findings).some((f) => f.entity === e)).map(
			row('response'),
		)];
	return panel('Findings',
		facts([['Classes', words([...new Set([...list(d.classes), ...list(c.answer?.classes)])])], ['Injection',
			d.injection !== undefined ? `${d.injection}${d.injection_reason ? ` (${d.injection_reason})` : ''}` : null], ['Obfuscation',
			d.evasion && 'the request has obfuscated values'], ['Credentials',
			d.credentials && `${d.credentials} credentials of the caller in the body`]]), rows.length ?
		table({ caption: 'By entity', rows,
			columns: [{ title: 'Part', cell: (r) => r.where }, { title: 'Entity', cell: (r) => r.entity, wide: true }, { title: 'Count',
				number: true, cell: (r) => count(r.count) }, { title: 'Score', number: true, cell: (r) => r.score }, { title: 'Roles',
				cell: (r) => words(r.roles) }, { title: 'Replaced by', cell: (r) => r.with }] })
		: h('p', { class: 'state' },
			d.prompt?.not_read ? 'The body was not inspected.' : 'The detectors found nothing in the inspected content.'),
		list(d.not_inspected).length ? h('p', { class: 'dim' }, 'Not inspected: ', d.not_inspected.join(', '), '.') : null);
}

/* What came attached, and what of it was read. */
const files = (d) => (d.prompt?.files ?
	panel('Files', table({ caption: 'In the order of the request', rows: d.prompt.files, columns: [
		{ title: 'Kind', cell: (f) => f.kind },
		{ title: 'Size', number: true, cell: (f) => (f.bytes ? bytes(f.bytes) : null) },
		{ title: 'Pages', number: true, cell: (f) => f.pages },
		{ title: 'Inspected', cell: (f) => words(f.read) },
		{ title: 'Not inspected', cell: (f) => (f.unread ? `${f.unread}${f.unread_page ? ` on page ${f.unread_page}` : ''}` : null),
			wide: true },
		{ title: 'Findings by page', cell: (f) => words(f.found), wide: true },
		{ title: 'Sent', cell: (f) => (f.stripped ? 'replaced by a text' : null) },
	] })) :
	null);

/* The same rules again on the recorded values. */
function rules(e) {
	if (e.explain === undefined) return h('p', { class: 'state' }, e.why ?? 'No rule was evaluated for this request.');
	const fate = { matched: 'edit', 'not matched': 'dim', error: 'bad' };
	return [h('p', {}, data(e.explain.says ?? '')), h('p', { class: 'dim' }, data(e.basis ?? '')),
		table({ caption: `Rules of ${e.explain.policy ?? e.policy}, in the order of evaluation`, rows: list(e.explain.rules),
			empty: 'The policy has no rules.', columns: [
				{ title: 'Rule', cell: (r) => data(r.rule), wide: true },
				{ title: 'Result', cell: (r) => badge(r.outcome, fate[r.outcome]) },
				{ title: 'Effect', cell: (r) => [r.effect, r.status ? ` ${r.status}` : null] },
				{ title: 'When', cell: (r) => (r.when ? h('code', {}, r.when) : null), wide: true },
				{ title: 'Values read', wide: true, cell: (
					r,
				) => (r.values ? Object.entries(r.values).map(([k, v]) => h('div', {}, h('code', {}, `${k} = ${JSON.stringify(v)}`))) : null) },
				{ title: 'Explanation', cell: (r) => data(r.says ?? ''), wide: true },
			] })];
}

function went(page, d, c, attempts) {
	const rows = list(c.attempts);
	const candidates = list(d.candidates);
	return panel('Targets',
		facts([['Target', more(page, 'target', c.target ?? d.target)], ['Region', c.region ?? d.region], ['Path', d.via], ['HAProxy backend',
			d.backend], ['No further attempt', c.no_further && data(c.no_further)], ['Records of later attempts', attempts.length || null]]),
		rows.length ?
			table({ caption: 'Attempts', rows,
				columns: [{ title: 'Target', cell: (a) => a.target, wide: true }, { title: 'Outcome',
					cell: (a) => a.cause && failure_cause(a.cause) }, { title: 'Status', cell: (a) => a.status, number: true }, { title: 'Duration',
					cell: (a) => duration_us((a.ms ?? 0) * 1000), number: true }, { title: 'Tokens', cell: (a) => count(a.tokens), number: true }, {
					title: 'Cost',
					cell: (a) => [dollars(a.cost), a.maybe_billed ? ' (may be billed)' : null],
					number: true,
				}] }) :
			null, candidates.length ?
		table({ caption: 'Candidates', rows: candidates,
			columns: [{ title: 'Target', cell: (x) => [x.target, x.model].filter(Boolean).join('/'), wide: true }, { title: 'Result',
				cell: (x) => x.fate && candidate_result(x.fate) }, { title: 'Why', cell: (x) => [x.rule && data(x.rule), ' ', x.out, ' ', x.state],
				wide: true }] }) :
		null);
}

const calls = (d, c) => {
	const rows = [...list(d.calls).map((x) => ({ of: 'request', ...x })), ...list(c.calls).map((x) => ({ of: 'response', ...x }))];
	return rows.length || list(d.offered).length ?
		panel('Tools', rows.length ?
			table({ caption: 'Calls', rows, columns: [{ title: 'Part', cell: (x) => x.of }, { title: 'Tool', cell: (
				x,
			) => (x.tool ? [named('tool', `${x.server ?? ''}/${x.tool}`), x.wraps && [' → ', named('tool', `/${x.wraps}`)]] : x.method),
				wide: true }, { title: 'Decision', cell: (x) => badge(x.decision) }, { title: 'Rule', cell: (x) => x.rule, wide: true }, {
				title: 'Pin',
				cell: (x) => x.state,
			}, {
				title: 'Placeholders left',
				cell: (x) => Object.entries(x.left || {}).map(([why, n]) => `${count(n)} ${left_reason(why)}`).join(', '),
			}, { title: 'Arguments', cell: (x) => (x.arguments ? h('code', {}, x.arguments) : bytes(x.arguments_bytes)), wide: true }, {
				title: 'Result',
				cell: (x) => bytes(x.result_bytes),
				number: true,
			}] }) :
			null, facts([['Offered', words(d.offered)], ['Hidden', d.hidden_tools]])) :
		null;
};

function money(d, c) {
	const u = c.usage, e = c.estimated_usage ?? c.reserved_usage, s = c.saved;
	return panel('Tokens and cost', facts([
		['Cost', dollars(c.cost_nanousd)],
		['At most', !u && e ? dollars(e.cost_nanousd) : null],
		['Cache', c.cache &&
			[c.cache, c.cache === 'hit' && ` (${c.cache_by ?? 'exact'})`, c.cache_why && [': ', data(c.cache_why)],
				c.cache_age_s !== undefined && `, ${count(c.cache_age_s)} s old`]],
		['Saved', s &&
			[dollars(s.cost_nanousd),
				s.input_tokens !== undefined && `${count(s.input_tokens)} input tokens, ${count(s.output_tokens)} output tokens`].filter(Boolean)
				.join(', ')],
		['Embedding for the cache', c.cache_embedded_tokens &&
			[`${count(c.cache_embedded_tokens)} tokens`, dollars(c.cache_embedded_nanousd)].filter(Boolean).join(', ')],
		...Object.entries(u ?? {}).map(([k, v]) => [k.replaceAll('_', ' '), typeof v === 'number' ? count(v) : String(v)]),
		['Source of the usage',
			u ? 'the provider' : e ? (c.estimated_usage ? 'estimated from the highest usage that was seen' : 'the reserved amount') : null],
		['Counted before the request', d.prompt?.estimated_input_tokens !== undefined
			? `${count(d.prompt.estimated_input_tokens)} tokens${d.prompt.tokens_exact ? ', exact' : ', estimated'}`
			: null],
		['Price', c.price && [data(c.price.model), c.price.from && `, in force from ${c.price.from}`]],
		['Without a price', words(c.unpriced)],
	]), list(d.limits).length ?
		table({ caption: 'Limits that counted the request', rows: d.limits,
			columns: [{ title: 'Limit', cell: (l) => l.limit, wide: true }, { title: 'Amount', number: true,
				cell: (l) => [amount(l.kind, l.of), l.window ? ` per ${l.window}` : l.window_s > 0 && ` per ${duration_us(l.window_s * 1e6)}`] }, {
				title: 'Taken',
				number: true,
				cell: (l) => amount(l.kind, l.taken),
			}, { title: 'Left', number: true, cell: (l) => amount(l.kind, l.remaining) }] }) :
		h('p', { class: 'state' }, 'No limit counted the request.'));
}

function answer(c) {
	const a = c.answer;
	return a ?
		panel('Response',
			facts([['Model', a.model && data(a.model)], ['Finished', a.finish_reason && data(a.finish_reason)], ['Decision',
				a.decision && [badge(a.decision), a.rule ? [' by ', data(a.rule)] : null]], ['Inspected',
				a.inspected ? 'yes' : a.not_inspected_why ?? 'no'], ['Text', bytes(a.text_bytes)], ['Whole response', bytes(c.response_bytes)], [
				'Events',
				a.events,
			], ['Replaced', a.redactions], ['Restored', a.restorations], ['Calls', words(a.tool_calls)], ['Provider error',
				a.provider_error && 'yes'], ['Text as sent',
				list(a.texts).filter((t) => t.text).map((t) => [h('small', {}, t.kind), lines(t.text)])]])) :
		null;
}

function proof(page, got, records) {
	const d = records[0];
	const id = d.id;
	const where = facts([['Records', records.map((r, i) => [i ? ', ' : null, h('code', {}, `${r.node}/${r.seq}`), ` ${r.type}`])], ['Boot',
		d.boot], ['Previous hash', d.prev && h('code', {}, d.prev)], ['Policy', [data(d.policy ?? ''), ' ',
		h('code', {}, d.policy_version ?? '')]]]);
	if (!got.proof)
		return panel('Proof', where,
			h('p', { class: 'state' },
				got.proof_why ?? 'No checkpoint covers the record yet. While the daemon runs, it writes a checkpoint within a second.'));
	return panel('Proof', where,
		h('p', {},
			'The proof is a file with the record, its place in the log and a signed checkpoint. Anyone with the public key can verify the file.'),
		h('p', { class: 'row' },
			h('button', { type: 'button', class: 'primary', id: 'proof', onclick: () => save(`${id}.tlog-proof`, got.proof) }, 'Save the proof'),
			h('button', { type: 'button', id: 'proof-page',
				onclick: () =>
					page.get('/records/page', { id }).then((made) => save(`${id}.html`, made.page, 'text/html'), (e) => page.say(e.message)) },
				'Save a page'), copied(`tollgate audit verify --file ${id}.tlog-proof --public-key audit.key.pub`, page.say)),
		h('details', {}, h('summary', {}, 'Show the proof'), lines(got.proof)));
}

function story(page, got) {
	const records = got.records;
	const d = of(records, 'decision'), c = of(records, 'completion'), attempts = records.filter((r) => r.type === 'attempt');
	const explained = page.get('/records/explain', { id: page.state.id }), evaluated = h('div', {});
	fill(evaluated, page, () => explained, rules);
	return [outcome(d, c), d.id && story_panel(page, got, d, c, explained),
		h('div', { class: 'grid' }, about(page, d), identity(page, d.identity ?? c.identity)), texts(page, d.id ?? page.state.id, records),
		panel('Rules', evaluated), findings(d, c), files(d), went(page, d, c, attempts), h('div', { class: 'grid' }, money(d, c), answer(c)),
		calls(d, c), proof(page, got, records),
		h('details', { class: 'panel' }, h('summary', {}, `Records (${records.length})`),
			records.map((r) => [h('h3', {}, `${r.type} ${r.node}/${r.seq}`), lines(JSON.stringify(r, null, 2))]))];
}

export default {
	name: 'request',
	title: 'Request',
	key: 'r',
	records: true,
	help:
		'One request by its id: caller, findings, rules, targets, cost and proof. Callers receive the id in x-tollgate-id and in each error. The view needs the role auditor.',
	show(page) {
		if (!page.has('auditor')) {
			page.root.append(nothing('To read records, you need the role auditor.'));
			return;
		}
		const { id } = page.state;
		const found = h('div', {});
		page.root.append(h('form', { class: 'row', role: 'search', onsubmit: (e) => {
			e.preventDefault();
			page.go('request', form_values(e.target));
		} }, field({ name: 'id', label: 'Id (x-tollgate-id)', type: 'search', value: id, required: true, size: '34' }),
			h('button', { class: 'primary' }, 'Show')), found);
		if (!id) return;
		page.heading(`Request ${id}`);
		fill(found, page, () => page.get('/records/show', { id }), (
			got,
		) => (got.records?.length
			? story(page, got)
			: nothing('No record has this id.',
				'An id has 26 characters, as in x-tollgate-id. If retention removed the record, tollgate audit restore restores it from the archive.')));
	},
};
