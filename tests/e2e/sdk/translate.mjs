// openai and @anthropic-ai/sdk at providers of the other form: what they read of a stream is what they
// read whole, and each failure is an error of their own.
import { setDefaultResultOrder } from "node:dns";
import http from "node:http";
import { sdks } from "./sdks.mjs";

const { EDGE, KEY } = process.env, providers = process.env.PROVIDERS.split(" ");
setDefaultResultOrder("ipv4first");
const edge = new URL(EDGE);

function is(name, got, want) {
	const good = JSON.stringify(got) === JSON.stringify(want);
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (!good) console.log(`#   got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}
const control = (n, o) => fetch(`${providers[n]}/_control`, { method: "POST", body: JSON.stringify(o) });
const seen = async (n) => JSON.parse((await (await fetch(`${providers[n]}/_seen?last=1`)).json()).at(-1).body);

// An SDK asks one address; the route is that of the host that it is then asked with.
async function address(host) {
	const server = http.createServer((req, res) => {
		const up = http.request({ host: edge.hostname, port: edge.port, method: req.method, path: req.url, headers: { ...req.headers, host } }, (r) => {
			res.writeHead(r.statusCode, r.headers);
			r.pipe(res);
			r.on("error", () => res.destroy());
		});
		up.on("error", () => res.destroy());
		req.pipe(up);
	});
	await new Promise((r) => server.listen(0, "127.0.0.1", r));
	return `http://127.0.0.1:${server.address().port}`;
}

const ROWS = [
	["anthropic", "to-chat.test", 0, { role: "user", content: "send it to jane.doe@example.com please" }],
	["openai chat", "to-messages.test", 1, { role: "user", content: "send it to jane.doe@example.com please" }],
];
const TEXT = ROWS[0][3].content;
for (const [name, host, n, asked] of ROWS) {
	const c = sdks[name](KEY, await address(host));
	const show = ({ text, thinking, args }) => ({ text: text || null, thinking: thinking || null, args: args ?? null });
	for (const [what, o, want] of [
		["a text", { model: "echo", text: TEXT }, { text: TEXT, thinking: null, args: null }],
		["a call", { model: "call", text: TEXT, tool: true }, { text: null, thinking: null, args: { note: TEXT } }],
	]) {
		const whole = show(await c.ask(o)), streamed = show(await c.stream(o));
		is(`${name}: ${what}`, whole, want);
		is(`${name}: ${what}, streamed, is the same`, streamed, whole);
	}
	const sent = (await seen(n)).messages[0];
	is(`${name}: the provider had no address`, JSON.stringify(sent).includes("jane.doe"), false);
	is(`${name}: and the turn that was asked`, sent.role, asked.role);
	for (const status of [400, 429, 500]) {
		await control(n, { status });
		for (const how of ["ask", "stream"]) {
			const e = await c[how]({ model: "echo", text: "x" }).then(() => null, (x) => x);
			is(`${name}: ${status}, ${how}, is its own error`, [e?.status, e?.constructor.name.endsWith("Error")], [status, true]);
		}
	}
	await control(n, { error_after_content: 1, fault: "overloaded" });
	const e = await c.stream({ model: "echo", text: "one two three" }).then(() => null, (x) => x);
	is(`${name}: an error in a stream is thrown`, e !== null, true);
	await control(n, { cut_after_content: 1 });
	const cut = await c.stream({ model: "echo", text: "one two three" }).then(() => null, (x) => x);
	is(`${name}: a cut stream is thrown`, cut !== null, true);
	await control(n, {});
}
process.exit(0);
