// Now: what is degraded first, then decisions as they are made, then the last hour.
import { add, data, empty, h } from '../dom.js';
import { ago, count, dollars, when } from '../format.js';
import { badge, facts, failed, field } from '../parts.js';
import { change } from '../changes.js';
import { table } from '../table.js';
import { hour } from './now_hour.js';
import { live } from './now_live.js';
import { failure_of } from './targets.js';

/* Away, not calm yet, targets that are not well: what an operator should know first. */
function ill(got) {
	const rows = [
		...(got.degraded ?? []).map((d) => ({ what: d.name ? `${d.what} ${d.name}` : d.what, state: d.state, since: d.since, why: d.why, times: d.times })),
		...(got.targets ?? []).filter((t) => t.state && t.state !== 'closed').map((t) => ({ what: `target ${t.target}`, state: t.state, since: t.since, why: failure_of(t) })),
	];
	if (got.redis?.refuses) rows.push({ what: 'redis', state: 'refuses', why: got.redis.refuses });
	if (got.log_dropped) rows.push({ what: 'log', state: 'dropped', why: `${count(got.log_dropped)} lines` });
	return rows;
}

function health(got) {
	const rows = ill(got);
	const parts = h('details', {}, h('summary', {}, 'Parts'), facts((got.parts ?? []).map((p) => [p.part, data(p.says)])));
	return [h('p', { class: 'lead' }, badge(got.ready ? 'ready' : 'not ready', got.ready ? 'good' : 'bad'), ' ', rows.length ? `${rows.length} degraded:` : 'Nothing is degraded.', ' ',
		h('span', { class: 'dim' }, data(`${got.node} · ${got.policy}${got.mode === 'shadow' ? ' · shadow: nothing is enforced' : ''}`))),
		rows.length ? table({ caption: 'Degraded', rows, columns: [{ title: 'What', cell: (r) => r.what, wide: true }, { title: 'How', cell: (r) => badge(r.state, r.state === 'calm' ? 'edit' : 'bad') },
			{ title: 'Since', cell: (r) => (r.since ? [when(r.since), ` (${ago(r.since)})`] : null) }, { title: 'Why', cell: (r) => r.why, wide: true }] }) : null, parts];
}

const shown = (n, digits = 2) => (typeof n === 'number' ? n.toLocaleString('en-US', { maximumFractionDigits: digits }) : '–');
function tiles(got) {
	const r = (got.now?.rates ?? []).find((x) => x.by === 'total') ?? {};
	const tile = (text, value) => h('div', { class: 'tile' }, h('b', {}, value), text);
	return h('div', { class: 'tiles' }, tile('requests a second', shown(r.requests_per_s)), tile('denied a second', shown(r.denials_per_s)), tile('provider errors a second', shown(r.errors_per_s)),
		tile('tokens a second', shown(r.tokens_per_s, 0)), tile('dollars an hour', r.usd_per_hour === undefined ? '–' : `$${shown(r.usd_per_hour)}`), tile('under way', shown(got.requests_in_flight, 0)),
		got.cache?.hits > 0 && tile(`saved by the cache since the start: ${count(got.cache.saved_input_tokens + got.cache.saved_output_tokens)} tokens, ${count(got.cache.hits)} answers`, dollars(got.cache.saved_nanousd)));
}

/* How much the daemon's log says; more of it ends by itself. */
function log(page) {
	const place = h('p', { class: 'row dim' });
	const load = async () => {
		try {
			const got = await page.get('/log');
			empty(place, 'Log: ', badge(got.level, got.level === got.configured ? 'dim' : 'edit'), got.until && [' until ', when(got.until), `, then ${got.configured}`],
				page.has('operator') && h('button', { type: 'button', id: 'log-level', class: 'small', onclick: async () => {
					if (await change(page, { title: 'How much the log says', action: 'Set the level', what: `Now ${got.level}; tollgate.yaml says ${got.configured}.`,
						fields: [field({ name: 'level', label: 'Level', value: 'debug', options: ['error', 'warn', 'info', 'debug'] }), field({ name: 'for', label: 'For', value: '10m', hint: 'such as 10m or 2h, up to 7d; then as configured' })],
						path: '/log', body: (v) => ({ level: v.level, ...(v.for ? { for: v.for } : {}) }) })) load();
				} }, 'Change'));
		} catch (e) {
			if (e.name !== 'AbortError') empty(place, `Log: ${e.message}`);
		}
	};
	load();
	return place;
}

export default {
	name: 'now', title: 'Now', key: 'n',
	help: 'What is degraded, what is decided at this moment, and how the last hour went.',
	show(page) {
		const first = h('section', { class: 'panel', 'aria-label': 'Health' }), numbers = h('div', {});
		let open = false;
		page.every(5000, async () => {
			try {
				const got = await page.get('/now');
				open = first.querySelector('details')?.open ?? open;
				empty(first, health(got));
				first.querySelector('details').open = open;
				empty(numbers, tiles(got));
			} catch (e) {
				if (e.name !== 'AbortError') empty(first, failed(e));
			}
		});
		add(page.root, first, numbers, live(page), hour(page), log(page));
	},
};
