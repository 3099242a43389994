// The console's views of records with two daemons: each names the one whose records are elsewhere. FACES=FOLDER takes pictures.
import { BASE, clean, failures, like, ok, overflow, person, start, stop } from "./harness.mjs";

const VIEWS = ["search", "people", "models", "tools", "request", "thing?kind=team&name=red"];
await start();
try {
	for (const [width, dark] of [[1280, false], [1280, true], [390, false], [390, true]]) {
		const page = await person({ token: process.env.TOKEN, width, dark });
		for (const view of VIEWS) {
			await page.goto(`${BASE}/console/#/${view}`);
			await page.locator("p.elsewhere").waitFor();
			like(`${view}, ${width} px: the other daemon is named`, await page.locator("p.elsewhere").innerText(), /^second writes its records to another journal/);
			ok(`${view}, ${width} px: the page is as wide as the window`, await overflow(page) <= 0);
			if (process.env.FACES) await page.screenshot({ path: `${process.env.FACES}/${view.split("?")[0]}-${width}-${dark ? "dark" : "light"}.png` });
		}
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
