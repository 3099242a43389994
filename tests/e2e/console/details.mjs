// Regression tests of details: a table of states with the expected text, and the drawing of charts.
import { readFileSync } from "node:fs";
import { BASE, findings, is, like, ok, overflow, person } from "./harness.mjs";

const { DENIED, STRANGE, AGAIN, FELL } = process.env;
const show = async (page, hash) => {
	await page.goto(`${BASE}/console/#/policy?part=check`);
	await page.goto(`${BASE}/console/#/${hash}`);
};
const shows = (page, what) => page.waitForFunction(([s, f]) => new RegExp(s, f).test(document.querySelector("main")?.innerText ?? "") && !document.querySelector("main [aria-busy]"),
	[what.source, what.flags]).then(() => true, () => false);

/* `change` alters the JSON of a path before the page reads it. */
const rows = [
	{ name: "a price without a day does not mention one", hash: `request?id=${AGAIN}`, path: "/records/show", change: (got) => { got.records.find((r) => r.type === "completion").price = { model: "gpt-4o" }; }, want: /Price\s+gpt-4o\n/ },
	{ name: "a price with a day states the day", hash: `request?id=${AGAIN}`, path: "/records/show", change: (got) => { got.records.find((r) => r.type === "completion").price = { model: "gpt-4o", from: "2026-01-02" }; }, want: /Price\s+gpt-4o, in force from 2026-01-02\n/ },
	{ name: "a time that is ahead of the browser's clock is in the future", hash: "models", path: "/usage", change: (got) => { got.rows[0].last_seen = new Date(Date.now() + 300500).toISOString(); }, want: /in 5 min/ },
	{ name: "an age below 0 is a time in the future", hash: "audit", path: "/status", change: (got) => { got.audit.checkpoint.age_s = -300.5; }, want: /records, in 5 min/ },
	{ name: "a name from right to left keeps to its cell", hash: "people", path: "/usage", change: (got) => { got.rows[0].person = "\u05e9\u05dc\u05d5\u05dd 12"; got.rows[0].requests = 34567; }, want: /\u05e9\u05dc\u05d5\u05dd 12\s+team-0\s+34,567/ },
	{ name: "a person's page has trends", hash: "people?person=rita&range=7d", want: /Trends\s+Requests by decision\s+period before[^]*permitted[^]*Requests per day/ },
	{ name: "a key's page has trends", hash: "thing?kind=key&name=demo-1&range=7d", want: /Trends\s+Requests by decision\s+period before[^]*permitted/ },
	{ name: "a provider's page has trends", hash: "thing?kind=provider&name=openai&range=7d", want: /Trends\s+Requests by decision[^]*permitted[^]*Failed attempts[^]*Time to the first byte/ },
	{ name: "a target's page has the trends of its provider", hash: "thing?kind=target&name=spare%2Fm2&range=7d", want: /Trends of the provider spare\s+Requests by decision[^]*permitted/ },
	{ name: "a tool's page has trends", hash: "tools?server=calc&kind=tool&tool=add&range=7d", want: /Trends\s+Requests by decision[^]*permitted/ },
	{ name: "a page without a trend states why", hash: "people?person=nobody", want: /The daemon keeps no trend of this person/ },
	{ name: "a budget below 80 % has a bar, too", hash: "overview", path: "/limits/fullest", change: (got) => { got.limits = [{ ...got.limits[0], person: "half", counts: "nanousd", used: 5e9, of: 10e9, used_percent: 50, used_up_at: null, rate_since: new Date(Date.now() - 2e8).toISOString() }]; }, want: /half\s+\w+\s+50 %\s+\$5\.00 of \$10\.00\s+not before the reset/ },
	{ name: "a limit in dollars is shown in dollars", hash: "people?person=rita", path: "/quota", change: (got) => { got.limits = [{ ...got.limits[0], limit: "spend", counts: "nanousd", used: 637780750, held: 0, of: 12e9, in_policy: 2e9, own: false }]; }, want: /spend\s+dollars\s+[^]*\$0\.6378\s+\$12\.00 \(policy: \$2\.00\)/ },
	{ name: "a request's limits in dollars are shown in dollars", hash: `request?id=${DENIED}`, path: "/records/show", change: (got) => { got.records.find((r) => r.type === "decision").limits = [{ limit: "spend", kind: "nanousd", of: 12e9, taken: 5e8, remaining: 1.15e10, window: "month" }]; }, want: /spend\s+\$12\.00 per month\s+\$0\.5000\s+\$11\.50/ },
	{ name: "a limit without a window has no time", hash: `request?id=${DENIED}`, path: "/records/show", change: (got) => { got.records.find((r) => r.type === "decision").limits = [{ limit: "many", kind: "concurrent", of: 6, taken: 1, remaining: 5 }]; }, want: /many\s+6\s+1\s+5/ },
	{ name: "the tile of failed requests counts requests, not attempts", hash: "overview?range=1h", path: "/trends", change: (got) => { got.series = [{ name: "", permit: Array(got.steps).fill(1), errors: Array(got.steps).fill(2), failed: [3] }]; got.before = []; }, want: /\b3\s*failed requests/ },
	{ name: "hits count requests that a rule routed", hash: "policy?part=rules", path: "/policy/rules", change: (got) => { Object.assign(got.rules[0].since_version, { permit: 0, redact: 0, deny: 0, apply: 4711 }); }, want: /4,711/ },
	{ name: "a budget without a day of use has no forecast", hash: "overview", path: "/limits/fullest", change: (got) => { got.limits = [{ ...got.limits[0], person: "new", counts: "requests", used: 5, of: 10, used_percent: 50, used_up_at: null, rate_since: undefined }]; }, want: /new\s+\w+\s+50 %\s+5 of 10\s+not known within a day/ },
	...["search", "people", "models", "tools", `request?id=${DENIED}`, "thing?kind=key&name=demo-1"].map((hash) => ({ name: `${hash.split("?")[0]}: daemons whose records are elsewhere are named`, hash, path: "/status", change: (got) => { got.members = [{ node: "second", machine: "other", console: null, away: false }]; }, want: /second’s records are on another machine/ })),
	{ name: "without a pointer, the legend of a chart shows the sums of the range", hash: "overview?range=24h", path: "/trends", change: (got) => { got.series = [{ name: "red", permit: Array(got.steps).fill(2), cost_microusd: Array(got.steps).fill(1e6) }]; got.before = []; }, want: /Requests by decision[^]*Total\s+permitted:?\s*576[^]*Cost by team[^]*red:?\s*\$288\.00/ },
	{ name: "a page without a trend has no empty charts", hash: "people?person=nobody", want: /keeps no trend of this person[^]*every request\.\s+Requests per day/ },
	{ name: "the overview does not give a next try of a target that is probed", hash: "overview", path: "/now", change: (got) => { got.targets = [{ target: "t", state: "half_open", back_in_s: 7, last_failure: "never_sent" }]; }, want: /probing\s+the gateway could not reach the provider\s+All parts/ },
	{ name: "a request's page names the result of each attempt and target in plain words", hash: `request?id=${FELL}`, want: /spare\/m2\s+the gateway could not reach the provider\s+503[^]*Candidates[^]*openai\s+not needed/ },
	{ name: "the page of a key that signs tokens does not report the key as missing", hash: "thing?kind=key&name=demo-1", want: /This key was not created at run time\. It is a key of the policy’s key file, or it signs the tokens of an issuer\./ },
	{ name: "a person at 5 of 5 of a rate is near the limit", hash: "people", want: /Near a limit[^]*rita[^]*five[^]*100 %/ },
];

