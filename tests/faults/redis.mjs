// Redis stops, dies, returns empty, and responds slowly. Requests get the policy's outcome in time. Afterwards the
// circuit closes, and the stream receives the missing records.
import { Stack, test, load, sleep, check, final, is, note, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, short, slow, until } from "./lib.mjs";

const IN_TIME = 2500; // ms: redis.deadline and agent.deadline are far less, a hang is far more

async function broken(s, name, want) {
	const results = [];
	for (let i = 0; i < 12; i++) {
		const tag = `${name.replaceAll(" ", "")}${i}`;
		results.push(await s.request({ body: s.chat(`${tag} hello`) }));
		results.push(await s.request({ path: "/api/direct/x", body: "{}" }));
	}
	const statuses = [...new Set(results.map((r) => r.status))];
	check(`${name}: each status is ${want}`, statuses.length === 1 && statuses[0] === want, JSON.stringify(statuses), ...results.filter((r) => r.status !== want).slice(0, 2).map((r) => JSON.stringify(r)));
	const worst = Math.max(...results.map((r) => r.ms));
	check(`${name}: the responses come in time`, worst < IN_TIME * slow, `${worst} ms`);
	if (want === 503) {
		check(`${name}: the responses have a code and Retry-After`, results.every((r) => /quota_unavailable|overloaded/.test(r.body) || r.body.includes("api_error")) && results.every((r) => r.headers["retry-after"]), results[0].body, JSON.stringify(results[0].headers));
		check(`${name}: the code names the dependency`, results.filter((r) => r.body.includes("quota_unavailable")).length > 0, results[0].body);
	}
}
async function recovers(s, name) {
	const good = await until(async () => (await s.request({ body: s.chat("again") })).status === 200 && (await s.readyz()).status === 200);
	check(`${name}: requests are served again, and the daemon is ready`, good, (await s.readyz()).text);
	const r = await s.request({ body: s.chat("limits") });
	check(`${name}: limits count again`, Number(r.headers["x-ratelimit-remaining-requests"]) < 600000, JSON.stringify(r.headers));
}
async function mirrored(s, name) {
	const last = () => s.records().filter((r) => r.seq).at(-1)?.seq ?? 0;
	let v;
	const good = await until(async () => {
		v = s.verify();
		const line = v.text.split("\n").find((l) => /source=(stream|redis)/.test(l)) ?? "";
		return v.code === 0 && Number(/ seq=(\d+)/.exec(line)?.[1]) >= last();
	}, 200);
	check(`${name}: the stream catches up with the journal, and both verify`, good, `journal at ${last()}`, v.text);
}

