// Functions for all tests of faults: a private stack, a mixed load that checks every response, and readers of the
// provider's requests, the journal and the metrics. A test prints one line for each check ("ok - ", "not ok - ", "skip
// - "), and tests/faults/run counts the lines.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, "../..");
export const build = path.resolve(root, process.env.B || "build");
export const short = process.env.FAULTS_SHORT === "1";
// sanitized programs are slow, so waits and loads are longer
export const slow = Number(process.env.FAULTS_SLOW || 1);

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export const SECRET = "AKIAQ3EGRTZK7VXW2YUB"; // denied in any place
export const MAIL = "@mail.example.com"; // redacted in any place

// ---- checks ----
let failures = 0;
export function ok(name) { console.log(`ok - ${name}`); }
export function notOk(name, ...why) {
	failures++;
	console.log(`not ok - ${name}`);
	for (const w of why) console.log(`#   ${String(w).slice(0, 600).replaceAll("\n", "\n#   ")}`);
}
export function check(name, good, ...why) { good ? ok(name) : notOk(name, ...why); return good; }
export function is(name, got, want) {
	return check(name, got === want, `got:  ${JSON.stringify(got)}`, `want: ${JSON.stringify(want)}`);
}
// final(check(…)): a check that cannot fail because the machine is busy. If it fails, the file is not repeated alone
// (tests/support/repeat.bash).
export function final(good) { if (!good) console.log("# final"); return good; }
export function skip(name, why) { console.log(`skip - ${name}: ${why}`); }
export function note(text) { console.log(`# ${text}`); }
// Repeats COND until it is true, and returns its last value. Waits at most a minute, on any machine.
export async function until(cond, pause = 50, most = 60000) {
	const end = Date.now() + most * slow;
	for (;;) {
		const v = await cond();
		if (v || Date.now() > end) return v;
		await sleep(pause);
	}
}

// ---- processes ----
const stat = (pid) => {
	try { return fs.readFileSync(`/proc/${pid}/stat`, "latin1").replace(/.*\) /s, "").split(" "); } catch { return null; }
};
export const alive = (pid) => { const s = stat(pid); return !!s && s[0] !== "Z"; };
export const rssKb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))[1]);
export const peakKb = (pid) => Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))[1]);
const stacks = [];
export async function gone(pid) { return until(() => !alive(pid), 20); }

// The changes to policy.yaml: {"on_failure": "…", "limits": "…"}
export function policyText(change = {}) {
	let text = fs.readFileSync(path.join(here, "policy.yaml"), "utf8");
	for (const [key, value] of Object.entries(change)) {
		const line = new RegExp(`^${key}:.*(\\n[ #].*)*`, "m");
		if (!line.test(text)) throw new Error(`policy.yaml has no ${key}`);
		text = text.replace(line, () => `${key}: ${value}`);
	}
	return text;
}

