// Four callers send 230 KB that must be redacted and reset the connection after 5 ms, as fast as they can, until
// hundreds were sent and some refused. Another caller sends requests meanwhile. Prints a line for each check.
import net from "node:net";

const edge = new URL(process.env.EDGE);
const tokens = process.env.TOKENS.split(" ");
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const chat = (text) => JSON.stringify({ model: "echo", messages: [{ role: "user", content: text }] });
const large = chat("write to alice@example.com " + "some words of a long text ".repeat(9000));
const small = chat("hello");
const began = performance.now();
const ok = (good, name, ...why) => {
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (!good) for (const w of why) console.log(`#   ${w}`);
};
const head = (token, n) => `POST /v1/chat/completions HTTP/1.1\r\nhost: e2e\r\nauthorization: Bearer ${token}\r\n` +
	`content-type: application/json\r\ncontent-length: ${n}\r\n\r\n`;
async function metric(name) {
	const text = await (await fetch(`${process.env.ADMIN}/metrics`)).text();
	return Number(new RegExp(`^tollgate_${name} (\\d+)`, "m").exec(text)?.[1] ?? 0);
}
let sent = 0, refused = 0;
const seen = {};
// at least three seconds; longer if the machine is slow
const over = () => performance.now() - began > (sent > 400 && seen[200] >= 30 && refused > 0 ? 3000 : 90000);
async function giveUp(token) {
	while (!over()) {
		await new Promise((done) => {
			const s = net.connect(edge.port, edge.hostname);
			s.on("error", () => {});
			s.on("close", done);
			s.write(head(token, large.length) + large, () => setTimeout(() => s.resetAndDestroy(), 5));
		});
		sent++;
	}
}
async function ask() {
	for (let i = 0; !over(); i++) {
		const r = await fetch(`${edge.origin}/v1/chat/completions`, { method: "POST", body: i % 2 ? large : small,
			headers: { authorization: `Bearer ${process.env.STRANGER}`, "content-type": "application/json" } });
		await r.text();
		seen[r.status] = (seen[r.status] ?? 0) + 1;
		await sleep(20);
	}
}
let held = 0;
async function watch() {
	while (!over()) {
		refused = await metric("held_refused_total");
		held = Math.max(held, await metric("held_bytes"));
		await sleep(100);
	}
}
await Promise.all([...tokens.flatMap((t) => [giveUp(t), giveUp(t), giveUp(t)]), ask(), watch()]);
ok(sent > 200, "hundreds of requests are sent and canceled", `${sent}`);
ok(seen[200] >= 15 && Object.keys(seen).length === 1, "another caller is served meanwhile", JSON.stringify(seen));
ok(refused > 0, "some of the canceling callers' requests are refused");
ok(held < 40 << 20, "the held bytes leave room for other callers", `${held} bytes`);
