// Overview: what is wrong, how the traffic of the range went, and which budgets are nearest to their limit.
import { budgets } from './budgets.js';
import { health } from './health.js';
import { trend_charts } from './trend_charts.js';

const CHARTS = ['requests', 'denials', 'dollars', 'tokens', 'gateway_latency', 'provider_latency', 'errors', 'cache'];

export default {
	name: 'overview',
	title: 'Overview',
	key: 'v',
	help:
		'What is wrong, the trends of the time range in the head, and the budgets nearest to their limit. A click on a chart opens Search at that time.',
	show(page) {
		page.root.append(health(page), trend_charts(page, CHARTS), budgets(page));
	},
};
