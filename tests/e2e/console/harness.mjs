// One browser for all of console.mjs: Debian's chromium-headless-shell driven by playwright-core. What holds
// of every page is watched here: no request outside our origin, nothing that the CSP had to stop, no error of a script.
import { chromium } from "playwright-core";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const BASE = process.env.CONSOLE; // https://localhost:PORT
const WAIT = 30000; // a busy machine is no failure

let failed = 0;
export function ok(name, holds, ...why) {
	console.log(`${holds ? "ok" : "not ok"} - ${name}`);
	if (holds) return true;
	failed++;
	for (const w of why) console.log(`#   ${String(typeof w === "string" ? w : JSON.stringify(w)).slice(0, 600)}`);
	return false;
}
export const is = (name, got, want) => ok(name, got === want, `got:  ${got}`, `want: ${want}`);
export const like = (name, got, want) => ok(name, want.test(got ?? ""), `no match of ${want} in:`, got);
export const failures = () => failed;

let browser;
export async function start() {
	browser = await chromium.launch({
		executablePath: process.env.CHROMIUM,
		args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
	});
}
export const stop = () => browser?.close();

// What went wrong in any page, collected and told once by clean().
const odd = { outside: [], csp: [], errors: [] };

/* A person before the page: { width, dark, token, expected }. Without a token nobody has logged in. */
export async function person({ width = 1280, height = 800, dark = false, token, expected = [] } = {}) {
	const context = await browser.newContext({
		viewport: { width, height }, colorScheme: dark ? "dark" : "light", ignoreHTTPSErrors: true,
		reducedMotion: "reduce", locale: "en-GB", timezoneId: "UTC", hasTouch: width < 600,
	});
	context.setDefaultTimeout(WAIT);
	context.on("request", (r) => {
		if (new URL(r.url()).origin !== BASE && !r.url().startsWith("data:")) odd.outside.push(r.url());
	});
	await context.exposeFunction("cspViolated", (what) => odd.csp.push(what));
	await context.addInitScript(() => {
		document.addEventListener("securitypolicyviolation", (e) =>
			window.cspViolated(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber} ${e.sample}`));
	});
	const page = await context.newPage();
	page.expected = [...expected]; // parts of console errors that a test asks for
	page.on("console", (m) => {
		if (m.type() === "error" && !page.expected.some((e) => m.text().includes(e))) odd.errors.push(`${page.url()}: ${m.text()} ${m.location().url}`);
	});
	page.on("dialog", (d) => { odd.errors.push(`${page.url()}: ${d.type()} ${d.message()}`); d.dismiss(); });
	page.on("pageerror", (e) => odd.errors.push(`${page.url()}: ${e.stack ?? e}`));
	if (token) await login(page, token);
	return page;
}

/* By the form, as a person does. */
export async function login(page, token) {
	page.expected.push("401"); /* before he has */
	await page.goto(`${BASE}/console/`);
	await page.getByLabel(/token/i).fill(token);
	await page.keyboard.press("Enter");
	await page.locator("#top .me").waitFor({ state: "attached" }); /* a phone hides the name */
	await page.locator("dialog").waitFor({ state: "detached" }); /* it would take the first keys */
}

/* All that was collected, for one line each at the end. */
export function clean() {
	ok("no request goes outside the console's own origin", !odd.outside.length, ...odd.outside.slice(0, 5));
	ok("nothing had to be stopped by the content security policy", !odd.csp.length, ...odd.csp.slice(0, 5));
	ok("no script fails and nothing complains", !odd.errors.length, ...odd.errors.slice(0, 8));
}

/* axe's serious and critical findings of the page as it is now: a line each. */
export async function findings(page) {
	if (!(await page.evaluate(() => "axe" in window))) {
		// Not by a script element nor eval, which the CSP rightly refuses.
		const cdp = await page.context().newCDPSession(page);
		await cdp.send("Runtime.evaluate", { expression: axe });
		await cdp.detach();
	}
	const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
	return found.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ""}`).join("; ")}`);
}

/* Nothing is cut off or has to be scrolled sideways, but for what scrolls by itself (a wide table). */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

/* Keys alone: Tab until what has the focus matches; its text, or null after so many. */
export async function tab_to(page, selector, most = 80) {
	for (let i = 0; i < most; i++) {
		await page.keyboard.press("Tab");
		if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return true;
	}
	return false;
}
/* Where the focus is can be seen. */
export const focus_seen = (page) => page.evaluate(() => {
	const s = getComputedStyle(document.activeElement);
	return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none";
});
