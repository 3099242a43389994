// The console in a real browser: each view by mouse and by keys alone, wide and as on a phone, light and dark.
import { mkdirSync } from "node:fs";
import { BASE, clean, failures, findings, focus_seen, is, like, ok, overflow, person, start, stop, tab_to } from "./harness.mjs";
import { details } from "./details.mjs";
import { ask_all, ask_quick } from "./questions.mjs";
import { views } from "./views.mjs";

const { ALL, VIEWER, PICTURES, FACES, ONLY } = process.env;
let chosen = views.filter((v) => !ONLY || ONLY.split(",").includes(v.name));
const url_of = (view, state) => `${BASE}/console/#/${view}${state ? `?${state}` : ""}`;
const seen = (page, what) => page.waitForFunction(([s, f]) => new RegExp(s, f).test(document.querySelector("main")?.innerText ?? "") && !document.querySelector("main [aria-busy]"),
	[what.source, what.flags]).then(() => true, () => false);
const text = (page) => page.locator("main").innerText();

/* Each view in four forms: wide and narrow, light and dark. */
async function faces(page, v) {
	for (const [width, scheme] of [[1280, "light"], [390, "light"], [390, "dark"], [1280, "dark"]]) {
		await page.setViewportSize({ width, height: 800 });
		await page.emulateMedia({ colorScheme: scheme });
		const bad = await findings(page);
		ok(`${v.name}, ${width} px, ${scheme}: axe finds nothing serious`, !bad.length, ...bad);
		if (scheme === "light") ok(`${v.name}, ${width} px: nothing is wider than the page`, await overflow(page) <= 0, `by ${await overflow(page)} px`);
	}
	await page.setViewportSize({ width: 1280, height: 800 });
	await page.emulateMedia({ colorScheme: "light" });
}

/* Pictures of a view, for people. */
async function pictures_of_faces(page, v) {
	mkdirSync(FACES, { recursive: true });
	for (const width of [1280, 1920, 390])
		for (const colorScheme of ["light", "dark"]) {
			await page.setViewportSize({ width, height: width === 390 ? 844 : 1080 });
			await page.emulateMedia({ colorScheme });
			await page.goto(url_of(v.name, v.shows));
			ok(`${v.name}, ${width} px, ${colorScheme}: its picture has data`, await seen(page, v.shows_seen ?? v.seen));
			await page.screenshot({ path: `${FACES}/${v.name}-${width}-${colorScheme}.png`, fullPage: true });
		}
	await page.setViewportSize({ width: 1280, height: 800 });
	await page.emulateMedia({ colorScheme: "light" });
}

/* The API responds with an error that contains markup and a character that reverses the direction of text. */
async function error_as_text(page, v) {
	const said = "<img src=x onerror=alert(1)> went \u202ewrong";
	const path = `${BASE}${v.asked}`;
	page.expected.push("500");
	await page.route((u) => u.href.split("?")[0] === path, (r) => r.fulfill({ status: 500, contentType: "application/json", body: JSON.stringify({ error: said }) }));
	await page.goto(`${BASE}/console/#/policy?part=check`);
	await page.goto(url_of(v.name, v.error_state ?? v.state));
	const wrong = page.locator("main .wrong, main [role=alert]").filter({ hasText: "went" }).first();
	const shown = await wrong.innerText().catch(() => null);
	like(`${v.name}: an error of the API is shown as text`, shown, /<img src=x onerror=alert\(1\)> went \\u202ewrong/);
	await page.unrouteAll();
	for (const again of (await page.getByRole("button", { name: "Try again" }).all()).reverse()) await again.click();
	ok(`${v.name}: a second try shows the data`, await seen(page, v.state_seen ?? v.seen), await text(page));
}

async function by_mouse(page) {
	for (const v of chosen) {
		await page.locator("#top nav").getByRole("link", { name: v.title ?? v.name, exact: false }).first().click();
		ok(`${v.name}: the view is shown`, await seen(page, v.seen), await text(page));
		await page.waitForFunction((href) => document.querySelector("#top nav [aria-current]")?.getAttribute("href").split("?")[0] === href, `#/${v.name}`).catch(() => null);
		is(`${v.name}: the navigation marks the view`, (await page.locator("#top nav [aria-current]").getAttribute("href")).split("?")[0], `#/${v.name}`);
		if (PICTURES) await picture(page, v);
		if (FACES) await pictures_of_faces(page, v);
		await faces(page, v);
		await v.mouse?.(page);
		if (v.state) {
			const before = page.url();
			await page.goto(url_of(v.name, v.state));
			ok(`${v.name}: its state is that of the URL`, await seen(page, v.state_seen), await text(page));
			await page.goBack();
			is(`${v.name}: back shows the previous URL`, page.url(), before);
			await page.goForward();
			is(`${v.name}: forward shows the URL of the state`, page.url(), url_of(v.name, v.state));
			await page.reload();
			ok(`${v.name}: a reload shows the same state`, await seen(page, v.state_seen) && page.url() === url_of(v.name, v.state), page.url());
		}
		if (v.asked) await error_as_text(page, v);
	}
}

/* Without a mouse, as narrow as a phone, dark. */
async function by_keys(page) {
	for (const v of chosen) {
		await page.goto(url_of(chosen[0].name === v.name ? chosen.at(-1).name : chosen[0].name));
		await page.locator("#top nav [aria-current]").waitFor();
		ok(`${v.name}: Tab reaches the link`, await tab_to(page, `#top nav a[href="#/${v.name}"]`));
		ok(`${v.name}: the focus is visible`, await focus_seen(page));
		await page.keyboard.press("Enter");
		ok(`${v.name}: Enter shows the view`, await seen(page, v.seen), await text(page));
		await v.keys?.(page);
	}
}

