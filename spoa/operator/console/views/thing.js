// A page for one team, key, agent, tool, route, model, provider, target or rule: its trend, use, limits, settings and last denials.
// A person's page is in people.js, a tool's in tools.js. The navigation does not list the page: names of these lead here.
import { data, h } from '../dom.js';
import { amount, count, when } from '../format.js';
import { failure_cause, rule_hits, target_state } from '../labels.js';
import { bar, facts, fill, mark, marked_state, nothing, panel, tool_terms } from '../parts.js';
import { table } from '../table.js';
import { last_requests, most, records_by_day, usage_by_day } from './activity.js';
import { trend_charts } from './trend_charts.js';

/* ---- settings of each kind: path, and the rows of a list of facts ---- */

const target_rows = (
	t,
) => [['state', marked_state(target_state(t.state))], ['since', t.since && when(t.since, { relative: true })], ['next try',
	t.back_in_s > 0 && `in ${Math.ceil(t.back_in_s)} s`], ['last failure',
	t.last_failure && [failure_cause(t.last_failure), t.last_status && ` (${t.last_status})`]], ['errors of the last ten seconds',
	`${Math.round(100 * (t.errors ?? 0))} %`], ['in flight', count(t.under_way)], ['time to the first content',
	Object.entries(t.first_content_ms ?? {}).map(([size, ms]) => `${size} tokens: ${count(ms)} ms`).join(', ')]];

const rule_rows = (
	r,
) => [['effect', r.effect], ['phase', r.phase], ['condition', r.when ? h('code', {}, r.when) : 'always'], ['mode',
	r.shadow ? mark({ label: 'shadow: not enforced', kind: 'edit' }) : 'enforced'], ['matched since the policy came into force',
	count(rule_hits(r.since_version))], ['matched since the start of the daemon', count(rule_hits(r.since_start))], [
	'would have matched in shadow since the start',
	count(r.since_start.would),
], ['last match', r.last ? when(r.last, { relative: true }) : 'never']];

const model_rows = (
	m,
) => [['configured', m.configured ? 'yes, by a target of the policy' : 'no'], ['price per million tokens', m.usd_per_million &&
	Object.entries(m.usd_per_million).filter(([, v]) => typeof v === 'number').map(([k, v]) => `${k.replaceAll('_', ' ')} $${v}`).join(', ')],
	['targets',
		(m.targets ?? []).map((t) =>
			h('div', {}, mark(target_state(t.state)), ' ', data(t.target), h('small', {}, ' of the route ', data(t.route)))
		)], ['responses without a price', m.unpriced_answers > 0 && count(m.unpriced_answers)]];

const key_rows = (
	k,
) => [['state', mark({ label: k.state === 'live' ? 'active' : k.state, kind: k.state === 'live' ? 'good' : 'dim' })], ['person',
	data(k.person)], ['team', k.team && data(k.team)], ['created', k.created && when(k.created, { relative: true })], ['expires',
	k.expires ? when(k.expires, { relative: true }) : 'never'], ['reason', k.reason && data(k.reason)]];

const provider_rows = (
	p,
) => [['state', mark(p.failing ? { label: 'failing', kind: 'bad' } : { label: 'healthy', kind: 'good' })], ['last error',
	p.last_error && [data(p.last_error), p.means && [': ', data(p.means)]]], ['time of the last error',
	p.last_error_at && when(p.last_error_at, { relative: true })], ['last success',
	p.last_success_at && when(p.last_success_at, { relative: true })], ['responses', count(p.answers)], ['errors', count(p.errors)], [
	'in flight',
	count(p.under_way),
]];

