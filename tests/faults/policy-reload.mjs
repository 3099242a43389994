// The policy reloads (SIGHUP) under load. Exactly one version makes each decision. A wrong policy changes nothing, and
// the daemon reports it with its position.
import { Stack, test, load, sleep, check, is, note, examples, outcomes, tally, policyText, fs, short, slow, until } from "./lib.mjs";

await test(async () => {
	const s = Stack.up();
	const strict = policyText({ rules: `
  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
  - {name: no-secrets, when: '"secret" in prompt.classes', deny: {reason: the prompt holds a secret}}
  - {name: no-pii, when: '"pii" in prompt.classes', deny: {status: 451, reason: not at all}}` });
	const lax = policyText();
	const label = async () => (await s.request({ path: "/api/direct/x", body: "{}" })).headers["x-tollgate-policy"];
	const reloaded = async (text) => {
		const before = (await s.metrics())['reloads_total{result="ok"}'];
		fs.writeFileSync(s.policyFile, text);
		s.kill("tollgate", "SIGHUP");
		await until(async () => (await s.metrics())['reloads_total{result="ok"}'] > before);
	};
	const a = await label();
	await reloaded(strict);
	// each worker loads it by itself
	await until(async () => (await label()) !== a);
	const b = await label();
	check("two versions have two labels", a && b && a !== b, a, b);
	await reloaded(lax);
	check("the same policy has the same label again", await until(async () => (await label()) === a), await label());

	const l = load(s, { conns: 10, which: ["relay", "defer", "direct", "deny", "stream"] });
	for (let i = 0; i < (short ? 8 : 30); i++) {
		await sleep(150 * slow);
		fs.writeFileSync(s.policyFile, i % 2 ? lax : strict);
		s.kill("tollgate", "SIGHUP");
	}
	for (const [text, name] of [[strict, b], [lax, a]]) {
		const at = Date.now();
		fs.writeFileSync(s.policyFile, text);
		s.kill("tollgate", "SIGHUP");
		await l.enough(at, 5, (r) => r.policy === name);
	}
	const results = await l.stop();
	note(tally(results));
	const labels = [...new Set(results.map((r) => r.policy))];
	check("each response names one of the two versions", labels.length === 2 && labels.every((x) => x === a || x === b), JSON.stringify(labels));
	const mixed = results.filter((r) => !["deny", "direct"].includes(r.kind) && r.status !== (r.policy === a ? 200 : 451));
	check(`each response is that of its version, ${results.length} times`, mixed.length === 0, ...mixed.slice(0, 3).map((r) => JSON.stringify(r)));
	const steady = results.filter((r) => ["deny", "direct"].includes(r.kind) && (r.status !== r.want || !r.whole));
	check("requests with the same decision in both versions never differ", steady.length === 0, ...steady.slice(0, 3).map((r) => JSON.stringify(r)));
	const decided = s.records().filter((r) => r.type === "decision");
	const byId = new Map(decided.map((r) => [r.id, r.policy]));
	const other = results.filter((r) => r.id && byId.get(r.id) !== r.policy);
	check("the records have the same versions", other.length === 0, ...other.slice(0, 3).map((r) => `${byId.get(r.id)} ${JSON.stringify(r)}`));

	// invalid policies
	await reloaded(lax);
	const refused = (await s.metrics())['reloads_total{result="refused"}'];
	fs.writeFileSync(s.policyFile, lax.replace("default: permit", "default: permitt"));
	await until(async () => (await label()) === a);
	const l2 = load(s, { conns: 4, which: ["relay", "direct"] });
	await l2.enough(0, 10);
	s.kill("tollgate", "SIGHUP");
	check("an invalid policy is refused", await until(async () => (await s.metrics())['reloads_total{result="refused"}'] > refused));
	await l2.enough(Date.now(), 10);
	const during = await l2.stop();
	const line = lax.split("\n").findIndex((t) => t.startsWith("default: permit")) + 1;
	check("its position is in the log", new RegExp(`faults\\.yaml:${line}:\\d+`).test(s.log()), s.log().slice(-600));
	is("the loaded policy stays in force", await label(), a);
	check("requests are not affected", outcomes(during).wanted === during.length, tally(during), ...examples(during, "other"));
	fs.writeFileSync(s.policyFile, "{{{");
	s.kill("tollgate", "SIGHUP");
	await until(async () => (await s.metrics())['reloads_total{result="refused"}'] > refused + 1);
	is("the loaded policy stays with a file that is no YAML", await label(), a);
	fs.unlinkSync(s.policyFile);
	s.kill("tollgate", "SIGHUP");
	await until(async () => (await s.metrics())['reloads_total{result="refused"}'] > refused + 2);
	is("the loaded policy stays with a missing file", await label(), a);
	await s.idle("nothing is left");
	await s.verified("journal and stream verify");
});