async function row_is_shown(page, { name, hash, path, change, want }) {
	if (path) await page.route((u) => u.pathname === path, async (r) => {
		const response = await r.fetch(), json = await response.json();
		change(json);
		await r.fulfill({ response, json });
	});
	await show(page, hash);
	ok(name, await shows(page, want), await page.locator("main").innerText());
	await page.unrouteAll({ behavior: "ignoreErrors" }); /* further requests of the view may be in flight */
}

/* Each request of the test data, in windows of several widths. */
async function requests_fit(page) {
	for (const width of [1280, 1024, 390])
		for (const [what, id] of Object.entries({ denied: DENIED, strange: STRANGE, cached: AGAIN, "of two attempts": FELL })) {
			await page.setViewportSize({ width, height: 800 });
			await show(page, `request?id=${id}`);
			await shows(page, /Proof/);
			ok(`request, ${what}, ${width} px: the page is as wide as the window`, await overflow(page) <= 0, `wider by ${await overflow(page)} px`);
		}
	await page.setViewportSize({ width: 1280, height: 800 });
}

/* A value between two gaps is drawn as a point: the chart of thin traffic has pixels of the series' color. */
async function lone_points_are_drawn(page) {
	await page.route((u) => u.pathname === "/series", (r) => r.fulfill({ json: { step_s: 10, steps: 9, until: "2026-11-28T09:00:00Z", series: [{ name: "total", overhead_p50_us: [0, 0, 700, 0, 0, 0, 900, 0, 0] }] } }));
	await show(page, "now");
	const drawn = await page.waitForFunction(() => {
		const canvas = [...document.querySelectorAll("main .chart")].find((c) => /gateway/i.test(c.textContent))?.querySelector("canvas");
		if (!canvas) return null;
		const blue = (d) => { let n = 0; for (let i = 0; i < d.length; i += 4) n += d[i] < 60 && d[i + 2] > 140 && d[i + 3] > 200; return n; };
		return blue(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data) || null;
	}).then((h) => h.jsonValue(), () => 0);
	ok("a value between two gaps is drawn", drawn > 10, `${drawn} pixels`);
	await page.unrouteAll();
}