await test(async () => {
	for (const outcome of short ? ["deny"] : ["deny", "permit"]) {
		const s = Stack.up({ shipped: true, policy: { on_failure: `{classifier: deny, quota: ${outcome}, audit: deny, unreadable: deny}` } });
		const want = outcome === "deny" ? 503 : 200;
		const n = (what) => `quota ${outcome}, Redis ${what}`;
		await s.request({ body: s.chat("warm") });

		s.kill("redis", "SIGSTOP");
		await broken(s, n("stopped"), want);
		const r = await s.readyz();
		check(`${n("stopped")}: readyz reports it`, r.status === 503 && /redis: down/.test(r.text), r.text);
		s.kill("redis", "SIGCONT");
		await recovers(s, n("continued"));
		await mirrored(s, n("continued"));

		s.kill("redis", "SIGKILL");
		await sleep(100);
		await broken(s, n("killed"), want);
		s.startRedis();
		await recovers(s, n("restarted empty"));
		await mirrored(s, n("restarted empty"));

		// under load, stopped for a third of the time
		await s.forget();
		const l = load(s, { conns: 8 });
		for (let i = 0; i < (short ? 4 : 10); i++) {
			s.kill("redis", "SIGSTOP");
			await sleep(400); // twice redis.deadline
			s.kill("redis", "SIGCONT");
			await sleep(250);
		}
		const results = await l.stop();
		const c = outcomes(results);
		note(`${n("slow")}: ${tally(results)}`);
		final(is(`${n("slow")}: nothing is lost or cut`, c.lost + c.cut, 0));
		check(`${n("slow")}: responses and 503s only`, c.other === 0, ...examples(results, "other"));
		if (outcome === "deny") check(`${n("slow")}: some are refused`, c["503"] > 0);
		if (outcome === "permit") check(`${n("slow")}: none is refused`, c["503"] === 0, ...examples(results, "503"));
		check(`${n("slow")}: none hangs`, Math.max(...results.map((x) => x.ms)) < 2 * IN_TIME * slow);
		await nothingUnread(s, n("slow"), results);
		everyAnswerRecorded(s, n("slow"), results);
		await recovers(s, n("fast again"));
		await mirrored(s, n("fast again"));

		await s.redis("FLUSHALL");
		for (let i = 0; i < 5; i++) await s.request({ body: s.chat("after the flush") });
		await sleep(500);
		const v = s.verify();
		note(`after FLUSHALL: ${v.text.trim().replaceAll("\n", " | ")}`);
		final(check(`${n("flushed")}: the journal verifies, and lost entries of the stream are reported or written again`, /^ok .*source=journal/m.test(v.text) && (v.code === 0 || /^bad .*source=(stream|redis)/m.test(v.text)), v.text));
		is(`${n("flushed")}: requests are served`, (await s.request({ body: s.chat("x") })).status, 200);
		await s.idle(`${n("over")}: nothing is left`);
		s.down();
	}
	// A request in flight also counts in the next Redis epoch, until it ends (docs/redis.md).
	const s2 = Stack.up({ shipped: true, policy: { limits: `
  - {name: tokens, per: [identity.person], tokens: 20000, window: 1m}` } });
	for (const loss of ["flushed", "restarted empty"]) {
		const bearer = s2.token({ sub: loss });
		const ask = (i) => s2.request({ bearer, body: s2.chat(`x${i}`, { max_tokens: 4900 }) });
		await s2.control({ delay_ms: 5000 * slow });
		const before = [0, 1, 2, 3].map(ask);
		await sleep(300 * slow);
		is(`${loss}: the limit is full`, (await ask(4)).status, 429);
		if (loss === "flushed") await s2.redis("FLUSHALL");
		else {
			s2.kill("redis", "SIGKILL");
			await sleep(100);
			s2.startRedis();
			await until(async () => (await s2.readyz()).status === 200);
		}
		await sleep(300 * slow); // the daemon has noticed it
		is(`${loss}: requests in flight still count`, (await Promise.all([5, 6].map(ask))).map((r) => r.status).join(" "), "429 429");
		is(`${loss}: they end normally`, (await Promise.all(before)).map((r) => r.status).join(" "), "200 200 200 200");
		await s2.control({});
		await until(async () => (await ask(7)).status === 200);
		is(`${loss}: the unused part of the reservation is released`, (await ask(8)).status, 200);
	}
	s2.down();

	// A deadline of Redis above the deadline of decisions has no effect.
	const patient = Stack.up({ shipped: true, config: "redis: {deadline: 9s}\n", policy: { on_failure: "{classifier: deny, quota: permit, audit: deny, unreadable: deny}" } });
	await patient.request({ body: patient.chat("warm") });
	patient.kill("redis", "SIGSTOP");
	await broken(patient, "a long redis.deadline, Redis stopped", 200);
	patient.kill("redis", "SIGCONT");
	await recovers(patient, "a long redis.deadline, Redis continued");
	patient.down();

	const s = Stack.up({ shipped: true, args: ["--no-redis"], policy: { limits: `
  - {name: requests, per: [identity.person], requests: 5, window: 1m}
  - {name: tokens, per: [identity.person], tokens: 600000000, window: 1m}` } });
	const statuses = [];
	for (let i = 0; i < 8; i++) statuses.push((await s.request({ body: s.chat("count me") })).status);
	is("without redis.url, limits apply in this process", statuses.join(" "), "200 200 200 200 200 429 429 429");
	is("without redis.url, the daemon is ready", (await s.readyz()).status, 200);
	check("the start logs that limits are local", /quota\.local/.test(s.log()));
	await s.verified("without Redis the journal verifies", { redis: false });
});
