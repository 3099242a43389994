// What the page asks of the daemon. A change carries a header that a page of another origin cannot set; a 401
// asks for a token once for all who wait, and then asks again. Errors say what to do.
import { compare_clock } from './format.js';

export class Failed extends Error {
	constructor(status, message, hint) {
		super(message);
		this.status = status;
		this.hint = hint;
	}
}

const HINTS = {
	0: 'Check that the daemon runs and that your tunnel is open. On its machine, run: tollgate status',
	403: 'Your token does not have the required role. The operator of the daemon grants roles with tollgate admin-token or admin.users.',
	404: 'The object does not exist, or the daemon no longer keeps it.',
	413: 'Send a smaller request.',
	429: 'Your address sent too many requests. Wait, then try again.',
	503: 'The daemon is busy, or a part of it is unavailable. Try again in a moment.',
	504: 'The query took too long. Choose a shorter time or a narrower filter.',
};

let ask_login = null; /* () => Promise, settled when somebody has logged in */
let waiting = null;
export const on_login = (f) => {
	ask_login = f;
};

function logged_in() {
	waiting ??= ask_login().finally(() => {
		waiting = null;
	});
	return waiting;
}

function url_of(path, query) {
	const q = new URLSearchParams();
	for (const [name, value] of Object.entries(query ?? {}))
		for (const one of [].concat(value ?? [])) if (one !== '') q.append(name, one);
	const text = q.toString();
	return text ? `${path}?${text}` : path;
}

/* What an answer that is no success says, in a sentence. */
export async function failure(answer) {
	let text = '';
	try {
		text = (await answer.text()).trim();
		const said = JSON.parse(text);
		text = said.error?.message ?? said.error ?? text;
	} catch { /* plain text, or cut off */ }
	if (typeof text !== 'string') text = JSON.stringify(text);
	const after = answer.headers.get('retry-after');
	return new Failed(answer.status, text.slice(0, 2000) || `status ${answer.status}`,
		(HINTS[answer.status] ?? '') + (after ? ` (in ${after} s)` : ''));
}

async function ask(path, { query, signal, ...options }) {
	for (let again = true;; again = false) {
		let answer;
		try {
			answer = await fetch(url_of(path, query), { ...options, signal, credentials: 'same-origin', redirect: 'error', cache: 'no-store' });
		} catch (e) {
			if (e.name === 'AbortError') throw e;
			throw new Failed(0, 'The daemon does not respond', HINTS[0]);
		}
		compare_clock(answer.headers.get('date'));
		if (answer.ok) return answer;
		if (answer.status !== 401 || !again || path === '/session') throw await failure(answer);
		await logged_in();
	}
}

/* A session ends when nobody used it for half an hour: what the page asks by itself, long after the last key or
 * pointer, says so and does not keep it. */
let touched = Date.now();
for (const what of ['keydown', 'pointerdown', 'wheel'])
	addEventListener(what, () => {
		touched = Date.now();
	}, { passive: true });
const ours = () => ({ 'x-tollgate-console': Date.now() - touched < 60000 ? '1' : 'poll' });

export const get = async (path, query, { signal } = {}) => (await ask(path, { query, signal, headers: ours() })).json();
export const text = async (path, query, { signal } = {}) => (await ask(path, { query, signal, headers: ours() })).text();

export async function send(method, path, body, { signal, query } = {}) {
	const answer = await ask(path, { method, query, signal, headers: { 'x-tollgate-console': '1', 'content-type': 'application/json' },
		body: JSON.stringify(body ?? {}) });
	const said = await answer.text();
	return said ? JSON.parse(said) : null;
}
export const post = (path, body, options) => send('POST', path, body, options);

/* Fields of one event of text/event-stream; an id holds for those after it. */
function* events(block) {
	let event = 'message', id = null, value = null;
	for (const line of block.split('\n')) {
		const colon = line.indexOf(':');
		if (colon === 0 || !line) continue; /* a comment: still there */
		const name = colon < 0 ? line : line.slice(0, colon);
		const rest = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
		if (name === 'event') event = rest;
		else if (name === 'id') id = rest;
		else if (name === 'data') value = value === null ? rest : `${value}\n${rest}`;
	}
	if (id !== null || value !== null) yield { event, id, data: value };
}

const pause = (ms, signal) =>
	new Promise((done) => {
		const timer = setTimeout(done, ms);
		signal.addEventListener('abort', () => {
			clearTimeout(timer);
			done();
		}, { once: true });
	});

/* Server-sent events until the signal: asked again after a cut, from the last id on. A fetch and no
 * EventSource, so that a refusal can be read and a paused list can go on where it was.
 * on_event({event, id, data}), on_state('open' | 'waiting', Failed or null). Longest line: 1 MB. */
export async function stream(path, query, { signal, last = null, on_event, on_state }) {
	let wait = 1000;
	while (!signal.aborted) {
		let failed = null;
		try {
			const answer = await ask(path, { query, signal,
				headers: { ...ours(), accept: 'text/event-stream', ...(last ? { 'last-event-id': last } : {}) } });
			const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
			let held = '';
			on_state('open', null);
			for (;;) {
				const { done, value } = await reader.read();
				if (done) break;
				wait = 1000;
				held += value;
				let end;
				while ((end = held.indexOf('\n\n')) >= 0) {
					for (const e of events(held.slice(0, end))) {
						if (e.id !== null) last = e.id;
						if (e.data !== null) on_event(e);
					}
					held = held.slice(end + 2);
				}
				if (held.length > 1 << 20) throw new Failed(0, 'an event longer than 1 MB', '');
			}
		} catch (e) {
			if (e.name === 'AbortError') return last;
			failed = e instanceof Failed ? e : null;
			if (failed && [400, 403, 404].includes(failed.status)) {
				on_state('waiting', failed);
				return last;
			}
		}
		if (signal.aborted) return last;
		on_state('waiting', failed);
		await pause(wait, signal);
		wait = Math.min(wait * 2, 30000);
	}
	return last;
}
