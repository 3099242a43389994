// 64 concurrent requests at limits that admit exactly k. At most k requests reach the provider: with Redis, with two
// daemons on one Redis, and in one process. The same holds if bodies are held back over several windows and then end
// at once.
import { Stack, test, sleep, until, check, final, is, note, short, net } from "./lib.mjs";

const LIMIT = 100000, REQUESTS = 11;

// A chunked request whose body ends when end() is called: {end(), status}.
function heldBack(s, body, bearer) {
	const sock = net.connect(s.edge.port, s.edge.hostname);
	const chunk = (t) => sock.write(`${Buffer.byteLength(t).toString(16)}\r\n${t}\r\n`);
	let text = "";
	sock.on("data", (d) => { text += d; });
	sock.on("error", () => {});
	const status = new Promise((ok) => sock.on("close", () => ok(Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1] ?? 0))));
	sock.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: faults\r\nauthorization: Bearer ${bearer}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n`);
	chunk(body.slice(0, 10));
	return { status, end() { chunk(body.slice(10)); sock.write("0\r\n\r\n"); } };
}

await test(async () => {
	for (const [name, args] of [["Redis", []], ["no Redis", ["--no-redis"]], ["two daemons", ["--second"]]]) {
		if (short && name !== "Redis") continue;
		const s = Stack.up({ args, policy: { limits: `
  - {name: tokens, when: 'identity.team == "tokens"', per: [identity.person], tokens: ${LIMIT}, window: 1m}
  - {name: held, when: 'identity.team == "held"', per: [identity.person], requests: 5, window: 2s}
  - {name: few, when: 'identity.team == "few"', per: [identity.person], requests: ${REQUESTS}, window: 1m}` } });
		for (const [what, chunked, p] of [["relay", false, "/v1/chat/completions"], ["deferred", true, "/v1/chat/completions"]]) {
			// the tokens of one request: the limit less the remainder
			const probe = s.token({ sub: `probe-${what}`, team: "tokens" });
			const text = (i) => s.chat(`${what} ${String(i).padStart(3, "0")} count`, { max_tokens: 7000 });
			const first = await s.request({ path: p, chunked, bearer: probe, body: text(0) });
			const one = LIMIT - Number(first.headers["x-ratelimit-remaining-tokens"]);
			const k = Math.floor(LIMIT / one);
			check(`${name}, ${what}: a request takes its output cap and its text`, one > 7000 && one < 7200, `${one}`);
			await s.forget();
			await s.control({ delay_ms: 3600000 }); // no request is settled while others reserve
			const bearer = s.token({ sub: `many-${what}`, team: "tokens" });
			let answered = 0;
			const asked = Array.from({ length: 64 }, (_, i) => s.request({ path: p, chunked, bearer, body: text(i) }).finally(() => { answered++; }));
			await until(async () => answered + (await s.pending()) >= 64);
			await s.release();
			const results = await Promise.all(asked);
			await s.control({});
			const seen = (await s.seen()).length, good = results.filter((r) => r.status === 200).length;
			note(`${name}, ${what}: k ${k}, provider ${seen}, 200s ${good}, 429s ${results.filter((r) => r.status === 429).length}`);
			final(check(`${name}, ${what}: tokens for ${k}: never more reach the provider`, seen <= k && seen === good, `${seen} seen, ${good} answered`));
			check(`${name}, ${what}: some reach the provider`, seen > 0);
			check(`${name}, ${what}: the others have Retry-After`, results.filter((r) => r.status !== 200).every((r) => r.status === 429 && Number(r.headers["retry-after"]) > 0), ...results.filter((r) => ![200, 429].includes(r.status)).slice(0, 2).map((r) => JSON.stringify(r)));
		}
		for (const [what, spec] of [["direct", { path: "/api/direct/x", body: '{"a":1}' }], ["relay", { body: s.chat("hi") }], ["deferred", { body: s.chat("hi"), chunked: true }]]) {
			await s.forget();
			const bearer = s.token({ sub: `few-${what}`, team: "few" });
			const results = await Promise.all(Array.from({ length: 64 }, () => s.request({ ...spec, bearer })));
			const seen = (await s.seen()).length, good = results.filter((r) => r.status === 200).length;
			note(`${name}, ${what}: ${REQUESTS} allowed, provider ${seen}, 200s ${good}`);
			final(check(`${name}, ${what}: never more than ${REQUESTS} requests`, seen <= REQUESTS && good === seen, `${seen} seen, ${good} answered`));
			check(`${name}, ${what}: some pass`, seen > 0);
			check(`${name}, ${what}: the others are 429`, results.every((r) => [200, 429].includes(r.status)), ...results.filter((r) => ![200, 429].includes(r.status)).slice(0, 2).map((r) => JSON.stringify(r)));
		}
		if (!short) {
			await s.forget();
			const held = [], bearer = s.token({ sub: "held", team: "held" });
			for (let w = 0; w < 3; w++) {
				for (let i = 0; i < 7; i++) held.push(heldBack(s, s.chat(`held ${w} ${i}`), bearer));
				await sleep(2300);
			}
			for (const h of held) h.end();
			const statuses = await Promise.all(held.map((h) => h.status));
			const seen = (await s.seen()).length;
			note(`${name}, held back: provider ${seen}, ${statuses.join(" ")}`);
			final(check(`${name}: bodies held back over three windows: one window's worth reaches the provider`, seen > 0 && seen <= 5, `${seen}`));
			check(`${name}: the others are 429`, statuses.filter((x) => x === 429).length === held.length - seen);
		}
		await s.idle(`${name}: nothing is left`);
		s.down();
	}
});
