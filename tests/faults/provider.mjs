// A provider that fails in every way: the response that the client gets, and the tokens that limits have counted
// afterwards. Limits count the usage if the provider reported it, the reservation if a response began without usage,
// and nothing if a 4xx or 5xx came before any output.
import { Stack, test, load, sleep, check, is, note, nothingUnread, examples, outcomes, tally, http, net, short, slow, rssKb, peakKb, until } from "./lib.mjs";

const WORDS = "one two three four five six seven eight nine ten"; // 10 in, 10 out
const CAP = 500;

await test(async () => {
	const s = Stack.up({
		config: "relay: {response_timeout: 3s}\n",
		policy: { limits: `
  - {name: requests, per: [identity.person], requests: 600000, window: 1h}
  - {name: tokens, per: [identity.person], tokens: 600000000, window: 1h}` },
	});
	const openai = (stream) => ({ path: "/v1/chat/completions", body: s.chat(WORDS, { max_tokens: CAP, stream }) });
	const anthropic = (stream) => ({ path: "/v1/messages", body: s.chat(WORDS, { max_tokens: CAP, stream }) });
	const json = (r) => { try { return JSON.parse(r.body); } catch { return null; } };
	const error = (r) => { const j = json(r); return !!(j && j.error && j.error.message); };
	const used = 20, none = 0, reserved = "reserved";
	const ends = (r) => /data: \[DONE\]\s*$|event: message_stop/.test(r.body);
	// name, setting, request, what the client must receive, tokens counted
	const cases = [
		["a good response", {}, openai(), (r) => r.status === 200 && json(r) && !r.cut, used],
		["a good stream", {}, openai(true), (r) => r.status === 200 && ends(r) && !r.cut, used],
		["a good Anthropic response", {}, anthropic(), (r) => r.status === 200 && json(r), used],
		["a good Anthropic stream", {}, anthropic(true), (r) => r.status === 200 && ends(r), used],
		...[400, 401, 429, 500, 503, 529].flatMap((status) => [
			[`status ${status}`, { status }, openai(), (r) => r.status === status && !r.cut, none],
			[`status ${status} to a stream`, { status }, anthropic(true), (r) => r.status === status && !r.cut, none],
		]),
		["silence beyond the timeout", { delay_ms: 6000 }, openai(), (r) => r.status === 503 && error(r), [none, reserved]],
		["silence beyond the timeout before a stream", { delay_ms: 6000 }, openai(true), (r) => r.status === 503 && error(r), [none, reserved]],
		["silence in the middle of a stream", { chunk_ms: 6000 }, openai(true), (r) => r.status === 200 && !ends(r), reserved],
		["closed before a head", { cut_after_bytes: 0 }, openai(), (r) => r.status === 503 && error(r), [none, reserved]],
		["cut in the middle of the JSON", { cut_after_bytes: 50 }, openai(), (r) => r.status === 200 ? r.cut : r.status === 503, reserved],
		["cut in the middle of a stream", { cut_after_bytes: 700 }, openai(true), (r) => r.status === 200 && !ends(r), reserved],
		["cut in the middle of an Anthropic stream", { cut_after_bytes: 700 }, anthropic(true), (r) => r.status === 200 && !ends(r), reserved],
		["a length that is too long", { headers: { "content-length": "100000" } }, openai(), (r) => r.cut || r.status === 503, [reserved, used, none]],
		["a length that is too short", { headers: { "content-length": "10" } }, openai(), (r) => r.status === 503 || r.body.length <= 10, [reserved, none]],
		["two lengths", { headers: { "content-length": ["10", "20"] } }, openai(), (r) => r.status === 503 && error(r), [none, reserved]],
		["a length and chunks", { headers: { "content-length": "10", "transfer-encoding": "chunked" } }, openai(), (r) => r.cut || r.status === 503, [none, reserved]],
		["slow events", { chunk_ms: 120 }, openai(true), (r) => r.status === 200 && ends(r) && !r.cut, used],
		["slow Anthropic events", { chunk_ms: 120 }, anthropic(true), (r) => r.status === 200 && ends(r), used],
		["JSON byte by byte", { chunk_bytes: 1 }, openai(), (r) => r.status === 200 && json(r) && !r.cut, used],
		["a stream byte by byte", { chunk_bytes: 1 }, openai(true), (r) => r.status === 200 && ends(r) && !r.cut, used],
		["Anthropic JSON byte by byte", { chunk_bytes: 1 }, anthropic(), (r) => r.status === 200 && json(r), used],
		["an Anthropic stream byte by byte", { chunk_bytes: 1 }, anthropic(true), (r) => r.status === 200 && ends(r), used],
		["a stream in pieces of seven", { chunk_bytes: 7, chunk_ms: 1 }, openai(true), (r) => r.status === 200 && ends(r), used],
		["no usage", { usage: null }, openai(), (r) => r.status === 200 && json(r), reserved],
		["no usage in a stream", { usage: null }, openai(true), (r) => r.status === 200 && ends(r), reserved],
		["usage above the reservation", { usage: { prompt_tokens: 7000, completion_tokens: 9000, total_tokens: 16000 } }, openai(), (r) => r.status === 200, 16000],
		["usage above it in a stream", { usage: { prompt_tokens: 7000, completion_tokens: 9000, total_tokens: 16000 } }, openai(true), (r) => r.status === 200 && ends(r), 16000],
		["usage that is negative", { usage: { prompt_tokens: -5, completion_tokens: -9, total_tokens: -14 } }, openai(), (r) => r.status === 200, reserved],
		["the connection closed after the response", { headers: { connection: "close" } }, openai(), (r) => r.status === 200 && json(r), used],
		["204 without a body", { status: 204 }, openai(), (r) => r.status === 204 || r.status === 503, null],
		["101", { status: 101 }, openai(), (r) => r.status === 503, [none, reserved]],
		["forged x-tollgate fields", { headers: { "x-tollgate-decision": "deny", "x-tollgate-id": "forged", "set-cookie": "a=b", "x-ratelimit-remaining-requests": "-7" } }, openai(),
			(r) => r.status === 200 && r.headers["x-tollgate-id"] !== "forged" && r.headers["x-tollgate-decision"] === "permit" && !r.headers["set-cookie"] && !/-7/.test(r.headers["x-ratelimit-remaining-requests"]), used],
	];
	// The tokens that a request reserves, from its record. A prompt that was reserved by its length is counted if the
	// provider reports no usage, and that number is charged (docs/budgets.md): `least`, and less than its length.
	const reservation = async (r) => {
		const id = r.headers["x-tollgate-id"];
		const d = await until(async () => s.records().find((x) => x.type === "decision" && x.id === id));
		const full = d?.limits?.find((l) => l.kind === "tokens")?.taken;
		return { full, least: d?.prompt?.tokens_by_bytes ? CAP + 1 : full };
	};
	for (const [name, setting, spec, good, tokens] of cases) {
		if (short && /slow|silence/.test(name)) continue;
		await s.control(setting);
		const before = await s.counted("tokens"), reqs = await s.counted("requests");
		const r = await s.request({ ...spec, timeout: 15000 });
		check(`${name}: the client receives it`, good(r), `${r.status} cut=${r.cut} lost=${r.lost} ${r.error ?? ""}`, JSON.stringify(r.headers), r.body);
		await s.control({});
		if (tokens === null) { await s.idle(`${name}: the request is released`); continue; }
		const { full, least } = await reservation(r);
		const wants = Array.isArray(tokens) ? tokens : [tokens];
		const fits = (n) => wants.some((t) => (t === reserved ? n >= least && n <= full && (n < full || least === full) : n === t));
		let got;
		const settled = await until(async () => { got = (await s.counted("tokens")) - before; return fits(got); });
		check(`${name}: counted ${wants.join(" or ")} tokens`, settled && full > CAP, `got ${got}, reserved ${full}`);
		const id = r.headers["x-tollgate-id"];
		const done = await until(async () => s.records().find((x) => x.type === "completion" && x.id === id));
		check(`${name}: it has a completion`, !!done, id);
		if ((await s.counted("requests")) - reqs > 1) is(`${name}: one request counted`, (await s.counted("requests")) - reqs, 1);
	}
	const rich = s.token({ sub: "rich" });
	await s.control({ usage: { prompt_tokens: 9e18, completion_tokens: 9e18, total_tokens: 9e18 } });
	is("usage that is enormous: the client gets the response", (await s.request({ ...openai(), bearer: rich })).status, 200);
	await s.idle("usage that is enormous: the request is released");
	await s.control({});
	is("usage that is enormous: it is ignored", (await s.request({ ...openai(), bearer: rich })).status, 200);
	is("the daemon serves requests", (await s.request(openai())).status, 200);
	await s.idle("nothing is left");

	// connections that the provider closes at random, under load
	await s.forget();
	const l = load(s, { conns: 8, which: ["relay", "stream", "defer", "messages", "direct", "deny"] });
	for (let i = 0; i < (short ? 15 : 60); i++) {
		await s.control(i % 2 ? { headers: { connection: "close" } } : {});
		await sleep(40 * slow);
	}
	const results = await l.stop();
	await s.control({});
	note(`connections closed at random: ${tally(results)}`);
	check("connections closed at random: each response is complete", outcomes(results).wanted === results.length, ...["503", "cut", "lost", "other"].flatMap((o) => examples(results, o)));
	await nothingUnread(s, "connections closed at random", results);

	// 50 MB to a client that reads slowly
	for (const stream of short ? [false] : [false, true]) {
		const name = stream ? "50 MB of events" : "50 MB of JSON";
		const text = (stream ? `${"word".repeat(250)} `.repeat(400) : "word ".repeat(80000)).trim(); // 400 KB
		const body = s.chat(text, { n: 128, stream });
		const small = await s.request(openai());
		is(`${name}: a request before is served`, small.status, 200);
		const pid = s.pid("tollgate"), before = rssKb(pid);
		const got = await new Promise((resolve) => {
			let bytes = 0, worst = 0;
			const req = http.request({ host: s.edge.hostname, port: s.edge.port, method: "POST", path: "/v1/chat/completions",
				headers: { host: "faults", authorization: `Bearer ${s.bearer}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, async (res) => {
				res.pause();
				for (let i = 0; i < 6; i++) { await sleep(200); worst = Math.max(worst, rssKb(pid)); }
				res.on("data", (d) => { bytes += d.length; if (bytes % 64 === 0) worst = Math.max(worst, rssKb(pid)); });
				res.resume();
				res.on("end", () => resolve({ bytes, worst, status: res.statusCode, whole: res.complete }));
				res.on("error", (e) => resolve({ bytes, worst, status: res.statusCode, error: e.message }));
			});
			req.on("error", (e) => resolve({ error: e.message }));
			req.end(body);
		});
		note(`${name}: ${JSON.stringify(got)}, resident before ${before} KB`);
		check(`${name}: all of it arrives`, got.status === 200 && got.whole && got.bytes > 50e6, JSON.stringify(got));
		check(`${name}: the daemon only holds a window of it`, got.worst - before < 40 * 1024 * slow, `${before} KB before, ${got.worst} KB while the client waited`);
	}
	await s.idle("nothing is left at the end");
	await s.verified("journal and stream verify");
});
