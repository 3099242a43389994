// One browser for all of console.mjs: Debian's chromium-headless-shell, driven by playwright-core. It also checks each
// page: no request outside of our origin, nothing that the CSP had to stop, no script error.
import { chromium } from "playwright-core";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const BASE = process.env.CONSOLE; // https://localhost:PORT
const WAIT = 30000; // a busy machine may be slow

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

// Errors of all pages, collected and reported once by clean().
const odd = { outside: [], csp: [], errors: [] };

/* Opens a page: { width, dark, token, expected }. Without a token, the page shows the login. */
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
	page.expected = [...expected]; // parts of console errors that a test causes on purpose
	page.on("console", (m) => {
		if (m.type() === "error" && !page.expected.some((e) => m.text().includes(e))) odd.errors.push(`${page.url()}: ${m.text()} ${m.location().url}`);
	});
	page.on("dialog", (d) => { odd.errors.push(`${page.url()}: ${d.type()} ${d.message()}`); d.dismiss(); });
	page.on("pageerror", (e) => odd.errors.push(`${page.url()}: ${e.stack ?? e}`));
	if (token) await login(page, token);
	return page;
}

/* Logs in with the form, as a person does. */
export async function login(page, token) {
	page.expected.push("401"); /* before the login */
	await page.goto(`${BASE}/console/`);
	await page.getByLabel(/token/i).fill(token);
	await page.keyboard.press("Enter");
	await page.locator("#top .me").waitFor({ state: "attached" }); /* a phone hides the name */
	await page.locator("dialog").waitFor({ state: "detached" }); /* it would take the first keys */
}

/* Reports all collected errors, one line each, at the end. */
export function clean() {
	ok("no request leaves the console's own origin", !odd.outside.length, ...odd.outside.slice(0, 5));
	ok("the content security policy had to stop nothing", !odd.csp.length, ...odd.csp.slice(0, 5));
	ok("no script fails, and the browser reports no error", !odd.errors.length, ...odd.errors.slice(0, 8));
}

/* axe's serious and critical findings on the current page, a line each. */
export async function findings(page) {
	if (!(await page.evaluate(() => "axe" in window))) {
		// Not as a script element or by eval, which the CSP refuses.
		const cdp = await page.context().newCDPSession(page);
		await cdp.send("Runtime.evaluate", { expression: axe });
		await cdp.detach();
	}
	const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
	return found.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ""}`).join("; ")}`);
}

/* The number of pixels by which the page is too wide. Elements that scroll by themselves, such as a wide table, do
   not count. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

/* Presses Tab until the focused element matches; returns its text, or null after the maximum number. */
export async function tab_to(page, selector, most = 80) {
	for (let i = 0; i < most; i++) {
		await page.keyboard.press("Tab");
		if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return true;
	}
	return false;
}
/* True if the focus is visible. */
export const focus_seen = (page) => page.evaluate(() => {
	const s = getComputedStyle(document.activeElement);
	return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none";
});
