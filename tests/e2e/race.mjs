// The loads of race.sh, and checks of the admitted requests by the daemons' records and by the requests that the
// simulated provider received.
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";

const { EDGE, PROVIDER, D, B, SOCKETS } = process.env;
const SECONDS = Number(process.env.RACE_S || 5), CONNS = 48, LEAST = 1000, LONG = SECONDS >= 30, LIMIT = 40, W = 2000;
const KILLED = 0.1 /* of all requests */, SLOW = 12 /* of the clients */;
const edge = new URL(EDGE);
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const tokenOf = (team) => process.env[`TOKEN_${team.replace("-", "_")}`];
const wanted = (team) => (process.env.RACE ?? team) === team;
let failures = 0;
function check(name, good, ...why) {
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (good) return good;
	failures++;
	for (const w of why) console.log(`#   ${String(w).slice(0, 600)}`);
	return good;
}
// Marks a check that cannot fail because the machine is busy (tests/support/repeat.bash).
function final(good) { if (!good) console.log("# final"); }

// ---- the load ----
const chat = (tag) => JSON.stringify({ model: "echo", max_tokens: 480, user: tag, messages: [{ role: "user", content: "Say so." }] });

// Sends head and body together; with `kill`, the caller disconnects some ms later.
function one(agent, team, body, kill) {
	return new Promise((resolve) => {
		const req = http.request({ host: edge.hostname, port: edge.port, method: "POST", path: "/v1/chat/completions", agent,
			headers: { authorization: `Bearer ${tokenOf(team)}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, (res) => {
			res.resume();
			res.on("end", () => resolve(res.statusCode));
			res.on("error", () => resolve("gone"));
		});
		req.on("error", () => resolve("gone"));
		req.end(body);
		if (kill) setTimeout(() => req.destroy(), Math.random() * 25);
	});
}
// Sends the head at once, and the body in ten pieces over a second. It is longer than HAProxy's buffer, so the relay
// holds it, and the request is counted when the body is complete.
function slowly(team, body, chunked, kill) {
	return new Promise((resolve) => {
		const c = net.connect(edge.port, edge.hostname);
		let got = "";
		const end = (v) => { c.destroy(); resolve(v); };
		c.setTimeout(60000, () => end("gone"));
		c.on("error", () => end("gone"));
		c.on("close", () => resolve("gone"));
		c.on("data", (d) => { got += d; const m = /^HTTP\/1.1 (\d+)/.exec(got); if (m && got.includes("\r\n\r\n")) setTimeout(() => end(Number(m[1])), 50); });
		c.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: race\r\nauthorization: Bearer ${tokenOf(team)}\r\ncontent-type: application/json\r\n` +
			(chunked ? "transfer-encoding: chunked\r\n\r\n" : `content-length: ${Buffer.byteLength(body)}\r\n\r\n`));
		const n = Math.ceil(body.length / 10);
		(async () => {
			for (let i = 0; i < body.length && !c.destroyed; i += n) {
				await sleep(50 + Math.random() * 100); // different pauses, so that the clients do not send at the same moments
				const part = body.slice(i, i + n);
				c.write(chunked ? `${part.length.toString(16)}\r\n${part}\r\n` : part);
				if (kill && i > body.length / 2) return end("gone");
			}
			if (chunked && !c.destroyed) c.write("0\r\n\r\n");
		})();
	});
}
const begun = new Map(); // the time at which the head was sent, by tag
async function load(team, seconds, { slow_clients = SLOW, clients = CONNS, least = LEAST } = {}) {
	const agent = new http.Agent({ keepAlive: true, maxSockets: CONNS });
	const said = {}, slow = {}, until = Date.now() + seconds * 1000;
	let n = 0;
	const client = async (who) => {
		while (Date.now() < until || (n <= least && Date.now() < until + 20000)) {
			begun.set(`${team}-${n}`, Date.now());
			const tag = `${team}-${n++}`, kill = Math.random() < KILLED, whole = who >= slow_clients;
			const code = whole ? await one(agent, team, chat(tag), kill) : await slowly(team, chat(tag).replace("{", `{${" ".repeat(300000)}`), n % 2, kill);
			(whole ? said : slow)[code] = ((whole ? said : slow)[code] ?? 0) + 1;
		}
	};
	await Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
	agent.destroy();
	await sleep(1500); // canceled requests end and are recorded
	const tally = (c) => Object.entries(c).map(([k, v]) => `${v} ${k}`).join(", ");
	console.log(`# ${team}: ${n} requests: ${tally(said)}; slowly: ${tally(slow)}`);
	return { n, said: { ...slow, ...said } };
}

// ---- checks ----
function records() {
	const all = [];
	for (const j of ["journal", "journal-b", "journal-c"])
		for (const f of fs.readdirSync(path.join(D, j)).sort())
			for (const line of fs.readFileSync(path.join(D, j, f), "utf8").replaceAll("\0", "").split("\n"))
				if (line.startsWith("{\"v\":1,\"node\"")) all.push(JSON.parse(line));
	return all;
}
const ms = (rfc3339) => Date.parse(`${rfc3339.slice(0, 19)}Z`) + Number(`0${rfc3339.slice(19, -1)}`) * 1000;
// The requests that the limit admitted, by the clock of its counters; `took` returns the amount that they hold at the
// end. If a caller disconnects before the relay knows it, the amount is held for 5 s, which is longer than a window.
const LEFT = "abandoned", BACK = ["never_sent", "denied"];
function admitted(team, limit, took = (d) => d.taken, back = [LEFT, ...BACK]) {
	const all = [], ends = new Map(), list = records();
	for (const r of list)
		if (r.type === "completion") ends.set(r.id, r);
		// If a record was too late, the request was not sent, and a second decision denies it.
		else if (r.type === "decision" && r.decision === "deny") ends.set(r.id, { outcome: "denied" });
	for (const r of list)
		if (r.type === "decision" && r.decision === "permit")
			for (const l of r.limits ?? [])
				if (l.limit === limit && l.taken && r.identity.team === team) {
					const d = { id: r.id, node: r.node, at: ms(l.counted_at ?? r.time), begin: ms(r.decided_at), told: ms(r.time), end: ends.get(r.id), taken: l.taken, tag: r.request_tags?.[0]?.replace("user:", "") };
					// the amount of a request that never reached the provider was released
					if (!back.includes(d.end?.outcome)) all.push({ ...d, taken: took(d) });
				}
	return all.sort((a, b) => a.at - b.at);
}
// The largest sum in any window of W ms.
function worst(list, w = W) {
	let sum = 0, most = 0, first = 0;
	for (const x of list) {
		sum += x.taken;
		while (list[first].at <= x.at - w) sum -= list[first++].taken;
		most = Math.max(most, sum);
	}
	return most;
}
const within = (list, from, to) => list.filter((x) => x.at >= from && x.at < to).reduce((s, x) => s + x.taken, 0);
const seen = async () => (await fetch(`${PROVIDER}/_seen?last=16384`)).json();
const tagOf = (q) => JSON.parse(q.body).user;

// During a short run, the machine may be so slow that fewer requests are sent than the limit admits. Then nothing was
// tested. Only a long run checks how much of a limit is used, because that depends on time. A short run prints it.
function limited(name, l, list, least = LEAST) {
	const what = `${name}: more are asked for than go: ${l.n}, ${list.length}`;
	const more = l.n > (LONG ? least : 1.25 * list.length) && (l.said[429] > 0 || l.said.gone > 0);
	if (!LONG && !more && list.length > 0) console.log(`skip - ${what}: this machine is too slow`);
	else check(what, more && list.length > 0);
}
function used(what, share, least) {
	if (LONG) check(what, share >= least);
	else console.log(`# ${what}`);
}
// The admitted requests. If they exceed the limit at first, waits until each has its end, because an amount that never
// reached the provider is released, and that is recorded a little later.
async function looked(team, name, took, over) {
	let list = admitted(team, name, took);
	for (let i = 0; i < 150 && over(list) && !list.every((x) => x.end); i++) {
		await sleep(200);
		list = admitted(team, name, took);
	}
	return list;
}

// `meddle` is called at the beginning and every some ms. It may add to `away` the times from and to which there was no
// Redis. If `to` is undefined, the time ends when a request is admitted again.
let away = [];
function away_ms(list, from, to) {
	let sum = 0;
	for (const a of away) {
		const back = a.to ?? list.find((x) => x.at > a.from)?.at ?? to;
		sum += Math.max(0, Math.min(back, to) - Math.max(a.from, from));
	}
	return sum;
}
async function rolling(team, name, limit, { took, meddle, every = 1000, how = {}, least = 0.88 } = {}) {
	if (!wanted(team)) return [];
	away = [];
	await begin(20);
	let turn = 0;
	meddle?.(turn++);
	const timer = meddle && setInterval(() => meddle(turn++), every);
	const l = await load(team, SECONDS, how), list = await looked(team, name, took, (x) => worst(x) > limit), all = admitted(team, name, undefined, BACK), first = list[0].at, each = limit / LIMIT;
	clearInterval(timer);
	limited(team, l, list, how.least);
	check(`${team}: several daemons admitted requests`, new Set(list.map((x) => x.node)).size >= (LONG ? 3 : 2));
	final(check(`${team}: by the records, no window has more than ${limit}: ${worst(list)}`, worst(list) <= limit));
	const of = within(all, first, first + W) / limit;
	used(`${team}: ${of.toFixed(2)} of the first window is used`, of, 0.95);
	check(`${team}: at least three quarters of a window are used: ${all.length}`, all.length >= 0.75 * LIMIT);
	// up to the last whole window during the load
	const whole = Math.floor((SECONDS * 1000 - 100) / W) * W, gone = away_ms(list, first + W, first + whole);
	const rate = within(all, first + W, first + whole) / (limit * (whole - W - gone) / W);
	used(`${team}: sustained ${rate.toFixed(3)}${gone ? `, except for ${(gone / 1000).toFixed(1)} s without Redis` : ""}`, rate, least);
	const let_go = new Map(list.map((x) => [x.tag, x]));
	const arrived = (await seen()).map((q) => ({ at: q.began * 1000, taken: each, tag: tagOf(q) })).sort((a, b) => a.at - b.at);
	const soon = arrived.filter((q) => q.at - let_go.get(q.tag)?.at < W / 100);
	check(`${team}: each request at the provider was admitted: ${arrived.length}`, arrived.length > 0 && arrived.every((q) => let_go.has(q.tag)));
	const way = arrived.map((q) => q.at - let_go.get(q.tag)?.at).sort((a, b) => a - b);
	console.log(`# ${team}: on the way to the provider ${way[0]?.toFixed(1)} to ${way.at(-1)?.toFixed(1)} ms, half of them up to ${way[way.length >> 1]?.toFixed(1)}`);
	final(check(`${team}: of ${soon.length} requests that arrived within W/100, no window has more than ${LIMIT}: ${worst(soon) / each}`, (soon.length > 0 || !LONG) && worst(soon) <= limit));
	return list;
}

// Checks the amount that is used at the end, to the nano-dollar.
async function dollars(limit, reserved) {
	await begin(20);
	const l = await load("dollars", SECONDS / 2);
	const all_of = (x) => x.reduce((s, y) => s + Number(y.end?.settled?.[0].split(",").at(-1) ?? y.taken), 0);
	const list = await looked("dollars", "dollars", undefined, (x) => all_of(x) > limit);
	limited("dollars", l, list);
	// "…,amount": the amount that each counter has at the end
	const spent = all_of(list);
	final(check(`dollars: ${spent / 1e9} of ${limit / 1e9} are charged, never more, and little is left`, spent <= limit && (!LONG || spent + reserved > limit) && spent > 0.8 * limit));
	const cost = list.reduce((s, x) => s + (x.end?.cost_nanousd ?? 0), 0), whole = list.filter((x) => x.end?.outcome === "complete").length;
	check(`dollars: the costs of ${whole} complete responses do not exceed the limit`, whole > 0 && cost > 0 && cost <= limit);
	const answers = (await seen()).filter((q) => q.ended === "complete").length;
	check(`dollars: the ${answers} responses of the provider do not exceed the limit`, answers >= whole && answers * ACTUAL_NANOUSD <= limit);
}

// The largest number of concurrent entries of {at, until}.
function most(list) {
	const steps = list.flatMap((x) => [[x.at, 1], [x.until, -1]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
	let n = 0, max = 0;
	for (const [, d] of steps) max = Math.max(max, n += d);
	return max;
}
async function at_once(limit, delay) {
	await begin(delay);
	const l = await load("at-once", SECONDS / 2);
	let list = admitted("at-once", "at-once");
	// waits for requests whose callers disconnected before the relay knew it
	for (let i = 0; i < 300 && !list.every((x) => x.end); i++) {
		await sleep(200);
		list = admitted("at-once", "at-once");
	}
	limited("at-once", l, list);
	const known = list.filter((x) => x.end).map((x) => ({ at: x.at, until: x.begin + x.end.duration_us / 1000, outcome: x.end.outcome })).filter((x) => x.until > x.at);
	// a request that never reached the relay released its place before that was recorded
	const relayed = known.filter((x) => ![LEFT, "denied"].includes(x.outcome));
	check(`at-once: each of ${list.length} has an end`, list.every((x) => x.end));
	final(check(`at-once: by the records, never more than ${limit} are in flight: ${most(relayed)}`, relayed.length > 0 && most(relayed) <= limit));
	// a request with a response was in flight as long as the response took
	const whole = (await seen()).filter((q) => q.ended === "complete").map((q) => ({ at: q.began * 1000, until: q.began * 1000 + delay }));
	check(`at-once: the same at the provider: ${most(whole)}`, whole.length > 0 && most(whole) <= limit);
	const last = known.at(-1).at, share = known.reduce((s, x) => s + Math.min(x.until, last) - x.at, 0) / (limit * (last - known[0].at));
	used(`at-once: ${share.toFixed(2)} of it is used`, share, 0.5);
}

// A response uses 490 of the 500 tokens that are reserved.
const ACTUAL = 490, ACTUAL_NANOUSD = 10 * 1000 + 480 * 5000;
async function begin(delay_ms) {
	await fetch(`${PROVIDER}/_seen`, { method: "DELETE" });
	await fetch(`${PROVIDER}/_control`, { method: "POST", body: JSON.stringify({ delay_ms, usage: { prompt_tokens: 10, completion_tokens: 480, total_tokens: ACTUAL } }) });
}
// The clocks of every second daemon are ahead, those of the others behind, and they change each time.
function clocks(turn, off_ns = 20000000000n) {
	["a", "b", "c"].forEach((node, i) => {
		const by = Buffer.alloc(8);
		by.writeBigInt64LE((i + turn) % 2 ? off_ns : -off_ns);
		const fd = fs.openSync(path.join(D, `skew.${node}`), "r+");
		fs.writeSync(fd, by);
		fs.closeSync(fd);
	});
}
const stat = (pid) => fs.readFileSync(`/proc/${pid}/stat`, "latin1").replace(/.*\) /s, "").split(" ");
const pidOf = (name) => Number(fs.readFileSync(path.join(D, ".pids"), "utf8").split("\n").filter((l) => l.endsWith(` ${name}`)).at(-1).split(" ")[0]);
// Stops Redis for 300 ms, longer than any deadline.
function stopped(turn) {
	if (turn === 0) return;
	const pid = pidOf("redis");
	process.kill(pid, "SIGSTOP");
	setTimeout(() => process.kill(pid, "SIGCONT"), 300);
}
// Kills a daemon each four seconds, and starts it again.
function killed(turn) {
	if (turn % 4 !== 1) return;
	const [name, suffix] = [["tollgate", ""], ["second", "-b"], ["third", "-c"]][(turn >> 2) % 3];
	process.kill(pidOf(name), "SIGKILL");
	setTimeout(() => {
		const log = fs.openSync(path.join(D, `${name}.log`), "a");
		const p = spawn(path.join(B, "tollgate"), ["serve", "-c", path.join(D, `tollgate${suffix}.yaml`)], { detached: true, stdio: ["ignore", log, log] });
		p.unref();
		fs.closeSync(log);
		fs.appendFileSync(path.join(D, ".pids"), `${p.pid} ${stat(p.pid)[19]} ${name}\n`);
	}, 200);
}
// Kills Redis and starts it again at once, empty.
const answers = (socket) => new Promise((resolve) => {
	const c = net.connect(socket, () => c.write("PING\r\n"));
	c.on("data", () => { c.destroy(); resolve(true); });
	c.on("error", () => resolve(false));
});
async function emptied(turn) {
	if (turn % 3 !== 2) return;
	const gone = { from: Date.now(), to: Infinity }, socket = path.join(SOCKETS, "redis.sock");
	away.push(gone);
	process.kill(pidOf("redis"), "SIGKILL");
	const log = fs.openSync(path.join(D, "redis.log"), "a");
	const p = spawn("redis-server", ["--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--dir", D], { detached: true, stdio: ["ignore", log, log] });
	p.unref();
	fs.closeSync(log);
	fs.appendFileSync(path.join(D, ".pids"), `${p.pid} ${stat(p.pid)[19]} redis\n`);
	while (!await answers(socket)) await sleep(10);
	gone.to = Date.now();
}
// Kills the master. It returns as a master until a Sentinel changes that.
let master = 0;
function failed_over(turn) {
	const home = path.join(D, `m${master + 1}`);
	if (turn % 8 === 1) {
		away.push({ from: Date.now() });
		process.kill(Number(fs.readFileSync(path.join(home, "pid"), "utf8")), "SIGKILL");
	}
	if (turn % 8 !== 4) return;
	const log = fs.openSync(`${home}.log`, "a");
	spawn("redis-server", [path.join(home, "redis.conf")], { detached: true, stdio: ["ignore", log, log] }).unref();
	fs.closeSync(log);
	master = 1 - master;
}
if (process.env.TRIO) {
	await rolling("failed-over", "rate", LIMIT, { meddle: failed_over });
	check(`failed-over: ${away.length} times`, away.length > 2);
	process.exit(failures ? 1 : 0);
}
await rolling("rate", "rate", LIMIT);
if (wanted("dollars")) await dollars(96800000, 20 * 1000 + 480 * 5000);
if (wanted("at-once")) await at_once(8, 100);
if (wanted("clocks")) {
	const apart = (await rolling("clocks", "rate", LIMIT, { meddle: clocks, every: 700 })).map((x) => x.told - x.at);
	check("clocks: they were 40 s apart", Math.max(...apart) - Math.min(...apart) > 38000, Math.max(...apart), Math.min(...apart));
	clocks(0, 0n);
}
if (wanted("held")) {
	// so many that a body is always complete when the limit has room
	const waited = (await rolling("held", "rate", LIMIT, { how: { slow_clients: 2 * CONNS, clients: 2 * CONNS, least: 150 } })).map((x) => x.at - begun.get(x.tag)).sort((a, b) => a - b);
	check("held: a request is counted when its body is complete", waited[waited.length >> 1] > 500, waited[waited.length >> 1]);
}
if (LONG) {
	// a part of the reservation of a cut response is released, so it is not counted here
	await rolling("tokens", "tokens", 20000, { took: (d) => d.end?.outcome === "complete" ? ACTUAL : 0 });
	await rolling("stopped", "rate", LIMIT, { meddle: stopped });
	await rolling("emptied", "rate", LIMIT, { meddle: emptied });
	await rolling("killed", "rate", LIMIT, { meddle: killed });
}
process.exit(failures ? 1 : 0);
