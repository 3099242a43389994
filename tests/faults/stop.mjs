// The daemon is stopped by force (two signals) under a mixed load, sometimes while Redis does not respond. The daemon
// ends at once, each admitted request has its completion, and no freed memory is used (with sanitized programs).
import { Stack, test, load, sleep, check, is, note, tally, gone } from "./lib.mjs";

await test(async () => {
	const s = Stack.up({ shipped: true, config: "workers: 3\n" });
	for (let round = 0; round < 4; round++) {
		await s.control({ hold_after_events: 4 }); // a stop would wait for these streams
		const l = load(s, { conns: 24, label: `r${round}` });
		await sleep(1500 + Math.random() * 700);
		const silent = round % 2;
		if (silent) {
			s.kill("redis", "SIGSTOP");
			await sleep(Math.random() * 150);
		}
		const pid = s.pid("tollgate"), at = Date.now();
		process.kill(pid, "SIGTERM");
		await sleep(30);
		process.kill(pid, "SIGTERM");
		check(`round ${round}: the daemon ends, although streams are in flight`, await gone(pid));
		note(`it took ${Date.now() - at} ms`);
		if (silent) s.kill("redis", "SIGCONT");
		const text = s.log();
		const i = text.search(/Sanitizer|runtime error|invariant/);
		check(`round ${round}: no sanitizer reports an error`, i < 0, text.slice(i, i + 3000));
		check(`round ${round}: the log reports the stop`, /event=stopped/.test(text.trim().split("\n").at(-1)), text.slice(-300));
		const results = await l.stop();
		note(tally(results));
		s.startDaemon();
		check(`round ${round}: a new daemon is ready`, await s.ready(), s.log().slice(-300));
		const done = new Set(s.records().filter((r) => r.type === "completion").map((r) => r.id));
		const open = s.records().filter((r) => r.type === "decision" && r.via === "relay" && r.decision !== "deny" && !done.has(r.id));
		is(`round ${round}: no relay decision is open`, open.length, 0);
	}
	await s.verified("journal and stream verify");
});
