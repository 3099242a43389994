// One request by its id.
import { h } from '../dom.js';
import { field, form_values } from '../parts.js';

export default {
	name: 'request', title: 'Request', key: 'r',
	help: 'One request by its id: who, what was found, which rule, where it went, what it cost, and its proof.',
	show(page) {
		page.root.append(h('form', { class: 'row', onsubmit: (e) => { e.preventDefault(); page.set(form_values(e.target)); } },
			field({ name: 'id', label: 'Id (x-tollgate-id)', type: 'search', value: page.state.id }), h('button', {}, 'Show')));
	},
};
