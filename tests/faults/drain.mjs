// The daemon gets SIGTERM under a mixed load, with streams in flight that the provider delays. Each accepted request
// ends normally, the daemon ends by itself, and its chain is closed.
import { Stack, test, load, sleep, until, check, final, is, note, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, gone, short, slow } from "./lib.mjs";

await test(async () => {
	const s = Stack.up({ shipped: true });
	for (const round of short ? ["second"] : ["first", "second"]) {
		await s.forget();
		await s.control({ hold_after_events: 4 }); // a stream stops there until the test releases it
		const streams = load(s, { conns: 6, which: ["stream"], label: "s" });
		const l = load(s, { conns: 6, which: ["direct", "relay", "defer", "deny", "deferdeny", "models"], label: "m" });
		const began = Date.now();
		await until(async () => (await s.seen()).filter((q) => q.ended === "pending" && q.body?.includes('"stream":true')).length >= 6);
		await l.enough(began, 40);
		const pid = s.pid("tollgate"), at = Date.now();
		process.kill(pid, "SIGTERM");
		let draining;
		const told = await until(async () => { draining = await s.readyz(); return draining.status === 503 && /draining/.test(draining.text); });
		check(`${round}: readyz reports that the daemon drains`, told, `${draining.status} ${draining.text}`);
		await s.control({});
		await s.release();
		check(`${round}: the daemon ends by itself`, await gone(pid), s.log().slice(-500));
		note(`it took ${Date.now() - at} ms`);
		check(`${round}: the log reports the end`, /event=stopped|stopped/.test(s.log().trim().split("\n").at(-1)), s.log().slice(-300));
		const [a, b] = [await streams.stop(), await l.stop()];
		const results = [...a, ...b];
		const c = outcomes(results);
		note(`streams: ${tally(a)}; others: ${tally(b)}`);
		final(is(`${round}: no request is lost`, c.lost, 0));
		is(`${round}: no response is cut`, c.cut, 0);
		check(`${round}: responses and 503s only`, c.other === 0, ...examples(results, "other"), ...examples(results, "cut"));
		check(`${round}: streams were in flight and are complete`, a.filter((r) => r.outcome === "wanted" && r.sent < at && r.at > at).length >= 6, tally(a));
		await nothingUnread(s, round, results);
		everyAnswerRecorded(s, round, results);
		const closing = s.records().filter((r) => r.type).at(-1);
		is(`${round}: the chain's last record is the close`, closing?.type, "close");
		const completions = new Set(s.records().filter((r) => r.type === "completion").map((r) => r.id));
		const open = results.filter((r) => r.outcome === "wanted" && ["relay", "stream", "defer"].includes(r.kind) && !completions.has(r.id));
		check(`${round}: each relayed response has its completion`, open.length === 0, ...open.slice(0, 3).map((r) => JSON.stringify(r)));
		await s.verified(`${round}: journal and stream verify`);
		const p = s.startDaemon();
		check(`${round}: a new daemon serves`, await s.ready(), s.log().slice(-400));
		if (round === "second") {
			process.kill(p.pid, "SIGTERM");
			await until(() => p.ended);
			is("an idle daemon ends with 0", p.ended?.code, 0);
		}
	}
});
