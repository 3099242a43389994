// Details of views that once were wrong: a table of states and what they show, and what charts draw.
import { BASE, ok, overflow } from "./harness.mjs";

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
	await page.unrouteAll();
}

/* Every request of the scene, in windows of several widths. */
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

export async function details(page) {
	for (const row of rows) await row_is_shown(page, row);
	await requests_fit(page);
	await lone_points_are_drawn(page);
}
