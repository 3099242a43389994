// A search in three forms that say the same: the URL's state, a line of text (person:alice decision:deny,redact
// since:24h model:"two words"), and a command for a terminal. Terms are those of `tollgate audit search`.

export const WINDOW = ['since', 'until', 'at', 'between', 'zone'];
export const OTHERS = ['where', 'oldest'];

/* Terms with their meaning; all others come from the daemon's own table (GET /openapi.json). */
const NO_TERMS = new Set([...WINDOW, ...OTHERS, 'limit', 'after', 'count', 'by']);
export function terms_of(openapi) {
	const rows = openapi?.paths?.['/records/search']?.get?.parameters ?? [];
	return rows.filter((p) => !NO_TERMS.has(p.name)).map((p) => ({ name: p.name, what: p.description ?? '' }));
}

const quoted = (v) => (/^[^\s"\\]+$/.test(v) ? v : `"${v.replace(/["\\]/g, '\\$&')}"`);

/* The line of a state: what searches, not what pages or shows. */
export const to_text = (state, names) =>
	[...names, ...WINDOW, ...OTHERS]
		.flatMap((name) => [].concat(state[name] ?? []).filter((v) => v !== '').map((v) => `${name}:${quoted(String(v))}`)).join(' ');

/* {state, wrong: [sentence]}. word = name ":" ( plain | '"' { any | "\" any } '"' ); a word alone that looks like an id is one. */
export function from_text(text, names) {
	const known = new Set([...names, ...WINDOW, ...OTHERS]);
	const state = {}, wrong = [];
	const word = /\s*(?:([a-z][a-z-]*):)?(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)|\s*(\S+)/gsy;
	for (const m of text.trim().matchAll(word)) {
		const [all, given, inside, bare, rest] = m;
		const value = inside !== undefined ? inside.replace(/\\(.)/gs, '$1') : bare;
		let name = given;
		if (rest !== undefined) wrong.push(`${rest.trim()}: a quote is not closed, or stands inside a word`);
		else if (!name && /^[0-9A-HJKMNP-TV-Z]{26}$/i.test(value)) name = 'id';
		else if (!name) wrong.push(`${all.trim()}: TERM:VALUE is expected, such as person:${all.trim()}`);
		if (!name || rest !== undefined) continue;
		if (!known.has(name)) wrong.push(`${name}: no such term`);
		else state[name] = name in state ? [].concat(state[name], value) : value;
	}
	return { state, wrong };
}

/* What the API is asked for; `since=all` is no window. */
export function to_query(state, names) {
	const query = {};
	for (const name of [...names, ...WINDOW, ...OTHERS]) if (state[name] !== undefined && state[name] !== '') query[name] = state[name];
	if (query.since === 'all') delete query.since;
	return query;
}

const shell = (v) => (/^[A-Za-z0-9_./:@,+=-]+$/.test(v) ? v : `'${v.replace(/'/g, "'\\''")}'`);
const shell_args = (query) =>
	Object.entries(query).flatMap(([name, value]) =>
		[].concat(value).map((v) => (name === 'oldest' ? (v === 'true' ? '--oldest' : '') : `--${name}=${shell(String(v))}`))
	).filter(Boolean).join(' ');

/* As lines of records with their completions; as a signed file for a spreadsheet, which knows no --where. */
export const command_json = (query) => `tollgate audit search ${shell_args(query)} --limit 0 --json >found.jsonl`;
export const command_csv = (
	{ where, oldest, ...query },
) => (where ? null : `tollgate audit export --format csv ${shell_args(query)} --out found.csv`);