export class Stack {
	// {policy: changes, config: text of tollgate.yaml keys, args: [], env: {}}; shipped: uses the shipped deadlines,
	// for tests of these
	static up({ policy = {}, config = null, args = [], env = {}, before = null, shipped = false } = {}) {
		const s = new Stack();
		s.D = fs.mkdtempSync("/tmp/tgfault.");
		s.policyFile = path.join(s.D, "faults.yaml");
		fs.writeFileSync(s.policyFile, policyText(policy));
		if (before) before(s.D);
		const full = ["up", "--dir", s.D, "--policy", s.policyFile, ...(shipped ? [] : ["--patient"]), ...args];
		if (config) {
			fs.writeFileSync(path.join(s.D, "asked-config.yaml"), config);
			full.push("--config", path.join(s.D, "asked-config.yaml"));
		}
		if (process.env.HAPROXY_BIN && !args.includes("--haproxy")) full.push("--haproxy", process.env.HAPROXY_BIN);
		stacks.push(s);
		execFileSync(path.join(root, "tests/support/stack"), full, { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...env, B: build } });
		for (const m of fs.readFileSync(path.join(s.D, "env"), "utf8").matchAll(/^(\w+)="?(.*?)"?$/gm)) s[m[1]] = m[2];
		s.edge = new URL(s.EDGE);
		s.bearer = s.token();
		return s;
	}
	token(claims = {}) {
		return execFileSync(path.join(root, "tests/support/token"), ["--dir", this.D, "--claims", JSON.stringify(claims)], { env: { ...process.env, B: build } }).toString().trim();
	}
	down() {
		try { execFileSync(path.join(root, "tests/support/stack"), ["down", "--dir", this.D], { stdio: ["ignore", "inherit", "inherit"] }); } catch (e) { console.log(`# ${e.message}`); }
	}
	pid(name) {
		const lines = fs.readFileSync(path.join(this.D, ".pids"), "utf8").trim().split("\n").filter((l) => l.endsWith(` ${name}`));
		return Number(lines.at(-1).split(" ")[0]);
	}
	kill(name, signal) {
		if (signal === "SIGKILL") fs.appendFileSync(path.join(this.D, ".killed"), `${this.pid(name)} ${name}\n`); // no crash
		process.kill(this.pid(name), signal);
	}
	// Starts a program of the stack again; `stack down` ends it like the first.
	start(name, command, args) {
		const log = fs.openSync(path.join(this.D, `${name}.log`), "a");
		const p = spawn(command, args, { detached: true, stdio: ["ignore", log, log] });
		p.on("exit", (code, signal) => { p.ended = { code, signal }; });
		p.unref();
		fs.closeSync(log);
		fs.appendFileSync(path.join(this.D, ".pids"), `${p.pid} ${stat(p.pid)[19]} ${name}\n`);
		return p;
	}
	startDaemon(suffix = "", name = "tollgate") { return this.start(name, path.join(build, "tollgate"), ["serve", "-c", path.join(this.D, `tollgate${suffix}.yaml`)]); }
	startRedis() { return this.start("redis", "redis-server", [path.join(this.D, "redis.conf")]); }
	log(name = "tollgate") { try { return fs.readFileSync(path.join(this.D, `${name}.log`), "utf8"); } catch { return ""; } }

	// ---- observations from outside ----
	async pending() { return (await this.seen()).filter((q) => q.ended === "pending").length; }
	release() { return fetch(`${this.PROVIDER}/_release`, { method: "POST" }); }
	async get(url, headers = {}) { return (await fetch(url, { headers })).text(); }
	control(what) { return fetch(`${this.PROVIDER}/_control`, { method: "POST", body: JSON.stringify(what) }); }
	async seen(n = 100000) { return JSON.parse(await this.get(`${this.PROVIDER}/_seen?last=${n}`)); }
	forget() { return fetch(`${this.PROVIDER}/_seen`, { method: "DELETE" }); }
	async readyz(admin = this.ADMIN) {
		try { const r = await fetch(`${admin}/readyz`, { signal: AbortSignal.timeout(30000 * slow) }); return { status: r.status, text: await r.text() }; } catch (e) { return { status: 0, text: e.message }; }
	}
	async ready(admin = this.ADMIN) { return until(async () => (await this.readyz(admin)).status === 200); }
	async metrics(admin = this.ADMIN) {
		const m = {};
		for (const line of (await this.get(`${admin}/metrics`)).split("\n")) {
			const at = line.lastIndexOf(" ");
			if (at > 0 && line[0] !== "#") m[line.slice(9, at)] = Number(line.slice(at + 1));
		}
		return m;
	}
	// Checks that no request is in flight and no byte is held, which must be true when nothing runs.
	async idle(name) {
		let m = {};
		const good = await until(async () => { m = await this.metrics(); return m.requests_in_flight === 0 && m.held_bytes === 0; });
		return check(name, good, `requests_in_flight ${m.requests_in_flight}, held_bytes ${m.held_bytes}`);
	}
	records(journal = this.JOURNAL) {
		const all = [];
		for (const f of fs.readdirSync(journal).sort())
			for (const line of fs.readFileSync(path.join(journal, f), "utf8").split("\n")) {
				if (!line) continue;
				try { all.push(JSON.parse(line)); } catch { /* an incomplete last line; verify reports it */ }
			}
		return all;
	}
	verify({ redis = true, journal = this.JOURNAL, key = this.AUDIT_KEY, stream = redis && this.REDIS } = {}) {
		const args = ["audit", "verify", "--public-key", key];
		if (journal) args.push("--journal", journal);
		if (stream) args.push("--redis", this.REDIS);
		try { return { code: 0, text: execFileSync(path.join(build, "tollgate"), args, { stdio: ["ignore", "pipe", "pipe"] }).toString() }; } catch (e) { return { code: e.status, text: `${e.stdout}${e.stderr}` }; }
	}
	// Redis' copy may be a moment late, but an error stays.
	async verified(name, how) { let v; await until(() => { v = this.verify(how); return v.code === 0; }); return final(check(name, v.code === 0 && /^ok /m.test(v.text), v.text)); }
	async redis(...command) {
		return new Promise((resolve, reject) => {
			const s = net.connect(`${this.SOCKETS}/redis.sock`);
			let got = "";
			s.setTimeout(60000 * slow, () => s.destroy(new Error("redis does not answer")));
			s.on("error", reject);
			s.on("data", (d) => { got += d; const v = resp(got); if (v) { s.destroy(); resolve(v.value); } });
			s.write(`*${command.length}\r\n` + command.map((c) => `$${Buffer.byteLength(c)}\r\n${c}\r\n`).join(""));
		});
	}
	// The sum of a limit's counters in Redis.
	async counted(limit) {
		let sum = 0;
		for (const k of await this.redis("KEYS", `tollgate:q:{${limit}:*`)) sum += Number(await this.redis("GET", k));
		return sum;
	}

	// ---- requests ----
	// Sends a request. Always resolves: {status, headers, body, cut, lost, ms}. `lost`: no head of a response arrived;
	// `cut`: the response began and did not end.
	request({ method = "POST", path: p = "/v1/chat/completions", headers = {}, body = null, chunked = false, agent = false, timeout = 90000, bearer = this.bearer } = {}) {
		return new Promise((resolve) => {
			const begin = performance.now();
			const h = { host: "faults", ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), "content-type": "application/json", ...headers };
			if (body !== null && !chunked) h["content-length"] = Buffer.byteLength(body);
			if (body !== null && chunked) h["transfer-encoding"] = "chunked";
			const done = (r) => resolve({ status: 0, headers: {}, body: "", ms: performance.now() - begin, ...r });
			const req = http.request({ host: this.edge.hostname, port: this.edge.port, method, path: p, headers: h, agent }, (res) => {
				let text = "";
				res.setEncoding("utf8");
				const r = () => ({ status: res.statusCode, headers: res.headers, body: text });
				res.on("data", (d) => { text += d; });
				res.on("end", () => done({ ...r(), cut: !res.complete }));
				res.on("error", (e) => done({ ...r(), cut: true, error: e.message }));
				res.on("aborted", () => done({ ...r(), cut: true, error: "aborted" }));
			});
			req.setTimeout(timeout * slow, () => req.destroy(new Error("timeout")));
			// an idle connection that the server closed does not lose a request, because the client repeats it
			req.on("error", (e) => done({ lost: true, stale: req.reusedSocket && e.code === "ECONNRESET", error: e.message }));
			if (body !== null && chunked) {
				const at = Math.floor(body.length / 2);
				req.write(body.slice(0, at));
				setTimeout(() => req.end(body.slice(at)), 2);
			} else {
				req.end(body ?? undefined);
			}
		});
	}
	chat(text, more = {}) { return JSON.stringify({ model: "echo", messages: [{ role: "user", content: text }], ...more }); }
}

