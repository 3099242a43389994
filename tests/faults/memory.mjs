// Remains of prompts and credentials in the memory of a daemon that has responded. The test searches all writable
// memory for words of requests and responses of every kind.
import { Stack, test, check, final, skip, note, until, fs, net, path, execFileSync, spawn, build, root, SECRET, MAIL } from "./lib.mjs";
import crypto from "node:crypto";
import os from "node:os";
import zlib from "node:zlib";

// ---- the search ----
// The mappings that the process may write to; files that it maps contain nothing of its own.
function mappings(pid) {
	return fs.readFileSync(`/proc/${pid}/maps`, "latin1").split("\n").map((l) => /^(\w+)-(\w+) (.w..) \S+ \S+ \S+\s*(.*)$/.exec(l)).filter((m) => m && m[4] !== "[vvar]")
		.map((m) => ({ from: BigInt(`0x${m[1]}`), to: BigInt(`0x${m[2]}`), name: m[4] || "mapped" }));
}
// returns {word: [where, …]} of the words that were found
function search(pid, words) {
	const mem = fs.openSync(`/proc/${pid}/mem`, "r"), found = {};
	const step = 4 << 20, most = Math.max(...words.map((w) => w.length));
	try {
		for (const m of mappings(pid))
			for (let at = m.from; at < m.to; at += BigInt(step)) {
				const room = Buffer.alloc(Math.min(step + most, Number(m.to - at)));
				let n = 0;
				try { n = fs.readSync(mem, room, 0, room.length, at); } catch { continue; }
				const text = room.toString("latin1", 0, n);
				for (const w of words)
					for (let i = text.indexOf(w); i >= 0 && i < step; i = text.indexOf(w, i + 1))
						(found[w] ??= []).push(`${m.name}+${(at - m.from + BigInt(i)).toString(16)}: ${JSON.stringify(text.slice(Math.max(0, i - 40), i + w.length + 40).replace(/[^ -~]/g, "."))}`);
			}
	} finally { fs.closeSync(mem); }
	return found;
}

// ---- the words ----
// Small letters and no syllable of any language, so that no detector changes or finds them.
const word = () => Array.from(crypto.randomBytes(18), (b) => "bcdfghjklmnpqrstvwxz"[b % 20]).join("");
const around = (w) => `some words in front, then ${w} and more words behind it so that it is not at an edge`;
const escaped = (w) => [...w].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join("");
const percent = (w) => [...w].map((c) => `%${c.charCodeAt(0).toString(16)}`).join("");

await test(async () => {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tgmem.")), asked = path.join(dir, "recognizer");
	const asker = spawn("node", [path.join(root, "tests/support/recognizer.mjs"), asked, "0"], { stdio: "ignore" });
	try {
		await until(() => fs.existsSync(asked) && fs.readFileSync(asked, "utf8").includes("\n"));
		await run(fs.readFileSync(asked, "utf8").trim(), dir);
	} finally {
		asker.kill();
		fs.rmSync(dir, { recursive: true, force: true });
	}
});

