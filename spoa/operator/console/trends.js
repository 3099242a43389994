// Sums over time: GET /trends for the range in the head, and what charts draw of it.
import { href } from './router.js';

export const ranges = [['1h', 'Last hour'], ['24h', 'Last 24 hours'], ['7d', 'Last 7 days'], ['90d', 'Last 90 days']];
/* What the head offers: the ranges, and the time of the URL if that is another. */
export function head_ranges({ since, until, at, between }) {
	const other = at ?? between ?? since;
	if (!other || (!until && ranges.some(([name]) => name === other))) return ranges;
	return [[String(other), other === 'all' ? 'All time' : `${at || between ? 'At' : 'Since'} ${String(other).slice(0, 24)}`], ...ranges];
}
/* What a choice in the head replaces. */
export const of_time = { since: null, until: null, at: null, between: null, after: null };
export const range_of = (state) => (ranges.some(([name]) => name === state.range) ? state.range : '24h');

/* name: only the row of this name. */
export const load_trends = (page, by, name) => page.get('/trends', { by, name, range: page.range });

/* The begin of each step, in seconds since 1970. */
export const times_of = (got) => {
	const from = Math.floor(Date.parse(got.from) / 1000);
	return Array.from({ length: got.steps }, (_, i) => from + i * got.step_s);
};

/* A row leaves out members that are always 0. A step without data of any daemon is null in each member that exists. */
const unknown_at = (row, i) => Object.values(row).some((v) => Array.isArray(v) && v[i] === null);
export const sums = (steps, row, ...names) =>
	Array.from({ length: steps }, (_, i) => (row && !unknown_at(row, i)
		? names.reduce((n, name) => n + (row[name]?.[i] ?? 0), 0)
		: row
		? null
		: 0));
/* A quantile of 0 means that there was no request. */
export const quantiles = (steps, row, name) => Array.from({ length: steps }, (_, i) => row?.[name]?.[i] || null);
/* A mean, from a sum and its number; null without a number. */
export const means = (steps, row, sum, n) =>
	Array.from({ length: steps }, (_, i) => (row?.[n]?.[i] > 0 ? (row[sum]?.[i] ?? 0) / row[n][i] : null));
export const total_of = (values) => values.reduce((n, v) => n + (v ?? 0), 0);
export const add_up = (steps, all) =>
	Array.from({ length: steps }, (_, i) => (all.every((v) => v[i] === null)
		? (all.length ? null : 0)
		: all.reduce((n, v) => n + (v[i] ?? 0), 0)));

/* The names with the most, each a row of its own; all others are one row. read(row): its values. */
export function largest(got, read, most = 5) {
	const of = (name) => got.before?.find((r) => r.name === name);
	const rows = got.series.map((row) => ({ label: row.name || 'none', name: row.name, values: read(row), before: read(of(row.name)) }))
		.filter((r) => r.values.some((v) => v))
		.sort((a, b) => total_of(b.values) - total_of(a.values));
	const rest = rows.slice(most);
	return rest.length < 2
		? rows
		: [...rows.slice(0, most), { label: `${rest.length} others`, values: add_up(got.steps, rest.map((r) => r.values)),
			before: add_up(got.steps, rest.map((r) => r.before)) }];
}

/* Search with the step that begins at t: whole seconds, in UTC. */
export const search_at = (t, step_s, terms) =>
	href('search', { since: new Date(t * 1000).toISOString().replace('.000', ''),
		until: new Date((t + step_s) * 1000).toISOString().replace('.000', ''), ...terms });
