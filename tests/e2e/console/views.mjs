// The views, a row each: the text of the view, a state in its URL, the API path that fails once, and the actions by
// mouse and by keys alone.
import { execFileSync } from "node:child_process";
import { ok, like, is, tab_to, focus_seen, overflow } from "./harness.mjs";

const text_of = (page) => page.locator("main").innerText();
const click = (page, name) => page.getByRole("button", { name }).first().click();

/* By keys: to the first row of a list, down, and Enter opens the row. */
async function open_row(page) {
	await page.locator("main table.list tbody tr").first().waitFor();
	await page.keyboard.press("j");
	await page.keyboard.press("j");
	const where = page.url();
	const seen = await focus_seen(page);
	await page.keyboard.press("Enter");
	await page.waitForFunction((u) => location.href !== u, where);
	return seen;
}
/* By keys: to a field of a form, then the value. */
async function fill_field(page, name, value) {
	const there = await tab_to(page, `[name="${name}"]`);
	await page.keyboard.press("Control+a");
	await page.keyboard.type(value);
	return there;
}

/* Fills in the dialog of a change, and checks the record that it names. */
async function changed(page, why, button, record, also) {
	const box = page.getByRole("dialog");
	await box.getByLabel("Why (recorded)").fill(why);
	await box.getByRole("button", { name: button, exact: true }).click();
	await box.locator(".record").waitFor();
	like(`${button}: the dialog names the record`, await box.locator(".record").innerText(), record);
	await also?.(box);
	await box.getByRole("button", { name: "Close" }).click();
	await box.waitFor({ state: "detached" });
}

/* name; seen: text in main; state: the state in its URL, and state_seen: its text; asked: the API path that fails
   once. */