async function run(recognizer, dir) {
	const keys = path.join(dir, "keys.yaml");
	const key = /tg_\S+/.exec(execFileSync(path.join(build, "tollgate"), ["key", "new", "--person", "carol", "--keys", keys]).toString())[0];
	// uses all steps that inspect text, or send it to others
	const s = Stack.up({ config: "workers: 2\n", policy: {
		identity: `
  - jwt: {header: authorization, demo_issuer: true}
  - api_key: {keys: "${keys}"}
  - none: {person: service-account}
data:
  notes: {redis: "acme:notes", ttl: 200ms}`,
		output_default: `4096
detectors:
  external:
    - {name: persons, url: "${recognizer}/analyze", entities: [PERSON], timeout: 400ms, when: 'route.name == "messages"'}`,
		rules: `
  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
  - {name: away, when: 'has(data.notes.away)', deny: {reason: away}}
  - {name: injected, when: 'prompt.injection > 2.0', deny: {reason: never}}
  - {name: no-secrets, when: '"secret" in prompt.classes', deny: {reason: the prompt holds a secret}}
  - {name: pii, when: '"pii" in prompt.classes', redact: {classes: [pii]}}`,
	} });
	const pid = s.pid("tollgate");
	if (/lib[at]san/.test(fs.readFileSync(`/proc/${pid}/maps`, "latin1"))) return skip("no prompt is left in memory", "a sanitizer has a heap of its own");
	try { search(pid, ["nothing"]); } catch (e) { return skip("no prompt is left in memory", `it cannot be read: ${e.message}`); }
	const post = (body, more = {}) => s.request({ body, ...more });
	const chat = (w, more) => s.chat(around(w), more);
	const gap = "z".repeat(300);
	const kinds = {
		"a JSON string": (w) => post(chat(w)),
		"a key": (w) => post(JSON.stringify({ [w]: 1, note: gap }), { path: "/api/direct/x" }),
		"a body that goes direct": (w) => post(JSON.stringify({ note: around(w) }), { path: "/api/direct/x" }),
		"escapes": (w) => post(`{"model":"echo","messages":[{"role":"user","content":"${around(escaped(w))}"}]}`),
		"a header": (w) => post(chat("hello"), { headers: { "x-note": around(w) } }),
		"a cookie": (w) => post(chat("hello"), { headers: { cookie: `a=${w}` } }),
		"a query": (w) => post(JSON.stringify({ a: 1 }), { path: `/api/relay/x?note=${w}` }),
		"a query with escapes": (w) => post(JSON.stringify({ a: 1 }), { path: `/api/direct/x?note=${percent(w)}` }),
		"a redacted path": (w) => post(JSON.stringify({ a: 1 }), { path: `/api/relay/${w}${MAIL}` }),
		"a stream": (w) => post(chat(w, { stream: true })),
		"a chunked body": (w) => post(chat(w), { chunked: true }),
		"a chunked body that streams": (w) => post(chat(w, { stream: true }), { chunked: true }),
		"gzip": (w) => post(zlib.gzipSync(chat(w)), { headers: { "content-encoding": "gzip" } }),
		"brotli": (w) => post(zlib.brotliCompressSync(Buffer.from(chat(w))), { headers: { "content-encoding": "br" } }),
		"a redacted value": (w) => post(chat(`${w}${MAIL}`)),
		"a redacted value in escapes": (w) => post(`{"model":"echo","messages":[{"role":"user","content":"${escaped(`${w}${MAIL}`)}, see"}]}`),
		"a redacted value, chunked": (w) => post(chat(`${w}${MAIL}`), { chunked: true }),
		"a redacted query": (w) => post("{}", { path: `/api/relay/x?mail=${w}${MAIL}` }),
		"what is denied": (w) => post(chat(`${w} ${SECRET}`)),
		"what is denied, chunked": (w) => post(chat(`${w} ${SECRET}`), { chunked: true }),
		"base64": (w) => post(chat(Buffer.from(around(w)).toString("base64"))),
		"hex": (w) => post(chat(Buffer.from(around(`${w}${MAIL}`)).toString("hex"))),
		"text between spaces and signs": (w) => post(chat(`${[...w].join(" ")} and password = ${w}X9! and ${w}`)),
		"what is no JSON": (w) => post(`{"model":"echo","note":"${around(w)}"`),
		"what is no JSON, chunked": (w) => post(`{"model":"echo","note":"${around(w)}"`, { chunked: true }),
		"a form": (w) => post(`a=1&note=${w}`, { path: "/api/relay/x", headers: { "content-type": "application/x-www-form-urlencoded" } }),
		"a form that an inspected response repeats": (w) => post(`note=${w}&more=%41${w}`, { path: "/api/inspected/x", headers: { "content-type": "application/x-www-form-urlencoded" } }),
		"base64 in an inspected response": (w) => post(JSON.stringify({ note: `see ${Buffer.from(around(w)).toString("base64")}` }), { path: "/api/inspected/x" }),
		"plain text": (w) => post(around(w), { path: "/api/relay/x", headers: { "content-type": "text/plain" } }),
		"a body of 300 KB": (w) => post(chat(`${gap.repeat(500)} ${w} ${gap.repeat(500)}`)),
		"a body of 3 MB": (w) => post(chat(`${"words and more ".repeat(100000)} ${w} ${"words and more ".repeat(100000)}`)),
		"an unknown path": (w) => post(chat("hello"), { path: `/nowhere/${w}${MAIL}` }),
		"what an external recognizer is asked": (w) => post(chat(w, { max_tokens: 10 }), { path: "/v1/messages" }),
		"what it is asked, at length": (w) => post(chat(`${w} ${gap.repeat(30)} ${w}`, { max_tokens: 10 }), { path: "/v1/messages", chunked: true }),
		"names that it finds": (w) => post(chat(`${w} zor blax ${w}`, { max_tokens: 10 }), { path: "/v1/messages" }),
		"a stream of another dialect": (w) => post(chat(w, { max_tokens: 10, stream: true }), { path: "/v1/messages" }),
		"compressed, of 2 MB": (w) => post(zlib.gzipSync(chat(`${Array.from({ length: 150000 }, (_, i) => (i * 7919) % 10007).join(" ")} ${w} and ${gap}`)), { headers: { "content-encoding": "gzip" } }),
		"an API key": () => post(chat("hello"), { bearer: null, headers: { "x-api-key": key } }),
		"an API key, as a bearer": () => post(chat("hello"), { bearer: key, chunked: true }),
		"an unknown API key": (w) => post(chat("hello"), { bearer: `tg_${w}${"a".repeat(40)}` }),
		"a password": (w) => post(chat("hello"), { bearer: null, headers: { authorization: `Basic ${Buffer.from(`me:${w}${w}`).toString("base64")}` } }),
		"a refused token": (w) => post(chat("hello"), { bearer: `${s.bearer.split(".").slice(0, 2).join(".")}.${w}${"A".repeat(60)}` }),
		"a body whose sender disconnected": (w) => new Promise((resolve) => {
			const c = net.connect(Number(s.edge.port), s.edge.hostname, () => {
				c.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: faults\r\nauthorization: Bearer ${s.bearer}\r\ncontent-type: application/json\r\ncontent-length: 900000\r\n\r\n{"note":"${around(w)}`);
				setTimeout(() => { c.destroy(); resolve({ status: 0 }); }, 300);
			});
			c.on("error", () => {});
		}),
	};
	const secrets = { "the token": s.bearer.split(".")[2].slice(0, 40), "the API key": key.slice(10) };
	for (const [where, send] of Object.entries(kinds)) {
		if (process.env.ONLY && !where.includes(process.env.ONLY)) continue;
		const w = word(), r = await send(w);
		const all = { "its words": w, "its words in base64": Buffer.from(`me:${w}`).toString("base64").slice(0, 24), ...secrets };
		let found = {};
		const at = Date.now();
		const good = await until(() => {
			found = search(pid, Object.values(all));
			return Object.keys(found).length === 0;
		});
		note(`${where}: ${Date.now() - at} ms`);
		final(check(`${where}, answered ${r.status}: soon the memory contains none of it`, good, ...Object.entries(all).filter(([, v]) => found[v]).flatMap(([k, v]) => [`${k}, ${found[v].length} times`, ...found[v].slice(0, 5)])));
	}
	await s.idle("nothing is left");
	const asked = Object.entries(await s.metrics()).filter(([k]) => k.startsWith("recognizer_calls_total")).reduce((n, [, v]) => n + v, 0);
	check("an external recognizer was called", asked > 0, `${asked} calls`);
	// The search itself works: it finds a body that has not ended.
	const held = word(), c = net.connect(Number(s.edge.port), s.edge.hostname);
	c.on("error", () => {});
	c.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: faults\r\nauthorization: Bearer ${s.bearer}\r\ncontent-type: application/json\r\ncontent-length: 900000\r\n\r\n{"note":"${around(held)}${gap.repeat(1000)}`);
	check("the search finds a held body", await until(() => search(pid, [held])[held]));
	c.destroy();
	await s.idle("the held body is released");
	check("the held body is gone when it has ended", await until(() => !search(pid, [held])[held]));
}
