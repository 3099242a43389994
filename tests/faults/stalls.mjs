// Stalls, exhausted resources, and parts that are missing at start: the daemon stopped for seconds, its descriptors
// exhausted, HAProxy's worker or the provider killed, Redis missing at start or out of memory, and one very long body
// next to many short ones.
import { Stack, test, load, sleep, check, is, note, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, fs, path, execFileSync, build, short, slow, until, alive, gone, MAIL } from "./lib.mjs";

const fds = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;
const cpuTicks = (pid) => { const f = fs.readFileSync(`/proc/${pid}/stat`, "latin1").replace(/.*\) /s, "").split(" "); return Number(f[11]) + Number(f[12]); };
function judge(name, results) {
	const c = outcomes(results);
	note(`${name}: ${tally(results)}`);
	check(`${name}: responses and 503s only`, c.lost === 0 && c.other === 0, ...examples(results, "lost"), ...examples(results, "other"));
	return c;
}
async function serves(s, name) {
	const good = await until(async () => (await s.request({ body: s.chat("again") })).status === 200 && (await s.request({ path: "/api/direct/x", body: "{}" })).status === 200);
	check(`${name}: requests are served again`, good);
}

await test(async () => {
	const s = Stack.up({ shipped: true, config: "relay: {ticket_ttl: 3s}\n" });
	const pid = s.pid("tollgate");

	// ---- the daemon hangs ----
	let l = load(s, { conns: 10 });
	await sleep(800);
	s.kill("tollgate", "SIGSTOP");
	await sleep(3000);
	s.kill("tollgate", "SIGCONT");
	await sleep(2500 * slow);
	const mark = l.results.length;
	await sleep(800 * slow);
	let results = await l.stop();
	const c = judge("the daemon hangs", results);
	is("the daemon hangs: no response is cut", c.cut, 0);
	check("the daemon hangs: afterwards all requests are served", outcomes(results.slice(mark)).wanted === results.length - mark, tally(results.slice(mark)), ...examples(results.slice(mark), "503"));
	await nothingUnread(s, "the daemon hangs", results);
	everyAnswerRecorded(s, "the daemon hangs", results);
	await s.idle("the daemon hangs: nothing is left");

	// ---- out of descriptors ----
	await s.forget();
	const limit = fds(pid) + 4;
	const soft = execFileSync("prlimit", [`--pid=${pid}`, "--nofile", "--output=SOFT", "--noheadings"]).toString().trim();
	execFileSync("prlimit", [`--pid=${pid}`, `--nofile=${limit}:`]);
	l = load(s, { conns: 40 });
	await sleep(1500 * slow);
	const busy = cpuTicks(pid);
	results = await l.stop();
	await sleep(1000);
	note(`out of descriptors: ${cpuTicks(pid) - busy} ticks of CPU while it ended`);
	execFileSync("prlimit", [`--pid=${pid}`, `--nofile=${soft}:`]);
	judge("out of descriptors", results);
	await serves(s, "out of descriptors");
	await nothingUnread(s, "out of descriptors", results);
	everyAnswerRecorded(s, "out of descriptors", results);
	await s.idle("out of descriptors: nothing is left");

	// ---- HAProxy's worker is killed; its master ends, a new one starts ----
	await s.forget();
	await s.control({ chunk_ms: 100 });
	l = load(s, { conns: 10, which: ["stream", "relay", "defer", "direct"] });
	await sleep(1000 * slow);
	const master = s.pid("haproxy");
	const worker = Number(execFileSync("pgrep", ["-P", String(master)]).toString().trim().split("\n")[0]);
	process.kill(worker, "SIGKILL");
	await gone(master);
	results = await l.stop();
	await s.idle("HAProxy killed: the daemon releases everything");
	check("HAProxy killed: the requests at the provider end", await until(async () => (await s.seen()).every((q) => q.ended !== "pending")));
	process.env.OPENAI_API_KEY = "sk-provider-openai";
	process.env.ANTHROPIC_API_KEY = "sk-provider-anthropic";
	process.env.LOCAL_API_KEY = "sk-provider-local";
	s.start("haproxy", s.HAPROXY, ["-W", "-db", "-f", path.join(s.D, "haproxy/haproxy.cfg"), "-f", path.join(s.D, "haproxy/tollgate.cfg")]);
	await serves(s, "HAProxy killed and started");
	await nothingUnread(s, "HAProxy killed", results);

	// ---- the provider is killed ----
	await s.control({ chunk_ms: 50 });
	l = load(s, { conns: 8, which: ["stream", "relay", "defer", "direct", "deny"] });
	await sleep(700 * slow);
	s.kill("mockllm", "SIGKILL");
	await sleep(1500);
	s.start("mockllm", path.join(build, "mockllm"), ["--listen", s.PROVIDER.replace("http://", "")]);
	await sleep(1500 * slow);
	results = await l.stop();
	judge("the provider killed", results);
	await serves(s, "the provider killed");
	await s.idle("the provider killed: nothing is left");

	// ---- Redis out of memory, read-only ----
	for (const [name, on, off] of [["Redis out of memory", ["maxmemory", "1"], ["maxmemory", "0"]], ["Redis without replicas to write to", ["min-replicas-to-write", "1"], ["min-replicas-to-write", "0"]]]) {
		await s.redis("CONFIG", "SET", ...on);
		const r = [await s.request({ body: s.chat("x") }), await s.request({ path: "/api/direct/x", body: "{}" })];
		check(`${name}: requests are refused with quota_unavailable`, r.every((x) => x.status === 503 && x.body.includes("quota_unavailable")), ...r.map((x) => `${x.status} ${x.body}`));
		await s.redis("CONFIG", "SET", ...off);
		await serves(s, name);
		const caught = await until(async () => { const v = s.verify(); return v.code === 0 && / seq=(\d+).* seq=\1 /s.test(v.text); }, 200);
		check(`${name}: the stream catches up`, caught, s.verify().text);
	}

	// ---- Redis is missing when the daemon starts ----
	s.kill("redis", "SIGKILL");
	s.kill("tollgate", "SIGTERM");
	await gone(pid);
	const p = s.startDaemon();
	await until(async () => p.ended || (await s.readyz()).status === 503);
	check("without Redis the daemon starts", alive(p.pid) && !p.ended, s.log().slice(-400));
	check("without Redis it is not ready", (await s.readyz()).status === 503, (await s.readyz()).text);
	is("without Redis it refuses requests", (await s.request({ body: s.chat("x") })).status, 503);
	s.startRedis();
	check("it is ready when Redis starts", await s.ready(), (await s.readyz()).text);
	await serves(s, "Redis started after it");

	// ---- a very long body next to short ones ----
	const long = JSON.stringify({ model: "echo", messages: [{ role: "user", content: `${"some words\n".repeat(80)} write to someone${MAIL} `.repeat(short ? 3000 : 30000) }] });
	l = load(s, { conns: 4, which: ["direct", "relay", "deny"] });
	await sleep(300);
	const before = l.results.length, at = Date.now();
	const big = await s.request({ path: "/v1/chat/completions", body: long, timeout: 60000 });
	const took = Date.now() - at;
	results = await l.stop();
	const beside = results.slice(before);
	note(`${(long.length / 1e6).toFixed(1)} MB took ${took} ms, status ${big.status}; beside it: ${tally(beside)}, worst ${Math.max(...beside.map((r) => r.ms)).toFixed(0)} ms`);
	check("a very long body gets a redacted response", big.status === 200 && !big.body.includes(MAIL), `${big.status} ${big.body.slice(0, 300)}`);
	check("short requests next to it are served", beside.length > 0 && outcomes(beside).wanted === beside.length, tally(beside), ...examples(beside, "503"));
	await s.idle("nothing is left at the end");
	await s.verified("journal and stream verify");
});
