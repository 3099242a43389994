// An invariant fails in the daemon under load: the test overwrites the tags of its quotas in its memory. The daemon
// stops at once and logs the reason. HAProxy responds with 503 until the daemon is started again. No record is lost,
// and no request is decided twice.
import { Stack, test, load, sleep, until, check, is, note, skip, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, fs, path, build, slow, alive } from "./lib.mjs";

const TYPE_BYTES = 28; // of struct tag_row (spoa/base/tag.h): a 32-bit number, then the type's name

// Returns the number of a type's tag from the program's own table of types.
function tagOf(program, type) {
	const row = Buffer.alloc(TYPE_BYTES);
	row.write(type);
	const bytes = fs.readFileSync(program), at = bytes.indexOf(row);
	return at < 4 ? null : bytes.subarray(at - 4, at);
}

// Returns the addresses of that number in the memory that the process allocated.
function addressesOf(pid, number) {
	const found = [], mem = fs.openSync(`/proc/${pid}/mem`, "r");
	for (const line of fs.readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
		const m = /^(\w+)-(\w+) rw-p \S+ \S+ 0 *(\[heap\])?$/.exec(line);
		const from = m && parseInt(m[1], 16), bytes = m && parseInt(m[2], 16) - from;
		if (!m || bytes > 512 << 20) continue; // shadow memory of a sanitizer
		const part = Buffer.alloc(bytes);
		let got = 0;
		try { got = fs.readSync(mem, part, 0, bytes, from); } catch { continue; }
		for (let at = part.indexOf(number); at >= 0 && at + 4 <= got; at = part.indexOf(number, at + 1))
			if (at % 4 === 0) found.push(from + at);
	}
	fs.closeSync(mem);
	return found;
}

function overwrite(pid, addresses) {
	const mem = fs.openSync(`/proc/${pid}/mem`, "r+");
	for (const at of addresses) fs.writeSync(mem, Buffer.alloc(4), 0, 4, at);
	fs.closeSync(mem);
}

await test(async () => {
	const s = Stack.up({ shipped: true });
	const pid = s.pid("tollgate"), number = tagOf(path.join(build, "tollgate"), "quota");
	check("the program has the type's row", number !== null);
	await s.control({ chunk_ms: 20 });
	const l = load(s, { conns: 12 });
	await l.enough(0, 40);
	let addresses = [];
	try {
		addresses = addressesOf(pid, number);
	} catch (e) {
		await l.stop();
		skip("an invariant that fails", `the kernel allows no access to another process' memory: ${e.message}`);
		return;
	}
	check("each worker has a quota", addresses.length > 0);
	fs.appendFileSync(path.join(s.D, ".killed"), `${pid} tollgate\n`); // the end is intended: no crash
	const injected = Date.now();
	overwrite(pid, addresses);
	check("the daemon stops at once", await until(() => !alive(pid), 5, 2000));
	note(`it ended after ${Date.now() - injected} ms`);
	const said = /^.*invariant broken: .*$/m.exec(s.log())?.[0] ?? "";
	note(said);
	check("the log names the expression, the place and the thread", /invariant broken: TAGGED\(quota, .*\) at \S+\.c:\d+, thread \S+/.test(said), s.log().slice(-600));
	const dead = Date.now();
	check("HAProxy returns 503 in between", await until(() => l.since(dead).some((r) => r.status === 503)), tally(l.since(dead)));
	await sleep(500 * slow);
	s.startDaemon();
	check("after a start, the daemon is ready", await s.ready(), s.log().slice(-500));
	const again = Date.now();
	check("requests are served again", await l.enough(again, 24, (r) => r.status === 200), tally(l.since(again)));
	const results = await l.stop(), c = outcomes(results);
	note(tally(results));
	is("clients get responses, 503s and cut streams only: lost", c.lost, 0);
	check("clients get responses, 503s and cut streams only: other", c.other === 0, ...examples(results, "other"));
	await nothingUnread(s, "stopped", results);
	everyAnswerRecorded(s, "stopped", results);
	const decided = s.records().filter((r) => r.type === "decision").map((r) => r.id);
	is(`each of ${decided.length} ids has one decision`, new Set(decided).size, decided.length);
	const texts = (await s.seen()).map((q) => q.body ?? "");
	const twice = results.filter((r) => !r.repeated && texts.filter((t) => t.includes(`${r.tag} `)).length > 1);
	check("no request reaches the provider twice", twice.length === 0, ...twice.slice(0, 3).map((r) => JSON.stringify(r)));
	await s.idle("nothing is left");
	await s.verified("journal and stream verify");
});
