// Clients that disconnect during a request. Prints a line for each check. The provider would take an hour, so only the
// disconnect can end the request.
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
	await after();
	const early = (await aborts()) - before;
	s.destroy();
	const begin = performance.now();
	while ((await aborts()) === before && performance.now() - begin < 30000) await sleep(1);
	const ms = performance.now() - begin;
	const good = early === 0 && (await aborts()) === before + 1;
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (!good) console.log(`#   ${early} before it, ${(await aborts()) - before} after ${ms.toFixed(1)} ms`);
	await control({});
}
const whole = (stream) => [`content-length: ${body(stream).length}`, body(stream)];
// Waits until the provider has the request, and until the relay holds a part of the upload.
async function until(what) {
	for (let end = Date.now() + 30000; Date.now() < end && !(await what());) await sleep(20);
}
const asked = async () => (await (await fetch(`${process.env.PROVIDER}/_seen?last=20`)).json()).some((q) => q.ended === "pending");
const held = async () => Number(/^tollgate_held_bytes (\d+)/m.exec(await (await fetch(`${process.env.ADMIN}/metrics`)).text())?.[1] ?? 0) > 300000;
await vanish("a client that waits for the answer", { delay_ms: 3600000 }, ...whole(false), () => until(asked));
await vanish("a client in the middle of a stream", { hold_after_events: 4 }, ...whole(true), () => until(asked));
await vanish("a client in the middle of a long upload", {}, "content-length: 1000000", "{" + " ".repeat(400000), () => until(held));

// Some clients close as soon as they have read the last event, and do not wait for the end of the connection.
{
	await control({});
	const asks = JSON.stringify({ ...JSON.parse(body(true)), stream_options: { include_usage: true } });
	const all = await (await fetch(`${process.env.PROVIDER}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: asks })).text();
	await control({ hold_after_events: all.match(/^data:/gm).length - 1 });
	const before = await aborts();
	const s = net.connect(edge.port, edge.hostname);
	let got = "";
	s.on("error", () => {});
	s.on("data", (d) => { got += d; });
	s.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: e2e\r\nauthorization: Bearer ${process.env.TOKEN}\r\n` +
		`content-type: application/json\r\ncontent-length: ${asks.length}\r\n\r\n${asks}`);
	await until(async () => /"usage":\{/.test(got));
	s.destroy();
	await sleep(1000);
	const good = /"usage":\{/.test(got) && (await aborts()) === before;
	console.log(`${good ? "ok" : "not ok"} - a client that leaves after the last event of a stream has not aborted it`);
	if (!good) console.log(`#   ${await aborts()} aborts after ${before}, received ${got.length} bytes`);
	await control({});
}