function resp(s) { // {value, rest}, or null while it is incomplete
	const nl = s.indexOf("\r\n");
	if (nl < 0) return null;
	const head = s.slice(1, nl), rest = s.slice(nl + 2);
	switch (s[0]) {
	case "+": case "-": return { value: head, rest };
	case ":": return { value: Number(head), rest };
	case "$": {
		const n = Number(head);
		if (n < 0) return { value: null, rest };
		return rest.length < n + 2 ? null : { value: rest.slice(0, n), rest: rest.slice(n + 2) };
	}
	default: {
		const list = [];
		let left = rest;
		for (let i = 0; i < Number(head); i++) {
			const v = resp(left);
			if (!v) return null;
			list.push(v.value);
			left = v.rest;
		}
		return { value: list, rest: left };
	}
	}
}

// ---- the load ----
// Each kind of request, with its status if nothing fails.
export const kinds = {
	direct: (s, tag) => [{ path: "/api/direct/x", body: JSON.stringify({ note: `${tag} plain words` }) }, 200],
	models: () => [{ method: "GET", path: "/v1/models" }, 200],
	relay: (s, tag) => [{ body: s.chat(`${tag} write to ${tag}${MAIL} today`) }, 200],
	messages: (s, tag) => [{ path: "/v1/messages", body: s.chat(`${tag} write to ${tag}${MAIL} today`, { max_tokens: 100 }) }, 200],
	stream: (s, tag) => [{ body: s.chat(`${tag} one two three four five six ${tag}${MAIL} eight nine ten`, { stream: true }) }, 200],
	defer: (s, tag) => [{ body: s.chat(`${tag} write to ${tag}${MAIL} today`), chunked: true }, 200],
	deny: (s, tag) => [{ body: s.chat(`${tag} the key is ${SECRET}`) }, 403],
	deferdeny: (s, tag) => [{ body: s.chat(`${tag} the key is ${SECRET}`), chunked: true }, 403],
	directdeny: (s, tag) => [{ path: "/api/direct/x", body: JSON.stringify({ note: `${tag} ${SECRET}` }) }, 403],
	nobody: (s, tag) => [{ body: s.chat(tag), bearer: null }, 401],
};
export const mixed = Object.keys(kinds);

function whole(kind, r) { // true if the response is complete
	if (r.cut) return false;
	if (r.status !== 200) return true;
	if (kind === "stream") return /data: \[DONE\]\s*$/.test(r.body);
	try { JSON.parse(r.body); return true; } catch { return false; }
}

