// Decisions as they are made: a list that goes on where it was, after a cut and after a pause.
import { add, h } from '../dom.js';
import { count, dollars, duration_us, when } from '../format.js';
import { decided, ended, named, named_tools, rule_and_reason, words } from '../parts.js';
import { table, table_row } from '../table.js';

const KEPT = 200; /* rows of the live list */
const KINDS = [['', 'all'], ['deny', 'denied'], ['redact', 'redacted'], ['permit', 'permitted']];

const columns = [
	{ title: 'Time', cell: (r) => when(r.decided_at ?? r.time, { day: false, fraction: true }) },
	{ title: 'Decision', keep: true, cell: decided },
	{ title: 'Caller', wide: true, cell: (r) => r.person },
	{ title: 'Agent', wide: true, cell: (r) => named('agent', r.agent) },
	{ title: 'Tools', wide: true, cell: (r) => named_tools(r.tools ?? []) },
	{ title: 'Route', wide: true, cell: (r) => r.route },
	{ title: 'Target, model', wide: true, cell: (r) => [r.target, r.model].filter(Boolean).join(' ') },
	{ title: 'Rule, reason', wide: true, cell: (r) => [rule_and_reason(r), ' ', words(r.classes)] },
	{ title: 'Outcome', cell: ended },
	{ title: 'Tokens', number: true, cell: (r) => (r.input_tokens !== undefined ? count(r.input_tokens + (r.output_tokens ?? 0)) : null) },
	{ title: 'Cost', number: true, cell: (r) => dollars(r.cost_nanousd) },
	{ title: 'Duration', number: true, cell: (r) => (r.ms === 0 ? '< 1 ms' : duration_us(r.ms !== undefined ? r.ms * 1000 : r.took_us)) },
];

/* Newest first. A completion is laid into its decision's row, which keeps its place and its focus. */
function live_list(page) {
	const href = (r) => (r.id ? page.href('request', { id: r.id }) : null);
	const element = table({ caption: 'Newest first; a row opens the request', columns, rows: [{}], href, fixed: true });
	const body = element.querySelector('tbody');
	const rows = new Map(); /* by id: {tr, r} */
	body.replaceChildren();

	function take(r, completion) {
		const known = rows.get(r.id);
		if (completion && !known) return; /* of a request from before this list */
		const merged = { ...known?.r, ...r, decided_at: known?.r.decided_at ?? r.decided_at ?? r.time };
		const tr = table_row(columns, merged, href);
		if (known) {
			for (let i = 1; i < columns.length; i++) known.tr.replaceChild(tr.cells[1], known.tr.cells[i]);
			known.r = merged;
			return;
		}
		body.prepend(tr);
		rows.set(r.id, { tr, r: merged });
	}

	function gap(text) {
		body.prepend(h('tr', { role: 'row', class: 'gap' }, h('td', { role: 'cell', colspan: columns.length }, text)));
	}

	function trim() {
		while (body.rows.length > KEPT) body.lastElementChild.remove();
		if (rows.size > 2 * KEPT) { for (const [id, { tr }] of rows) if (!tr.isConnected) rows.delete(id); }
	}
	return { element, take, gap, trim };
}

export function live(page) {
	const { decision = '', person } = page.state;
	const list = live_list(page);
	const said = h('span', { class: 'dim', role: 'status' });
	const pause = h('button', { type: 'button', id: 'pause', 'aria-pressed': 'false', onclick: () => toggle() }, 'Pause');
	let run = null, last = null, held = [], timer = null;

	/* Many events are one change of the page. */
	function flush() {
		timer = null;
		for (const e of held.splice(0).slice(-2 * KEPT))
			if (e.event === 'gap')
				list.gap(`Records ${e.value.from} to ${e.value.to} are not shown: ${e.value.why ?? 'too many records arrived at once'}`);
			else list.take(e.value, e.event === 'completion');
		list.trim();
	}

	function on_event(e) {
		last = e.id ?? last;
		held.push({ event: e.event, value: JSON.parse(e.data) });
		if (held.length > 20 * KEPT) held = held.slice(-2 * KEPT);
		timer ??= setTimeout(flush, 200);
	}

	/* What a viewer may see: the last of each worker, asked again and again. */
	async function recent(signal) {
		add(said, 'The full list with callers and reasons needs the role auditor. This list shows the latest decisions of each worker.');
		let asking = false;
		const turn = async () => {
			if (signal.aborted || document.hidden || asking) return;
			asking = true;
			try {
				const got = await page.get('/recent');
				const all = got.workers.flatMap((w) => w.recent).sort((a, b) => (a.decided_at < b.decided_at ? -1 : 1));
				for (const r of all) if (!decision || r.decision === decision) list.take({ ...r, status: r.answer });
				list.trim();
			} catch {
				/* the panel above says that nothing answers */
			} finally {
				asking = false;
			}
		};
		const every = setInterval(turn, 2000);
		signal.addEventListener('abort', () => clearInterval(every), { once: true });
		turn();
	}

	function start() {
		run = new AbortController();
		const signal = AbortSignal.any([run.signal, page.signal]);
		page.stream('/decisions/live', { decision, person, ...(last ? {} : { last: 50 }) }, { signal, last, on_event,
			on_state: (state, failed) => {
				said.replaceChildren();
				if (failed?.status === 403) recent(signal);
				else if (state === 'waiting')
					add(said,
						failed ? `${failed.message}. The page tries again.` : 'The connection was closed. The list continues after the last record.');
			} });
	}

	function toggle() {
		const paused = pause.getAttribute('aria-pressed') !== 'true';
		pause.setAttribute('aria-pressed', String(paused));
		pause.textContent = paused ? 'Resume' : 'Pause';
		said.textContent = paused ? 'Paused. When you resume, the list continues after the last record.' : '';
		if (paused) run.abort();
		else start();
	}
	page.key('p', 'pause or resume the list', toggle);
	start();
	return h('section', { class: 'panel' }, h('h2', {}, 'Decisions'),
		h('div', { class: 'row', role: 'group', 'aria-label': 'Which' }, pause,
			KINDS.map(([k, text]) =>
				h('button', { type: 'button', id: `kind-${k}`, 'aria-pressed': String(decision === k), onclick: () => page.set({ decision: k }) },
					text)
			), said), h('div', { class: 'scroll live', role: 'region', 'aria-label': 'Decisions, newest first', tabindex: '0' }, list.element));
}
