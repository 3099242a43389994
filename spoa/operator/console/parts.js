// Pieces that views share: states of loading, facts, badges, bars, forms.
import { add, data, empty, h, place } from './dom.js';
import { outcome_label } from './labels.js';
import { href } from './router.js';

export const loading = (what = 'Loading') => h('p', { class: 'state', role: 'status' }, `${what}…`);

/* Nothing is there; hint says what brings something. */
export const nothing = (text, hint) => h('div', { class: 'state' }, h('p', {}, text), hint && h('p', { class: 'dim' }, hint));

/* What went wrong and what to do; again(): tries once more. */
export function failed(error, again) {
	return h('div', { class: 'state wrong', role: 'alert' },
		h('p', {}, h('strong', {}, error.status ? `${error.status}: ` : 'The request failed: '),
			error.message.trim().split('\n').map((line, i) => [i ? h('br') : null, line])), error.hint && h('p', {}, error.hint),
		again && h('button', { type: 'button', onclick: again }, 'Try again'));
}

/* Where the focus is in a place that is about to be filled anew. Returns a function that sets the focus there again: on
 * the element with the same id, in the row with the same first cell, with the same text or at the same position. */
function kept_focus(place) {
	const reachable = () => [...place.querySelectorAll('a[href], button, input, select, summary, textarea')];
	const row = (e) => e.closest('tr')?.cells[0].textContent;
	const here = document.activeElement, at = reachable().indexOf(here), was = row(here);
	const alike = (
		e,
	) => (here.id ? e.id === here.id : was ? e.tagName === here.tagName && row(e) === was : e.textContent === here.textContent);
	return () => {
		const all = at < 0 ? [] : reachable();
		(all.find(alike) ?? all[Math.min(at, all.length - 1)])?.focus();
	};
}

/* Fills a place with what load() brings: "Loading…" until then, the error and a button if it fails. What was
 * there before stays, dimmed, while it loads again. */
export async function fill(place, page, load, show) {
	const began = setTimeout(() => {
		if (!place.hasChildNodes()) empty(place, loading());
		else place.classList.add('stale');
	}, 150);
	place.setAttribute('aria-busy', 'true');
	try {
		const got = await load();
		if (page.signal.aborted) return;
		const focus = kept_focus(place);
		empty(place, show(got));
		focus();
	} catch (e) {
		if (e.name === 'AbortError' || page.signal.aborted) return;
		empty(place, failed(e, () => fill(place, page, load, show)));
		if (!('status' in e)) console.error(e);
	} finally {
		clearTimeout(began);
		place.classList.remove('stale');
		place.removeAttribute('aria-busy');
	}
}

/* The first letter of a title is a capital. */
export const heading = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function panel(title, ...children) {
	return h('section', { class: 'panel' }, h('h2', {}, title), children);
}

/* [[name, what], …] as a list of facts; what is missing is left out. */
export function facts(rows) {
	const list = h('dl', { class: 'facts' });
	for (const [name, value] of rows)
		if (value !== null && value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && !value.length))
			add(list, h('dt', {}, heading(name)), h('dd', {}, value));
	return list.hasChildNodes() ? list : null;
}

const KINDS = { permit: 'good', observed: 'dim', redact: 'edit', deny: 'bad', complete: 'good', up: 'good', open: 'bad' };

/* The color of a decision, in badges, bars and charts. */
export const decision_kind = (word) => KINDS[word] ?? 'dim';

/* A word with a color. The word alone carries the meaning. */
export const badge = (word,
	kind = decision_kind(word)) => (word === undefined || word === null || word === '' ? null : h('span', { class: `badge ${kind}` }, word));

/* The mark of a state of labels.js: a dot and a word. */
export const mark = ({ label, kind }) => h('span', { class: `mark ${kind}` }, h('span', { class: 'dot', 'aria-hidden': 'true' }), label);
export const marked_state = (state) => [mark(state), state.means && [' ', h('small', {}, state.means)]];

/* A bar of a share in percent, for the eye: the number stands beside it. */
export const share_bar = (percent, kind) =>
	h('span', { class: 'bar', 'aria-hidden': 'true' }, place(h('span', { class: kind }), { width: `${Math.min(100, percent)}%` }));

/* How much of a whole is used, as a bar and a number. */
export function bar(used, of, text) {
	const share = of ? Math.min(100, Math.floor((100 * used) / of)) : 100;
	const kind = share >= 95 ? 'bad' : share >= 80 ? 'edit' : 'good';
	return h('span', { class: 'gone' }, share_bar(share, kind), h('span', { class: `share ${kind}` }, text ?? `${share} %`));
}

/* What was decided, with the status of a denial. How it ended is another matter: the provider's refusal of what was
 * permitted is no good end. */
