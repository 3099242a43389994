// The daemon is killed (SIGKILL) under a mixed load and started again. No request reaches the provider without
// inspection, and each response has a durable record.
import { Stack, test, load, sleep, until, check, is, note, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, short, slow, alive } from "./lib.mjs";

await test(async () => {
	const s = Stack.up({ shipped: true });
	await s.control({ chunk_ms: 20 });
	const l = load(s, { conns: 12 });
	for (let round = 1; round <= (short ? 1 : 3); round++) {
		await sleep(1500 * slow);
		s.kill("tollgate", "SIGKILL");
		const dead = Date.now();
		await until(() => l.since(dead).some((r) => r.status === 503));
		await sleep(500 * slow); // the load continues without the daemon
		s.startDaemon();
		check(`round ${round}: ready again`, await s.ready(), s.log().slice(-500));
		const again = Date.now();
		check(`round ${round}: serves again`, await l.enough(again, 12, (r) => r.status === 200), tally(l.since(again)));
	}
	const results = await l.stop();
	note(tally(results));
	const c = outcomes(results);
	is("clients get responses, 503s and cut streams only: lost", c.lost, 0);
	check("clients get responses, 503s and cut streams only: other", c.other === 0, ...examples(results, "other"));
	note(`cut: ${examples(results, "cut").join(" ").slice(0, 500)}`);
	check("some requests get 503 while the daemon is dead", c["503"] > 0);
	/* HAProxy closes the client's connection if a kept connection to the daemon broke during the request. The
	   client repeats it. */
	const repeated = results.filter((r) => r.repeated);
	const shut = results.filter((r) => r.status === 503 && r.closed && !r.repeated && !r.kind.startsWith("defer"));
	check("a 503 keeps the client's connection open", shut.length === 0, ...shut.slice(0, 3).map((r) => JSON.stringify(r)));
	check("few connections are closed during a request", repeated.length <= 64, `${repeated.length} of ${results.length}`);
	await nothingUnread(s, "killed", results);
	everyAnswerRecorded(s, "killed", results);
	await s.idle("nothing is left");
	await s.verified("journal and stream verify");
	check("the daemon runs", alive(s.pid("tollgate")));
});
