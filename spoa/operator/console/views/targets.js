// Targets: who is ill and since when, how fast each answers; one is taken out by hand and let in again.
import { data, h } from '../dom.js';
import { ago, count, when } from '../format.js';
import { badge, fill, nothing, panel } from '../parts.js';
import { table } from '../table.js';
import { change, every } from '../changes.js';

const KIND = { closed: 'good', ramp: 'edit', half_open: 'edit', throttled: 'edit', open: 'bad', out: 'bad', keyless: 'bad', no_model: 'bad', ejected: 'bad', failing: 'bad' };
const MEANS = {
	closed: 'asked as usual', ramp: 'back, with a growing share', half_open: 'the next request tries it', open: 'not asked: it failed',
	throttled: 'not asked: it said to wait', out: 'not asked: it takes our key no more', keyless: 'not asked: no credential', no_model: 'not asked: it does not have the model', ejected: 'taken out by hand',
	failing: 'asked, for there is no other: its last answer was a failure',
};
const CAUSE = {
	never_sent: 'the request never reached it', throttled: 'it was throttled', refused_us: 'it refused us', perhaps_billed: 'it failed in the middle', ruled: 'a rule of HAProxy answered',
};

const state_of = (t) => [badge(t.state, KIND[t.state]), ' ', h('small', {}, MEANS[t.state] ?? '')];
const since_of = (t) => t.since && [when(t.since), ' ', h('small', {}, ago(t.since))];
const back_of = (t) => t.state !== 'half_open' && typeof t.back_in_s === 'number' && `in ${t.back_in_s.toFixed(1)} s`;
export const failure_of = (t) => t.last_failure && [CAUSE[t.last_failure] ?? data(t.last_failure), t.last_status && ` (${t.last_status})`];
const latency_of = (t) => Object.entries(t.first_content_ms ?? {}).map(([size, ms]) => `${size}: ${count(ms)} ms`).join(', ');

function by_hand(page, t, reload) {
	const eject = t.state !== 'ejected';
	const name = t.target;
	return h('button', { type: 'button', class: 'small', onclick: async () => {
		const done = await change(page, {
			title: eject ? `Take ${name} out` : `Let ${name} in again`,
			what: [data(name), eject ? ' gets no request until it is let in again or the daemon restarts. Requests go to the next target of their route; where there is none they are refused with 503.'
				: ' gets requests again, and what held it back is forgotten.'],
			action: eject ? 'Take it out' : 'Let it in', path: eject ? '/targets/eject' : '/targets/admit', body: () => ({ target: name }),
		});
		if (done) reload();
	} }, eject ? 'Take out' : 'Let in', h('span', { class: 'hidden' }, ` ${name}`));
}

export default {
	name: 'targets', title: 'Targets', key: 't',
	help: 'Each target of the policy in force: whether it is asked, since when not, and how fast it answers.',
	show(page) {
		const place = h('div', {});
		const load = () => fill(place, page, async () => {
			const [targets, status] = await Promise.all([page.get('/targets'), page.get('/status')]);
			return { targets: targets.targets, providers: status.providers ?? [] };
		}, (got) => {
			const failing = new Set(got.providers.filter((p) => p.failing).map((p) => p.provider));
			for (const t of got.targets) if (t.state === 'closed' && failing.has(t.target.split('/')[0])) t.state = 'failing';
			const ill = got.targets.filter((t) => t.state !== 'closed');
			const order = [...ill, ...got.targets.filter((t) => t.state === 'closed')];
			return [
				h('p', { class: 'row', role: 'status' }, !got.targets.length ? null : ill.length ? badge(`${ill.length} of ${got.targets.length} not asked as usual`, 'bad') : badge(`all ${got.targets.length} asked as usual`, 'good')),
				panel('Targets', got.targets.length ? table({
					caption: 'The ill ones first; errors are of the last ten seconds.', rows: order,
					columns: [
						{ title: 'target', cell: (t) => data(t.target), wide: true },
						{ title: 'state', cell: state_of },
						{ title: 'since', cell: since_of },
						{ title: 'tried again', cell: back_of },
						{ title: 'errors', number: true, cell: (t) => `${Math.round(100 * (t.errors ?? 0))} %` },
						{ title: 'last failure', cell: failure_of },
						{ title: 'first content', cell: latency_of },
						{ title: 'under way', number: true, cell: (t) => count(t.under_way) },
						page.has('operator') && { title: 'by hand', cell: (t) => by_hand(page, t, load) },
					].filter(Boolean),
				}) : nothing('The policy in force has no target.', 'providers and targets of routes are in the policy file.')),
				got.providers.length > 0 && panel('Providers', table({
					caption: 'Since the daemon started.', rows: got.providers,
					columns: [
						{ title: 'provider', cell: (p) => data(p.provider), wide: true },
						{ title: 'answers', number: true, cell: (p) => count(p.answers) },
						{ title: 'errors', number: true, cell: (p) => count(p.errors) },
						{ title: 'last success', cell: (p) => p.last_success_at && when(p.last_success_at) },
						{ title: 'first byte, mean', number: true, cell: (p) => p.first_byte_ms?.answers ? `${count(p.first_byte_ms.mean)} ms` : null },
						{ title: 'slowest', number: true, cell: (p) => p.first_byte_ms?.answers ? `${count(p.first_byte_ms.most)} ms` : null },
						{ title: 'under way', number: true, cell: (p) => count(p.under_way) },
					],
				})),
			];
		});
		page.root.append(place);
		every(page, 5000, place, load);
	},
};
