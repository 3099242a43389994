// Clients that disconnect in every phase, send slowly, or send too much at once. The provider's connection ends soon,
// all held memory is released, and the record states the outcome.
import { Stack, test, load, sleep, check, final, is, note, net, http, short, slow, until, peakKb, SECRET } from "./lib.mjs";

const WORDS = "one two three four five six seven eight nine ten eleven twelve";

await test(async () => {
	const s = Stack.up({
		config: "relay: {read_timeout: 2s, ticket_ttl: 3s}\nlimits: {body: 8m, held: 16m, held_per_identity: 16m}\n",
		policy: { limits: `
  - {name: requests, per: [identity.person], requests: 600000, window: 1h}
  - {name: tokens, per: [identity.person], tokens: 600000000, window: 1h}` },
	});
	const open = (text) => {
		const c = net.connect(s.edge.port, s.edge.hostname);
		c.got = "";
		c.on("error", () => {});
		c.on("data", (d) => { c.got += d; });
		c.on("close", () => { c.gone = true; });
		c.write(text);
		return c;
	};
	const head = (path, extra) => `POST ${path} HTTP/1.1\r\nhost: faults\r\nauthorization: Bearer ${s.bearer}\r\ncontent-type: application/json\r\n${extra}\r\n\r\n`;
	const whole = (stream) => s.chat(WORDS, { stream, max_tokens: 500 });
	const length = (b) => `content-length: ${Buffer.byteLength(b)}`;
	const chunk = (t) => `${t.length.toString(16)}\r\n${t}\r\n`;

	// ---- aborts ----
	const long = JSON.stringify({ model: "echo", messages: [{ role: "user", content: "x ".repeat(400000) }] });
	// name, setting of the provider, request, wait, whether the provider gets it, tokens, outcome
	const aborts = [
		["in the head", {}, () => open("POST /v1/chat/completions HTTP/1.1\r\nhost: fau"), 300, false, 0, null],
		["after the head", {}, () => open(head("/v1/chat/completions", "content-length: 5000")), 300, false, 0, null],
		["in a short body", {}, () => open(head("/v1/chat/completions", "content-length: 5000") + whole().slice(0, 40)), 300, false, 0, null],
		["in a chunked body", {}, () => open(head("/v1/chat/completions", "transfer-encoding: chunked") + chunk(whole().slice(0, 40))), 300, false, 0, null],
		["in a body beyond the buffer", {}, () => open(head("/v1/chat/completions", length(long)) + long.slice(0, 500000)), 800, false, 0, "abandoned"],
		["in a chunked body beyond the buffer", {}, () => open(head("/v1/chat/completions", "transfer-encoding: chunked") + chunk(long.slice(0, 500000))), 800, false, 0, "abandoned"],
		["while the provider thinks", { delay_ms: 4000 }, () => open(head("/v1/chat/completions", length(whole())) + whole()), 600, true, "reserved", "client_abort"],
		["while the provider thinks, a deferred request", { delay_ms: 4000 }, () => open(head("/v1/chat/completions", "transfer-encoding: chunked") + chunk(whole()) + "0\r\n\r\n"), 600, true, "reserved", "client_abort"],
		["in the middle of a stream", { chunk_ms: 300 }, () => open(head("/v1/chat/completions", length(whole(true))) + whole(true)), 1000, true, "seen", "client_abort"],
		["while the provider thinks, direct", { delay_ms: 4000 }, () => open(head("/api/direct/x", "content-length: 7") + `{"a":1}`), 600, true, "reserved", null],
	];
	for (const [name, setting, send, wait, reaches, tokens, outcome] of aborts) {
		await s.forget();
		await s.control(setting);
		const before = await s.counted("tokens"), known = s.records().length;
		const c = send();
		await sleep(wait * slow);
		const early = (await s.seen()).length;
		c.destroy();
		is(`gone ${name}: the provider received ${reaches ? "the request" : "nothing"}`, early, reaches ? 1 : 0);
		if (reaches) {
			let ended;
			const soon = await until(async () => { ended = (await s.seen())[0]?.ended; return ended === "aborted"; });
			check(`gone ${name}: its connection ends soon`, soon, `ended: ${ended}`);
		}
		await s.idle(`gone ${name}: nothing is left`);
		await s.control({});
		let fresh = [];
		const recorded = await until(async () => {
			fresh = s.records().slice(known);
			return !outcome || fresh.some((r) => r.type === "completion" && r.outcome === outcome);
		});
		check(`gone ${name}: the record has ${outcome ?? "nothing of a response"}`, recorded && (outcome || !fresh.some((r) => r.type === "completion" && r.outcome !== "abandoned")), ...fresh.map((r) => JSON.stringify(r)));
		const d = fresh.find((r) => r.type === "decision"), full = d?.limits?.find((l) => l.kind === "tokens")?.taken;
		// A stopped stream is charged what it can have used: the text that arrived and the elapsed time.
		const want = tokens === "reserved" || tokens === "seen" ? full : tokens;
		// A prompt that is reserved by its length is counted if the provider reports no usage (docs/budgets.md): that
		// is less.
		const byBytes = tokens === "reserved" && d?.prompt?.tokens_by_bytes;
		let got;
		const settled = await until(async () => { got = (await s.counted("tokens")) - before; return tokens === "seen" ? got > 0 && got <= full : byBytes ? got > 0 && got < full : got === want; });
		check(`gone ${name}: ${tokens === 0 ? "no tokens counted" : "counted as reserved"}`, settled, `${got}, want ${want}`);
		check(`gone ${name}: the daemon serves`, (await s.request({ body: whole() })).status === 200);
	}

	// ---- many clients that disconnect, under load ----
	await s.forget();
	await s.control({ chunk_ms: 20 });
	const l = load(s, { conns: 4, which: ["relay", "stream", "defer", "direct"] });
	for (let i = 0; i < (short ? 60 : 400); i++) {
		const stream = i % 2 === 0;
		const b = whole(stream);
		const c = open(i % 3 ? head("/v1/chat/completions", length(b)) + b : head("/v1/chat/completions", "transfer-encoding: chunked") + chunk(b) + (i % 2 ? "0\r\n\r\n" : ""));
		setTimeout(() => c.destroy(), Math.random() * 120);
		await sleep(5 * slow);
	}
	await sleep(300);
	const others = await l.stop();
	await s.control({});
	check(`next to many clients that disconnect, ${others.length} others get their responses`, others.length > 10 && others.every((r) => r.status === 200 && r.whole), ...others.filter((r) => r.status !== 200 || !r.whole).slice(0, 3).map((r) => JSON.stringify(r)));
	await s.idle("after these disconnects, nothing is left");
	const left = await until(async () => (await s.seen()).filter((q) => q.ended === "pending").length === 0);
	check("nothing is left at the provider", left);

	// ---- 100-continue ----
	for (const [name, p, body, want] of [["permitted", "/v1/chat/completions", whole(), 200], ["denied", "/v1/chat/completions", s.chat(SECRET), 403], ["without a route", "/nowhere", "{}", 404]]) {
		const c = open(head(p, `${length(body)}\r\nexpect: 100-continue`));
		await until(async () => c.got.includes("\r\n\r\n"), 10);
		const interim = /^HTTP\/1\.1 100/.test(c.got);
		if (interim) c.write(body);
		await until(async () => / \d{3} /.test(c.got.replace(/^HTTP\/1\.1 100.*?\r\n\r\n/s, "")), 10);
		const status = Number(/^HTTP\/1\.1 (\d+)/.exec(c.got.replace(/^HTTP\/1\.1 100.*?\r\n\r\n/s, ""))?.[1]);
		check(`Expect: 100-continue, ${name}: invited or refused, then ${want}`, status === want, c.got.slice(0, 300));
		c.destroy();
	}
	for (const chunked of [false, true]) {
		const big = "y ".repeat(500000);
		const b = s.chat(big);
		const c = open(head("/v1/chat/completions", `${chunked ? "transfer-encoding: chunked" : length(b)}\r\nexpect: 100-continue`));
		await until(async () => c.got.includes("\r\n\r\n"), 10);
		c.write(chunked ? chunk(b) + "0\r\n\r\n" : b);
		const good = await until(async () => /HTTP\/1\.1 200/.test(c.got), 20);
		check(`Expect: 100-continue with a megabyte${chunked ? " in chunks" : ""}`, good, c.got.slice(0, 300));
		c.destroy();
	}
	await s.idle("after Expect: 100-continue, nothing is left");

	// ---- slow bodies ----
	const drips = Array.from({ length: short ? 10 : 60 }, (_, i) => {
		const c = open(head("/v1/chat/completions", i % 2 ? "content-length: 400000" : "transfer-encoding: chunked") + (i % 2 ? "{" : chunk("{")));
		const t = setInterval(() => { if (c.gone) clearInterval(t); else c.write(i % 2 ? " " : chunk(" ")); }, 400);
		c.timer = t;
		return c;
	});
	await sleep(1000);
	is("next to slow bodies, a request is served", (await s.request({ body: whole() })).status, 200);
	if (!short) {
		// HAProxy waits 15 s for a body; the daemon must end slow bodies after that.
		await until(async () => drips.every((c) => c.gone || /HTTP\/1\.1 [45]/.test(c.got)), 500);
		note(`bodies that drip: ${drips.filter((c) => c.gone || /HTTP\/1\.1 [45]/.test(c.got)).length} of ${drips.length} ended; ${[...new Set(drips.map((c) => c.got.slice(0, 12)))].join(", ")}`);
	}
	for (const c of drips) { clearInterval(c.timer); c.destroy(); }
	await s.idle("after slow bodies, nothing is left");
	// a body that stops
	const stalled = Array.from({ length: 6 }, (_, i) => open(head("/v1/chat/completions", i % 2 ? length(long) : "transfer-encoding: chunked") + (i % 2 ? long.slice(0, 400000) : chunk(long.slice(0, 400000)))));
	if (!short) {
		const ended = await until(async () => stalled.every((c) => c.gone || /HTTP\/1\.1 [45]/.test(c.got)), 200);
		check("a body that stops is refused or cut after read_timeout", ended, ...stalled.map((c) => `${c.gone} ${c.got.slice(0, 60)}`));
		check("a refusal has the status 408, 400 or 503", stalled.every((c) => !c.got || /^HTTP\/1\.1 (408|400|503)/.test(c.got)), ...stalled.map((c) => c.got.slice(0, 60)));
	}
	for (const c of stalled) c.destroy();
	await s.idle("after bodies that stop, nothing is left");

	// ---- held bytes ----
	await s.forget();
	await s.control({ delay_ms: 300 });
	const twoMb = JSON.stringify({ note: "some words of a long document ".repeat(70000) });
	const n = short ? 40 : 200;
	const many = await Promise.all(Array.from({ length: n }, () => s.request({ path: "/api/relay/big", body: twoMb, chunked: true, timeout: 60000 })));
	await s.control({});
	const by = {};
	for (const r of many) by[r.lost ? `lost ${r.error}` : r.cut ? `${r.status} cut` : r.status] = (by[r.lost ? `lost ${r.error}` : r.cut ? `${r.status} cut` : r.status] ?? 0) + 1;
	const peak = peakKb(s.pid("tollgate"));
	note(`${n} bodies of 2 MB at once: ${JSON.stringify(by)}; peak ${peak} KB; held_refused ${(await s.metrics()).held_refused_total}`);
	// HAProxy closes the connection of a body that it no longer reads after it sent the 503. A client that still
	// writes may get EPIPE or a reset before it reads the 503.
	const unread = (r) => r.lost && /EPIPE|ECONNRESET/.test(r.error);
	check("too many large bodies: responses and 503s only", many.every((r) => r.status === 200 || r.status === 503 || unread(r)) && many.filter(unread).length <= n / 10, JSON.stringify(by));
	check("the 503s have Retry-After", many.filter((r) => r.status === 503).every((r) => Number(r.headers["retry-after"]) > 0), ...many.filter((r) => r.status === 503 && !r.headers["retry-after"]).slice(0, 2).map((r) => JSON.stringify(r.headers) + r.body));
	check("some pass, some get 503", by[200] > 0 && by[503] > 0, JSON.stringify(by));
	check("memory is limited", peak < 200 * 1024 * slow, `${peak} KB`);
	const arrived = (await s.seen()).filter((q) => q.path === "/api/relay/big");
	final(check(`each of ${arrived.length} bodies at the provider is complete`, arrived.length === by[200] && arrived.every((q) => q.body === twoMb), `${by[200]} answered`));
	await s.idle("nothing is held afterwards");
	is("a large body passes again", (await s.request({ path: "/api/relay/big", body: twoMb, chunked: true })).status, 200);
	await s.verified("journal and stream verify");
});
