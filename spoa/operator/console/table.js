// Lists as tables. Pages and orders are the server's: a list never holds more than it was given. Arrows or j and k
// go from row to row, Enter opens; at phone width a row is a card.
import { add, h } from './dom.js';
import { heading } from './parts.js';

/* columns: [{ title, cell(row): text, nodes or null, number: true, sort: what the server calls this order,
 *   wide: true (may break anywhere), keep: true (one line) }]; href(row): where Enter leads.
 * sort: the order in force ("cost", or "-cost" downwards); on_sort(order).
 * caption: what it is, for screen readers and above the table. */
export function table({ caption, columns, rows, href, sort, on_sort, empty }) {
	if (!rows.length) return h('p', { class: 'state' }, empty ?? 'No rows.');
	const heads = columns.map((c) => {
		const sorted = c.sort && sort ? (sort === c.sort ? 'ascending' : sort === `-${c.sort}` ? 'descending' : null) : null;
		return h('th', { scope: 'col', role: 'columnheader', class: c.number && 'number', 'aria-sort': sorted },
			c.sort && on_sort ? h('button', { type: 'button', class: 'sort', onclick: () => on_sort(sorted === 'descending' ? c.sort : `-${c.sort}`) },
				heading(c.title), h('span', { 'aria-hidden': 'true' }, sorted === 'ascending' ? ' ▲' : sorted === 'descending' ? ' ▼' : ' ↕')) : heading(c.title));
	});
	return scrolled(caption, h('table', { role: 'table', class: 'list', onkeydown: keys },
		h('caption', {}, caption),
		h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads)),
		h('tbody', { role: 'rowgroup' }, rows.map((r) => table_row(columns, r, href)))));
}

/* A table that is wider than its place scrolls there, by keys too; the page never does. */
function scrolled(label, element) {
	const box = h('div', { class: 'wide-table' }, element);
	new ResizeObserver(() => {
		if (box.scrollWidth > box.clientWidth) for (const [name, value] of [['tabindex', '0'], ['role', 'region'], ['aria-label', label]]) box.setAttribute(name, value);
		else for (const name of ['tabindex', 'role', 'aria-label']) box.removeAttribute(name);
	}).observe(box);
	return box;
}

export function table_row(columns, r, href) {
	const to = href?.(r);
	return h('tr', { role: 'row', tabindex: to ? null : '-1' }, columns.map((c, i) => {
		const shown = c.cell(r);
		return h('td', { role: 'cell', class: [c.number && 'number', c.wide && 'wide', c.keep && 'keep'].filter(Boolean).join(' ') || null, 'data-title': heading(c.title) },
			to && i === 0 ? h('a', { class: 'open', href: to }, shown) : shown === null || shown === undefined || shown === '' ? null : h('div', {}, shown));
	}));
}

const target_of = (tr) => tr?.querySelector('a.open') ?? tr;

/* In a table: from row to row. A row without a link is focused itself. */
function keys(e) {
	if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, select, textarea')) return;
	const here = e.target.closest('tbody tr');
	const all = e.currentTarget.tBodies[0].rows;
	const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[e.key];
	const to = step ? (here ? all[here.sectionRowIndex + step] : all[0]) : e.key === 'Home' ? all[0] : e.key === 'End' ? all[all.length - 1] : null;
	if (!to) return;
	e.preventDefault();
	e.stopPropagation();
	target_of(to).focus();
}

/* j and arrows with nothing focused: the first row of the first list. */
export function focus_first() {
	const row = document.querySelector('main table.list tbody tr');
	target_of(row)?.focus();
	return Boolean(row);
}

/* Below a list: the first page, the one before, the next one. The cursor is in the URL. */
export function pager(page, { next, shown, total, name = 'after' }) {
	const here = page.state[name];
	return h('nav', { class: 'pager', 'aria-label': 'Pages' },
		h('span', { class: 'dim' }, shown !== undefined && `${shown} shown`, total !== undefined && ` of ${total}`), ' ',
		here && h('button', { type: 'button', onclick: () => page.set({ [name]: null }) }, 'First page'), ' ',
		here && h('button', { type: 'button', onclick: () => history.back() }, 'Back'), ' ',
		next && h('button', { type: 'button', class: 'next', onclick: () => page.set({ [name]: next }) }, 'Next page'),
		!next && shown !== undefined && h('span', { class: 'dim' }, 'End of the list'));
}

/* Two columns: what, and how many, with a bar of its share. */
export function shares(caption, rows, { href, format = String } = {}) {
	const most = Math.max(1, ...rows.map((r) => r.count));
	const bar = (r) => {
		const m = h('meter', { min: '0', max: String(most), value: null, 'aria-hidden': 'true' });
		m.value = r.count;
		return m;
	};
	return table({ caption, rows, href, columns: [
		{ title: 'name', cell: (r) => r.value, wide: true },
		{ title: 'count', number: true, cell: (r) => add(h('span', {}), format(r.count)) },
		{ title: 'share', cell: bar }] });
}
