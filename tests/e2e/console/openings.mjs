// Sealed texts, opened in the browser. STATE=open: each text of IDS is what the provider received and sent; then the
// messages for a wrong key, a wrong passphrase or an unsafe page. STATE=erased: no text opens except that of GONE.
import { readdirSync, readFileSync } from "node:fs";
import { BASE, clean, failures, is, like, ok, person, start, stop } from "./harness.mjs";

const { TOKEN, STATE, WANT, IDS, KEYS, GONE } = process.env;
const ids = readFileSync(IDS, "utf8").trim().split("\n");
const PASSPHRASE = process.env.PASSPHRASE;
const secret = readFileSync(`${KEYS}/ann.key`, "utf8").split("\n")[1];

const show = async (page, id) => {
	await page.goto(`${BASE}/console/#/request?id=${id}`);
	await page.getByText("Texts that are kept, sealed to the auditors").waitFor();
};
async function open(page, key, passphrase = "") {
	await page.getByLabel("Your private key").setInputFiles(`${KEYS}/${key}.key`);
	await page.getByLabel("Passphrase of the key").fill(passphrase);
	await page.getByLabel("Why (recorded)").last().fill("a drill <b>x</b>");
	for (let tries = 0; ; tries++) {
		await page.getByRole("button", { name: "Open", exact: true }).click();
		await page.waitForFunction(() => document.querySelector(".opened:not([aria-busy])")?.hasChildNodes());
		const text = await page.locator(".opened").innerText();
		if (tries === 30 || !/too many records/.test(text)) return text;
		await page.getByLabel("Passphrase of the key").fill(passphrase); /* over the auditor's share of records: again in a second */
		await page.waitForTimeout(1000);
	}
}
/* The bytes that the buttons save, for each part. */
async function saved(page) {
	const got = {};
	for (const button of await page.locator(".opened button").all()) {
		const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
		got[/-(\w+)\.txt$/.exec(download.suggestedFilename())[1]] = readFileSync(await download.path());
	}
	return got;
}
const wanted = (id) => Object.fromEntries(readdirSync(WANT).filter((f) => f.startsWith(id)).map((f) => [f.split(".")[1], readFileSync(`${WANT}/${f}`)]));
const same = (a, b) => Object.keys(a).sort().join() === Object.keys(b).sort().join() && Object.keys(a).every((k) => a[k].equals(b[k]));

await start();
try {
	const page = await person({ token: TOKEN, expected: ["401", "429"] });
	const sent = [];
	page.on("request", (r) => sent.push(r.postData() ?? ""));
	if (STATE === "erased") {
		for (const id of ids.slice(0, 2)) {
			await show(page, id);
			like("the text of an erased person is reported as erased", await open(page, "ann", PASSPHRASE), /erased: the share of the person was deleted/);
			is("there is nothing to save", await page.locator(".opened button").count(), 0);
		}
		await show(page, GONE);
		await open(page, "ann", PASSPHRASE);
		ok("another person's text opens", same(await saved(page), wanted(GONE)));
	} else {
		await show(page, ids[0]);
		like("a wrong passphrase is reported before a request is sent", await open(page, "ann", "wrong"), /The passphrase does not open this key/);
		is("it is not recorded", sent.filter((s) => s.includes("a drill")).length, 0);
		like("a key to which nothing is sealed is reported", await open(page, "other"), /It is not sealed to this key \([0-9a-f]{16}\), but to: ann \([0-9a-f]{16}\), safe/);
		like("a key of another kind is reported", await open(page, "admin"), /This key is no X25519 key/);
		for (const id of ids) {
			await show(page, id);
			await open(page, "ann", PASSPHRASE);
			ok(`${id}: the text is what the provider received and sent`, same(await saved(page), wanted(id)), await page.locator(".opened").innerText());
		}
		like("a tool call shows its arguments as text", await page.locator(".opened").innerText(), /arguments of pay \(answer\)\s+\{"to": "<b>ann<\/b>"\}/);
		is("a text makes no element", await page.locator(".opened b, .opened img, .opened script").count(), 0);
		is("characters that reverse the direction of text are shown", /\\u2028/.test(await page.locator("main").innerText()), true);
		await page.goto(`${BASE}/console/#/search`);
		await page.goBack();
		await page.getByLabel("Your private key").waitFor();
		is("after the view is left, it contains neither key nor text", `${await page.getByLabel("Your private key").inputValue()}${await page.locator(".opened").innerText()}`, "");
		ok("neither key nor passphrase was sent", !sent.some((s) => s.includes(secret) || s.includes(PASSPHRASE) || s.includes("PRIVATE KEY")));

		const http = await person({ token: TOKEN, expected: ["401"] });
		await http.addInitScript(() => Object.defineProperty(Crypto.prototype, "subtle", { value: undefined }));
		await http.reload();
		await show(http, ids[0]);
		like("over plain http, the page explains how to get cryptography", await http.locator("main").innerText(), /plain http[^]*admin\.tls[^]*ssh -N -L 8406/);
	}
} catch (e) {
	ok("the test in the browser reaches its end", false, String(e.stack ?? e));
} finally {
	clean();
	await stop();
}
process.exit(failures() ? 1 : 0);
