// Now: degraded parts first, then decisions as they are made, then the last hour.
import { add, data, empty, h } from '../dom.js';
import { count, dollars, when } from '../format.js';
import { badge, field, fill, panel } from '../parts.js';
import { change, every } from '../changes.js';
import { table } from '../table.js';
import { hour } from './now_hour.js';
import { live } from './now_live.js';
import { health } from './health.js';
import { each_daemon } from './nodes.js';

const shown = (n, digits = 2) => (typeof n === 'number' ? n.toLocaleString('en-US', { maximumFractionDigits: digits }) : '–');
function tiles(got) {
	const r = (got.now?.rates ?? []).find((x) => x.by === 'total') ?? {};
	const tile = (text, value) => h('div', { class: 'tile' }, h('b', {}, value), text);
	return h('div', { class: 'tiles' }, tile('requests per second', shown(r.requests_per_s)),
		tile('denied per second', shown(r.denials_per_s)), tile('failed attempts per second', shown(r.errors_per_s)),
		tile('tokens per second', shown(r.tokens_per_s, 0)),
		tile('dollars per hour', r.usd_per_hour === undefined ? '–' : `$${shown(r.usd_per_hour)}`),
		tile('in flight', shown(got.requests_in_flight, 0)), got.cache?.hits > 0 &&
		tile(['saved by the cache',
			h('small', {},
				`since the start: ${count(got.cache.saved_input_tokens + got.cache.saved_output_tokens)} tokens, ${count(got.cache.hits)} ${
					got.cache.hits === 1 ? 'response' : 'responses'
				} (${count(got.cache.exact_hits)} exact, ${count(got.cache.near_hits)} near, ${count(got.cache.semantic_hits)} semantic)`)],
			dollars(got.cache.saved_nanousd)));
}

/* The requests that have waited longest for a provider. */
const awaited = (page, list) =>
	list?.length > 0 &&
	panel('Waiting for a provider',
		table({ caption: 'No byte of a response has arrived yet; the oldest first', rows: list, href: (r) => page.href('request', { id: r.id }),
			columns: [
				{ title: 'waits', number: true, cell: (r) => `${count(Math.round(r.seconds))} s` },
				{ title: 'provider', cell: (r) => data(r.provider) },
				{ title: 'model', cell: (r) => data(r.model), wide: true },
				{ title: 'route', cell: (r) => data(r.route) },
				{ title: 'request', cell: (r) => h('code', {}, r.id) },
			] }));

/* The level of the daemon's log. A changed level ends after the chosen time. */
function log(page) {
	const place = h('p', { class: 'row dim' });
	const load = async () => {
		try {
			const got = await page.get('/log');
			empty(place, 'Log level: ', badge(got.level, got.level === got.configured ? 'dim' : 'edit'),
				got.until && [' until ', when(got.until), `, then ${got.configured}`],
				page.has('operator') && h('button', { type: 'button', id: 'log-level', class: 'small', onclick: async () => {
					if (await change(page, { title: 'Change the log level', action: 'Set the level',
						what: `The level is ${got.level}. tollgate.yaml sets ${got.configured}.`,
						fields: [field({ name: 'level', label: 'Level', value: 'debug', options: ['error', 'warn', 'info', 'debug'] }),
							field({ name: 'for', label: 'For', value: '10m',
								hint: 'such as 10m or 2h, at most 7d; afterwards the configured level applies' })], path: '/log',
						body: (v) => ({ level: v.level, ...(v.for ? { for: v.for } : {}) }) })) load();
				} }, 'Change'));
		} catch (e) {
			if (e.name !== 'AbortError') empty(place, `Log level: ${e.message}`);
		}
	};
	load();
	return place;
}

export default {
	name: 'now',
	title: 'Now',
	key: 'n',
	live: true,
	help: 'Degraded parts, decisions as they are made, and the last hour.',
	show(page) {
		const numbers = h('div', {}), waiting = h('div', {}), daemons = h('div', {});
		const show = (got) => {
			empty(numbers, tiles(got));
			empty(waiting, awaited(page, got.awaited?.oldest));
		};
		add(page.root, health(page, show), numbers, waiting, daemons, live(page), hour(page), log(page));
		every(page, 5000, daemons, () => fill(daemons, page, () => page.get('/nodes'), (got) => each_daemon(page, got)));
	},
};
