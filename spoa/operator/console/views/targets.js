// Targets: the health of each target, its latency, and who ejected it; an operator ejects or readmits a target.
import { data, h, who } from '../dom.js';
import { count, when } from '../format.js';
import { failing_of, failure_cause, state_of, target_state } from '../labels.js';
import { fill, mark, marked_state, nothing, panel } from '../parts.js';
import { table } from '../table.js';
import { change, every } from '../changes.js';

/* Who ejected each target, by the records of changes, which only auditors may read. */
async function ejections(page, targets) {
	const found = new Map();
	if (page.has('auditor')) {
		for (const t of targets.filter((x) => x.state === 'ejected')) {
			const got = await page.get('/records/search', { type: 'change', since: '30d', limit: 1,
				where: `record.what == "target" && record.change == "eject" && record.id == ${JSON.stringify(t.target)}` });
			if (got.records[0]) found.set(t.target, got.records[0]);
		}
	}
	return found;
}
const ejected_by = (page, ejected, t) => {
	const record = t.state === 'ejected' && ejected.get(t.target);
	return record && h('div', {}, 'by ', who(record), record.reason && [': ', data(record.reason)]);
};

const since_of = (t) => t.since && when(t.since, { relative: true });
const back_of = (t) => t.state !== 'half_open' && typeof t.back_in_s === 'number' && `in ${t.back_in_s.toFixed(1)} s`;
const failure_of = (t) => t.last_failure && [failure_cause(t.last_failure), t.last_status && ` (${t.last_status})`];
const latency_of = (t) => Object.entries(t.first_content_ms ?? {}).map(([size, ms]) => `${size}: ${count(ms)} ms`).join(', ');

function by_hand(page, t, reload) {
	const eject = t.state !== 'ejected';
	const name = t.target;
	return h('button', { type: 'button', class: 'small', onclick: async () => {
		const done = await change(page, {
			title: eject ? `Eject ${name}` : `Readmit ${name}`,
			what: [data(name), eject ?
				' receives no requests until an operator readmits it or the daemon restarts. Requests go to the next target of their route. If the route has no other target, they are refused with 503.'
				: ' receives requests again. The daemon forgets earlier failures of the target.'],
			action: eject ? 'Eject the target' : 'Readmit the target',
			path: eject ? '/targets/eject' : '/targets/admit',
			body: () => ({ target: name }),
		});
		if (done) reload();
	} }, eject ? 'Eject' : 'Readmit', h('span', { class: 'hidden' }, ` ${name}`));
}

export default {
	name: 'targets',
	title: 'Targets',
	key: 't',
	help: 'Each target of the policy in force: health, failures and latency. An operator can eject or readmit a target.',
	show(page) {
		const place = h('div', {});
		const load = () =>
			fill(place, page, async () => {
				const [targets, status] = await Promise.all([page.get('/targets'), page.get('/status')]);
				return { targets: targets.targets, providers: status.providers ?? [], ejected: await ejections(page, targets.targets) };
			}, (got) => {
				const failing = failing_of(got);
				for (const t of got.targets) t.state = state_of(t, failing);
				const ill = got.targets.filter((t) => t.state !== 'closed');
				const order = [...ill, ...got.targets.filter((t) => t.state === 'closed')];
				return [
					h('p', { class: 'lead', role: 'status' }, !got.targets.length
						? null
						: ill.length
						? mark({ label: `${ill.length} of ${got.targets.length} unhealthy`, kind: 'bad' })
						: mark({ label: `all ${got.targets.length} healthy`, kind: 'good' })),
					panel('Targets', got.targets.length ?
						table({
							caption:
								'Unhealthy targets first. Errors: of the last ten seconds. First content: the usual time until the first content, by the size of the prompt.',
							rows: order,
							href: (t) => page.href('thing', { kind: 'target', name: t.target }),
							columns: [
								{ title: 'target', cell: (t) => data(t.target), wide: true },
								{ title: 'state', wide: true, cell: (
									t,
								) => [t.state === 'closed' ? mark(target_state(t.state)) : marked_state(target_state(t.state)),
									ejected_by(page, got.ejected, t)] },
								{ title: 'since', keep: true, optional: true, cell: since_of },
								{ title: 'next try', keep: true, optional: true, cell: back_of },
								{ title: 'errors', number: true, cell: (t) => `${Math.round(100 * (t.errors ?? 0))} %` },
								{ title: 'last failure', wide: true, optional: true, cell: failure_of },
								{ title: 'first content', optional: true, cell: latency_of },
								{ title: 'in flight', number: true, cell: (t) => count(t.under_way) },
								page.has('operator') && { title: 'action', action: true, cell: (t) => by_hand(page, t, load) },
							],
						}) :
						nothing('The policy in force has no target.', 'Add providers, and targets of routes, to the policy file.')),
					got.providers.length > 0 && panel('Providers', table({
						caption: 'Since the start of the daemon',
						rows: got.providers,
						href: (p) => page.href('thing', { kind: 'provider', name: p.provider }),
						columns: [
							{ title: 'provider', cell: (p) => data(p.provider), wide: true },
							{ title: 'responses', number: true, cell: (p) => count(p.answers) },
							{ title: 'errors', number: true, cell: (p) => count(p.errors) },
							{ title: 'last success', cell: (p) => p.last_success_at && when(p.last_success_at, { relative: true }) },
							{ title: 'first byte, mean', number: true, optional: true, cell: (p) =>
								p.first_byte_ms?.answers ? `${count(p.first_byte_ms.mean)} ms` : null },
							{ title: 'first byte, maximum', number: true, optional: true, cell: (p) =>
								p.first_byte_ms?.answers ? `${count(p.first_byte_ms.most)} ms` : null },
							{ title: 'in flight', number: true, cell: (p) => count(p.under_way) },
						],
					})),
				];
			});
		page.root.append(place);
		every(page, 5000, place, load);
	},
};