export const decided = (r) => [badge(r.decision), r.decision === 'deny' && r.status ? ` ${r.status}` : null];
export function ended(r) {
	const refused = r.decision !== 'deny' && r.status >= 400;
	const label = refused && r.outcome === 'complete' ? 'provider returned' : r.outcome && outcome_label(r.outcome);
	const says = [label, refused ? r.status : null].filter(Boolean).join(' ');
	return refused || (r.outcome && r.outcome !== 'complete' && r.outcome !== 'denied') ? badge(says, 'bad') : says;
}

/* The rule that decided and why; a reason may stand alone. */
export const rule_and_reason = (r) => {
	const parts = [r.rule && r.rule !== 'default' ? data(r.rule) : null, r.reason ? data(r.reason) : null].filter(Boolean);
	return parts.length === 2 ? [parts[0], ': ', parts[1]] : parts;
};

/* Several of the data's words. */
export const words = (list) => [].concat(list ?? []).map((w, i) => [i ? ' ' : null, h('span', { class: 'word' }, data(w))]);

/* A name with a page of its own (views/thing.js). A tool's is SERVER/TOOL, where the server may be empty. */
export const named = (kind, name) => name && h('a', { href: href('thing', { kind, name }) }, data(name.replace(/^\//, '')));
export const named_tools = (names) => [...new Set(names)].map((t, i) => [i ? ', ' : null, named('tool', t)]);

/* The terms of Search for a tool. */
export function tool_terms(name) {
	const at = name.indexOf('/');
	return { tool: name.slice(at + 1), ...(at > 0 ? { server: name.slice(0, at) } : {}) };
}

/* A line that is copied: a command, an id. */
export function copied(text, say) {
	const button = h('button', { type: 'button', class: 'small', onclick: async () => {
		try {
			await navigator.clipboard.writeText(text);
			say('Copied.');
		} catch {
			say('The browser does not permit copying. Select the text instead.');
		}
	} }, 'Copy');
	return h('span', { class: 'copied' }, h('code', { tabindex: '0' }, text), ' ', button);
}

/* What the page has, as a file. */
export function save(name, content, type = 'text/plain') {
	const url = URL.createObjectURL(new Blob([content], { type }));
	h('a', { href: url, download: name }).click();
	setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/* A field of a form: name, label, kind 'text' | 'number' | 'select' | … */
export function field({ name, label, value = '', type = 'text', options, placeholder, hint, list, required, size = '28' }) {
	const id = `f-${name}`;
	const input = options
		? h('select', { id, name }, options.map((o) => {
			const [v, t] = [].concat(o, o);
			return h('option', { value: v, selected: v === value }, t);
		}))
		: type === 'area' ?
		h('textarea', { id, name, placeholder, spellcheck: 'false', rows: '8' }, null)
		: h('input', { id, name, type, value, placeholder, size: type === 'number' ? null : size, list: list && `${id}-list`, required,
			autocomplete: 'off', spellcheck: 'false', 'aria-describedby': hint && `${id}-hint` });
	if (type === 'area') input.value = value;
	return h('div', { class: 'field' }, h('label', { for: id }, label), input,
		list && h('datalist', { id: `${id}-list` }, list.map((o) => h('option', { value: o }))),
		hint && h('small', { id: `${id}-hint` }, hint));
}

/* A filter above a list: each change shows the view anew. */
export function filter_form(page, label, ...fields) {
	const apply = () => page.go(page.view.name, { ...page.kept, ...form_values(form) });
	const form = h('form', { class: 'fields', 'aria-label': label, onchange: apply, onsubmit: (e) => {
		e.preventDefault();
		apply();
	} }, fields);
	return form;
}

/* What a form holds; names that occur twice are lists, what is empty is left out. */
export function form_values(form) {
	const out = {};
	for (const [name, value] of new FormData(form)) {
		const v = String(value).trim();
		if (v) out[name] = name in out ? [].concat(out[name], v) : v;
	}
	return out;
}

/* A dialog; show(close) returns what is in it. Resolved with what close() was given. */
export function dialog(title, show, { closable = true } = {}) {
	return new Promise((done) => {
		const back = document.activeElement;
		const box = h('dialog', { 'aria-label': title });
		let result;
		const close = (value) => {
			result = value;
			box.close();
		};
		add(box, h('h2', {}, title), show(close));
		box.addEventListener('cancel', (e) => {
			if (!closable) e.preventDefault();
		});
		box.addEventListener('close', () => {
			box.remove();
			back?.focus?.();
			done(result);
		});
		document.body.append(box);
		box.showModal();
	});
}

/* Of a change: what is about to happen, and why; resolved with the reason, or undefined. */
export function confirm_change(title, what, action) {
	return dialog(title, (close) =>
		h('form', { onsubmit: (e) => {
			e.preventDefault();
			close(form_values(e.target).reason);
		} }, h('p', {}, what), field({ name: 'reason', label: 'Why (recorded)', required: true }),
			h('p', { class: 'row' }, h('button', { class: 'primary' }, action), ' ',
				h('button', { type: 'button', onclick: () => close() }, 'Cancel'))));
}