/* A click on a chart opens Search at that step, and Search shows its requests. */
async function charts_lead_to_search(page) {
	await show(page, "overview?range=1h");
	const plot = page.locator("main .chart .linked .u-over").first();
	await plot.waitFor();
	const box = await plot.boundingBox();
	await page.mouse.move(box.x + box.width - 2, box.y + box.height / 2);
	await page.mouse.click(box.x + box.width - 2, box.y + box.height / 2);
	await page.waitForURL(/#\/search\?/);
	like("charts: a click opens Search at that minute", decodeURIComponent(page.url()), /since=\d{4}-\d\d-\d\dT\d\d:\d\d:00Z&until=\d{4}-\d\d-\d\dT\d\d:\d\d:00Z/);
	ok("charts: Search accepts the times", await shows(page, /Newest first|No record matches/), await page.locator("main").innerText());
}

/* The page of all components: complete, and as wide as the window. */
async function components_are_shown(page) {
	await show(page, "components");
	for (const [width, scheme] of [[1920, "light"], [1280, "light"], [390, "light"], [390, "dark"]]) {
		await page.setViewportSize({ width, height: 800 });
		await page.emulateMedia({ colorScheme: scheme });
		const bad = await findings(page);
		ok(`components, ${width} px, ${scheme}: axe finds nothing serious`, !bad.length, ...bad);
		ok(`components, ${width} px: the page is as wide as the window`, await overflow(page) <= 0, `wider by ${await overflow(page)} px`);
	}
	await page.emulateMedia({ colorScheme: "light" });
	await page.setViewportSize({ width: 1280, height: 800 });
	is("components: the navigation does not list the page", await page.locator('#top nav a[href="#/components"]').count(), 0);
}

/* Columns sort by value and unit, can be left out, and are exported as they are shown. */
async function tables_sort_and_export(page) {
	await show(page, "components");
	const list = page.locator("main .listed").first(), column = async (title) => (await list.locator(`td[data-title="${title}"]`).allInnerTexts()).join(" | ");
	for (const [title, want] of [["Duration", "1 min | 89 ms | 1.2 ms | 15 µs"], ["Cost", "$2,000.00 | $1.25 | $0.0350 | $0.00"], ["Requests", "112 | 41 | 7 | 1"]]) {
		await list.getByRole("button", { name: title }).click();
		is(`tables: ${title} sorts by its value`, await column(title), want);
	}
	await list.getByRole("button", { name: "Requests" }).click();
	is("tables: a second click reverses the order", await column("Requests"), "1 | 7 | 41 | 112");
	await list.locator("summary").click();
	await list.getByLabel("Cost").uncheck();
	const saved = page.waitForEvent("download");
	await list.getByRole("button", { name: "Export CSV" }).click();
	const csv = readFileSync(await (await saved).path(), "utf8").split("\r\n");
	is("tables: CSV has the columns that are shown", csv[0], '"Name","Requests","Duration","Last request"');
	like("tables: CSV has times as instants", csv[2], /^"bob","7","89 ms","\d{4}-\d\d-\d\dT[\d:.]+Z"$/);
	await page.reload();
	await list.locator("summary").waitFor();
	is("tables: a column that was left out stays left out", await list.locator('td[data-title="Cost"]').first().isVisible(), false);
	await list.locator("summary").click();
	await list.getByLabel("Cost").check();
	await page.keyboard.press("Escape");
	is("tables: Escape closes the options, and the focus is on them", await page.evaluate(() => document.activeElement.matches(".options:not([open]) summary")), true);
}

/* Unusual names and series. */
const LONG = "label ".repeat(1700), JOINED = "x".repeat(10240), HEBREW = "\u05e9\u05dc\u05d5\u05dd \u202e<b>x</b>";
function hard_trends(query) {
	const steps = 288, from = Date.parse("2026-11-27T10:00:00Z"), hole = (i) => i % 7 < 3;
	const values = (k) => Array.from({ length: steps }, (_, i) => (hole(i) ? null : (i * k) % 50));
	const row = (name, k) => ({ name, permit: values(k), deny: values(k + 1), errors: values(k), cost_microusd: values(k * 1e9), input_tokens: values(k * 1e12), first_byte_p95_ms: values(k), overhead_p95_us: values(1e9) });
	const series = (query.by === "total" ? [""] : [LONG, JOINED, HEBREW, "", ...Array.from({ length: 246 }, (_, i) => `team-${i}`)]).map(row);
	return { range: "24h", step_s: 300, steps, from: new Date(from).toISOString(), until: new Date(from + 86400000).toISOString(), alone: false, daemons: [{ node: JOINED, here: true, missing: true }, { node: HEBREW, here: false, missing: true }], series, before: [] };
}
async function hard_input_is_shown(page) {
	await page.route((u) => u.pathname === "/trends", (r) => r.fulfill({ json: hard_trends(Object.fromEntries(new URL(r.request().url()).searchParams)) }));
	await page.route((u) => u.pathname === "/limits/fullest", (r) => r.fulfill({ json: { limits: [LONG, JOINED, HEBREW].map((person) => ({ person, team: person, limit: person, counts: "nanousd", used: 1e18, of: 1, used_percent: 100, at: "2099-01-01T00:00:00Z", resets_at: "1970-01-01T00:00:00Z", used_up_at: null })) } }));
	await page.route((u) => u.pathname === "/limits/near", (r) => r.fulfill({ json: { total: 3, near: [LONG, JOINED, HEBREW].map((person) => ({ person, team: person, limit: person, used_percent: 100, at: "2026-11-28T09:00:00Z", resets_at: "1970-01-01T00:00:00Z" })) } }));
	await page.route((u) => u.pathname === "/usage", (r) => r.fulfill({ json: { rows: [LONG, JOINED, HEBREW].map((person) => ({ person, team: person, requests: 1e12, refused: 0, cost_nanousd: 1e18, input_tokens: 1e15, output_tokens: 0, last_seen: "2099-01-01T00:00:00Z" })), total: {}, groups: 100000 } }));
	for (const hash of ["overview", "people", `thing?kind=team&name=${JOINED.slice(0, 200)}`])
		for (const width of [1280, 390]) {
			await page.setViewportSize({ width, height: 800 });
			await show(page, hash);
			ok(`hard input, ${hash.slice(0, 10)}, ${width} px: the view is complete`, await shows(page, /Budgets nearest|Changed limits|Last denials/), await page.locator("main").innerText());
			ok(`hard input, ${hash.slice(0, 10)}, ${width} px: the page is as wide as the window`, await overflow(page) <= 0, `wider by ${await overflow(page)} px`);
			is(`hard input, ${hash.slice(0, 10)}: names make no element`, await page.locator("main td b, main figure b:not(.u-legend b)").count(), 0);
		}
	await page.setViewportSize({ width: 1280, height: 800 });
	await page.unrouteAll();
}

/* Range and zone are in the URL, and every link keeps them. */
async function head_is_in_the_url(page) {
	await show(page, "models");
	await page.getByLabel("Time range").selectOption("7d");
	await page.waitForURL(/range=7d/);
	await page.locator("#zone").click();
	await page.waitForURL(/tz=/);
	const tz = /tz=(\w+)/.exec(page.url())[1];
	await page.locator("#top nav").getByRole("link", { name: "People" }).click();
	await page.waitForURL(new RegExp(`people\\?range=7d&tz=${tz}`));
	ok("the head: a link keeps range and zone", true);
	await page.evaluate(() => localStorage.clear());
}

/* Back shows the place in the list that the reader left, and the focus is on the link that was followed. */
async function back_keeps_the_place(page) {
	await show(page, "people");
	await shows(page, /Keys created at run time/);
	const link = page.locator("main a.open").nth(30), name = await link.innerText();
	await link.focus();
	const y = await page.evaluate(() => scrollY);
	await page.keyboard.press("Enter");
	await shows(page, /All requests/);
	await page.goBack();
	const there = await page.waitForFunction(([text, at]) => document.activeElement?.innerText === text && Math.abs(scrollY - at) < 5, [name, y]).then(() => true, () => false);
	ok("back: the page shows the row that was opened, and its link has the focus", y > 100 && there, `y ${y}, then`, await page.evaluate(() => `${scrollY} ${document.activeElement.outerHTML.slice(0, 200)}`));
}

/* A browser whose clock is an hour ahead: ages follow the daemon's clock. */
async function wrong_clock_shows_ages(page) {
	const other = await page.context().newPage();
	await other.clock.install({ time: new Date(Date.now() + 3600000) });
	await other.goto(`${BASE}/console/#/people?person=fern`);
	await other.clock.runFor(3000);
	await other.goto(`${BASE}/console/#/overview`);
	await other.clock.runFor(3000);
	ok("a browser's clock an hour ahead: a budget resets at the time of the daemon's clock", await shows(other, /rita[^]*five[^]*in \d+ (min|s)/), await other.locator("main").innerText());
	await other.goto(`${BASE}/console/#/search?since=1h`);
	ok("a browser's clock an hour ahead: ages are those of the daemon's clock", await shows(other, /Newest first[^]*\d+ (s|min) ago/), await other.locator("main").innerText());
	await other.close();
}

/* Two windows share a session: both ask for a token when the session has ended, and one login is enough. */
async function one_login_for_all_windows() {
	const first = await person({ token: process.env.VIEWER, expected: ["401", "ERR_"] });
	const second = await first.context().newPage();
	await second.goto(`${BASE}/console/#/overview`);
	await second.locator("main .lead").waitFor();
	await first.context().setOffline(true);
	const down = await second.waitForFunction(() => /The request failed: [^]*/.exec(document.querySelector("main section")?.innerText ?? "")?.[0]).then((h) => h.jsonValue(), () => "");
	like("a daemon that does not respond is reported once, with what to check", down, /^The request failed: The daemon does not respond\s+Check that the daemon runs/);
	await first.context().setOffline(false);
	await first.evaluate(() => fetch("/session", { method: "DELETE", headers: { "x-tollgate-console": "1" } }));
	for (const page of [first, second]) await page.locator("dialog .login").waitFor();
	await first.locator("dialog [name=token]").fill(process.env.VIEWER);
	await first.keyboard.press("Enter");
	ok("two windows: a login in one ends the question for a token in the other", await second.locator("dialog").waitFor({ state: "detached" }).then(() => true, () => false));
	await first.context().close();
}

/* A policy text that is being written survives a reload of the page, until the reader discards the text. */
async function a_reload_keeps_the_draft(page) {
	await show(page, "policy?part=check");
	const text = page.getByLabel("Policy (YAML)");
	await page.waitForFunction(() => /^name:/m.test(document.querySelector("main textarea")?.value));
	await text.fill("name: draft\n# half written");
	await page.reload();
	await text.waitFor();
	is("policy: a reload keeps the text that is being written", await text.inputValue(), "name: draft\n# half written");
	await page.getByRole("button", { name: "Show the policy in force" }).click();
	ok("policy: the reader can return to the policy in force", await page.waitForFunction(() => /^name: company/m.test(document.querySelector("main textarea").value)).then(() => true, () => false));
}

/* Pages without a row in views.mjs: one of each kind of object, and parts of views. */
const PAGES = ["thing?kind=team&name=red", "thing?kind=key&name=demo-1", "thing?kind=route&name=chat", "thing?kind=model&name=gpt-4o", "thing?kind=provider&name=spare", "thing?kind=target&name=spare%2Fm2", "thing?kind=rule&name=no-secrets",
	"people?person=rita", "tools?server=calc&kind=tool&tool=add", "policy?part=versions", "policy?part=shadow", `request?id=${FELL}`];
async function pages_are_accessible(page) {
	for (const hash of PAGES) {
		const bad = [], wider = [];
		await show(page, hash);
		await shows(page, /\S/);
		for (const [width, colorScheme] of [[1280, "light"], [1280, "dark"], [390, "dark"], [390, "light"]]) {
			await page.setViewportSize({ width, height: 800 });
			await page.emulateMedia({ colorScheme });
			bad.push(...await findings(page));
			if (await overflow(page) > 0) wider.push(width);
		}
		ok(`${hash.slice(0, 40)}: axe finds nothing serious, wide and narrow, light and dark`, !bad.length, ...bad);
		ok(`${hash.slice(0, 40)}: the page is as wide as the window`, !wider.length, wider.join());
	}
	await page.emulateMedia({ colorScheme: "light" });
	await page.setViewportSize({ width: 1280, height: 800 });
}

/* Tab reaches each control, and the focus is visible everywhere. */
async function all_is_reached_by_keys(page) {
	for (const hash of ["overview", "policy", "targets", "audit", "tools", "components", "search?since=1h&decision=deny", "thing?kind=rule&name=no-secrets", "people?person=fern"]) {
		await show(page, hash);
		await shows(page, /\S/);
		await page.evaluate(() => {
			window.reached = new Set();
			window.unseen = [];
			document.addEventListener("focusin", (e) => {
				window.reached.add(e.target);
				const s = getComputedStyle(e.target);
				if (s.outlineStyle === "none" || !parseFloat(s.outlineWidth)) window.unseen.push(e.target.outerHTML.slice(0, 100));
			});
			document.getElementById("main").focus();
			window.unseen = [];
		});
		const missed = () => page.evaluate(() => [...document.querySelectorAll("main a[href], main button, main input, main select, main textarea, main summary")]
			.filter((e) => e.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) && !e.disabled && e.tabIndex >= 0 && !window.reached.has(e)).map((e) => e.outerHTML.slice(0, 100)));
		for (let i = 0; i < 400 && (await missed()).length; i += 10) for (let k = 0; k < 10; k++) await page.keyboard.press("Tab");
		ok(`${hash.slice(0, 30)}: Tab reaches each control`, !(await missed()).length, ...(await missed()));
		const unseen = await page.evaluate(() => window.unseen);
		ok(`${hash.slice(0, 30)}: the focus is visible everywhere`, !unseen.length, ...unseen);
	}
}

