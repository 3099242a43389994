// Each SDK of sdks.mjs through the gateway. Values that were redacted in the request are restored, values that were
// redacted in the response are removed, whole and as a stream. Denials are the SDK's own typed errors, and the number
// of its requests is checked. The record has the usage of the provider.
import { execFile } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { setDefaultResultOrder } from "node:dns";
import { promisify } from "node:util";
import { ASKED, SHOWN, sdks } from "./sdks.mjs";

const { EDGE, PROVIDER, JOURNAL, TOKEN, DIR } = process.env;
setDefaultResultOrder("ipv4first"); // localhost is ::1 too, and Node 18 tries one address only
// Node 18's fetch may still write to a body that its reader has canceled. The error is ignored.
process.on("uncaughtException", (e) => {
	if (e.code === "ERR_INVALID_STATE") return;
	console.error(e);
	process.exit(1);
});
// The table of docs/clients.md: the error's name, its status, and the number of requests.
const WANTED = JSON.parse(readFileSync(new URL("wanted.json", import.meta.url)));
const STATUSES = [400, 401, 403, 429, 503];
const WINDOW_MS = 2000; // of the limit for the status 429
const STILL_MS = 60000; // HAProxy's "timeout http-request"; its status 408 has no decision
const PLAIN = "what is there to say of it";
const DENIED = "this much may go, and then comes my number 536-22-1840 here";

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
// `late`: the reason why a slow machine gets exactly this result instead; "" if it does not.
const LATE = "#   another turn: ";
function is(name, got, want, late = "") {
	return same(got, want) ? `ok - ${name}\n` :
		`not ok - ${name}\n#   got ${JSON.stringify(got)}, want ${JSON.stringify(want)}\n${late && LATE + late + "\n"}`;
}
const claims = (key) => JSON.parse(Buffer.from(key.split(".")[1], "base64url"));
function records(key, type) {
	const mark = `"person":"${claims(key).sub}"`, all = [];
	for (const f of readdirSync(JOURNAL).sort())
		for (const line of readFileSync(`${JOURNAL}/${f}`, "latin1").split("\n"))
			if (line.includes(`"type":"${type}"`) && line.includes(mark)) all.push(JSON.parse(line.replace(/\0/g, "")));
	return all;
}
/* A caller of its own for each SDK, purpose and turn. Its name identifies its records. */
let turn = 0;
async function key(name, team) {
	const sub = `${name.replaceAll(" ", "-")}-${team}${turn || ""}`;
	const { stdout } = await promisify(execFile)(TOKEN, ["token", DIR, "--claims", JSON.stringify({ sub, team })]);
	return stdout.trim();
}
const control = (o) => fetch(`${PROVIDER}/_control`, { method: "POST", body: JSON.stringify(o) });
async function failed(f) {
	try {
		return { none: await f() };
	} catch (e) {
		return e;
	}
}
// The user's view: the error's name and its status.
function seen(e) {
	const last = e?.lastError ?? e;
	return [e.name === "Error" || !e.name ? e.constructor.name : e.name,
		last?.status ?? last?.statusCode ?? last?.status_code ?? last?.$metadata?.httpStatusCode ?? null];
}

