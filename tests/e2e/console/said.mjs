// The faults that the page Now shows, while they begin and end. A line of stdin is "NAME|REGEX"; waits until the first
// panel matches.
import { createInterface } from "node:readline";
import { ok, person, start, stop } from "./harness.mjs";

await start();
const page = await person({ token: process.env.ALL, expected: ["401", "503", "Failed to load resource"] });
await page.goto(`${process.env.CONSOLE}/console/#/now`);
for await (const line of createInterface({ input: process.stdin })) {
	const [name, what] = line.split("|");
	const said = await page.waitForFunction((w) => new RegExp(w).test(document.querySelector("main section")?.innerText ?? ""), what).then(() => true, () => false);
	ok(name, said, await page.locator("main section").first().innerText());
}
await stop();
