// HAProxy reloads (SIGUSR2 to its master) under load. No request is lost, and no request passes without inspection.
// $HAPROXY_BIN is the HAProxy binary.
import { Stack, test, load, until, check, final, is, note, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, short } from "./lib.mjs";

await test(async () => {
	const s = Stack.up();
	for (const keepAlive of short ? [true] : [false, true]) {
		const how = keepAlive ? "kept connections" : "a connection each";
		await s.forget();
		await s.control({ chunk_ms: 30 });
		const l = load(s, { conns: 10, keepAlive });
		const loaded = () => s.log("haproxy").match(/Loading success/g)?.length ?? 0;
		for (let i = 0; i < (short ? 2 : 3); i++) {
			await l.enough(Date.now(), 100);
			const before = loaded();
			// The signal is repeated if nothing happens: up to 3.0, a signal just after "Loading success" is lost.
			for (let told = 0; told < 4 && loaded() === before; told++) {
				s.kill("haproxy", "SIGUSR2");
				await until(() => loaded() > before, 50, 5000);
			}
			check(`${how}: reload ${i + 1}`, loaded() > before, s.log("haproxy").slice(-500));
		}
		await l.enough(Date.now(), 200);
		const results = await l.stop();
		const c = outcomes(results);
		note(`${how}: ${tally(results)}`);
		final(check(`${how}: no request is lost`, c.lost === 0, ...examples(results, "lost")));
		check(`${how}: none is refused`, c["503"] === 0, ...examples(results, "503"));
		check(`${how}: none is cut`, c.cut === 0, ...examples(results, "cut"));
		check(`${how}: no other result occurs`, c.other === 0, ...examples(results, "other"));
		await nothingUnread(s, how, results);
		everyAnswerRecorded(s, how, results);
	}
	await s.idle("nothing is left");
	const m = await s.metrics();
	is("no protocol error on the agent's side", m.spop_protocol_errors_total, 0);
	await s.verified("journal and stream verify");
});
