// Search among all records.
import { h } from '../dom.js';
import { field, form_values } from '../parts.js';

export default {
	name: 'search', title: 'Search', key: 's',
	help: 'All records by any term; the filter is in the URL.',
	show(page) {
		page.root.append(h('form', { class: 'row', onsubmit: (e) => { e.preventDefault(); page.set(form_values(e.target)); } },
			field({ name: 'person', label: 'Person', type: 'search', value: page.state.person }), h('button', {}, 'Search')));
	},
};