async function answers(name, make, split) {
	const c = make(await key(name, "good"), EDGE);
	const out = [];
	const row = async (what, f, want) => out.push(is(`${name}: ${what}${split}`, await f().catch((e) => `${e.name}: ${e.message}`), want));
	const said = (r) => [r.text ?? "", r.args ?? null];
	for (const how of ["ask", "stream"]) {
		await row(`${how}: restored and redacted`, async () => said(await c[how]({ model: "echo", text: ASKED })), [SHOWN, null]);
		if (c.tools !== false)
			await row(`${how}: a tool's arguments are restored and redacted`, async () => said(await c[how]({ model: "call", text: ASKED, tool: true })), ["", { note: SHOWN }]);
		if (c.signs) { /* it goes as it came or not at all, since the provider signed it */
			await row(`${how}: signed reasoning is unchanged`, async () => (await c[how]({ model: "think", text: PLAIN })).thinking, PLAIN);
			await row(`${how}: signed reasoning contains no key`, async () => (await c[how]({ model: "think", text: ASKED })).thinking?.includes("AKIA") ?? false, false);
		} else if (c.thinks !== false) {
			await row(`${how}: reasoning is restored and redacted`, async () => (await c[how]({ model: "think", text: ASKED })).thinking, SHOWN);
		}
		if (c.cites)
			await row(`${how}: citations are restored and redacted`, async () => (await c[how]({ model: "cite", text: ASKED })).cited, SHOWN);
	}
	for (const [what, [f, want]] of Object.entries(c.also ?? {})) await row(what, f, want);
	if (c.copies)
		await row("stream: a repeated text is the same", async () => (await c.stream({ model: "think", text: ASKED })).again, { text: SHOWN, thinking: SHOWN, args: null });
	return out.join("");
}

// The record's tokens compared with the provider's: the words of prompt and response.
async function metered(name, make) {
	const caller = await key(name, "metered"), c = make(caller, EDGE), want = [];
	for (const how of ["ask", "stream"]) {
		await c[how]({ model: "echo", text: ASKED });
		want.push([7, 7, 0]);
		if (c.thinks !== false) {
			await c[how]({ model: "think", text: ASKED });
			want.push([7, 14, 0]);
		}
		await c[how]({ model: "cached", text: ASKED });
		want.push([7, 7, c.caches === false ? 0 : 3]);
	}
	for (const end = Date.now() + 30000; Date.now() < end && records(caller, "completion").length < want.length;) await new Promise((r) => setTimeout(r, 20));
	const got = records(caller, "completion").map((r) => [r.usage?.input_tokens, r.usage?.output_tokens, r.usage?.cached_tokens ?? 0]);
	return is(`${name}: the record has the usage`, got, want);
}

async function denied(name, make, how) {
	const caller = await key(name, how), e = await failed(() => make(caller, EDGE)[how]({ model: "echo", text: DENIED }));
	const got = [...seen(e), records(caller, "decision").length];
	return is(`${name}: a denied response, ${how}: the user's error, and the number of requests`, got, WANTED[name]?.[how],
		how === "stream" && same(got, WANTED[name]?.ask) ? "the gateway had the whole stream at once, and had not begun its own" : "") +
		is(`${name}: ${how}: the error contains no part of the value`, JSON.stringify([String(e.message), e.none ?? null]).includes("536-22"), false);
}

/* If the provider breaks off a stream, the user gets an error, and no response that looks complete. */
async function cut(name, make) {
	const caller = await key(name, "cut"), e = await failed(() => make(caller, EDGE).stream({ model: "echo", text: ASKED }));
	const got = e.none ? ["answered", null] : seen(e);
	return is(`${name}: the provider breaks off a stream: the user's error`, got, WANTED[name]?.cut,
		same(got, WANTED[name]?.[503].slice(0, 2)) ? "the gateway had the whole stream at once, and had not begun its own" : "");
}

/* If the provider never responds or disconnects, the error is that of any 503, whole or as a stream, because
   nothing had begun. */
const LATE_EDGE = EDGE.replace("127.0.0.1", "localhost"); /* routes with a deadline of a second */
async function gone(name, make, how, edge) {
	const caller = await key(name, `gone-${how}`), e = await failed(() => make(caller, edge)[how]({ model: "echo", text: "hi" }));
	return is(`${name}: a provider ${how === "ask" ? "that disconnects" : "without a response"}: the user's error, and the number of requests`,
		[...(e.none ? ["answered", null] : seen(e)), records(caller, "decision").length], WANTED[name]?.[503]);
}

