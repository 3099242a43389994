// Clients that vanish in the middle. Prints a line a check; the time is what the
// relay's counter shows, a hundred times what a quiet machine needs.
import net from "node:net";

const edge = new URL(process.env.EDGE);
const words = "one two three four five six seven eight nine ten eleven twelve";
const body = (stream) => JSON.stringify({ model: "echo", stream, messages: [{ role: "user", content: words }] });
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const control = (what) => fetch(`${process.env.PROVIDER}/_control`, { method: "POST", body: JSON.stringify(what) });

async function aborts() {
	const text = await (await fetch(`${process.env.ADMIN}/metrics`)).text();
	return Number(/^tollgate_relay_aborts_total (\d+)/m.exec(text)[1]);
}
async function vanish(name, setting, head, bytes, after) {
	await control(setting);
	const before = await aborts();
	const s = net.connect(edge.port, edge.hostname);
	s.on("error", () => {});
	s.on("data", () => {});
	s.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: e2e\r\nauthorization: Bearer ${process.env.TOKEN}\r\n` +
		`content-type: application/json\r\n${head}\r\n\r\n${bytes}`);
	await sleep(after);
	const early = (await aborts()) - before;
	s.destroy();
	const begin = performance.now();
	while ((await aborts()) === before && performance.now() - begin < 2000) await sleep(1);
	const ms = performance.now() - begin;
	const good = early === 0 && (await aborts()) === before + 1 && ms < 200;
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (!good) console.log(`#   ${early} before it, ${(await aborts()) - before} after ${ms.toFixed(1)} ms`);
	await control({});
}
const whole = (stream) => [`content-length: ${body(stream).length}`, body(stream)];
await vanish("a client that waits for the answer", { delay_ms: 3000 }, ...whole(false), 400);
await vanish("a client in the middle of a stream", { chunk_ms: 400 }, ...whole(true), 1000);
await vanish("a client in the middle of a long upload", {}, "content-length: 1000000", "{" + " ".repeat(400000), 600);
