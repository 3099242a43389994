// The console during each fault of the daemon: correct words, and no green mark above a red one. The faults are real:
// Redis is unreachable, the journal's disk is full, a target is open, probing or ejected.
import { execFileSync } from "node:child_process";
import { BASE, ok, person, start, stop, failures } from "./harness.mjs";

const { ALL, REDIS_SOCKET, DAEMON, ASK_SPARE } = process.env;
const shell = (command) => execFileSync("bash", ["-c", command], { stdio: "ignore" });
const files = (limit) => shell(`prlimit --pid=${DAEMON} --fsize=${limit}:unlimited`);
const eject = (page, path) => page.evaluate(async ([at, body]) => { await fetch(at, { method: "POST", headers: { "x-tollgate-console": "1", "content-type": "application/json" }, body }); },
	[path, JSON.stringify({ target: "calc", by: "olga", reason: "maintenance" })]);

/* state; begin and end of the state; views: [hash, text in main]. In each view, the first mark is not green. */
const states = [
	{ state: "a target is probing", views: [["targets", /of 5 unhealthy[^]*spare\/m2\s+probing one request at a time tests the target[^]*ago/], ["overview", /degraded The gateway accepts requests[^]*target spare\/m2\s+probing/], ["thing?kind=target&name=spare%2Fm2", /probing one request at a time tests the target/]] },
	{ state: "a target's circuit is open", begin: () => shell(ASK_SPARE), views: [["targets", /spare\/m2\s+circuit open receives no requests until the next try[^]*ago\s+in [\d.]+ s[^]*could not reach the provider \(503\)/], ["overview", /target spare\/m2\s+circuit open[^]*next try in \d+ s/], ["thing?kind=target&name=spare%2Fm2", /circuit open[^]*Next try\s+in \d+ s/]] },
	{ state: "a provider of the only target fails", views: [["models", /m3[^]*failing\s+spare\/m3/], ["targets", /spare\/m3\s+failing/]] },
	{ state: "a target is ejected", begin: (page) => eject(page, "/targets/eject"), end: (page) => eject(page, "/targets/admit"), views: [["targets", /calc\s+ejected an operator took the target out[^]*by olga: maintenance/], ["overview", /target calc\s+ejected/]] },
	{ state: "Redis is down", begin: () => shell(`mv ${REDIS_SOCKET} ${REDIS_SOCKET}.away; redis-cli -s ${REDIS_SOCKET}.away client kill type normal`), end: () => shell(`mv ${REDIS_SOCKET}.away ${REDIS_SOCKET}`),
		views: [["overview", /not ready The daemon is not ready: redis: [^]*Degraded parts[^]*redis\s+degraded[^]*does not answer/], ["now", /not ready The daemon is not ready: redis: /], ["people", /Keys created at run time/]] },
	{ state: "the journal's disk is full", begin: () => { files("1"); shell(ASK_SPARE); }, end: () => files("unlimited"),
		views: [["overview", /not ready The daemon is not ready: [^\n]*audit: the journal cannot be written: File too large[^\n]*\.\n[^]*Degraded parts[^]*journal\s+degraded/], ["audit", /the journal cannot be written: File too large\s+(anchor [^\n]*: away\s+)?Chain/], ["search?since=1h", /503: nothing was done, because it cannot be recorded[^]*Try again/]] },
];

await start();
try {
	const page = await person({ token: ALL, expected: ["503"] });
	for (const { state, begin, end, views } of states) {
		await begin?.(page);
		for (const [hash, want] of views) {
			await page.goto(`${BASE}/console/#/policy?part=check`);
			let there = false;
			for (let i = 0; i < 30 && !there; i++) { /* the daemon notices a state within seconds; a circuit stays open for a minute */
				await page.goto(`${BASE}/console/#/${hash}`);
				there = await page.waitForFunction(([s]) => new RegExp(s).test(document.querySelector("main")?.innerText ?? ""), [want.source], { timeout: 3000 }).then(() => true, () => false);
				if (!there) await page.goto(`${BASE}/console/#/policy?part=check`);
			}
			if (!there) await page.goto(`${BASE}/console/#/${hash}`);
			ok(`${state}: ${hash.slice(0, 20)} shows the state`, there, await page.locator("main .lead").first().innerText().catch(() => ""), await page.locator("main").innerText());
			const lead = await page.locator("main .lead .mark").first().getAttribute("class").catch(() => null);
			if (/^(overview|now|targets|audit)/.test(hash)) ok(`${state}: ${hash} begins without a green mark`, lead && !/good/.test(lead), lead);
		}
		await end?.(page);
	}
} catch (e) {
	ok("the states reach their end", false, String(e.stack ?? e));
} finally {
	await stop();
}
process.exit(failures() ? 1 : 0);
