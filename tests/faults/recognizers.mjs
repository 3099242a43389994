// External recognizers that hang, end, return garbage and recover, under load. Every request gets the policy's outcome
// in time, and no name passes without inspection.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Stack, test, sleep, check, final, is, note, root, short, until, policyText } from "./lib.mjs";

// A recognizer that must respond has time for it. One that does not respond ends at its own timeout, long before
// agent.deadline, whose refusal has another code.
const PATIENT = "12s", TIMEOUT = "200ms";
const NAME = "zor blax";

// The simulated recognizer, started again on the same port.
class Recognizer {
	async start(dir) {
		this.file ??= path.join(dir, "recognizer");
		fs.rmSync(this.file, { force: true });
		this.child = spawn("node", [path.join(root, "tests/support/recognizer.mjs"), this.file, this.port ?? "0"], { stdio: "ignore" });
		await until(() => fs.existsSync(this.file) && fs.readFileSync(this.file, "utf8").includes("\n"));
		this.url = fs.readFileSync(this.file, "utf8").trim();
		this.port = new URL(this.url).port;
	}
	control(what) { return fetch(`${this.url}/_control`, { method: "POST", body: JSON.stringify(what) }); }
	kill() { this.child?.kill("SIGKILL"); }
}

const policy = (url, timeout) => ({
	output_default: `4096
detectors:
  external:
    - {name: strict, url: "${url}/analyze", entities: [PERSON], timeout: ${timeout}, concurrency: 4, breaker: {failures: 5, open: 500ms},
       when: 'route.name in ["chat", "direct"]'}
    - {name: careful, url: "${url}/analyze", entities: [PERSON], timeout: ${timeout}, concurrency: 4, breaker: {failures: 5, open: 500ms},
       when: 'route.name == "messages"', on_failure: redact}`,
	rules: `
  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
  - {name: names, redact: {entities: [PERSON]}}`,
});

// Eight clients for a time, and until the expected result occurs. A third each sends to a strict route in one piece,
// to a strict route in chunks, and to a careful route.
async function load(s, ms, seen = () => true) {
	const results = [], end = Date.now() + ms;
	let n = 0, over = false;
	const client = async () => {
		while (!over) {
			const i = n++, tag = `t${Date.now() % 100000}x${i}`, text = `${tag} asks for ${NAME} today`;
			const strict = i % 3 < 2;
			const r = await s.request(strict ? { body: s.chat(text), chunked: i % 3 === 1 } : { path: "/v1/messages", body: s.chat(text, { max_tokens: 100 }) });
			results.push({ strict, ...r });
		}
	};
	const all = Promise.all(Array.from({ length: 8 }, client));
	await until(async () => Date.now() >= end && results.length >= 24 && seen());
	over = true;
	await all;
	return results;
}
const count = (results, strict, status) => results.filter((r) => r.strict === strict && r.status === status).length;
async function judge(s, name, results, { strictMay, carefulMay }) {
	const odd = results.filter((r) => !(r.strict ? strictMay : carefulMay).includes(r.status) || r.cut || r.lost);
	note(`${name}: strict ${count(results, true, 200)} answered, ${count(results, true, 503)} refused; careful ${count(results, false, 200)} answered, ${count(results, false, 503)} refused`);
	check(`${name}: each response is the policy's outcome, of ${results.length}`, results.length > 0 && odd.length === 0, ...odd.slice(0, 3).map((r) => JSON.stringify(r)));
	note(`${name}: in ${Math.max(...results.map((r) => r.ms)).toFixed(0)} ms at most`);
	check(`${name}: a refusal has its code`, results.filter((r) => r.strict && r.status === 503).every((r) => r.body.includes("classifier_unavailable")), results.find((r) => r.status === 503 && !r.body.includes("classifier_unavailable"))?.body);
	const leaked = (await s.seen()).filter((q) => q.body?.includes(NAME));
	final(check(`${name}: no name reached the provider`, leaked.length === 0, JSON.stringify(leaked[0])));
}

await test(async () => {
	const r = new Recognizer();
	const dir = fs.mkdtempSync("/tmp/tgfault.");
	await r.start(dir);
	const s = Stack.up({ policy: policy(r.url, PATIENT) });
	// The policy with another timeout, in force in all workers; each loads it by itself.
	const limited = async (timeout) => {
		const label = async () => (await s.request({ method: "GET", path: "/v1/models" })).headers["x-tollgate-policy"];
		const before = await label();
		fs.writeFileSync(s.policyFile, policyText(policy(r.url, timeout)));
		s.kill("tollgate", "SIGHUP");
		for (let row = 0; row < 20;) row = (await label()) === before ? 0 : row + 1;
	};
	const ms = short ? 800 : 3000;
	const calls = async (name, outcome) => (await s.metrics())[`recognizer_calls_total{recognizer="${name}",outcome="${outcome}"}`] ?? 0;
	try {
		await judge(s, "answering", await load(s, ms), { strictMay: [200], carefulMay: [200] });
		check("responding: calls are counted", (await calls("strict", "answered")) > 0 && (await calls("careful", "answered")) > 0);
		await limited(TIMEOUT);
		for (const [mode, outcome] of [["hang", "timeout"], ["garbage", "garbage"], ["close", "error"]]) {
			await r.control({ mode });
			const counted = async () => (await calls("strict", outcome)) > 0 && (await calls("strict", "breaker_open")) > 0;
			const results = await load(s, ms, counted);
			await judge(s, mode, results, { strictMay: [503], carefulMay: [200] });
			check(`${mode}: failures are counted, and the circuit breaker opened`, await counted());
			await r.control({});
			const good = await until(async () => (await s.request({ body: s.chat(`${mode} over ${NAME}`) })).status === 200);
			check(`${mode}: requests are served again`, good);
		}
		// killed during the load
		let refused = 0;
		const running = load(s, ms, async () => (await calls("strict", "error")) > refused);
		await sleep(ms / 2);
		refused = await calls("strict", "error");
		r.kill();
		await judge(s, "killed", await running, { strictMay: [200, 503], carefulMay: [200] });
		check("killed: other requests are served", (await s.request({ method: "GET", path: "/v1/models" })).status === 200);
		await r.start();
		check("restarted: requests are served again", await until(async () => (await s.request({ body: s.chat(`again ${NAME}`) })).status === 200));
		await r.control({ delay_ms: 100 });
		await judge(s, "slow, and more at once than it takes", await load(s, ms), { strictMay: [200, 503], carefulMay: [200] });
		await r.control({});
		await s.idle("nothing is left");
		is("the log contains no text", s.log().includes(NAME), false);
		await s.verified("the journal verifies");
		const silent = s.records().filter((q) => q.recognisers?.some((x) => x.outcome !== "answered"));
		check("each failure is in its record, with the outcome", silent.length > 0 && silent.every((q) => q.recognisers.every((x) => x.outcome === "answered" || ["deny", "redact"].includes(x.applied))), JSON.stringify(silent[0]));
	} finally {
		r.kill();
		fs.rmSync(dir, { recursive: true, force: true });
	}
	s.down();
});
