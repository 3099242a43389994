// Writes a file of trends (budget/trends/trends.h) with two weeks of generated traffic to stdout: days and nights,
// quiet weekends, a provider that failed for an afternoon, a team that doubled its cost, and hours without the daemon.
const VALUES = "permit redact deny observed errors input_tokens output_tokens cost_microusd unpriced streams stream_wait_ms cache_hits overhead_p50_us overhead_p95_us first_byte_p50_ms first_byte_p95_ms".split(" ");
const KINDS = ["total", "route", "target", "model", "team", "rule", "person", "key", "tool"];
const NAMES = {
	route: [["chat", 6], ["messages", 3], ["again", 1]], target: [["openai", 6], ["anthropic", 3], ["spare", 1]], model: [["gpt-4o", 5], ["gpt-4o-mini", 3], ["claude-sonnet", 2]],
	team: [["red", 4], ["engineering-northern-region", 3], ["research", 2], ["support", 1.5], ["sales", 1], ["operations", 0.8], ["legal", 0.3]], rule: [["no-secrets", 5], ["pii", 4], ["no-anonymous", 1]],
	person: [["rita", 3], ["fern", 2], ["mallory", 1]], key: [["demo-1", 1]], tool: [["calc/add", 3], ["calc/sub", 1]],
};
console.log(`tollgate-trends 1 ${VALUES.join(" ")}`);
const rows = KINDS.map((kind, id) => { console.log(`name ${id} ${kind} ${JSON.stringify(id ? "other" : "")}`); return id ? null : { id, kind, share: 1 }; }).filter(Boolean);
for (const [kind, list] of Object.entries(NAMES)) for (const [name, weight] of list) {
	const row = { id: KINDS.length + rows.length - 1, kind, name, share: weight / list.reduce((n, [, w]) => n + w, 0) };
	console.log(`name ${row.id} ${kind} ${JSON.stringify(name)}`);
	rows.push(row);
}
const noise = (at, id) => 0.85 + 0.3 * (((at * 7919 + id * 104729) % 997) / 997);
/* Requests a second at a time: most in the afternoon (UTC), few at night and on weekends. */
const load = (s) => (0.15 + Math.max(0, Math.sin(((s % 86400) / 86400 - 0.29) * 2 * Math.PI))) * ([0, 6].includes(new Date(s * 1000).getUTCDay()) ? 0.3 : 1);
const now = Math.floor(Date.now() / 1000);
function line(word, unit_s, at) {
	const s = at * unit_s, out = [];
	let denied = 0; /* by all rules */
	for (const row of rows.toReversed()) { /* the total is the last row */
		const recent = now - s < 2 * 86400, failing = now - s > 3 * 3600 && now - s < 6 * 3600 && (row.name === "openai" || row.kind === "total");
		const growth = row.name === "research" && recent ? 2.2 : 1;
		const n = Math.round(0.5 * load(s) * unit_s * row.share * growth * noise(at, row.id));
		if (!n) continue;
		const figures = { permit: n, redact: n * 0.06, deny: row.kind === "total" ? denied : n * (row.kind === "rule" ? 0.1 : 0.03), errors: failing ? Math.ceil(n * 0.15) + 1 : n * 0.004, input_tokens: n * 900, output_tokens: n * 260, cost_microusd: n * 4800, cache_hits: n * 0.09,
			overhead_p50_us: 420 * noise(at, 1), overhead_p95_us: 1300 * noise(at, 2), first_byte_p50_ms: 380 * noise(at, row.id) * (failing ? 3 : 1), first_byte_p95_ms: 1400 * noise(at, row.id + 1) * (failing ? 4 : 1) };
		if (row.kind === "rule") denied += Math.round(figures.deny);
		for (const [name, value] of Object.entries(figures)) if (Math.round(value)) out.push(`${row.id}.${VALUES.indexOf(name)}=${Math.round(value)}`);
	}
	console.log(`${word} ${at} ${out.join(" ")}`);
}
const stopped = (s) => now - s > 30 * 3600 && now - s < 33 * 3600; /* the daemon did not run */
for (let hour = Math.floor(now / 3600) - 14 * 24; hour < Math.floor(now / 3600) - 1; hour++) if (!stopped(hour * 3600)) line("hour", 3600, hour);
for (let minute = Math.floor(now / 60) - 2 * 1440 + 2; minute < Math.floor(now / 60); minute++) if (!stopped(minute * 60)) line("minute", 60, minute);