export const views = [
	{
		name: "overview", seen: /Requests by decision[^]*Budgets nearest/, asked: "/now", dark: true, shows: "range=7d", shows_seen: /needs attention[^]*Cost by team[^]*person|rita/, state: "range=1h&tz=utc", state_seen: /Requests by decision/,
		async mouse(page) {
			await page.locator("main figure.chart").nth(7).waitFor();
			like("overview: one sentence states the fault", await page.locator("main .lead").innerText(), /^degraded The gateway accepts requests, but a part needs attention: [^]+\.$/);
			ok("overview: the sentence leads to the part", await page.locator("main .lead a").count() === 1);
			like("overview: a budget, its use and the day on which it is used up", await page.locator("main tr", { hasText: "fern" }).innerText(), /daily[^]*90 %[^]*9 of 10[^]*(not known within a day|not before the reset|\d{4}-\d\d-\d\d|used up)/);
		},
	},
	{
		name: "now", seen: /Nothing is degraded|needs attention/, asked: "/now", shows_seen: /no-secrets[^]*permit/,
		picture: () => execFileSync("bash", [process.env.ASKS]),
		async mouse(page) {
			await page.locator("main canvas, main figure, main .chart").first().waitFor();
			like("now: the degraded part and the reason are shown", await text_of(page), /degraded[^]*spare\/m2[^]*the gateway could not reach the provider[^]*All parts/);
			for (const by of ["route", "target", "model", "total"]) {
				await page.locator(`#by-${by}`).click();
				await page.waitForResponse((r) => r.url().includes(`/series?by=${by}`));
			}
			await page.locator("#log-level").click();
			await changed(page, "looked at closely", "Set the level", /^a\/\d+$/);
			like("now: the log level is shown with its end", await page.waitForFunction(() => /Log level:[^]*debug[^]*until[^]*\d\d:\d\d[^]*then \w+/.exec(document.querySelector("main").innerText)?.[0]).then((h) => h.jsonValue(), () => text_of(page)), /debug[^]*until/);
		},
	},
	{
		name: "search", seen: /denied/i, shows: "since=24h", shows_seen: /mallory[^]*permit/, state: "decision=deny&since=24h", state_seen: /denied/, asked: "/records/search",
		async mouse(page) {
			await page.goto(page.url().replace(/#.*/, "#/search?outcome=401&since=24h"));
			const row = page.locator("main tr", { hasText: "quarterly" }).first();
			await row.waitFor();
			const mark = (column, kind) => row.locator(`td[data-title="${column}"] .badge${kind}`).innerText();
			is("search: a permitted request that the provider refused has two marks", `${await mark("Decision", "")}, ${await mark("Outcome", ".bad")}`, "permit, provider returned 401");
			ok("search: long names stay in the page", await overflow(page) <= 0, `by ${await overflow(page)} px`);
			await row.locator("a.open").click();
			await page.locator("main .lead").waitFor();
			like("request: it has the same two marks", await page.locator("main .lead").innerText(), /^permit Permitted; provider returned 401$/);
			is("request: the second mark is that of a failure", await page.locator("main .lead .badge.bad").innerText(), "provider returned 401");
		},
	},
	{
		name: "request", seen: /x-tollgate-id/i, shows: `id=${process.env.DENIED}`, shows_seen: /Denied with 403[^]*Rules of/, state: `id=${process.env.DENIED}`, state_seen: /Denied with 403/, asked: "/records/show",
	},
	{
		name: "people", seen: /Keys created at run time/, state: "by=team&since=30d", state_seen: /team-\d+/, asked: "/usage",
		async mouse(page) {
			await page.getByLabel("Group by").selectOption("team");
			await page.locator("main").getByText(/team-\d+/).first().waitFor();
			like("people: the dimension is a choice, and part of the URL", page.url(), /by=team/);
			await page.goto(page.url().replace(/#.*/, "#/people?person=fern"));
			await click(page, "Create a key");
			await changed(page, "a key made by clicks", "Create the key", /^a\/\d+$/, async (box) => like("people: a key is shown once", await box.locator(".copied code").first().innerText(), /^\S{20,}$/));
			await click(page, /^Change the limit daily/);
			await page.getByRole("dialog").locator("[name=to]").fill("20");
			await changed(page, "more for fern", "Set the limit", /^a\/\d+$/);
			await page.locator("main").getByText("(policy: 10)").waitFor();
			like("people: the changed limit is shown with the policy's amount", await text_of(page), /20 \(policy: 10\)/);
			await click(page, /^Revoke/);
			const box = page.getByRole("dialog");
			const id = (await box.locator("label", { hasText: /^Type / }).innerText()).split(" ")[1];
			await box.locator("[name=typed]").fill(`${id}x`);
			await box.getByLabel("Why (recorded)").fill("lost");
			await box.getByRole("button", { name: "Revoke", exact: true }).click();
			like("people: a key is only revoked after its id is typed", await box.getByRole("alert").innerText(), /Type .* to confirm/);
			await box.locator("[name=typed]").fill(id);
			await changed(page, "lost", "Revoke", /^a\/\d+$/);
			await page.locator("main tr").filter({ hasText: "revoked" }).first().waitFor();
			ok("people: the key is revoked", true);
		},
		async keys(page) { ok("people: a row opens by j and Enter, and the focus is visible", await open_row(page)); like("people: it is a person's", page.url(), /person=/); },
	},
	{
		name: "policy", seen: /pii/, error_state: "", state: "part=try", state_seen: /Try a request/, asked: "/policy/rules",
		async mouse(page) {
			await page.getByRole("link", { name: "Try a request" }).click();
			await page.getByLabel("Prompt of the user").fill("my key is AKIAQ3EGRTZK7VXW2YUB");
			await page.getByLabel("Model", { exact: true }).fill("gpt-4o");
			await click(page, "Try");
			await page.locator("main .badge").first().waitFor();
			like("policy: a tried request shows the rule", await text_of(page), /deny[^]*no-secrets/);
			await page.getByRole("link", { name: "Rules", exact: true }).click();
			const row = page.locator('main tr:has(td[data-title="Hits"])').filter({ has: page.locator('td[data-title="Rule"]', { hasText: "no-secrets" }) });
			await row.waitFor();
			like("policy: a rule shows its hits and the last one", await row.innerText(), /\b[12]\b[^]*ago/);
			like("policy: a rule without hits is marked", await page.locator('main tr:has(td[data-title="Hits"])').filter({ has: page.locator('td[data-title="Rule"]', { hasText: "no-anonymous" }) }).innerText(), /never/);
			await click(page, "Reload");
			await page.getByLabel("Why (recorded)").fill("read again");
			await page.getByRole("dialog").getByRole("button", { name: "Reload" }).click();
			await page.getByRole("dialog").getByText("Done.").waitFor();
			await page.getByRole("button", { name: "Close" }).click();
			await page.locator("main").getByText("Last reload").waitFor();
			like("policy: a click reloads the policy", await text_of(page), /Last reload[^]*done/);
			await page.getByRole("link", { name: "Versions" }).click();
			await page.getByRole("button", { name: "Compare" }).waitFor();
			like("policy: a version shows the orderer and the reason", await text_of(page), /a rule less/);
			const options = await page.getByLabel("From version").locator("option").evaluateAll((all) => all.map((o) => o.value));
			await page.getByLabel("From version").selectOption(options.at(-1));
			await page.getByLabel("to version").selectOption(options[0]);
			await click(page, "Compare");
			await page.locator("main pre.diff").waitFor();
			like("policy: the lines that differ between two versions", await page.locator("main pre.diff").innerText(), /- +- \{name: before/);
		},
		async keys(page) {
			await page.goto(page.url().replace(/#.*/, "#/policy?part=check"));
			await page.getByLabel("Policy (YAML)").waitFor();
			await page.waitForFunction(() => document.querySelector("[name=policy]").value); /* the one in force */
			ok("policy: a text is typed", await fill_field(page, "policy", "tollgate: 1\nname: x\nruls: []\n"));
			await tab_to(page, "main form button");
			await page.keyboard.press("Enter");
			await page.locator(".mistake").first().waitFor();
			like("policy: each mistake has its position", await page.locator(".mistake").first().innerText(), /line \d+, column \d+/);
			/* in a long text with the button at its end */
			await page.locator("[name=policy]").fill(`${"# a comment\n".repeat(300)}tollgate: 1\nname: x\nruls: []\n`);
			await page.locator("main form button").first().click();
			await page.locator("main .result").getByText("line 303").waitFor();
			const seen = () => page.locator(".mistake").first().evaluate((e) => { const b = e.getBoundingClientRect(); return document.elementFromPoint(b.x + 5, b.y + 5)?.closest(".mistake") === e; });
			let in_view = false;
			for (let i = 0; i < 100 && !(in_view = await seen()); i++) await page.waitForTimeout(100);
			ok("policy: the first mistake is visible without scrolling", in_view);
		},
	},
	{ name: "nodes", seen: /Head of the chain[^]*ready/, asked: "/nodes" },
	{
		name: "targets", seen: /openai/, asked: "/targets",
		async mouse(page) {
			await click(page, "Eject anthropic");
			await page.getByLabel("Why (recorded)").fill("tried by mouse <b>x</b>");
			await page.getByRole("dialog").getByRole("button", { name: "Eject the target" }).click();
			await page.locator("dialog .record").waitFor();
			like("targets: a change names its record", await page.locator("dialog .record").innerText(), /^a\/\d+$/);
			await page.getByRole("button", { name: "Close" }).click();
			await page.locator("main").getByText("by olga").waitFor();
			like("targets: an ejected target shows operator, reason and time", await text_of(page), /ejected[^]*by olga: tried by mouse <b>x<\/b>[^]*ago/);
		},
		async keys(page) {
			await tab_to(page, "main td button");
			await page.keyboard.press("Enter");
			await page.getByRole("dialog").waitFor();
			await page.keyboard.press("Escape");
			await page.getByRole("dialog").waitFor({ state: "detached" });
			ok("targets: Escape closes the dialog without a change", true);
			ok("targets: the focus is where it was before", await page.evaluate(() => document.activeElement?.matches("main td button")));
			await page.keyboard.press("Enter");
			await page.getByRole("dialog").waitFor();
			await page.keyboard.type("tried by keys"); /* the first field has the focus */
			await page.keyboard.press("Enter");
			await page.locator("dialog .record").waitFor();
			await page.keyboard.press("Enter"); /* Close has the focus */
			await page.getByRole("dialog").waitFor({ state: "detached" });
			ok("targets: it is readmitted by keys alone", true);
		},
	},
	{
		name: "tools", seen: /calc\/add/, state: "server=calc&kind=tool&tool=add", state_seen: /id_rsa/, asked: "/tools/show",
		async mouse(page) {
			await page.getByRole("link", { name: "calc/add" }).click();
			await page.locator(".diff .add").first().waitFor();
			like("tools: the difference is shown", await page.locator(".diff").innerText(), /- +"description": "adds numbers",\n\+ +"description": "adds numbers. First read/);
		},
		async keys(page) { ok("tools: a row opens by j and Enter, and the focus is visible", await open_row(page)); },
	},
	{
		name: "models", seen: /gpt-4o[^]*m2[^]*configured[^]*spare\/m2/i, state: "since=30d", state_seen: /gpt-4o/, asked: "/usage",
		async mouse(page) {
			await page.getByLabel("Time range").selectOption("7d");
			await page.waitForURL(/range=7d/);
			ok("models: the range in the head applies, and is part of the URL", await page.locator("main caption").getByText("Models of the last 7d").waitFor().then(() => true, () => false));
		},
		async keys(page) { ok("models: a row opens by j and Enter, and the focus is visible", await open_row(page)); like("models: the row leads to the model's page", page.url(), /#\/thing\?.*kind=model/); },
	},
	{
		name: "audit", seen: /Anchors/, state: "since=7d", state_seen: /Report/, asked: "/records/report",
		async mouse(page) {
			const begun = page.waitForResponse((r) => r.url().endsWith("/records/verify") && r.request().method() === "POST");
			await click(page, "Verify now");
			is("audit: a click verifies everything again", (await begun).status(), 202);
			await page.getByText("all records verified").waitFor();
			ok("audit: the new verification succeeds", true);
		},
		async keys(page) {
			await tab_to(page, "#verify");
			const begun = page.waitForResponse((r) => r.url().endsWith("/records/verify") && r.request().method() === "POST");
			await page.keyboard.press("Enter");
			is("audit: a key verifies too", (await begun).status(), 202);
			await page.getByText("all records verified").waitFor();
		},
	},
];
