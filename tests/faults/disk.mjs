// The journal's disk is full. Requests get audit_unavailable or are permitted, as the policy states, and no denied
// request reaches the provider. When the disk has space again, the daemon continues without help.
import { Stack, test, load, sleep, check, final, is, note, skip, nothingUnread, everyAnswerRecorded, examples, outcomes, tally, fs, path, execFileSync, short, slow, until, gone, alive } from "./lib.mjs";

const run = (command, ...args) => execFileSync(command, args, { stdio: ["ignore", "pipe", "pipe"] }).toString();
// Two ways to fill a disk: a small file system of its own, or a limit on file sizes.
const ways = {
	"no space": {
		before(D) {
			this.at = path.join(D, "journal");
			fs.mkdirSync(this.at, { recursive: true });
			run("mount", "-t", "tmpfs", "-o", "size=32m,mode=0750", "tmpfs", this.at);
		},
		fill() {
			const fd = fs.openSync(path.join(this.at, "..filler"), "w");
			try { for (;;) fs.writeSync(fd, Buffer.alloc(65536)); } catch (e) { if (e.code !== "ENOSPC") throw e; }
			fs.closeSync(fd);
		},
		free() { fs.unlinkSync(path.join(this.at, "..filler")); },
		after() { try { run("umount", "-l", this.at); } catch (e) { note(e.message); } },
	},
	"file size limit": {
		before() {},
		fill(s) { run("prlimit", `--pid=${s.pid("tollgate")}`, "--fsize=1:unlimited"); },
		free(s) { run("prlimit", `--pid=${s.pid("tollgate")}`, "--fsize=unlimited:unlimited"); },
		after() {},
	},
};