/* Names that contain markup, or reverse the direction of text, are shown as text in each view. */
const strange = [
	["request", `id=${process.env.STRANGE}`, /eve\\u202e<i>x<\/i>/, /<b>bold<\/b>\\u202ename/],
	["search", "person=eve*&since=1h", /eve\\u202e<i>x<\/i>/],
	["people", "since=30d&q=person-00007", /person-00007\\u202e<b>nosrep<\/b>/],
	["people", `person=${encodeURIComponent("eve\u202e<i>x</i>")}`, /eve\\u202e<i>x<\/i>/],
	["models", "since=30d", /<img src=x onerror=alert\(1\)>/],
	["tools", "server=calc&kind=tool&tool=add", /<img src=x onerror=alert\(1\)>/],
	["audit", "since=1h", /tried by mouse <b>x<\/b>/],
];
async function names_are_text(page) {
	for (const [view, state, ...wants] of strange.filter(([name]) => chosen.some((v) => v.name === name))) {
		await page.goto(url_of(view, state));
		for (const want of wants) ok(`${view}?${state.slice(0, 40)}: ${want.source} is text`, await seen(page, want), await text(page));
		is(`${view}: no element is created from it`, await page.locator("main img, main script, main i, main td b, main iframe").count(), 0);
	}
}

/* Usage figures: savings of the cache, prompts, times. */
const saved = [
	["now", "", /\$0\.\d\d\s+saved by the cache\s+since the start: [1-9]\d* tokens, 1 response/i],
	["people", "q=sally&since=24h", /\$0\.\d\d\s+[1-9]\d* tokens/],
	["people", "q=person-00007&since=30d", /Denial rate[\s\S]*Dearest\s[\s\S]*Largest prompt[\s\S]*person-00007[\s\S]*mean \d/],
	["people", "person=person-00001&since=30d", /largest prompt, in tokens\s+[1-9][\d,]*\s+dearest request\s+\$[\s\S]*to the first token, .* for the whole response/i],
	["people", "person=sally", /saved by the cache\s+\$0\.\d\d, [1-9]\d* tokens in 1 responses/i],
	["request", `id=${process.env.AGAIN}`, /cache\s+hit \(exact\), \d+ s old\s+saved\s+\d+ input tokens, \d+ output tokens/i],
];
async function figures_are_shown(page) {
	for (const [view, state, want] of saved.filter(([name]) => chosen.some((v) => v.name === name))) {
		await page.goto(url_of(view, state));
		ok(`${view}?${state.slice(0, 20)}: its figures are shown`, await seen(page, want), await text(page));
	}
}

/* A user with the role viewer sees no button for a change. */
async function as_viewer(page) {
	for (const v of chosen) {
		for (const state of [null, v.state].filter((s) => s !== undefined)) {
			await page.goto(url_of(v.name, state));
			await page.locator("#top nav [aria-current]").waitFor();
			await page.waitForFunction(() => !document.querySelector("main [aria-busy]"));
			const buttons = await page.locator("main button:not(.sort)").allInnerTexts();
			const changes = buttons.filter((b) => /revoke|create|approve|withdraw|eject|readmit|reload|reset|change|verify/i.test(b));
			ok(`${v.name}${state ? `?${state}` : ""}: a viewer sees no button of a change`, !changes.length, changes.join(", "));
		}
	}
}

async function picture(page, v) {
	mkdirSync(PICTURES, { recursive: true });
	await page.setViewportSize({ width: 1280, height: 960 });
	if (v.shows) await page.goto(url_of(v.name, v.shows));
	await v.picture?.(page);
	ok(`${v.name}: its picture has data`, await seen(page, v.shows_seen ?? v.seen), await text(page));
	await page.screenshot({ path: `${PICTURES}/console-${v.name}.png` });
	if (v.dark) {
		await page.emulateMedia({ colorScheme: "dark" });
		await page.waitForTimeout(500); /* the charts are drawn again */
		await page.screenshot({ path: `${PICTURES}/console-${v.name}-dark.png` });
		await page.emulateMedia({ colorScheme: "light" });
	}
	await page.setViewportSize({ width: 1280, height: 800 });
	if (v.shows) await page.goto(url_of(v.name));
}

await start();
try {
	const page = await person({ token: ALL });
	if (!ALL) await page.goto(url_of("now"));
	await page.locator("#top nav a").first().waitFor();
	const there = await page.locator("#top nav a").evaluateAll((all) => all.map((a) => a.getAttribute("href").slice(2)));
	ok("each view of the console has a row in views.mjs", there.every((name) => views.some((v) => v.name === name)), there.join(" "));
	chosen = chosen.filter((v) => there.includes(v.name));
	await by_mouse(page);
	if (ALL) {
		await names_are_text(page);
		await figures_are_shown(page);
		if (!ONLY) await details(page);
	}
	await page.context().close();
	const keys = await person({ token: ALL, width: 390, dark: true });
	if (!ALL) await keys.goto(url_of("now"));
	await by_keys(keys);
	await keys.context().close();
	if (ALL && !ONLY) {
		const asker = await person({ token: ALL });
		await ask_quick(asker);
		await ask_all(asker);
		await asker.context().close();
	}
	if (VIEWER) {
		const viewer = await person({ token: VIEWER, expected: ["403"] }); /* the page reports that the role is missing */
		await as_viewer(viewer);
		await viewer.context().close();
	}
} catch (e) {
	ok("the test in the browser reaches its end", false, String(e.stack ?? e));
} finally {
	clean();
	await stop();
}
process.exit(failures() ? 1 : 0);
