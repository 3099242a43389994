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

// Some clients close as soon as they have read the last event, and do not wait for the end of the connection. On the
// route of ignored.test, no guard reads the response. A client that leaves before the last event has aborted the stream.
const event = (choice, usage) => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: choice ? [{ index: 0, finish_reason: null, ...choice }] : [], ...usage })}\n\n`;
const events = [event({ delta: { role: "assistant", content: "one two" } }), event({ delta: {}, finish_reason: "stop" }),
	event(null, { usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }), "data: [DONE]\n\n"];
async function leaves(name, host, n, cut = 0) {
	const sent = events.slice(0, n).join("").slice(0, -cut || undefined);
	await control({ wire: "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" +
		`${sent.length.toString(16)}\r\n${sent}\r\n`, stays: true });
	const asks = JSON.stringify({ ...JSON.parse(body(true)), messages: [{ role: "user", content: `${words} to jane@example.com` }], stream_options: { include_usage: true } });
	const before = await aborts();
	const s = net.connect(edge.port, edge.hostname);
	let got = "";
	s.on("error", () => {});
	s.on("data", (d) => { got += d; });
	s.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${process.env.TOKEN}\r\n` +
		`content-type: application/json\r\ncontent-length: ${asks.length}\r\n\r\n${asks}`);
	await until(async () => got.includes(sent.slice(-12)));
	s.destroy();
	const aborted = n < events.length || cut > 0;
	if (aborted) await until(async () => (await aborts()) > before);
	else await sleep(1000);
	const good = got.includes(sent.slice(-12)) && (await aborts()) === before + (aborted ? 1 : 0);
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (!good) console.log(`#   ${await aborts()} aborts after ${before}, received ${got.length} bytes: ${got.slice(-300)}`);
	await control({});
}
await leaves("a client that leaves after the last event of a stream has not aborted it", "e2e", 4);
await leaves("nor has one whose response no guard reads", "ignored.test", 4);
await leaves("a client that leaves before the last event of such a stream has aborted it", "ignored.test", 3);
await leaves("and so has one that leaves in the middle of it", "ignored.test", 4, 4);
