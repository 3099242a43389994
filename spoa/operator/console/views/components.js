// Every component of the console on one page, for developers: #/components. The navigation does not list the page.
import { chart } from '../chart.js';
import { h } from '../dom.js';
import { count, dollars, duration_us, when } from '../format.js';
import { degraded_state, target_state, tool_state } from '../labels.js';
import { badge, bar, copied, dialog, facts, failed, field, loading, mark, marked_state, nothing, panel, words } from '../parts.js';
import { shares, table } from '../table.js';

const marks = () =>
	panel('Status mark',
		h('ul', {},
			[...['closed', 'ramp', 'half_open', 'open', 'throttled', 'out', 'keyless', 'no_model', 'ejected', 'failing'].map(target_state),
				...['away', 'calm'].map(degraded_state), ...['approved', 'new', 'changed'].map(tool_state)].map((s) =>
					h('li', {}, marked_state(s))
				)), h('p', {}, ['permit', 'redact', 'deny', 'observed'].map((d) => [badge(d), ' ']), words(['pii', 'secret'])));

const bars = () =>
	panel('Bar', facts([[12, '12 of 100'], [83, '83 of 100'], [100, '100 of 100']].map(([n, text]) => [text, bar(n, 100, text)])));

function charts(page) {
	const from = Math.floor(Date.now() / 1000) - 60 * 60;
	const times = Array.from({ length: 60 }, (_, i) => from + i * 60);
	const wave = (k) => times.map((_, i) => Math.round(50 + 40 * Math.sin((i + 7 * k) / 9)));
	const of = (rest) => h('div', { class: 'panel' }, chart({ times, signal: page.signal, ...rest }).element);
	return h('div', { class: 'grid' },
		of({ title: 'Chart: lines with the period before', format: count,
			series: [{ label: 'permitted', values: wave(0) }, { label: 'period before', values: wave(2), faint: true }] }),
		of({ title: 'Chart: stacked', format: (n) => dollars(n * 1e9), stacked: true,
			series: ['red', 'blue', 'green'].map((label, k) => ({ label, values: wave(k) })) }),
		of({ title: 'Chart: a series with holes and lone points', format: duration_us,
			series: [{ label: 'p50', values: times.map((_, i) => (i % 9 === 4 || (i > 20 && i < 40) ? 400 + i : null)) }] }),
		of({ title: 'Chart: without data', times: [], series: [] }));
}

const rows = [['alice', 41, 1.25e9, 1200], ['bob', 7, 3.5e7, 89000], ['\u05e9\u05dc\u05d5\u05dd', 112, 0, 15], [
	'a-name-without-a-space-that-is-longer-than-its-column-'.repeat(3),
	1,
	2e12,
	6e7,
]];
const tables = () =>
	panel('Table', table({ caption: 'Sorts by each column; the options choose columns and export CSV', rows, columns: [
		{ title: 'name', cell: (r) => r[0], wide: true },
		{ title: 'requests', number: true, cell: (r) => count(r[1]) },
		{ title: 'cost', number: true, cell: (r) => dollars(r[2]) },
		{ title: 'duration', number: true, cell: (r) => duration_us(r[3]) },
		{ title: 'last request', cell: (r) => when(Date.now() - r[1] * 60000, { relative: true }) },
	] }), shares('Shares', rows.map((r) => ({ value: r[0], count: r[1] })), { format: count }));

const lists = () =>
	panel('Detail list',
		facts([['person', 'alice'], ['team', 'red'], ['created', when(Date.now() - 86400000, { relative: true })], ['command',
			copied('tollgate status', () => null)]]));

const forms = () =>
	panel('Form', h('form', { onsubmit: (e) =>
		e.preventDefault() },
		h('div', { class: 'fields' }, field({ name: 'sample', label: 'Text', placeholder: 'alice', hint: 'a hint below the field' }),
			field({ name: 'choice', label: 'Choice', options: ['one', 'two'] })),
		field({ name: 'area', label: 'Long text', type: 'area', value: 'tollgate: 1' }),
		h('p', { class: 'row' }, h('button', { class: 'primary' }, 'Primary'), h('button', { type: 'button' }, 'Other'),
			h('button', { type: 'button', disabled: true }, 'Disabled'))));

const dialogs = () =>
	panel('Dialog', h('button', { type: 'button', onclick: () =>
		dialog('A dialog', (close) => [h('p', {}, 'Escape closes the dialog.'), h('button', { type: 'button', class: 'primary', onclick: () =>
			close() }, 'Close')]) }, 'Open a dialog'));

const states = () =>
	panel('States', loading(), nothing('No record matches.', 'Choose a longer time or fewer terms.'),
		failed({ status: 503, message: 'redis: no response within 50 ms', hint: 'Try again in a moment.' }, () => null),
		h('p', {}, mark({ label: 'healthy', kind: 'good' })));

export default {
	name: 'components',
	title: 'Components',
	hidden: true,
	help: 'Every component of the console on one page, for developers.',
	show(page) {
		page.root.append(h('div', { class: 'grid' }, marks(), bars(), lists(), dialogs()), charts(page), tables(), forms(), states());
	},
};