await test(async () => {
	for (const [way, w] of Object.entries(ways)) {
		for (const outcome of ["deny", "permit"]) {
			if (short && (way !== "file size limit")) continue;
			const n = `${way}, audit ${outcome}`;
			let s;
			try {
				s = Stack.up({ policy: { on_failure: `{classifier: deny, quota: deny, audit: ${outcome}, unreadable: deny}` }, before: (D) => w.before(D) });
			} catch (e) {
				if (way === "no space" && /mount/.test(e.message)) { skip(n, "no file system can be mounted here"); continue; }
				throw e;
			}
			try {
				is(`${n}: a request is served before`, (await s.request({ body: s.chat("before") })).status, 200);
				const before = await until(async () => s.records().find((x) => x.type === "completion"));
				const first = s.pid("tollgate");
				await s.forget();
				const limits = await s.counted("tokens");
				const l = load(s, { conns: 6 });
				await l.enough(Date.now(), 20);
				w.fill(s);
				await until(async () => (await s.readyz()).status === 503);
				const mark = Date.now();
				await l.enough(mark, 60);
				const r = await s.readyz();
				check(`${n}: readyz reports it`, r.status === 503 && /audit: down/.test(r.text), r.text);
				const full = l.since(mark); // sent and answered while the disk is full
				w.free(s);
				check(`${n}: it recovers by itself`, await until(async () => (await s.readyz()).status === 200), (await s.readyz()).text);
				await until(() => l.results.slice(-30).every((x) => x.status === x.want));
				const again = Date.now();
				await l.enough(again, 40);
				const results = await l.stop();
				const c = outcomes(results);
				note(`${n}: while full ${tally(full)}; in all ${tally(results)}`);
				const after = l.since(again);
				check(`${n}: everything is served again`, after.length > 0 && after.every((x) => x.outcome === "wanted"), tally(after), ...examples(after, "503"), ...examples(after, "other"));
				final(is(`${n}: nothing is lost`, c.lost, 0));
				const allowed = full.filter((x) => x.want === 200);
				if (outcome === "deny") {
					check(`${n}: while the disk is full, each permitted request is refused, ${allowed.length} times`, allowed.length > 0 && allowed.every((x) => x.status === 503), ...allowed.filter((x) => x.status !== 503).slice(0, 3).map((x) => JSON.stringify(x)));
					check(`${n}: the code is audit_unavailable`, allowed.filter((x) => x.text.includes("audit_unavailable")).length > allowed.length / 2, allowed[0]?.text);
					const seen = JSON.stringify(await s.seen());
					const reached = full.filter((x) => x.status === 503 && x.text.includes("audit_unavailable") && seen.includes(`${x.tag} `));
					final(check(`${n}: none of those reached the provider`, reached.length === 0, ...reached.slice(0, 3).map((x) => JSON.stringify(x))));
					everyAnswerRecorded(s, n, results);
				} else {
					check(`${n}: while the disk is full, each permitted request is served, ${allowed.length} times`, allowed.length > 0 && allowed.every((x) => x.outcome === "wanted"), ...allowed.filter((x) => x.outcome !== "wanted").slice(0, 3).map((x) => JSON.stringify(x)));
				}
				check(`${n}: denials are still denied while the disk is full`, full.filter((x) => x.want !== 200).every((x) => x.outcome === "wanted"), ...full.filter((x) => x.want !== 200 && x.outcome !== "wanted").slice(0, 3).map((x) => JSON.stringify(x)));
				const vague = results.filter((x) => x.text.includes("completion could not") && x.decision === "defer");
				check(`${n}: a response without a record has the decision in its header fields`, vague.length === 0, ...vague.slice(0, 2).map((x) => JSON.stringify(x)));
				await nothingUnread(s, n, results);
				await s.idle(`${n}: nothing is left`);
				check(`${n}: the chain states how many records it misses`, s.records().some((x) => x.type === "resume" && x.refused > 0));
				await s.verified(`${n}: journal and stream verify`);
				check(`${n}: the daemon never ended`, alive(first));
				if (outcome === "deny") {
					// The reservation of a refused request is released. Counted are the usage, the requests on the
					// direct path, which are not metered, and at most 30 requests whose completion came too late for
					// the disk.
					const late = 30 * results.filter((x) => x.outcome === "cut" || x.text.includes("completion could not")).length;
					const counted = async () => (await s.counted("tokens")) - limits;
					let want;
					const even = await until(async () => {
						want = -(before.usage.input_tokens + before.usage.output_tokens);
						for (const x of s.records()) {
							if (x.type === "completion" && x.usage) want += x.usage.input_tokens + x.usage.output_tokens;
							if (x.type === "decision" && x.via === "direct" && x.decision === "permit") want += x.limits?.find((y) => y.kind === "tokens")?.taken ?? 0;
						}
						const got = await counted();
						return got >= want && got <= want + late;
					});
					check(`${n}: refused requests are not counted`, even, `counted ${await counted()}, want ${want} and up to ${late} more`);
				}
				if (way === "no space") {
					// The disk is full when the daemon starts.
					const pid = s.pid("tollgate");
					s.kill("tollgate", "SIGTERM");
					await gone(pid);
					w.fill(s);
					const p = s.startDaemon();
					check(`${n}: the daemon starts on a full disk`, await until(async () => p.ended || (await s.readyz()).status === 503) && alive(p.pid), s.log().slice(-400));
					is(`${n}: it is not ready`, (await s.readyz()).status, 503);
					await until(async () => (await s.request({ method: "GET", path: "/v1/models", bearer: null })).status === 401); // HAProxy has found the daemon
					is(`${n}: the policy's outcome applies`, (await s.request({ body: s.chat("full at start") })).status, outcome === "deny" ? 503 : 200);
					w.free(s);
					check(`${n}: the daemon is ready when there is space`, await s.ready(), (await s.readyz()).text);
					is(`${n}: then a request is served`, (await s.request({ body: s.chat("again") })).status, 200);
					await s.verified(`${n}: journal and stream verify after that start`);
				}
			} finally {
				s.down();
				w.after();
			}
		}
	}
});
