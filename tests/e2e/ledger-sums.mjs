// Compares the ledger of ledger.mjs with what a command or an endpoint returned. Prints a line for each difference.
//   node ledger-sums.mjs LEDGER RECORDS usage BY <JSON    rows of `usage --by BY --json`
//   node ledger-sums.mjs LEDGER RECORDS counts BY <JSON   lines of `audit search --count --by BY --json`
//   node ledger-sums.mjs LEDGER RECORDS records           each response against its record
// RECORDS: lines of `audit search --limit 0 --json`.
import fs from "node:fs";

const [ledger_file, records_file, what, by] = process.argv.slice(2);
const lines = (text) => text.split("\n").filter(Boolean).map((l) => JSON.parse(l));
const ledger = lines(fs.readFileSync(ledger_file, "utf8"));
const records = new Map(lines(fs.readFileSync(records_file, "utf8")).filter((r) => r.id).map((r) => [r.id, r]));
const PRICES = { quick: [1, 4], large: [10, 50], call: [0.5, 2] }; // dollars per million tokens, as the policy's file has them
const say = (...all) => console.log(all.join(" "));

/* Requests of the ledger that have a record. A request that a killed daemon had in flight is one whose response was
 * cut, or whose record has no completion of the relay: its tokens are an estimate. */
const kept = ledger.filter((r) => r.id && records.has(r.id));
const whole = (r) => !r.cut && records.get(r.id).outcome !== "orphaned" && !records.get(r.id).estimated_usage && !records.get(r.id).reserved_usage;
const KEYS = { person: (r) => r.person, team: (r) => r.team, agent: (r) => r.agent ?? "", model: (r) => r.model, decision: (r) => (r.secret ? "deny" : r.decision === "redact" ? "redact" : "permit"),
	tool: (r) => (r.tool ? `/${r.tool}` : ""), route: () => "chat", day: (r) => records.get(r.id).decided_at?.slice(0, 10) ?? records.get(r.id).time.slice(0, 10), provider: () => "openai" };

function sums() {
	const all = new Map();
	for (const r of kept) {
		const key = KEYS[by](r), row = all.get(key) ?? { requests: 0, refused: 0, input: 0, output: 0, nanousd: 0, odd: 0 };
		row.requests++;
		if (r.secret || (by === "tool" && r.tool === "deploy")) row.refused++;
		if (!r.secret && whole(r)) {
			row.input += r.input;
			row.output += r.output;
			row.nanousd += (r.input * PRICES[r.model][0] + r.output * PRICES[r.model][1]) * 1000;
		} else if (!r.secret) row.odd++;
		all.set(key, row);
	}
	return all;
}

if (what === "records") {
	const lost = ledger.filter((r) => r.id && !records.has(r.id)), none = ledger.filter((r) => !r.id);
	for (const r of lost) say("no record of", r.id, r.person, r.status);
	const ids = new Set(ledger.map((r) => r.id));
	const more = [...records.values()].filter((r) => r.type === "decision" && r.route === "chat" && !ids.has(r.id));
	if (more.length > none.length) say(more.length, "records of requests that the ledger does not have, but only", none.length, "responses without an id");
	for (const r of kept) {
		const rec = records.get(r.id);
		const got = [rec.identity?.person, rec.identity?.team, rec.identity?.agent ?? null, rec.requested_model ?? rec.model, rec.decision];
		const want = [r.person, r.team, r.agent ?? null, r.model, KEYS.decision ? (r.secret ? "deny" : r.decision) : ""];
		if (JSON.stringify(got) !== JSON.stringify(want)) say(r.id, JSON.stringify(got), "instead of", JSON.stringify(want));
		if (r.secret || !whole(r)) continue;
		const used = [rec.usage?.input_tokens, rec.usage?.output_tokens, Math.round((r.input * PRICES[r.model][0] + r.output * PRICES[r.model][1]) * 1000)];
		if (used[0] !== r.input || used[1] !== r.output || rec.cost_nanousd !== used[2]) say(r.id, "used", r.input, r.output, used[2], "and its record has", rec.usage?.input_tokens, rec.usage?.output_tokens, rec.cost_nanousd);
	}
	process.stderr.write(`# ${ledger.length} requests, ${kept.length} with a record, ${kept.filter((r) => !whole(r) && !r.secret).length} in flight at the kill, ${none.length} without a response\n`);
} else {
	const input = fs.readFileSync(0, "utf8"), want = sums();
	const rows = what === "usage" ? JSON.parse(input).rows : lines(input).flatMap((l) => l.counts ?? [l]);
	const got = new Map(rows.map((r) => [r[by] === "-" ? "" : r[by] ?? "", r]));
	for (const [key, w] of want) {
		const g = got.get(key);
		if (!g) { say(by, key || "-", "is missing"); continue; }
		if (what === "counts") { if (g.hits !== w.requests) say(by, key || "-", "has", g.hits, "hits instead of", w.requests); continue; }
		const near = (a, b) => a === b || (w.odd > 0 && a >= b && a <= b + w.odd * 5000);
		if (by === "tool" && key === "") continue; // decisions, which name no call
		if (g.requests !== w.requests || g.refused !== w.refused) say(by, key || "-", "has", g.requests, g.refused, "requests and denied instead of", w.requests, w.refused);
		if (!near(g.input_tokens, w.input) || !near(g.output_tokens, w.output)) say(by, key || "-", "has tokens", g.input_tokens, g.output_tokens, "instead of", w.input, w.output);
		if (!(Math.abs(g.cost_nanousd - w.nanousd) < 1 || (w.odd > 0 && g.cost_nanousd >= w.nanousd))) say(by, key || "-", "costs", g.cost_nanousd, "instead of", w.nanousd);
	}
	for (const key of got.keys()) if (!want.has(key)) say(by, key || "-", "is nobody of the ledger:", JSON.stringify(got.get(key)).slice(0, 200));
}
