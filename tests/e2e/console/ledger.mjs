// The console's views against the ledger of tests/e2e/ledger.sh: sums of each group, pages of agents and tools, and columns of
// Search and Now. FACES=FOLDER takes pictures.
import { readFileSync } from "node:fs";
import { BASE, clean, failures, is, like, ok, overflow, person, start, stop } from "./harness.mjs";

const lines = (file) => readFileSync(file, "utf8").split("\n").filter(Boolean).map((l) => JSON.parse(l));
const records = lines(process.env.RECORDS).filter((r) => r.type === "decision");
const tally = (key) => records.reduce((all, r) => all.set(key(r), (all.get(key(r)) ?? 0) + 1), new Map());
const number = (n) => n.toLocaleString("en-US");
const people = tally((r) => r.identity.person), teams = tally((r) => r.identity.team), agents = tally((r) => r.identity.agent ?? "(no agent)"),
	models = tally((r) => r.requested_model ?? r.model);
const called = lines(process.env.LEDGER).find((r) => r.tool);
await start();
try {
	for (const [width, dark] of [[1280, false], [1280, true], [390, false], [390, true]]) {
		const page = await person({ token: process.env.TOKEN, width, dark });
		const at = `${width} px${dark ? ", dark" : ""}`, main = page.locator("main");
		const shows = async (name, hash, wanted) => {
			await page.goto(`${BASE}/console/#/${hash}`);
			for (const [text, want] of wanted) {
				const row = main.locator("tr").filter({ has: page.locator("td:first-child").filter({ hasText: text instanceof RegExp ? text : new RegExp(`^\\s*${text.replace(/[()]/g, "\\$&")}\\s*$`) }) }).first();
				await row.waitFor();
				like(`${name}, ${at}: ${text}`, (await row.innerText()).replace(/\s+/g, " "), want);
			}
			ok(`${name}, ${at}: the page is as wide as the window`, await overflow(page) <= 0);
			if (process.env.FACES) await page.screenshot({ path: `${process.env.FACES}/${name.replace(/\W+/g, "-")}-${width}-${dark ? "dark" : "light"}.png` });
		};
		const sums = (all) => [...all].slice(0, width > 1000 && !dark ? 6 : 2).map(([name, n]) => [name, new RegExp(`\\b${number(n)}\\b`)]);
		for (const [name, want] of sums(people)) await shows("people", `people?range=24h&q=${name}`, [[new RegExp(`${name}(?!\\d)`), want]]);
		await shows("teams", "people?by=team&range=24h", sums(teams));
		await shows("agents", "people?by=agent&range=24h", sums(agents));
		await shows("models", "models?range=24h", sums(models));
		await page.goto(`${BASE}/console/#/search?since=24h`);
		const all = main.locator("a.tile", { hasText: /all$/ });
		await all.waitFor();
		is(`search, ${at}: the number of all requests`, (await all.locator("b").innerText()).trim(), number(records.length));
		await main.locator("table.list tbody tr").first().waitFor();
		if (width > 1000) like(`search, ${at}: columns for agents`, await main.locator("table.list thead").first().innerText(), /Caller\s+Agent\s/);
		await page.goto(`${BASE}/console/#/search?since=24h&tool=${called.tool}`);
		if (width > 1000) ok(`search, ${at}: the table fits into the window`, await main.locator("table.list").first().evaluate((e) => e.scrollWidth <= e.closest(".panel").clientWidth));
		const tool = main.locator("table.list tbody tr").first().getByRole("link", { name: called.tool });
		await tool.waitFor();
		if (process.env.FACES) await page.screenshot({ path: `${process.env.FACES}/search-${width}-${dark ? "dark" : "light"}.png` });
		ok(`search, ${at}: the page is as wide as the window`, await overflow(page) <= 0);
		await tool.click();
		await page.locator("h1", { hasText: `Tool ${called.tool}` }).waitFor();
		ok(`search, ${at}: a tool leads to its page`, true);
		await shows("tool", `thing?kind=tool&name=/${called.tool}&range=24h`, []);
		await shows("agent", "thing?kind=agent&name=coder&range=24h", []);
		await main.locator("tr", { hasText: "person-" }).first().waitFor();
		like(`agent, ${at}: requests per day`, await main.innerText(), new RegExp(number(agents.get("coder"))));
		const listed = async (name, hash, title, text) => {
			await page.goto(`${BASE}/console/#/${hash}`);
			const panel = main.locator("section.panel", { has: page.locator("h2", { hasText: new RegExp(`^${title}$`) }) });
			await panel.first().locator("tbody tr").first().waitFor();
			like(`${name}, ${at}: ${title}`, await panel.first().innerText(), text);
			ok(`${name}, ${at}: the page is as wide as the window`, await overflow(page) <= 0);
			if (process.env.FACES) await panel.first().screenshot({ path: `${process.env.FACES}/${name}-${title}-${width}-${dark ? "dark" : "light"}.png` });
		};
		await listed("agent", "thing?kind=agent&name=coder&range=24h", "Tools", new RegExp(`\\b(lookup|deploy)\\b`));
		await listed("model", "thing?kind=model&name=call&range=24h", "People", /person-\d+/);
		await listed("tool", `thing?kind=tool&name=/${called.tool}&range=24h`, "Agents", /coder|reviewer/);
		await page.goto(`${BASE}/console/#/now`);
		await main.locator(".live tbody tr").first().waitFor();
		if (width > 1000) like(`now, ${at}: columns for agents and tools`, await main.locator(".live thead").innerText(), /Caller\s+Agent\s+Tools/);
		for (const kind of ["agent", "tool"]) ok(`now, ${at}: each ${kind} leads to its page`, await main.locator(`.live a[href*='kind=${kind}']`).count() > 0);
		if (width > 1000) ok(`now, ${at}: the table fits into the window`, await main.locator(".live").evaluate((e) => e.scrollWidth <= e.clientWidth));
		ok(`now, ${at}: the page is as wide as the window`, await overflow(page) <= 0);
		if (process.env.FACES) await main.locator(".live").screenshot({ path: `${process.env.FACES}/now-${width}-${dark ? "dark" : "light"}.png` });
		await page.context().close();
	}
} catch (e) {
	ok("the test in the browser reaches its end", false, String(e.stack ?? e));
} finally {
	clean();
	await stop();
}
process.exit(failures() ? 1 : 0);
