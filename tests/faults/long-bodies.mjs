// The longest permitted bodies, of every shape that is expensive to process, while short requests use the same worker.
// The short requests wait for none of them. The check uses the worker's own count of long turns during which the
// system states that the worker had a processor. The clients' times are only printed.
import { Stack, test, load, sleep, check, skip, note, outcomes, tally, examples, fs, path, short, slow, until, MAIL } from "./lib.mjs";
import { execFile } from "node:child_process";
import zlib from "node:zlib";

const MB = (short ? 12 : 30) << 20;
const fill = (text, n) => text.repeat(Math.ceil(n / text.length)).slice(0, n);
const chat = (content) => JSON.stringify({ model: "echo", messages: [{ role: "user", content }] });
const many = (n, f) => Array.from({ length: n }, (_, i) => f(i));
const plain = () => chat(fill("some words that say nothing of anybody, and some more ", MB));
// can be compressed, but less than a hundredfold
const words = "the of and in to a is that for it was on with as be by this have from or not are at we an which one all".split(" ");
const varied = () => Buffer.from(chat(many(MB / 4.1 | 0, () => words[Math.random() * words.length | 0]).join(" ").slice(0, MB)));
// name: [body, the permitted statuses, more header fields, path]
const shapes = {
	"one long string": () => [plain(), [200]],
	"one long string of escapes": () => [`{"model":"echo","messages":[{"role":"user","content":"${fill("\\u0061\\u0062c\\n", MB - 10)}"}]}`.replace(/\\[u0-9a-f]*"}\]}$/, '"}]}'), [200]],
	"hundreds of thousands of strings": () => [JSON.stringify({ model: "echo", messages: [{ role: "user", content: many(MB / 165 | 0, (i) => ({ type: "text", text: fill(`word ${i} and what else there is of it, `, 130) })) }] }), [200]],
	"hundreds of thousands of keys and numbers": () => [JSON.stringify(Object.fromEntries(many(short ? 200000 : 480000, (i) => [`k${i}`, 1e9 + i]))), [200], [], "/api/relay/x"],
	"tens of thousands of redactions": () => [chat(many(MB / 400 | 0, (i) => `write to p${i}${MAIL}, or to me, ${fill("at the place that we know, ", 360)}`).join("")), [200]],
	"as many redactions, each in its own string": () => [JSON.stringify({ model: "echo", messages: many(MB / 400 | 0, (i) => ({ role: "user", content: `write to p${i}${MAIL}, or to me, ${fill("at the place that we know, ", 310)}` })) }), [200]],
	"text that is no JSON": () => [fill("a line of a log, nothing else\n", MB), [200], ["content-type: text/plain"], "/api/relay/x"],
	"a form": () => [fill(`name=${fill("some+words%2c+and+more+", 200)}&`, MB - 206) + "a=b", [200, 400], ["content-type: application/x-www-form-urlencoded"], "/api/relay/x"],
	"gzip": () => [zlib.gzipSync(varied(), { level: 6 }), [200], ["content-encoding: gzip"]],
	"brotli": () => [zlib.brotliCompressSync(varied(), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 2 } }), [200], ["content-encoding: br"]],
	"base64 in text": () => [chat(many(MB / 1400 | 0, () => Buffer.from(fill("words in a blob ", 768)).toString("base64") + " and then ").join("").slice(0, MB)), [200, 403, 503]],
};

const LONG_MS = 50;
// The number of ms in which the daemon's threads had work and no processor, so far; 0 if the system does not state it.
function waits(s) {
	let ns = 0;
	const tasks = `/proc/${s.pid("tollgate")}/task`;
	for (const t of fs.readdirSync(tasks))
		try { ns += Number(fs.readFileSync(`${tasks}/${t}/schedstat`, "latin1").split(" ")[1]); } catch { /* it ended, or is not counted */ }
	return ns / 1e6;
}

await test(async () => {
	if (slow > 1) return skip("long bodies delay no other request", "sanitized programs are slow");
	const s = Stack.up({ config: "workers: 1\nlimits: {held: 1g, held_per_identity: 512m}\n" });
	const file = path.join(s.D, "body");
	const send = (headers, where) => new Promise((resolve) => {
		const more = ["content-type: application/json", ...headers].flatMap((h) => ["-H", h]);
		if (headers.some((h) => h.startsWith("content-type"))) more.splice(0, 2);
		execFile("curl", ["-s", "-m", String(120 * slow), "-o", "/dev/null", "-w", "%{http_code}", "-H", `authorization: Bearer ${s.bearer}`, "-H", "expect:", ...more, "--data-binary", `@${file}`, s.EDGE + where],
			(err, out) => resolve(Number(out)));
	});
	for (const [name, make] of Object.entries(shapes)) {
		const [body, wanted, headers = [], where = "/v1/chat/completions"] = make();
		fs.writeFileSync(file, body);
		let long = 0, waited = 0, status = 0, worst = 0, beside = [], took = 0;
		// A worker that waits for the processor has long turns too, so such a round proves nothing.
		for (let round = 0; round < 3; round++) {
			const l = load(s, { conns: 2, which: ["directdeny", "deferdeny"], rate: 200, label: `r${round}` });
			await l.enough(Date.now(), 5);
			const before = await s.metrics(), stood = waits(s), mark = l.results.length, at = Date.now();
			status = await send(headers, where);
			took = Date.now() - at;
			await l.enough(Date.now(), 5);
			const after = await s.metrics();
			waited = waits(s) - stood;
			beside = (await l.stop()).slice(mark);
			long = after.long_turns_total - before.long_turns_total;
			worst = Math.max(...beside.map((r) => r.ms));
			if (waited < long * LONG_MS / 2 || (long === 0 && wanted.includes(status))) break;
		}
		note(`${name}: ${(body.length / 1e6).toFixed(1)} MB, ${status} in ${took} ms; ${beside.length} beside it, longest ${worst.toFixed(0)} ms; the worker's longest turn until now ${((await s.metrics()).longest_turn_seconds * 1000).toFixed(1)} ms`);
		check(`${name}: the status is right`, wanted.includes(status), `status ${status}`);
		const quiet = `${name}: no turn of the worker takes ${LONG_MS} ms`;
		if (long > 0 && waited >= long * LONG_MS / 2) skip(quiet, `it waited ${waited.toFixed(0)} ms for the processor, three times`);
		else check(quiet, long === 0, `${long} turns`, `the longest since start: ${(await s.metrics()).longest_turn_seconds} s`);
		check(`${name}: short requests next to it are served`, beside.length > 0 && outcomes(beside).wanted === beside.length, tally(beside), ...examples(beside, "503"), ...examples(beside, "other"));
	}
	await s.idle("nothing is left");
	check("the daemon still runs", await until(() => s.ready()));
	await s.verified("journal and stream verify");
});