// Starts `conns` clients; stop() ends them. results: one for each request.
export function load(s, { conns = 8, which = mixed, keepAlive = true, rate = 0, label = "t" } = {}) {
	const agent = keepAlive ? new http.Agent({ keepAlive: true, maxSockets: conns }) : false;
	const results = [];
	let stopped = false, n = 0;
	const one = async () => {
		const i = n++, kind = which[i % which.length], tag = `${label}${i}x`;
		const [spec, want] = kinds[kind](s, tag), sent = Date.now();
		let r = await s.request({ ...spec, agent });
		let repeated = false;
		if (r.stale) { repeated = true; r = await s.request({ ...spec, agent: false }); }
		const { body, headers, ...rest } = r;
		results.push({ kind, tag, want, repeated, closed: headers.connection === "close", whole: whole(kind, r), id: headers["x-tollgate-id"], policy: headers["x-tollgate-policy"],
			decision: headers["x-tollgate-decision"], text: r.status === 200 && r.whole ? "" : body.slice(0, 300), sent, at: Date.now(), ...rest });
	};
	const client = async () => {
		while (!stopped) {
			await one();
			if (rate) await sleep(1000 * conns / rate);
		}
	};
	const all = Promise.all(Array.from({ length: conns }, client));
	const since = (t) => results.filter((r) => r.sent >= t);
	return {
		results,
		// the requests that were sent at that time or later, by the clock of Date.now()
		since,
		// waits until N of them have their responses
		enough: (t, count, which = () => true) => until(() => since(t).filter(which).length >= count),
		stop: async () => { stopped = true; await all; if (agent) agent.destroy(); return results; },
	};
}
export async function loadFor(s, ms, options) {
	const l = load(s, options);
	await sleep(ms);
	return l.stop();
}

// The number of each outcome of a load: "as wanted", "503", "cut", "lost", "other".
export function outcomes(results) {
	const c = { wanted: 0, 503: 0, cut: 0, lost: 0, other: 0 };
	for (const r of results) {
		r.outcome = r.lost ? "lost" : r.status === r.want && r.whole ? "wanted" : r.status === 503 ? "503" : r.status === r.want ? "cut" : "other";
		c[r.outcome]++;
	}
	return c;
}
export function tally(results) { return Object.entries(outcomes(results)).map(([k, v]) => `${v} ${k}`).join(", "); }
export function examples(results, outcome) {
	return results.filter((r) => r.outcome === outcome).slice(0, 5).map((r) => JSON.stringify(r));
}

// Checks what must be true in any fault: the provider received no uninspected or unredacted value, no credential of a
// caller, and no denied request.
export async function nothingUnread(s, name, results = []) {
	const seen = await s.seen();
	const bad = seen.filter((q) => q.body?.includes(SECRET) || q.body?.includes(MAIL) || JSON.stringify(q.headers).includes(s.bearer));
	final(check(`${name}: no request of ${seen.length} reached the provider without inspection`, bad.length === 0 && (seen.length > 0 || !results.some((r) => r.status === 200)), bad.slice(0, 2).map((q) => JSON.stringify(q))));
}
// Each response with status 200 has a durable record of its decision.
export function everyAnswerRecorded(s, name, results, journals = [s.JOURNAL]) {
	const ids = new Set();
	for (const j of journals) for (const r of s.records(j)) if (r.type === "decision") ids.add(r.id);
	const answered = results.filter((r) => r.status === 200);
	const missing = answered.filter((r) => !r.id || !ids.has(r.id));
	final(check(`${name}: each of ${answered.length} responses has a durable record`, answered.length > 0 && missing.length === 0, `${missing.length} without`, ...missing.slice(0, 3).map((r) => JSON.stringify(r))));
}

// ---- running ----
// Runs the test, and ends the stacks in any case.
export async function test(body) {
	let stopping = false;
	const end = (code) => {
		if (stopping) return;
		stopping = true;
		for (const s of stacks) {
			s.down();
			// a sanitizer must not report an error
			for (const name of ["tollgate", "second", "mockllm"]) {
				const said = /(WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer|runtime error:)[^]{0,2000}/.exec(s.log(name));
				if (said) { final(notOk(`${name}: no report of a sanitizer`, said[0])); code = 1; }
				const crashed = /^stack: .* ended by itself.*$/m.exec(s.log(name));
				if (crashed) { final(notOk(`${name}: no crash`, crashed[0])); code = 1; }
			}
			if (code === 0 && !process.env.KEEP) fs.rmSync(s.D, { recursive: true, force: true });
			else console.log(`# logs: ${s.D}`);
		}
		process.exit(code);
	};
	process.on("SIGTERM", () => end(1));
	process.on("SIGINT", () => end(1));
	try {
		await body();
	} catch (e) {
		notOk("the test ran to its end", e.stack);
	}
	end(failures ? 1 : 0);
}
export { fs, net, http, os, path, spawn, execFileSync };
