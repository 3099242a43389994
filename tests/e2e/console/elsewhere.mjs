// The console's views of records with two daemons here and two elsewhere. FACES=FOLDER takes pictures.
import { BASE, clean, failures, is, like, ok, overflow, person, start, stop } from "./harness.mjs";

const { ID, TOKEN, WAITS } = process.env;
/* Each view with a text that only a record of the second daemon has. */
const VIEWS = [["search", ID], ["people", "bob"], ["models", null], ["tools", null], [`request?id=${ID}`, /^b\/\d+$/], ["thing?kind=team&name=red", null]];
await start();
try {
	for (const [width, dark] of [[1280, false], [1280, true], [390, false], [390, true]]) {
		const page = await person({ token: TOKEN, width, dark });
		for (const [view, text] of VIEWS) {
			await page.goto(`${BASE}/console/#/${view}`);
			const note = page.locator("p.elsewhere");
			await note.waitFor();
			const said = await note.innerText();
			like(`${view}, ${width} px: the daemons of this machine are named`, said, /^This view shows the records of a, b\. /);
			like(`${view}, ${width} px: a daemon of another machine is named, with its console`, said, /far’s records are on another machine: https:\/\/far\.example:9443\/console\/\. /);
			like(`${view}, ${width} px: a daemon that is away is named, without an address that is none`, said, /foe’s records are in a journal that this console does not find, and it is away\. The charts/);
			is(`${view}, ${width} px: the link opens this view there`, await note.locator("a").first().getAttribute("href"), `https://far.example:9443/console/#/${view}`);
			if (text) ok(`${view}, ${width} px: a record of the second daemon is shown`, await page.locator("main").getByText(text === ID ? "bob" : text).first().waitFor({ state: "attached" }).then(() => true, () => false));
			ok(`${view}, ${width} px: the page is as wide as the window`, await overflow(page) <= 0);
			if (process.env.FACES) await page.screenshot({ path: `${process.env.FACES}/${view.split("?")[0]}-${width}-${dark ? "dark" : "light"}.png` });
		}
		await page.goto(`${BASE}/console/#/now`);
		await page.locator("p.elsewhere").waitFor();
		like(`now, ${width} px: it shows one daemon, and names the others`, await page.locator("p.elsewhere").innerText(), /^This view shows the daemon a\. (.*\. )?b decides requests of its own, which Search has\. /);
		const b = page.locator("section", { has: page.getByRole("heading", { name: "Daemons" }) }).locator("tbody tr").filter({ hasText: /^\s*b/ });
		like(`now, ${width} px: the second daemon's request in progress is shown`, await b.innerText(), /b\s+(State\s+)?ready\s+(In progress\s+)?1\s+(Longest wait\s+)?\d+ s/i);
		is(`now, ${width} px: its wait leads to the request`, await b.locator("a").last().getAttribute("href"), `#/request?id=${WAITS}`);
		await page.goto(`${BASE}/console/#/overview`);
		await page.getByText("failed requests").first().waitFor();
		if (process.env.FACES) await page.screenshot({ path: `${process.env.FACES}/overview-${width}-${dark ? "dark" : "light"}.png` });
		await page.context().close();
	}
} catch (e) {
	ok("the test in the browser reaches its end", false, String(e.stack ?? e));
} finally {
	clean();
	await stop();
}
process.exit(failures() ? 1 : 0);