async function refused(name, make, status) {
	const caller = await key(name, `s${status}`), c = make(caller, EDGE), began = Date.now();
	if (status === 429) await c.ask({ model: "echo", text: "hi" }).catch(() => {});
	const before = records(caller, "decision").length;
	const e = await failed(() => c.ask({ model: "echo", text: "hi" }));
	const asked = records(caller, "decision").slice(before), got = [...(e.none ? ["answered", null] : seen(e)), asked.length];
	const took = Date.now() - began; /* two requests: within a window the second is refused */
	const late = status !== 503 && asked.find((r) => r.status === 503); /* of the gateway's own */
	if (!same(got, WANTED[name]?.[status]))
		console.log(`# ${name}: ${status}: ${asked.map((r) => `${r.time} ${r.status ?? r.decision} ${r.code ?? ""}`).join(", ")}`);
	return is(`${name}: ${status}: the user's error, and the number of requests`, got, WANTED[name]?.[status],
		late ? `the gateway answered ${late.code}` :
		status === 429 && same(got, ["answered", null, 1]) && took >= WINDOW_MS ? `the limit's window passed between two requests, ${took} ms` :
			took >= STILL_MS ? `it took ${took} ms: HAProxy waits less for a request` : "");
}

/* Some SDKs always retry. Their retries are refused too and count in no limit. */
async function repeated(name) {
	const caller = await key(name, "few"), ask = () => sdks[name](caller, EDGE).ask({ model: "echo", text: "pay to DE89370400440532013000" });
	const e = await failed(ask), n = records(caller, "decision").length;
	const post = () => fetch(`${EDGE}/v1/chat/completions`, { method: "POST", body: JSON.stringify({ model: "echo", messages: [{ role: "user", content: "hi" }] }),
		headers: { "content-type": "application/json", authorization: `Bearer ${caller}` } });
	return is(`${name}: a refused request is retried, number of requests`, [seen(e)[1], n], [503, 3]) +
		is(`${name}: no retry is counted: the limit permits one more request, and refuses the next`,
			[(await post()).status, (await post()).status], [200, 429]);
}

// All run at the same time. A case that a slow machine delayed is repeated, up to six times, alone, and prints the
// reason. Any other wrong value is a failure at once.
async function together(f) {
	const one = ([name, make]) => f(name, make).catch((e) => `not ok - ${name}: ${e.stack}\n`);
	const all = Object.entries(sdks), said = await Promise.all(all.map(one));
	const count = (text, what) => text.split(what).length - 1;
	for (const i of said.keys()) {
		for (let n = 0; n < 6 && said[i].includes("not ok - ") && count(said[i], "not ok - ") === count(said[i], LATE); n++) {
			turn++;
			process.stdout.write(said[i].split("\n").filter((l) => l.startsWith(LATE)).map((l) => `# ${all[i][0]}: ${l.slice(4)}\n`).join(""));
			said[i] = await one(all[i]);
		}
		process.stdout.write(said[i]);
	}
}
await together((name, make) => answers(name, make, ""));
await control({ event_chars: 3, chunk_bytes: 11 });
await together((name, make) => answers(name, make, ", in pieces of three characters, cut anywhere"));
await control({});
await together(metered);
/* so slow that the stream has begun when it is denied */
await control({ chunk_ms: 20 });
await together((name, make) => denied(name, make, "ask"));
await together((name, make) => denied(name, make, "stream"));
await control({ error_after_events: 6 });
await together(cut);
await control({});
await control({ delay_ms: 3600000 });
await together((name, make) => gone(name, make, "stream", LATE_EDGE));
await control({ cut_after_bytes: 0 });
await together((name, make) => gone(name, make, "ask", EDGE));
await control({});
await together(async (name, make) => (await Promise.all(STATUSES.map((s) => refused(name, make, s)))).join(""));
for (const row of ["cohere", "bedrock converse", "ai openai"].map(repeated)) process.stdout.write(await row);