/* A dialog keeps the focus until it ends; then the focus is on the button that opened the dialog, or on the button that
 * replaced this one. */
async function dialogs_keep_the_focus(page) {
	await show(page, "targets");
	await page.getByRole("button", { name: "Eject calc" }).focus();
	await page.keyboard.press("Enter");
	await page.getByRole("dialog").waitFor();
	const out = await (async () => {
		for (let i = 0; i < 12; i++) {
			await page.keyboard.press("Tab");
			if (await page.evaluate(() => document.activeElement !== document.body && !document.activeElement.closest("dialog"))) return page.evaluate(() => document.activeElement.outerHTML);
		}
		return null;
	})();
	is("dialogs: Tab stays in the dialog", out, null);
	for (const [button, then] of [["Eject the target", "Readmit calc"], ["Readmit the target", "Eject calc"]]) {
		await page.getByRole("dialog").getByLabel("Why (recorded)").fill("tried by keys");
		await page.keyboard.press("Enter");
		await page.locator("dialog .record").waitFor();
		await page.keyboard.press("Enter"); /* Close has the focus */
		const there = await page.waitForFunction((text) => document.activeElement.textContent === text, then).then(() => true, () => false);
		ok(`dialogs: after ${button} the focus is on ${then}`, there, await page.evaluate(() => document.activeElement.outerHTML));
		if (then === "Readmit calc") await page.keyboard.press("Enter");
	}
}

