// SDKs of sdks.mjs while the first of two providers fails. Each row is a route of sdk-fallback.sh, selected by the
// host's name.
import { setDefaultResultOrder } from "node:dns";
import http from "node:http";
import http2 from "node:http2";
import { sdks } from "./sdks.mjs";

const { EDGE, KEY } = process.env, providers = process.env.PROVIDERS.split(" ");
setDefaultResultOrder("ipv4first");
const edge = new URL(EDGE);
const SDKS = { openai: "openai chat", responses: "openai responses", anthropic: "anthropic", gemini: "genai", bedrock: "bedrock converse" };
const FAULTS = {
	rate: { fault: "rate", headers: { "retry-after": "30" } },
	overloaded: { fault: "overloaded" },
	failed: { status: 500 },
	cut: { cut_after_bytes: 0 },
	preamble: { error_after_content: 0, fault: "overloaded" },
};

function is(name, got, want) {
	const good = JSON.stringify(got) === JSON.stringify(want);
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (!good) console.log(`#   got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}
const control = (n, o) => fetch(`${providers[n]}/_control`, { method: "POST", body: JSON.stringify(o) });
const forget = () => Promise.all(providers.map((p) => fetch(`${p}/_seen`, { method: "DELETE" })));
const asked = () => Promise.all(providers.map(async (p) => (await (await fetch(`${p}/_count`)).json()).requests));

// An SDK is configured with one address; the host in the request selects the row. The AWS SDK uses HTTP/2.
let host = "", requests = 0;
const one = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings"]);
const plain = (headers) => Object.fromEntries(Object.entries(headers).filter(([k]) => !k.startsWith(":") && !one.has(k)));
function forward(req, res) {
	requests++;
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

for (const [name, sdk] of Object.entries(SDKS)) {
	const c = sdks[sdk](KEY, name === "bedrock" ? address2 : address);
	for (const [fault, what] of Object.entries(FAULTS))
		for (const how of ["ask", "stream"]) {
			if (fault === "preamble" && how === "ask") continue; // only a stream has one
			host = `${name}-${fault}-${how}.test`;
			requests = 0;
			await forget();
			await control(0, what);
			const said = await c[how]({ model: "m", text: "hi" }).then((r) => r.text, (e) => `${e.name}: ${e.message}`);
			const [first, second] = await asked();
			is(`${name}: ${fault}, ${how}: one response, of the next target`, said, "from-b");
			is(`${name}: ${fault}, ${how}: the SDK sends one request, and each provider receives one`, [requests, first <= 2 && first >= 1, second], [1, true, 1]);
		}
	/* If all fail, the SDK throws its own typed error with the status of the last one. */
	host = `${name}-all.test`;
	await forget();
	for (const n of [0, 1]) await control(n, { status: 400 });
	const e = await c.ask({ model: "m", text: "hi" }).then(() => null, (err) => err);
	is(`${name}: a caller's error is the SDK's typed error`, e?.status ?? e?.$metadata?.httpStatusCode, 400);
	is(`${name}: no other target is used`, await asked(), [1, 0]);
	for (const n of [0, 1]) await control(n, {});
}
process.exit(0);
