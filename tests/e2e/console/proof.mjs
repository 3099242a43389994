// The proof page in Chromium and Firefox: the proof holds, each changed part is refused, the page loads nothing and
// runs nothing of a record, and it can be printed. `check.js` alone, in Node, refuses each changed character.
import { chromium } from "playwright-core";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { failures, findings, is, like, ok } from "./harness.mjs";
import { firefox } from "./firefox.mjs";

const D = process.env.PAGES; // the folder with decision.html, hostile.html, completion.html, unanchored.html, rotated.html, rsa.tsr, p384.tsr
const { check, verdict } = await import(pathToFileURL(process.env.CHECK));

const BLOCK = /(<script type="application\/json" id="proof">)([^]*?)(<\/script>)/;
const whole = Object.fromEntries(["decision", "hostile", "completion", "unanchored", "rotated"].map((name) => [name, readFileSync(`${D}/${name}.html`, "utf8")]));
const data_of = (page) => JSON.parse(BLOCK.exec(page)[2]);
const with_data = (page, data) => page.replace(BLOCK, (_, a, b, c) => a + JSON.stringify(data).replaceAll("<", "\\u003c") + c);
/* Another character of the same kind, so that only a check can detect it. */
const other = (c) => (/[0-9]/.test(c) ? (c === "1" ? "2" : "1") : c === "A" ? "B" : c === "a" ? "b" : /[A-Z]/.test(c) ? "A" : "a");
const changed = (text, at) => text.slice(0, at) + other(text[at]) + text.slice(at + 1);
const url_of = (name, page) => {
	writeFileSync(`${D}/${name}.html`, page);
	return pathToFileURL(`${D}/${name}.html`).href;
};

const data = data_of(whole.decision);
const lines = data.proof.split("\n");
const blank = lines.indexOf("");
const line_at = (n) => lines.slice(0, n).join("\n").length + (n ? 1 : 0);
/* Each row changes one part of the page's data, and names the check that must fail. */
const in_proof = (at) => ({ ...data, proof: changed(data.proof, at) });
const in_anchor = (kind, member) => ({
	...data,
	anchors: data.anchors.map((a) => {
		const o = JSON.parse(a);
		if (o.kind === kind) o[member] = typeof o[member] === "number" ? o[member] + 1 : changed(o[member], o[member].length - 20);
		return JSON.stringify(o);
	}),
});
const CHANGES = [
	["a byte of the record", in_proof(40), "record"],
	["the last byte of the record", in_proof(line_at(1) - 4), "record"],
	["the stated hash of the record", { ...data, sha256: changed(data.sha256, 5) }, "record"],
	["the index", in_proof(line_at(blank > 2 ? 2 : 0) + 6), "record"],
	["a hash of the path", in_proof(line_at(3) + 4), "path"],
	["the size of the log", in_proof(line_at(blank + 2)), "signature"],
	["the root of the log", in_proof(line_at(blank + 3) + 3), "path"],
	["the signature", in_proof(data.proof.length - 30), "signature"],
	["the key id of the signature", in_proof(data.proof.lastIndexOf(" ") + 2), "signature"],
	["the public key", { ...data, keys: data.keys.map((k) => ({ ...k, public: changed(k.public, 3) })) }, "key"],
	["the id of the public key", { ...data, keys: data.keys.map((k) => ({ ...k, id: changed(k.id, 3) })) }, "key"],
	["the root of a confirmation", in_anchor("witness", "root"), "anchor"],
	["the size of a time stamp", in_anchor("tsa", "size"), "anchor"],
	["the cosignature of the witness", in_anchor("witness", "answer"), "anchor"],
	["the signature of the time stamp", in_anchor("tsa", "answer"), "anchor"],
	["the key of the witness", { ...data, witness_keys: data.witness_keys.map((k) => ({ ...k, public: changed(k.public, 3) })) }, "anchor"],
];

