// The story of one request on a time line: identity, content with its findings, rules, attempts, calls, cost, record.
import { data, h, place } from '../dom.js';
import { bytes, count, dollars, duration_us, instant } from '../format.js';
import { failure_cause, outcome_label, plain_words } from '../labels.js';
import { badge, fill, panel } from '../parts.js';

const list = (value) => (Array.isArray(value) ? value : value ? [value] : []);
const join = (parts) => parts.filter(Boolean).join(', ');

const ANSWERED = ['done', 'complete', 'ok', 'answered'];

/* A finding by its kind and place. The record has no text of it. */
const finding = (entity, f, part) =>
	h('li', {}, badge(entity, 'edit'), ` ${count(f.count ?? 1)} in `, [
		list(f.roles).length ? `the ${list(f.roles).join(' and ')} segments of the ${part}` : `the ${part}`,
	], f.with && `, replaced by a ${plain_words(f.with)}`, typeof f.score === 'number' && h('small', {}, ` score ${f.score.toFixed(2)}`));
function findings(entities, part) {
	const rows = Array.isArray(entities) ? entities.map((f) => [f.entity, f]) : Object.entries(entities ?? {});
	return rows.length ? h('ul', {}, rows.map(([entity, f]) => finding(entity, f, part))) : null;
}

/* Rules that matched, with the values that each read. */
const rules_read = (e) =>
	list(e.explain?.rules).filter((r) => r.outcome === 'matched').map((r) =>
		h('div', {}, badge('matched', 'edit'), ' ', data(r.rule), ': ', r.effect, r.status && ` ${r.status}`,
			Object.entries(r.values ?? {}).map(([name, value]) => h('div', {}, h('code', {}, `${name} = ${JSON.stringify(value)}`))))
	);

/* [{ title, from, us, kind, more }]; from and us: microseconds after the arrival of the request; without us: a moment. */
function steps(page, got, d, c, explained) {
	const p = d.prompt ?? {}, i = d.identity ?? {}, out = [];
	out.push({ title: 'Caller identified', from: 0,
		more: [data(join([i.person ?? i.agent ?? 'no person', i.team && `team ${i.team}`, i.method && `by ${i.method}`]))] });
	if (p.segments !== undefined)
		out.push({ title: 'Content inspected', from: 0,
			more: [`${count(p.segments)} segments, ${bytes(p.inspected_bytes ?? 0)} of ${bytes(p.bytes)}`,
				findings(d.entities, 'request') ?? h('div', {}, 'No finding.'), d.evasion && h('div', {}, 'The content has obfuscated values.')] });
	const rules = h('div', {});
	fill(rules, page, () => explained, (e) => {
		const read = rules_read(e);
		return read.length ? read : h('div', {}, 'No rule matched.');
	});
	out.push({
		title: d.decision === 'deny'
			? `Denied with ${d.status}`
			: d.decision === 'redact'
			? 'Permitted with redactions'
			: d.decision === 'observed'
			? 'Observed'
			: 'Permitted',
		from: 0,
		kind: d.decision === 'deny' ? 'bad' : 'good',
		more: [rules],
	});
	let at = 0;
	for (const a of list(c.attempts)) {
		const failed = !ANSWERED.includes(a.cause);
		out.push({ title: ['Target ', data(a.target)], from: at, us: (a.ms ?? 0) * 1000, kind: failed ? 'bad' : 'good',
			more: [failed ? failure_cause(a.cause) : 'answered', a.status && ` (${a.status})`, a.tokens > 0 && `, ${count(a.tokens)} tokens`] });
		at += (a.ms ?? 0) * 1000;
	}
	if (d.decision !== 'deny' && (c.target ?? d.target)) {
		const first = c.answer?.first_text_us;
		const name = c.cache === 'hit' ? 'Response cache' : ['Target ', data(c.target ?? d.target)];
		if (!list(c.attempts).some((a) => ANSWERED.includes(a.cause)))
			out.push({ title: [name, first ? ', until the first text' : ''], from: at, us: Math.max(0, (first ?? c.duration_us ?? 0) - at),
				kind: 'edit', more: [] });
		if (first)
			out.push({ title: 'Response text', from: first, us: Math.max(0, (c.duration_us ?? first) - first), kind: 'good',
				more: [bytes(c.answer.text_bytes), findings(c.answer.findings ?? c.answer.verdict?.entities, 'response')] });
	}
	for (const call of [...list(d.calls), ...list(c.calls)])
		out.push({ title: ['Call of ', data(call.tool ?? call.method)], from: 0, us: call.duration_us ?? 0,
			kind: call.decision === 'deny' ? 'bad' : 'good', more: [badge(call.decision), call.rule && [' by ', data(call.rule)]] });
	const u = c.usage ?? c.estimated_usage;
	if (c.outcome)
		out.push({
			title: c.outcome === 'complete' ? 'Complete' : `Ended: ${outcome_label(c.outcome)}`,
			from: c.duration_us ?? 0,
			kind: c.outcome === 'complete' ? 'good' : 'bad',
			more: [
				join([
					u && `${count(u.input_tokens ?? 0)} input tokens, ${count(u.output_tokens ?? 0)} output tokens${c.usage ? '' : ' (estimated)'}`,
					c.cost_nanousd !== undefined && dollars(c.cost_nanousd),
					c.saved?.cost_nanousd > 0 && `${dollars(c.saved.cost_nanousd)} saved by the cache`,
				]),
			],
		});
	const recorded = (instant(d.time) - instant(d.decided_at)) * 1000;
	out.push({ title: 'Decision recorded', from: Math.max(0, recorded),
		more: [h('code', {}, `${d.node}/${d.seq}`), got.proof ? ', with a proof' : ', without a proof yet'] });
	return out;
}

export function story_panel(page, got, d, c, explained) {
	const all = steps(page, got, d, c, explained);
	const scale = Math.max(1, c.duration_us ?? 0, ...all.map((s) => s.from + (s.us ?? 0)));
	const percent = (us) => `${(100 * us) / scale}%`;
	return panel('Time line',
		h('ol', { class: 'story' },
			all.map((s) =>
				h('li', { class: s.kind ?? 'dim' },
					h('div', { class: 'what' }, h('strong', {}, s.title),
						h('span', { class: 'dim' }, s.us ? ` ${duration_us(s.us)}` : s.from ? ` after ${duration_us(s.from)}` : '')),
					h('span', { class: 'bar', 'aria-hidden': 'true' },
						place(h('span', { class: s.kind ?? 'dim' }), { 'margin-left': `min(${percent(s.from)}, 99.4%)`,
							width: `max(.6%, ${percent(s.us ?? 0)})` })), h('div', { class: 'more' }, s.more))
			)));
}
