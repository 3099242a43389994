// Upgrades (tollgate upgrade) under a mixed load. No request is lost, cut or refused, none passes without inspection,
// and every response has its record in one of the two chains.
import { Stack, test, load, until, check, final, is, note, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, gone, build, short, spawn, fs } from "./lib.mjs";

await test(async () => {
	const s = Stack.up({ shipped: true });
	const started = [];
	const upgrade = () => new Promise((done) => {
		const log = fs.openSync(`${s.D}/upgrade.log`, "a");
		const p = spawn(`${build}/tollgate`, ["upgrade", "-c", `${s.D}/tollgate.yaml`, "--exec", `${build}/tollgate`], { stdio: ["ignore", log, log] });
		p.on("exit", (code) => { fs.closeSync(log); done(code); });
	});
	const instances = () => fs.readdirSync("/proc").filter((p) => /^\d+$/.test(p)).map(Number).filter((p) => {
		try { return fs.readFileSync(`/proc/${p}/cmdline`, "latin1").split("\0").slice(1, 4).join(" ") === `serve -c ${s.D}/tollgate.yaml`; } catch { return false; }
	});
	try {
		const l = load(s, { conns: 8, which: ["direct", "relay", "defer", "deny", "deferdeny", "stream", "models"], label: "u" });
		const began = Date.now();
		await l.enough(began, 20);
		for (let i = 0; i < (short ? 2 : 10); i++) {
			const older = instances();
			is(`upgrade ${i + 1} returns 0`, await upgrade(), 0);
			started.push(...instances().filter((p) => !older.includes(p)));
			check(`the older instance ends`, (await Promise.all(older.map(gone))).every(Boolean));
		}
		const results = await l.stop();
		note(tally(results));
		const c = outcomes(results);
		final(is("no request is lost", c.lost, 0));
		is("none is cut", c.cut, 0);
		is("none is refused", c[503], 0);
		check("responses only", c.other === 0, ...examples(results, "other"));
		await nothingUnread(s, "upgrades", results);
		everyAnswerRecorded(s, "upgrades", results, [`${s.D}/journal`, `${s.D}/journal-b`]);
	} finally { // also after a failure, because the stack does not know the processes that the command started
		for (const p of instances().filter((p) => started.includes(p))) process.kill(p, "SIGTERM");
		await until(() => instances().every((p) => !started.includes(p)));
	}
});
