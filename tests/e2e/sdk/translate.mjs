// SDKs of sdks.mjs at providers of each other form: what they read of a stream is what they read whole,
// and each failure is an error of their own. A row is the host that it is asked with, CALLER-PROVIDER.test.
import { setDefaultResultOrder } from "node:dns";
import http from "node:http";
import http2 from "node:http2";
import { sdks } from "./sdks.mjs";

const { EDGE, KEY, PROVIDER } = process.env;
setDefaultResultOrder("ipv4first");
const edge = new URL(EDGE);
const SDKS = { chat: "openai chat", responses: "openai responses", messages: "anthropic", generate: "genai", converse: "bedrock converse" };

function is(name, got, want) {
	const good = JSON.stringify(got) === JSON.stringify(want);
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (!good) console.log(`#   got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}
const control = (o) => fetch(`${PROVIDER}/_control`, { method: "POST", body: JSON.stringify(o) });
const seen = async () => (await (await fetch(`${PROVIDER}/_seen?last=1`)).json()).at(-1).body;

// An SDK asks one address; the row is the host that it is then asked with. The AWS SDK speaks HTTP/2.
let host = "";
const one = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings"]);
const plain = (headers) => Object.fromEntries(Object.entries(headers).filter(([k]) => !k.startsWith(":") && !one.has(k)));
function forward(req, res) {
	const up = http.request({ host: edge.hostname, port: edge.port, method: req.method, path: req.url, headers: { ...plain(req.headers), host } }, (r) => {
		res.writeHead(r.statusCode, plain(r.headers));
		r.pipe(res);
		r.on("error", () => res.destroy());
	});
	up.on("error", () => res.destroy());
	req.pipe(up);
}
async function listening(server) {
	await new Promise((r) => server.listen(0, "127.0.0.1", r));
	return `http://127.0.0.1:${server.address().port}`;
}
const address = await listening(http.createServer(forward)), address2 = await listening(http2.createServer(forward));

const TEXT = "send it to jane.doe@example.com please";
const show = ({ text, thinking, args }) => ({ text: text || null, thinking: thinking || null, args: args ?? null });
for (const [from, sdk] of Object.entries(SDKS)) {
	const c = sdks[sdk](KEY, from === "converse" ? address2 : address);
	for (const to of Object.keys(SDKS)) {
		if (from === to) continue;
		const row = `${from} at ${to}`;
		host = `${from}-${to}.test`;
		for (const [what, o, want] of [
			["a text", { model: "echo", text: TEXT }, { text: TEXT, thinking: null, args: null }],
			["a call", { model: "call", text: TEXT, tool: true }, { text: null, thinking: null, args: { note: TEXT } }],
			["reasoning", { model: "think", text: TEXT }],
		]) {
			const got = await c.ask(o).then(show, (e) => e.message), streamed = await c.stream(o).then(show, (e) => e.message);
			if (want) is(`${row}: ${what}`, got, want);
			is(`${row}: ${what}, streamed, is the same`, streamed, got);
		}
		is(`${row}: the provider had no address`, (await seen()).includes("jane.doe"), false);
		for (const status of [400, 429, 500]) {
			await control({ status });
			for (const how of ["ask", "stream"]) {
				const e = await c[how]({ model: "echo", text: "x" }).then(() => null, (x) => x);
				is(`${row}: ${status}, ${how}, is its own error`, e?.status ?? e?.$metadata?.httpStatusCode, status);
			}
		}
		for (const how of [{ error_after_content: 1, fault: "overloaded" }, { cut_after_content: 1 }]) {
			await control(how);
			const said = await c.stream({ model: "echo", text: "one two three" }).then((r) => r.text, () => "thrown");
			is(`${row}: ${Object.keys(how)[0]} is thrown`, said, "thrown");
		}
		await control({});
	}
}
process.exit(0);
