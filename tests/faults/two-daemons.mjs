// Two daemons behind one HAProxy; one is killed under load, then the other ends.
import { Stack, test, load, sleep, check, is, note, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, slow, path } from "./lib.mjs";

await test(async () => {
	const s = Stack.up({ args: ["--second"] });
	const both = [s.JOURNAL, path.join(s.D, "journal-b")];
	const l = load(s, { conns: 10 });
	await sleep(1500 * slow);
	s.kill("second", "SIGKILL");
	await sleep(2500 * slow);
	const mark = l.results.length;
	await sleep(1500 * slow);
	const alone = l.results.slice(mark);
	check(`one dead: the other serves all, ${alone.length}`, alone.length > 20 && outcomes(alone).wanted === alone.length, tally(alone), ...examples(alone, "503"), ...examples(alone, "other"));
	s.startDaemon("-b", "second");
	check("it comes back", await s.ready(10000, s.ADMIN_B), s.log("second").slice(-300));
	await sleep(2000 * slow);
	const before = (await s.metrics(s.ADMIN_B)).spop_notify_total;
	s.kill("tollgate", "SIGTERM");
	await sleep(2500 * slow);
	const mark2 = l.results.length;
	await sleep(1500 * slow);
	const results = await l.stop();
	const last = results.slice(mark2);
	check(`the first one ended: the second serves all, ${last.length}`, last.length > 20 && outcomes(last).wanted === last.length, tally(last), ...examples(last, "503"), ...examples(last, "other"));
	check("it is asked", (await s.metrics(s.ADMIN_B)).spop_notify_total > before);
	note(tally(results));
	const c = outcomes(results);
	is("no request is lost", c.lost, 0);
	check("answers, 503s and cut streams only", c.other === 0, ...examples(results, "other"));
	await nothingUnread(s, "two", results);
	everyAnswerRecorded(s, "two", results, both);
	await sleep(500);
	s.verified("the first journal verifies", { stream: false });
	s.verified("the second one too", { journal: both[1], key: path.join(s.D, "audit-b.key.pub"), stream: false });
});
