// Lists as tables. The server pages a list and orders it. A column without a server order sorts the rows that are here.
// Arrows or j and k move between rows, Enter opens; at phone width a row is a card.
import { add, h } from './dom.js';
import { count, settings } from './format.js';
import { heading, save, share_bar } from './parts.js';

/* columns: [{ title, cell(row): text, nodes or null, number: true, sort: the server's name of this order,
 *   wide: true (may break anywhere), keep: true (one line), optional: true (left out where no row has it),
 *   extra: true (shown only if the reader chooses the column), action: true (buttons: no order) }]; href(row): where Enter leads.
 * sort: the order in force ("cost", or "-cost" downwards); on_sort(order): asks the server; without on_sort each
 * column sorts here. caption: for screen readers and above the table. fixed: no options, rows are added later.
 * ordered: a page of a list in the server's one order, so that no column sorts. part: a page of a longer list; a column
 * sorts the rows of the page, and the caption mentions it. */
export function table({ caption, columns, rows, href, sort, on_sort, empty, fixed, ordered, part }) {
	if (!rows.length) return h('p', { class: 'state' }, empty ?? 'No rows.');
	columns = columns.filter((c) => c && (!c.optional || rows.some((r) => !is_empty(c.cell(r)))));
	const body = h('tbody', { role: 'rowgroup' }, rows.map((r) => table_row(columns, r, href)));
	const heads = columns.map((c, at) => {
		const sorted = c.sort && sort ? (sort === c.sort ? 'ascending' : sort === `-${c.sort}` ? 'descending' : null) : null;
		const head = h('th', { scope: 'col', role: 'columnheader', class: c.number && 'number', 'aria-sort': sorted });
		const order = on_sort
			? c.sort && (() => on_sort(sorted === 'descending' ? c.sort : `-${c.sort}`))
			: !fixed && !ordered && !c.action && rows.length > 1 && (() => sort_here(body, head, at));
		return add(head, order ? h('button', { type: 'button', class: 'sort', onclick: order }, heading(c.title)) : heading(c.title));
	});
	if (part) caption = `${caption}. A column sorts the rows of this page`;
	const list = h('table', { role: 'table', class: 'list', onkeydown: keys }, h('caption', {}, caption),
		h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads)), body);
	return h('div', { class: 'listed' }, !fixed && options(list, caption, columns), scrolled(caption, list));
}

/* ---- sorting the rows that are here ---- */

const UNITS = { 'µs': 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, d: 86400, B: 1, KB: 1024, MB: 1 << 20, GB: 1 << 30, '%': 1 };

/* Times by their instant, numbers by value and unit, all else as text. */
function sort_key(cell) {
	const time = cell.querySelector('time');
	if (time) return Date.parse(time.dateTime);
	const text = cell.innerText.trim(), m = /^[<$]? ?(-?[\d,]*\.?\d+) ?([a-zA-Zµ%]+)?/.exec(text);
	return m ? Number(m[1].replaceAll(',', '')) * (UNITS[m[2]] ?? 1) : text;
}

const compare = (a, b) => (typeof a === typeof b ? (typeof a === 'number' ? a - b : a.localeCompare(b)) : typeof a === 'number' ? -1 : 1);

/* Rows without a value are last in both orders. */
const in_order = (keyed, down) =>
	keyed.sort(([a], [b]) => (a === '') - (b === '') || (down ? compare(b, a) : compare(a, b))).map(([, of]) => of);
const sort_all = (rows, column, down) => in_order(rows.map((r) => [sort_key(h('td', {}, column.cell(r))), r]), down);

function sort_here(body, head, at) {
	const down = head.getAttribute('aria-sort') !== 'descending';
	const sorted = in_order([...body.rows].map((tr) => [sort_key(tr.cells[at]), tr]), down);
	for (const other of head.parentElement.cells) other.removeAttribute('aria-sort');
	head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
	body.replaceChildren(...sorted);
}

/* ---- options: columns, CSV ---- */

/* Choices are kept by view and columns. */
const choices_of = (columns) => `columns.${location.hash.replace(/\?.*/s, '')}.${columns.map((c) => c.title).join('|')}`;

function show_columns(list, hidden) {
	for (const tr of list.rows)
		[...tr.cells].forEach((cell, i) => {
			cell.hidden = hidden.has(i);
		});
}

function close_on_escape(e) {
	if (e.key !== 'Escape') return;
	e.currentTarget.open = false;
	e.currentTarget.querySelector('summary').focus();
}