/* ---- each character, without a browser ---- */
async function every_character() {
	const passed = [];
	const must_refuse = async (name, altered) => {
		if (verdict((await check(altered)).checks) !== "fails") passed.push(name);
	};
	is("check.js accepts the proof", verdict((await check(data)).checks), "holds");
	for (let at = 0; at < data.proof.length; at++) await must_refuse(`proof ${at}: ${data.proof.slice(at - 10, at + 10)}`, in_proof(at));
	for (let at = 0; at < 64; at++) await must_refuse(`sha256 ${at}`, { ...data, sha256: changed(data.sha256, at) });
	for (let at = 0; at < 44; at++) await must_refuse(`key ${at}`, { ...data, keys: data.keys.map((k) => ({ ...k, public: changed(k.public, at) })) });
	for (let at = 0; at < data.proof.length; at += 7) await must_refuse(`without ${at}`, { ...data, proof: data.proof.slice(0, at) + data.proof.slice(at + 1) });
	for (const name of ["rsa", "p384"]) {
		const token = readFileSync(`${D}/${name}.tsr`);
		const stamped = (t) => ({ ...data, anchors: data.anchors.filter((a) => JSON.parse(a).kind === "tsa").map((a) => JSON.stringify({ ...JSON.parse(a), answer: t.toString("base64") })) });
		const got = (await check(stamped(token))).checks.at(-1);
		is(`a time stamp by ${name} holds`, got.result, "holds");
		token[token.length - 5] ^= 1;
		is(`a changed time stamp by ${name} does not hold`, (await check(stamped(token))).checks.at(-1).result, "fails");
	}
	ok(`each of ${data.proof.length} changed characters is refused`, !passed.length, ...passed.slice(0, 5));
}

/* ---- the same in a browser ---- */
const state = () => ({
	verdict: document.getElementById("verdict").className, title: document.querySelector("#verdict h2").textContent,
	fails: [...document.querySelectorAll("#checks li.fails")].map((l) => l.dataset.check), text: document.body.innerText,
	holds: [...document.querySelectorAll("#checks li.holds")].map((l) => l.dataset.check),
	images: document.images.length, scripts: document.scripts.length, hostile: typeof window.hostile,
});
async function opened(page, url) {
	await page.goto(url);
	for (let i = 0; i < 100; i++) {
		const now = await page.evaluate(state);
		if (now.verdict !== "none") return now;
		await new Promise((done) => setTimeout(done, 50));
	}
	return page.evaluate(state);
}
function pages_of(pdf, name) {
	writeFileSync(`${D}/${name}.pdf`, pdf);
	return Number(/^Pages: +(\d+)/m.exec(execFileSync("pdfinfo", [`${D}/${name}.pdf`], { encoding: "utf8" }))[1]);
}

async function in_browser(name, page, requests) {
	for (const kind of Object.keys(whole)) {
		const got = await opened(page, pathToFileURL(`${D}/${kind}.html`).href);
		is(`${name}: the page of ${kind} holds`, `${got.verdict} ${got.fails}`, "holds ");
	}
	const got = await opened(page, pathToFileURL(`${D}/decision.html`).href);
	is(`${name}: all parts were checked`, got.holds.join(" "), "record path key signature anchor anchor");
	for (const want of [/denied the request with status 451/, /no-bob/, /bob/, /The witness /, /The log was in this state on 20/, /This is not proven/])
		like(`${name}: it states ${want}`, got.text, want);
	const pdf = await page.pdf();
	ok(`${name}: it prints on one or two pages`, pages_of(pdf, name) <= 2, pages_of(pdf, name));
	const hostile = await opened(page, pathToFileURL(`${D}/hostile.html`).href);
	is(`${name}: a hostile value runs nothing`, `${hostile.images} ${hostile.scripts} ${hostile.hostile}`, "0 2 undefined");
	like(`${name}: a hostile value is shown as text`, hostile.text, /<img src=x onerror=window\.hostile=1>\\u202e/);
	for (const [what, altered, fails] of CHANGES) {
		const refused = await opened(page, url_of("changed", with_data(whole.decision, altered)));
		ok(`${name}: refuses if ${what} was changed`, refused.verdict === "fails" && refused.fails.includes(fails) && /Refused/.test(refused.title) && !/All checks hold/.test(refused.text), refused.verdict, refused.fails.join(" "));
	}
	is(`${name}: refuses data that it cannot read`, (await opened(page, url_of("changed", whole.decision.replace('{"format', '{"format"')))).verdict, "fails");
	// Firefox uses its own font for bullets, from a data: address.
	const outside = requests.filter((u) => !u.startsWith(pathToFileURL(D).href) && !u.startsWith("about:") && !u.startsWith("data:font/"));
	ok(`${name}: loads nothing`, requests.length && !outside.length, ...new Set(outside));
}

