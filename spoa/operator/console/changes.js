// One change: says what will happen, asks why, sends it, and says which record it left.
import { add, empty, h } from './dom.js';
import { copied, dialog, field, form_values } from './parts.js';

/* What stands below a change that was made. */
const left = (page, answer) => [
	answer?.record ?
		h('p', {}, 'Recorded as ', h('strong', { class: 'record' }, answer.record),
			page.has('auditor') && [': ', h('a', { href: page.href('search', { type: 'change', since: '1h' }) }, 'changes of the last hour')],
			'. To read the record on the daemon’s machine, run: ', copied(`tollgate audit show --seq ${answer.record}`, page.say))
		: h('p', { class: 'dim' }, 'The daemon records this change itself. The audit report lists it.'),
	answer?.redis === 'away' &&
	h('p', { class: 'wrong' }, 'Redis is unavailable. Other daemons apply the change when Redis is available again.'),
	answer?.kept === false && h('p', { class: 'wrong' }, 'The state file could not be written. The change ends when the daemon stops.'),
];

/* title, what: nodes; action: the button's words; fields: of field(), before the reason; typed: what has to be typed
 * to confirm; path; body(values): what is sent, the reason is added; shown(answer): nodes, shown once.
 * The answer, or undefined where nothing was changed. */
export async function change(page, { title, what, action, fields = [], typed, path, body, shown }) {
	let answer;
	await dialog(title, (close) => {
		const wrong = h('div', { role: 'alert' });
		const button = h('button', { class: 'primary' }, action);
		const place = h('div', {});
		const form = h('form', { onsubmit: async (e) => {
			e.preventDefault();
			const values = form_values(form);
			empty(wrong);
			if (typed !== undefined && values.typed !== typed) {
				add(wrong, h('p', { class: 'wrong' }, `Type ${typed} to confirm.`));
				form.elements.typed.focus();
				return;
			}
			button.disabled = true;
			try {
				answer = await page.post(path, { ...body(values), by: page.me?.name, reason: values.reason }) ?? {};
				const done = h('button', { type: 'button', class: 'primary', onclick: () => close(answer) }, 'Close');
				empty(place, h('p', { role: 'status' }, 'Done.'), shown?.(answer), left(page, answer), h('p', {}, done));
				done.focus();
			} catch (failure) {
				button.disabled = false;
				add(wrong, h('p', { class: 'wrong' }, `${failure.message}`), failure.hint && h('p', { class: 'dim' }, failure.hint));
			}
		} }, h('p', {}, what), h('div', { class: 'fields' }, fields),
			typed !== undefined && field({ name: 'typed', label: `Type ${typed} to confirm`, required: true }),
			field({ name: 'reason', label: 'Why (recorded)', required: true }), wrong,
			h('p', { class: 'row' }, button, ' ', h('button', { type: 'button', onclick: () => close() }, 'Cancel')));
		return add(place, form);
	});
	return answer;
}

/* Now and again, but not while somebody is in the place with keys or reads a dialog. */
export const every = (page, ms, place, load) =>
	page.every(ms, () => (place.contains(document.activeElement) || document.querySelector('dialog[open]') ? null : load()));

/* Parts of a view, as links: which one is in the URL. parts: [[name, title], …]; of: what stays in the URL. */
export function parts_of(page, parts, of = {}) {
	const here = parts.some(([name]) => name === page.state.part) ? page.state.part : parts[0][0];
	const nav = h('nav', { class: 'parts row', 'aria-label': 'Parts of this view' },
		parts.map(([name, title]) =>
			h('a', { href: page.href(page.view.name, { ...of, part: name === parts[0][0] ? null : name }),
				'aria-current': name === here ? 'page' : null }, title)
		));
	return { here, nav };
}
