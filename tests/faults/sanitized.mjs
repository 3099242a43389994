// Twenty seconds of all faults with sanitized programs: mixed load, clients that disconnect, reloads, a stopped Redis,
// a provider that cuts responses, and the drain at the end. No sanitizer reports an error.
import { Stack, test, load, sleep, check, final, is, note, outcomes, tally, examples, nothingUnread, net, fs, gone, policyText, until } from "./lib.mjs";

await test(async () => {
	const s = Stack.up({ shipped: true, config: "workers: 4\nrelay: {ticket_ttl: 3s}\n" });
	await s.control({ chunk_ms: 5 });
	const l = load(s, { conns: 12 });
	const vanish = setInterval(() => {
		const b = s.chat("one two three four five six seven", { stream: true });
		const c = net.connect(s.edge.port, s.edge.hostname);
		c.on("error", () => {});
		c.on("data", () => {});
		c.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: faults\r\nauthorization: Bearer ${s.bearer}\r\ncontent-type: application/json\r\ncontent-length: ${b.length}\r\n\r\n${b}`);
		setTimeout(() => c.destroy(), Math.random() * 100);
	}, 50);
	const big = setInterval(() => s.request({ path: "/api/relay/big", chunked: true, body: JSON.stringify({ note: "some words ".repeat(100000) }) }), 1000);
	const began = Date.now();
	for (let i = 0; Date.now() - began < 20000; i++) {
		await sleep(400);
		fs.writeFileSync(s.policyFile, policyText(i % 2 ? {} : { name: "other" }));
		s.kill("tollgate", "SIGHUP");
		await s.metrics();
		await s.readyz();
		if (i % 8 === 3) await s.control({ chunk_ms: 5, cut_after_bytes: 300, times: 20 });
		if (i % 8 === 5) { s.kill("redis", "SIGSTOP"); await sleep(600); s.kill("redis", "SIGCONT"); }
	}
	clearInterval(vanish);
	clearInterval(big);
	await s.control({});
	await sleep(1000);
	const mark = l.results.length;
	await sleep(1500);
	const results = await l.stop();
	note(tally(results));
	const c = outcomes(results);
	final(is("no request is lost", c.lost, 0));
	check("responses, cuts and 503s only", c.other === 0, ...examples(results, "other"));
	check("requests are served to the end", results.slice(mark).filter((r) => r.outcome === "wanted").length > 0, tally(results.slice(mark)));
	await nothingUnread(s, "sanitized", results);
	await s.idle("nothing is left");
	const pid = s.pid("tollgate");
	process.kill(pid, "SIGTERM");
	check("the daemon ends by itself", await gone(pid), s.log().slice(-500));
	await s.verified("journal and stream verify");
	for (const name of ["tollgate", "mockllm"]) {
		if (name === "mockllm") { const p = s.pid(name); process.kill(p, "SIGTERM"); await gone(p); }
		const text = s.log(name);
		const reports = text.match(/(WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer|runtime error:).*/g) ?? [];
		const at = text.search(/WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer|runtime error:/);
		final(check(`${name}: no sanitizer reports an error`, reports.length === 0, `${reports.length} reports`, text.slice(at, at + 3000)));
	}
	check("the log reports the stop", /stopped/.test(s.log()), s.log().slice(-300));
});
