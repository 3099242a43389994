// What a page of one thing shows of its requests: days of the range, the last denials, examples.
import { chart } from '../chart.js';
import { data, h } from '../dom.js';
import { count, dollars, duration_us, now_ms, when } from '../format.js';
import { decided, ended, fill, nothing, panel, rule_and_reason, tool_terms, words } from '../parts.js';
import { shares, table } from '../table.js';

/* A day is the shortest step of these sums, so that a range below a week shows a week. */
const days_of = (page) => (page.range === '90d' ? 90 : 7);
const DAY_MS = 86400000;
const day_name = (ms) => new Date(ms).toISOString().slice(0, 10);

/* known: days of the answer. If one of them is later than today, the last of them ends the charts. */
function day_charts(page, known, lines) {
	const n = days_of(page), today = Math.max(Math.floor(now_ms() / DAY_MS) * DAY_MS, ...known.map((day) => Date.parse(day)));
	const days = Array.from({ length: n }, (_, i) => today - (n - 1 - i) * DAY_MS);
	return h('div', { class: 'grid charts three' },
		lines.map(({ title, format, of, terms, total = true }) =>
			h('div', { class: 'panel' }, chart({
				title,
				format,
				bars: true,
				total,
				signal: page.signal,
				times: days.map((ms) => ms / 1000),
				series: [{ label: title.toLowerCase(), values: days.map((ms) => of(day_name(ms))) }],
				link: page.has('auditor') ? (t) => page.href('search', { ...terms, at: day_name(t * 1000) }) : undefined,
			}).element)
		));
}

/* What answers: its times are shown. */
const ANSWERS = ['model', 'target'];

/* Requests, tokens and cost a day, by /usage, which every viewer may read. by: person, team, model, … */
export function usage_by_day(page, by, name) {
	const place = h('div', {}), terms = by === 'tool' ? tool_terms(name) : { [by]: name };
	fill(place, page, () => page.get('/usage', { by: `${by},day`, since: `${days_of(page)}d`, match: name, limit: 1000 }), (got) => {
		const rows = new Map(got.rows.filter((r) => r[by] === name).map((r) => [r.day, r]));
		const value = (read) => (day) => (rows.has(day) ? read(rows.get(day)) ?? 0 : 0);
		return day_charts(page, [...rows.keys()], [
			{ title: 'Requests per day', format: count, of: value((r) => r.requests), terms },
			{ title: 'Tokens per day', format: count, of: value((r) => (r.input_tokens ?? 0) + (r.output_tokens ?? 0)), terms },
			{ title: 'Cost per day', format: dollars, of: value((r) => r.cost_nanousd), terms },
			...(ANSWERS.includes(by) ?
				[
					{ title: 'Time to the first token, p95 per day', format: duration_us, total: false, of: value((r) => r.first_token_ms_p95 * 1000),
						terms },
					{ title: 'Total time, p95 per day', format: duration_us, total: false, of: value((r) => r.total_ms_p95 * 1000), terms },
					{ title: 'Tokens per second, median per day', format: count, total: false, of: value((r) => Math.round(r.tokens_per_s_p50)),
						terms },
				] :
				[]),
		]);
	});
	return place;
}

/* Requests a day by the records, for rules, which /usage does not sum up. */
export function records_by_day(page, terms) {
	const place = h('div', {});
	fill(place, page, () => page.get('/records/search', { ...terms, count: 'true', by: 'day', since: `${days_of(page)}d` }), ({ counts }) => {
		const rows = new Map(counts.map((r) => [r.day, r.hits]));
		return day_charts(page, [...rows.keys()], [{ title: 'Requests per day', format: count, of: (day) => rows.get(day) ?? 0, terms }]);
	});
	return place;
}

const MANY = 10; /* names of each list below */
const TITLES = { person: 'People', team: 'Teams', agent: 'Agents', tool: 'Tools', model: 'Models' };

/* Who and what the requests of these terms have most: a list for each of `by`. A name leads to these requests. */
export function most(page, by, terms) {
	const place = h('div', {}), { since } = page;
	fill(place, page, () => Promise.all(by.map((b) => page.get('/records/search', { ...terms, count: 'true', by: b, since }))),
		(got) =>
			h('div', { class: 'grid' }, got.map(({ counts }, i) => {
				const of = by[i], rows = counts.filter((r) => r[of] !== undefined && r[of] !== '-').slice(0, MANY);
				return panel(TITLES[of], rows.length
					? shares(`Requests of the last ${since}, the most frequent first`,
						rows.map((r) => ({ value: data(r[of]), name: r[of], count: r.hits })), {
						format: count,
						href: (r) => page.href('search', { ...terms, [of]: r.name, since }),
					})
					: nothing('None in this period.'));
			})));
	return place;
}

const columns = [
	{ title: 'time', keep: true, cell: (r) => when(r.decided_at ?? r.time, { relative: true }) },
	{ title: 'decision', keep: true, cell: decided },
	{ title: 'caller', wide: true, cell: (r) => data(r.identity?.person ?? r.identity?.key ?? '') },
	{ title: 'route', wide: true, cell: (r) => r.route },
	{ title: 'model', wide: true, cell: (r) => r.model ?? r.requested_model },
	{ title: 'rule and reason', wide: true, cell: (r) => [rule_and_reason(r), ' ', words(r.classes)] },
	{ title: 'outcome', optional: true, cell: ended },
];

/* The last requests of these terms, with a link to all of them. */
export function last_requests(page, title, terms, empty) {
	const place = h('div', {});
	const since = page.range === '1h' ? '24h' : page.range;
	fill(place, page, () => page.get('/records/search', { ...terms, since, limit: 10 }), ({ records }) =>
		panel(title, table({
			caption: `Newest first, of the last ${since}`,
			rows: records.filter((r) => r.type === 'decision'),
			columns,
			ordered: true,
			empty: `${empty} To see older requests, choose a longer time range at the top.`,
			href: (r) => page.href('request', { id: r.id }),
		}), records.length > 0 && h('p', {}, h('a', { href: page.href('search', { ...terms, since }) }, 'All of these requests'))));
	return place;
}