await every_character();

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
const tab = async (options = {}) => {
	const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, offline: true, ...options });
	return context.newPage();
};
const page = await tab();
const requests = [];
page.on("request", (r) => requests.push(r.url()));
await in_browser("Chromium", page, requests);
await page.goto(pathToFileURL(`${D}/decision.html`).href);
await page.evaluate(() => fetch("file:///etc/hostname").then(() => { window.fetched = 1; }, () => { window.fetched = 0; }));
is("Chromium: its policy stops a request", await page.evaluate(() => window.fetched), 0);
for (const scheme of ["light", "dark"]) {
	const shown = await tab({ colorScheme: scheme });
	await opened(shown, pathToFileURL(`${D}/decision.html`).href);
	ok(`Chromium: axe finds nothing in the ${scheme} page`, !(await findings(shown)).length, ...(await findings(shown)));
	if (process.env.PICTURES) await shown.screenshot({ path: `${process.env.PICTURES}/proof-${scheme}.png`, fullPage: true });
	if (process.env.PICTURES) {
		await opened(shown, url_of("changed", with_data(whole.decision, CHANGES[0][1])));
		await shown.screenshot({ path: `${process.env.PICTURES}/proof-refused-${scheme}.png`, fullPage: true });
	}
}
const narrow = await tab({ viewport: { width: 360, height: 700 } });
await opened(narrow, pathToFileURL(`${D}/decision.html`).href);
is("Chromium: a narrow page needs no scrolling sideways", await narrow.evaluate(() => document.documentElement.scrollWidth > window.innerWidth), false);

// the key from another source
const id = data.keys[0].id;
for (const [what, text, want] of [["the id of the key", id, "holds"], ["the file with the key", readFileSync(process.env.AUDIT_KEY, "utf8"), "holds"],
	["another id", changed(id, 0), "fails"], ["another key", Buffer.alloc(32, 7).toString("base64"), "fails"], ["a text that is no key", "hello", "holds"]]) {
	await page.getByLabel(/received from the operator/).fill(text);
	await page.getByRole("button", { name: "Compare" }).click();
	await page.waitForFunction(() => document.querySelector("#keys [role=status]").textContent !== "");
	await page.waitForTimeout(50);
	is(`Chromium: comparing with ${what}`, (await page.evaluate(state)).verdict, want);
}

// an old browser, and a changed script
const old = await tab();
await old.addInitScript(() => {
	const real = SubtleCrypto.prototype.importKey;
	SubtleCrypto.prototype.importKey = function (form, key, how, ...more) {
		return how.name === "Ed25519" ? Promise.reject(new DOMException("unknown", "NotSupportedError")) : real.call(this, form, key, how, ...more);
	};
});
const partly = await opened(old, pathToFileURL(`${D}/decision.html`).href);
is("a browser without Ed25519: only partly checked", partly.verdict, "partly");
like("a browser without Ed25519: the page names what it did not check", partly.text, /did not make these checks: the gateway signed the log; a witness outside confirmed the log/);
is("a browser without Ed25519: the page checks the rest", partly.holds.join(" "), "record path key anchor");
is("a browser without Ed25519: a changed record is refused", (await opened(old, url_of("changed", with_data(whole.decision, CHANGES[0][1])))).verdict, "fails");
const none = await tab();
await none.addInitScript(() => Object.defineProperty(Crypto.prototype, "subtle", { get: () => undefined }));
is("a browser without WebCrypto: nothing is claimed", (await opened(none, pathToFileURL(`${D}/decision.html`).href)).verdict, "partly");
const script = await opened(page, url_of("changed", whole.decision.replace("c.result === 'fails') ? 'fails'", "c.result === 'fails') ? 'holds'")));
is("a changed script does not run", `${script.verdict}: ${script.title}`, "none: Nothing has been checked");
await browser.close();

if (process.env.FIREFOX) {
	mkdirSync(`${D}/profile`, { recursive: true });
	const fox = await firefox(process.env.FIREFOX, `${D}/profile`);
	await in_browser("Firefox", fox, fox.requests);
	if (process.env.PICTURES) {
		await opened(fox, pathToFileURL(`${D}/decision.html`).href);
		writeFileSync(`${process.env.PICTURES}/proof-firefox.png`, await fox.screenshot());
	}
	await fox.close();
}
process.exitCode = failures() ? 1 : 0;
