// Nodes: the daemons that share a Redis, with what differs between them.
import { data, h } from '../dom.js';
import { every } from '../changes.js';
import { count, now_ms, when } from '../format.js';
import { fill, mark, panel, words } from '../parts.js';
import { table } from '../table.js';

const KINDS = { ready: 'good', 'not ready': 'bad', away: 'bad', stopped: 'dim', retired: 'dim' };
const ago = (s) => when(now_ms() - 1000 * s, { relative: true });
const unasked = (n) => n.unasked && [' no request ', n.idle_s ? ['since ', ago(n.idle_s)] : 'since its start', ', and others had some'];

/* The policy that most daemons have; others are marked. */
function usual(nodes) {
	const of = nodes.map((n) => n.policy).filter(Boolean);
	return of.sort((a, b) => of.filter((x) => x === b).length - of.filter((x) => x === a).length)[0];
}

const of_node = { title: 'Node', keep: true,
	cell: (n) => (n.console && !n.here ? h('a', { href: `${n.console}${location.hash}`, rel: 'noreferrer' }, data(n.node)) : data(n.node)) };
const state = { title: 'State', keep: true, cell: (
	n,
) => [mark({ label: n.state, kind: KINDS[n.state] }), n.state === 'away' && [', wrote ', ago(n.age_s)], n.why && [' ', data(n.why)]] };
/* The requests in progress of a daemon, and the one that waits longest for a provider. */
const work = (page) => [
	{ title: 'In progress', number: true, cell: (n) => n.requests_in_flight !== null && count(n.requests_in_flight) },
	{ title: 'Longest wait', number: true, cell: (n) =>
		n.oldest_id &&
		h('a', { href: n.machine !== 'other' && page.href('request', { id: n.oldest_id }) }, `${count(n.oldest_s)} s`) },
];
/* Now: the work of each daemon, if there are several. */
export const each_daemon = (page, { nodes }) =>
	nodes.length > 1 &&
	panel('Daemons', table({ caption: 'Each daemon of this Redis, a second ago', rows: nodes, columns: [of_node, state, ...work(page)] }));

const shown = (page, { nodes, node, known }) => {
	const policy = usual(nodes);
	return panel('Nodes', !known && h('p', { class: 'wrong' }, 'Redis does not list the other daemons, so this is ', data(node), ' alone.'),
		table({ caption: 'Each daemon of this Redis', rows: nodes, columns: [
			of_node,
			state,
			{ title: 'Degraded parts', wide: true, cell: (n) => [words(n.degraded), unasked(n)] },
			{ title: 'Requests a minute', number: true, cell: (n) => count(n.requests_per_minute) },
			...work(page),
			{ title: 'Version', cell: (n) => n.version },
			{ title: 'Policy', cell: (n) => n.policy && (n.policy === policy ? data(n.policy) : h('strong', {}, data(n.policy))) },
			{ title: 'Records', number: true, cell: (n) => n.records && count(n.records) },
			{ title: 'Head of the chain', cell: (n) => n.head && h('code', { title: n.head }, n.head.slice(0, 12)) },
			{ title: 'Verified up to', cell: (n) => n.verified && when(n.verified, { relative: true }) },
		] }));
};

export default {
	name: 'nodes',
	title: 'Nodes',
	key: 'e',
	help: 'The daemons that share a Redis: which are ready, which policy each has, and whether each gets requests.',
	show(page) {
		const place = h('div', {});
		page.root.append(place);
		every(page, 5000, place, () => fill(place, page, () => page.get('/nodes', { all: true }), (got) => shown(page, got)));
	},
};