function options(list, caption, columns) {
	const name = choices_of(columns);
	const extra = columns.flatMap((c, i) => (c.extra ? [i] : [])).join();
	const hidden = new Set(settings.get(name, extra).split(',').filter(Boolean).map(Number));
	const boxes = columns.map((c, i) => {
		const box = h('input', { type: 'checkbox', onchange: () => {
			if (box.checked) hidden.delete(i);
			else hidden.add(i);
			settings.set(name, [...hidden].join());
			show_columns(list, hidden);
		} });
		box.checked = !hidden.has(i);
		return h('label', {}, box, ' ', heading(c.title));
	});
	show_columns(list, hidden);
	return h('details', { class: 'options', onkeydown: close_on_escape },
		h('summary', { 'aria-label': `Options of the table: ${caption}` }, '⋯'),
		h('div', { class: 'menu' }, h('fieldset', {}, h('legend', {}, 'Columns'), boxes),
			h('button', { type: 'button', class: 'small', onclick: () => save('tollgate.csv', csv_of(list), 'text/csv') }, 'Export CSV')));
}

/* RFC 4180. A cell that a spreadsheet would evaluate begins with an apostrophe. Times are in RFC 3339. */
const csv_cell = (cell) => {
	const text = cell.querySelector('time')?.dateTime ?? cell.innerText.trim().replace(/\s+/g, ' ');
	return `"${text.replace(/^[=+@\t-]/, "'$&").replaceAll('"', '""')}"`;
};
export const csv_of = (list) =>
	[...list.rows].map((tr) => [...tr.cells].filter((c) => !c.hidden).map(csv_cell).join()).join('\r\n') + '\r\n';

/* ---- rows ---- */

/* A table that is wider than its place scrolls there, by keys too; the page never does. */
function scrolled(label, element) {
	const box = h('div', { class: 'wide-table' }, element);
	new ResizeObserver(() => {
		if (box.scrollWidth > box.clientWidth) {
			for (const [name, value] of [['tabindex', '0'], ['role', 'region'], ['aria-label', label]]) box.setAttribute(name, value);
		} else for (const name of ['tabindex', 'role', 'aria-label']) box.removeAttribute(name);
	}).observe(box);
	return box;
}

/* Whether a cell has nothing to show. */
const is_empty = (
	shown,
) => (Array.isArray(shown) ? shown.every(is_empty) : shown === null || shown === undefined || shown === '' || shown === false);

export function table_row(columns, r, href) {
	const to = href?.(r);
	return h('tr', { role: 'row', tabindex: to ? null : '-1' }, columns.map((c, i) => {
		const shown = c.cell(r);
		return h('td', { role: 'cell', class: [c.number && 'number', c.wide && 'wide', c.keep && 'keep'].filter(Boolean).join(' ') || null,
			'data-title': heading(c.title) }, to && i === 0
			? h('a', { class: 'open', href: to }, shown)
			: is_empty(shown)
			? null
			: h('div', {}, shown));
	}));
}

const target_of = (tr) => tr?.querySelector('a.open') ?? tr;

/* In a table: from row to row. A row without a link is focused itself. */
function keys(e) {
	if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, select, textarea')) return;
	const here = e.target.closest('tbody tr');
	const all = e.currentTarget.tBodies[0].rows;
	const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[e.key];
	const to = step
		? (here ? all[here.sectionRowIndex + step] : all[0])
		: e.key === 'Home'
		? all[0]
		: e.key === 'End'
		? all[all.length - 1]
		: null;
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

/* A list that is here as a whole, a hundred rows at a time. A column sorts the whole list. The first row that is shown and
 * the order are in the URL, as `name` and `name_by`. */
const PAGE = 100;
export function paged_table(page, name, { rows, caption, columns, ...rest }) {
	if (rows.length <= PAGE) return table({ rows, caption, columns, ...rest });
	const order = String(page.state[`${name}_by`] ?? ''), by = columns.find((c) => c && c.title === order.replace(/^-/, ''));
	if (by) rows = sort_all(rows, by, order.startsWith('-'));
	const from = Math.max(0, Math.min(Number(page.state[name]) || 0, rows.length - 1)), to = Math.min(from + PAGE, rows.length);
	const step = (text, at) => h('button', { type: 'button', onclick: () => page.set({ [name]: at > 0 ? String(at) : null }) }, text);
	return [
		table({ rows: rows.slice(from, to), caption: `${caption}: ${count(from + 1)} to ${count(to)} of ${count(rows.length)}`,
			columns: columns.map((c) => c && { ...c, sort: !c.action && c.title }), sort: by && order,
			on_sort: (to) => page.set({ [`${name}_by`]: to, [name]: null }), ...rest }),
		h('nav', { class: 'pager', 'aria-label': `Pages: ${caption}` }, from > 0 && step('Previous page', from - PAGE),
			to < rows.length && step('Next page', to)),
	];
}

/* A row per name: how many, with a bar of its share of the most. Decisions have their color. */
export function shares(caption, rows, { href, format = String } = {}) {
	const most = Math.max(1, ...rows.map((r) => r.count));
	const share = (r) => share_bar((100 * r.count) / most, r.kind);
	return table({ caption, rows, href, columns: [
		{ title: 'name', cell: (r) => r.value, wide: true },
		{ title: 'count', number: true, cell: (r) => add(h('span', {}), format(r.count)) },
		{ title: 'share', cell: share },
	] });
}
