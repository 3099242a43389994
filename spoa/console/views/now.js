// Now: what is degraded, decisions as they are made, rates, errors and latencies of the last hour.
import { h } from '../dom.js';
import { fill } from '../parts.js';

export default {
	name: 'now', title: 'Now', key: 'n',
	help: 'What is degraded, what is decided at this moment, and how the last hour went.',
	show(page) {
		const place = h('div', {});
		page.root.append(place);
		fill(place, page, () => page.get('/status'), (s) => h('pre', {}, JSON.stringify(s)));
	},
};
