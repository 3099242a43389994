// The console's Request view of a request whose call has a placeholder that stayed.
import { BASE, clean, failures, like, ok, person, start, stop } from "./harness.mjs";

await start();
try {
	const page = await person({ token: process.env.TOKEN });
	await page.goto(`${BASE}/console/#/request?id=${process.env.ID}`);
	await page.getByRole("columnheader", { name: "Placeholders left" }).waitFor();
	const row = page.getByRole("row").filter({ hasText: "send" });
	like("the console's Request counts the placeholders that stayed in a call, by reason", await row.innerText(), new RegExp(process.env.WANT));
} catch (e) {
	ok("the test in the browser reaches its end", false, String(e.stack ?? e));
} finally {
	clean();
	await stop();
}
process.exit(failures() ? 1 : 0);
