// Elements from data. Every text goes through visible(): what would turn a line around, hide or end it is
// shown as \u202e. Text becomes text nodes only; what could run (handlers, styles, sources) cannot be set here.

/* C0 and C1, soft hyphen, bidi marks, embeddings and isolates, zero widths, fillers, line separators, variation
 * selectors, noncharacters, tags, and halves of surrogate pairs. */
const UNSEEN = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5' +
	'\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0e\\ufeff\\uffa0\\ufff0-\\ufffb' +
	'\\ufffe\\uffff]|[\\u{e0000}-\\u{e0fff}]|[\\u{d800}-\\u{dfff}]', 'gu');

const name_of = (c) => {
	const n = c.codePointAt(0);
	return n < 0x10000 ? `\\u${n.toString(16).padStart(4, '0')}` : `\\u{${n.toString(16)}}`;
};

/* For attributes and titles: the same as plain text. */
export const plain = (value) => String(value ?? '').replace(UNSEEN, name_of);

/* Nodes of a text. */
export function visible(value) {
	const text = String(value ?? '');
	const out = [];
	let from = 0;
	for (const m of text.matchAll(UNSEEN)) {
		if (m.index > from) out.push(document.createTextNode(text.slice(from, m.index)));
		const mark = document.createElement('span');
		mark.className = 'unseen';
		mark.textContent = name_of(m[0]);
		out.push(mark);
		from = m.index + m[0].length;
	}
	if (from < text.length || !out.length) out.push(document.createTextNode(text.slice(from)));
	return out;
}

/* A link leads to a view, to a path of this daemon, or to the console of another one. */
const LINK = /^(#\/|\/(?!\/)|blob:|https:\/\/[\w.:[\]-]+\/console\/(#|$))/;
const NEVER = /^(on|style$|src|srcdoc$|action$|formaction$)/;

export function add(element, ...children) {
	for (const c of children.flat(Infinity))
		if (c instanceof Node) element.append(c);
		else if (c !== null && c !== undefined && c !== false && c !== true) element.append(...visible(c));
	return element;
}

/* h('a', {class: 'x', href: …, onclick: f}, 'text', node, […]): null and false are left out. */
export function h(tag, attributes, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes ?? {})) {
		if (value === null || value === undefined || value === false) continue;
		if (typeof value === 'function' && name.startsWith('on')) element.addEventListener(name.slice(2), value);
		else if (NEVER.test(name) || (name === 'href' && !LINK.test(value))) throw new Error(`dom: ${name} is not set here`);
		else if (name === 'value') element.value = value;
		else element.setAttribute(name, value === true ? '' : plain(value));
	}
	return add(element, children);
}

/* What the data says, in a line of ours: its direction is its own. */
export const data = (value) => h('bdi', {}, value);
// Who did it is who was authenticated; what he calls himself is a note beside it.
export const who = (o) => o.by && [data(o.by), o.claimed && h('span', { class: 'dim' }, [' (says ', data(o.claimed), ')'])];

/* Lines keep their ends, and tabs. */
export function lines(text) {
	const pre = h('pre', { tabindex: '0' });
	for (const [i, piece] of text.split(/([\n\t])/).entries()) add(pre, i % 2 ? document.createTextNode(piece) : piece);
	return pre;
}

export function empty(element, ...children) {
	element.replaceChildren();
	return add(element, children);
}

/* In bars: the width of a part, which a style attribute may not say under our CSP. */
export function place(element, properties) {
	for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
	return element;
}
