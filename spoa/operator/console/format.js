// Times, money, sizes as people read them.
import { h } from './dom.js';

const pad = (n, w = 2) => String(n).padStart(w, '0');

/* A browser may keep nothing, and may refuse the access. */
const stored = (area) => ({
	get(name, otherwise) {
		try {
			return area().getItem(`tollgate.${name}`) ?? otherwise;
		} catch {
			return otherwise;
		}
	},
	set(name, value) {
		try {
			area().setItem(`tollgate.${name}`, value);
		} catch { /* not kept */ }
	},
});
export const settings = stored(() => localStorage);
/* Texts that are being written, in this window only. An empty text is none. */
export const drafts = stored(() => sessionStorage);

/* The zone of the URL (tz=utc or tz=local), or else the reader's choice. */
export const zone = () => (/[?&]tz=(utc|local)(&|$)/.exec(location.hash)?.[1] ?? settings.get('zone', 'local'));

/* A time of records (RFC 3339 with any fraction), or milliseconds since 1970. NaN: none. */
export const instant = (value) => (typeof value === 'number' ? value : Date.parse(value ?? ''));

function parts(ms, utc) {
	const d = new Date(ms);
	return utc ?
		[d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds()]
		: [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds(), d.getMilliseconds()];
}

/* 2026-11-23 01:02:03, with a fraction or as a time of day where asked. */
export function when_text(value, { utc = zone() === 'utc', day = true, time = true, fraction = false } = {}) {
	const ms = instant(value);
	if (Number.isNaN(ms)) return String(value ?? '');
	const [y, mo, d, ho, mi, s, f] = parts(ms, utc);
	if (!time) return `${y}-${pad(mo + 1)}-${pad(d)}`;
	return (day ? `${y}-${pad(mo + 1)}-${pad(d)} ` : '') + `${pad(ho)}:${pad(mi)}:${pad(s)}` + (fraction ? `.${pad(f, 3)}` : '');
}

/* How far the browser's clock is ahead of the daemon's, by the Date header of responses. Less than 5 s counts as equal,
 * because the header has whole seconds and a response takes time. */
let ahead_ms = 0;
export function compare_clock(date) {
	const ms = Date.now() - Date.parse(date ?? '');
	if (!Number.isNaN(ms)) ahead_ms = Math.abs(ms) < 5000 ? 0 : ms;
}
/* The daemon's time, to which relative times refer. */
export const now_ms = () => Date.now() - ahead_ms;

/* An element. Its title has the time in both zones. `relative`: "5 min ago". */
export function when(value, { relative = false, ...options } = {}) {
	const ms = instant(value);
	if (Number.isNaN(ms)) return h('span', {}, value);
	const title = `${when_text(ms, { utc: false })} local time, ${when_text(ms, { utc: true })} UTC`;
	return h('time', { datetime: new Date(ms).toISOString(), title }, relative ? ago(ms) : when_text(ms, options));
}

export function ago(value, now = now_ms()) {
	const s = Math.round((now - instant(value)) / 1000);
	if (Number.isNaN(s)) return '';
	const a = Math.abs(s);
	const text = a < 60
		? `${a} s`
		: a < 3600
		? `${Math.floor(a / 60)} min`
		: a < 86400
		? `${Math.floor(a / 3600)} h`
		: `${Math.floor(a / 86400)} d`;
	return s < 0 ? `in ${text}` : `${text} ago`;
}

export const count = (n) => (typeof n === 'number' ? n.toLocaleString('en-US') : '');

/* Whole nano-dollars, as records have them. Not rounded away: what is there is seen. */
export function dollars(nano) {
	if (typeof nano !== 'number') return '';
	const d = nano / 1e9;
	const digits = Math.abs(d) >= 1 || d === 0 ? 2 : Math.abs(d) >= 0.01 ? 4 : 6;
	return `$${d.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/* The units of limits: their names in the API and records, and their words. test_docs_lists.c compares them with
policy/limit_kind.h. */
export const units = {
	requests: 'requests',
	tokens: 'tokens',
	input_tokens: 'input tokens',
	output_tokens: 'output tokens',
	tokens_per_request: 'tokens',
	nanousd: 'dollars',
	concurrent: 'concurrent requests',
	seconds: 'seconds of sound',
};
export const is_money = (unit) => units[unit] === 'dollars';
/* An amount of a limit in this unit. */
export const amount = (unit, n) => (is_money(unit) ? dollars(n) : count(n));

export function bytes(n) {
	if (typeof n !== 'number') return '';
	for (const unit of ['B', 'KB', 'MB', 'GB'])
		if (n < 1024 || unit === 'GB') return `${unit === 'B' || n >= 100 ? Math.round(n) : n.toFixed(1)} ${unit}`;
		else n /= 1024;
	return '';
}

export function duration_us(us) {
	if (typeof us !== 'number') return '';
	if (us < 1000) return `${Math.round(us)} µs`;
	if (us < 1e6) return `${(us / 1000).toFixed(us < 1e4 ? 1 : 0)} ms`;
	if (us < 6e7) return `${(us / 1e6).toFixed(1)} s`;
	const s = Math.round(us / 1e6);
	return `${Math.floor(s / 60)} min${s % 60 ? ` ${s % 60} s` : ''}`;
}
