// Two daemons behind one HAProxy. One is killed under load, then the other ends.
import { Stack, test, load, sleep, until, check, final, is, note, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, gone, slow, path } from "./lib.mjs";

await test(async () => {
	const s = Stack.up({ shipped: true, args: ["--second"] });
	const both = [s.JOURNAL, path.join(s.D, "journal-b")];
	const l = load(s, { conns: 10 });
	await sleep(1500 * slow);
	s.kill("second", "SIGKILL");
	await sleep(500 * slow);
	await until(() => l.results.slice(-30).every((r) => r.status === r.want)); // HAProxy has noticed it
	const mark = Date.now();
	await l.enough(mark, 100);
	const alone = l.since(mark);
	check(`one is killed: the other serves all requests, ${alone.length}`, alone.length >= 100 && outcomes(alone).wanted === alone.length, tally(alone), ...examples(alone, "503"), ...examples(alone, "other"));
	s.startDaemon("-b", "second");
	check("the killed daemon is ready again", await s.ready(s.ADMIN_B), s.log("second").slice(-300));
	await until(async () => (await s.metrics(s.ADMIN_B)).spop_notify_total > 0);
	const before = (await s.metrics(s.ADMIN_B)).spop_notify_total;
	const first = s.pid("tollgate");
	process.kill(first, "SIGTERM");
	await gone(first);
	await until(() => l.results.slice(-30).every((r) => r.status === r.want));
	const mark2 = Date.now();
	await l.enough(mark2, 100);
	const results = await l.stop();
	const last = results.filter((r) => r.sent >= mark2);
	check(`the other ended: the restarted one serves all requests, ${last.length}`, last.length >= 100 && outcomes(last).wanted === last.length, tally(last), ...examples(last, "503"), ...examples(last, "other"));
	check("it gets requests", (await s.metrics(s.ADMIN_B)).spop_notify_total > before);
	note(tally(results));
	const c = outcomes(results);
	final(is("no request is lost", c.lost, 0));
	check("responses, 503s and cut streams only", c.other === 0, ...examples(results, "other"));
	await nothingUnread(s, "two", results);
	everyAnswerRecorded(s, "two", results, both);
	await s.verified("the first journal verifies", { stream: false });
	await s.verified("the second journal verifies", { journal: both[1], key: path.join(s.D, "audit-b.key.pub"), stream: false });
});