/* A hundred thousand people and teams, and as many keys and changed limits as a daemon keeps (CAP_LIVE_ENTRIES): milliseconds of script, and rows of the page alone. */
async function large_lists_are_quick(page) {
	const many = (n, row) => Array.from({ length: n }, (_, i) => row(i)), N = 100000, KEPT = 16384, at = "2026-11-28T09:00:00Z";
	const answers = {
		"/usage": JSON.stringify({ rows: many(50, (i) => ({ person: `person-${i}`, team: `team-${i}`, requests: i, refused: 0, cost_nanousd: i, input_tokens: i, last_seen: at })), total: {}, groups: N, after: "x" }),
		"/limits/near": JSON.stringify({ total: N, near: many(50, (i) => ({ person: `person-${i}`, limit: "daily", used_percent: 90, at })) }),
		"/keys": JSON.stringify({ state_key: true, keys: many(KEPT, (i) => ({ id: `k${i}`, person: `person-${i}`, state: "live", created: at })) }),
		"/limits": JSON.stringify({ overrides: many(KEPT, (i) => ({ id: `o${i}`, limit: "daily", for: { person: `person-${i}` }, to: 5, counts: "requests" })) }),
	};
	const cdp = await page.context().newCDPSession(page);
	await cdp.send("Performance.enable");
	const script_s = async () => (await cdp.send("Performance.getMetrics")).metrics.find((m) => m.name === "ScriptDuration").value;
	for (const [path, body] of Object.entries(answers)) await page.route((u) => u.pathname === path, (r) => r.fulfill({ body, contentType: "application/json" }));
	for (const [hash, want] of [["people", /50 shown of 100,000[^]*1 to 100 of 16,384/], ["people?by=team", /50 shown of 100,000/], ["people?keys=16300", /16,301 to 16,384 of 16,384/]]) {
		await show(page, "policy?part=check");
		const before = await script_s();
		await show(page, hash);
		ok(`large lists, ${hash}: the page is shown`, await shows(page, want), await page.locator("main").innerText());
		const ms = 1000 * (await script_s() - before);
		ok(`large lists, ${hash}: at most 200 ms of script`, ms <= 200, `${ms.toFixed(0)} ms`);
		console.log(`# ${hash}: ${ms.toFixed(0)} ms of script`);
	}
	await page.unrouteAll();
	await cdp.detach();
}

export async function details(page) {
	for (const row of rows) await row_is_shown(page, row);
	await requests_fit(page);
	await lone_points_are_drawn(page);
	await charts_lead_to_search(page);
	await back_keeps_the_place(page);
	await wrong_clock_shows_ages(page);
	await one_login_for_all_windows();
	await a_reload_keeps_the_draft(page);
	await components_are_shown(page);
	await tables_sort_and_export(page);
	await head_is_in_the_url(page);
	await hard_input_is_shown(page);
	await pages_are_accessible(page);
	await all_is_reached_by_keys(page);
	await dialogs_keep_the_focus(page);
	await large_lists_are_quick(page);
}