/* term: of Search; trend: `by` of /trends; named(name): the name there, if it is another; usage: `by` of /usage; settings: [path, list(got), key, rows]; elsewhere: why the list may lack a name that is in use; limits: by its identity. */
const KINDS = {
	team: { title: 'Team', term: 'team', trend: 'team', usage: 'team', limits: (name) => ({ team: name }) },
	key: { title: 'Key', term: 'key', trend: 'key', usage: 'key', settings: ['/keys', (got) => got.keys, 'id', key_rows],
		elsewhere: 'This key was not created at run time. It is a key of the policy’s key file, or it signs the tokens of an issuer.' },
	agent: { title: 'Agent', term: 'agent', usage: 'agent' },
	tool: { title: 'Tool', term: 'tool', trend: 'tool', usage: 'tool' },
	route: { title: 'Route', term: 'route', trend: 'route', usage: 'route' },
	model: { title: 'Model', term: 'model', trend: 'model', usage: 'model', settings: ['/models', (got) => got.models, 'model', model_rows] },
	provider: { title: 'Provider', term: 'provider', trend: 'provider', usage: 'provider',
		settings: ['/status', (got) => got.providers ?? [], 'provider', provider_rows] },
	target: { title: 'Target', term: 'target', trend: 'provider', named: (name) => name.split('/')[0], usage: 'target',
		settings: ['/targets', (got) => got.targets, 'target', target_rows], failures: true },
	rule: { title: 'Rule', term: 'rule', trend: 'rule', settings: ['/policy/rules', (got) => got.rules, 'name', rule_rows], examples: true },
};
const CHARTS = { rule: ['denials', 'requests'], target: ['requests', 'errors', 'provider_latency'],
	provider: ['requests', 'errors', 'provider_latency'], model: ['requests', 'first_text', 'dollars'],
	team: ['requests', 'tokens', 'dollars'], tool: ['requests', 'denials'] };

/* The lists of names that a page shows, of the requests in the range. */
const MOST = { agent: ['person', 'tool'], tool: ['person', 'agent'], team: ['person', 'model'] };

const trends = (page, { trend, named }, of, name) =>
	trend_charts(page, CHARTS[of] ?? ['requests', 'gateway_latency', 'dollars'], {
		only: { by: trend, name },
		terms: trend === 'tool' ? tool_terms(name) : { [trend]: name },
		title: named ? `Trends of the ${trend} ${name}` : 'Trends',
	});

function settings(page, kind, name) {
	const [path, list, key, rows] = kind.settings;
	const place = h('div', {});
	fill(place, page, () => page.get(path), (got) => {
		const found = list(got).find((x) => x[key] === name);
		return panel('Settings and state', found
			? facts(rows(found))
			: nothing(kind.elsewhere ?? `The daemon does not have this ${kind.title.toLowerCase()} at present.`,
				'Its records remain in Search.'));
	});
	return place;
}

function limits(page, identity) {
	const place = h('div', {});
	fill(place, page, () => page.post('/quota', { identity }),
		(got) =>
			panel('Limits',
				table({ caption: 'Current use', rows: got.limits,
					empty: 'No limit of the policy applies. To set one, add it to limits in the policy.', columns: [
						{ title: 'limit', cell: (l) => data(l.limit), wide: true },
						{ title: 'used', keep: true, cell: (l) => bar((l.used ?? 0) + (l.held ?? 0), l.of) },
						{ title: 'amount', number: true, cell: (l) =>
							`${amount(l.counts, (l.used ?? 0) + (l.held ?? 0))} of ${amount(l.counts, l.of)}` },
						{ title: 'window', cell: (l) => (l.window ? `calendar ${l.window}` : l.window_s && `${count(l.window_s)} s`) },
						{ title: 'route', cell: (l) => l.route && data(l.route) },
					] })));
	return place;
}

export default {
	name: 'thing',
	title: 'Details',
	hidden: true,
	records: true,
	help: 'One team, key, agent, tool, route, model, provider, target or rule: trend, use, limits, settings and last denials.',
	show(page) {
		const { kind: of, name } = page.state, kind = KINDS[of];
		if (!kind || !name) {
			page.root.append(nothing('This page needs a kind and a name.', `The kinds are ${Object.keys(KINDS).join(', ')}.`));
			return;
		}
		page.heading(`${kind.title} ${name.replace(/^\//, '')}`);
		const terms = of === 'tool' ? tool_terms(name) : { [kind.term]: name }, auditor = page.has('auditor');
		for (const part of [
			kind.settings && settings(page, kind, name),
			kind.limits && limits(page, kind.limits(name)),
			kind.trend && trends(page, kind, of, kind.named?.(name) ?? name),
			kind.usage ? usage_by_day(page, kind.usage, name) : auditor && records_by_day(page, terms),
			auditor && most(page, MOST[of] ?? ['person', 'team'], terms),
			kind.examples && auditor && last_requests(page, 'Examples', terms, 'No request of this period matched the rule.'),
			!kind.examples && auditor &&
			last_requests(page, 'Last denials', { ...terms, decision: 'deny' }, 'No request was denied in this period.'),
			kind.failures && auditor && last_requests(page, 'Last failures', { ...terms, outcome: 'error' }, 'No request failed in this period.'),
			auditor && h('p', {}, h('a', { href: page.href('search', { ...terms, since: '7d' }) }, 'All records of the last 7 days')),
		]) if (part) page.root.append(part);
	},
};
