// A page in a browser that has a session over a WebSocket: no header of its own, the key among the subprotocols.
// EDGE: HTTP/1.1; SECURE: likewise, HTTP/2 over TLS; KEY.
import { chromium } from "playwright-core";
import http from "node:http";

const ok = (name, is, ...said) => {
	console.log(`${is ? "ok" : "not ok"} - ${name}`);
	if (!is) for (const s of said) console.log(`#   ${JSON.stringify(s)?.slice(0, 600)}`);
};
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors"] });
// another origin than the edge's, as an application's page is
const site = http.createServer((q, a) => a.setHeader("content-type", "text/html").end("<!doctype html><title>voice</title>"));
await new Promise((yes) => site.listen(0, "127.0.0.1", yes));
const context = await browser.newContext();
const page = await context.newPage();
const cdp = await context.newCDPSession(page);
let status; // of the last handshake: 101, or 200 of an extended CONNECT
await cdp.send("Network.enable");
cdp.on("Network.webSocketHandshakeResponseReceived", (e) => { status = e.response.status; });
await page.goto(`http://127.0.0.1:${site.address().port}/`);

// what the page sees of a session in which that is said: {opened, protocol, extensions, events, code, reason}
const session = (say, { key = process.env.KEY, edge = process.env.EDGE } = {}) => page.evaluate(({ url, key, say }) => new Promise((done) => {
	const ws = new WebSocket(url + "/v1/realtime?model=gpt-realtime", ["realtime", "openai-insecure-api-key." + key]);
	const seen = { events: [] }, left = [...say];
	const next = () => {
		const text = left.shift();
		if (!text) return ws.close(1000);
		ws.send(JSON.stringify({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text }] } }));
		ws.send(JSON.stringify({ type: "response.create" }));
	};
	setTimeout(() => done({ ...seen, late: true }), 30000);
	ws.onopen = () => Object.assign(seen, { opened: true, protocol: ws.protocol, extensions: ws.extensions });
	ws.onmessage = (m) => {
		const e = JSON.parse(m.data);
		seen.events.push(e);
		if (e.type == "session.created" || e.type == "response.done") next();
	};
	ws.onclose = (e) => done({ ...seen, code: e.code, reason: e.reason, clean: e.wasClean });
}), { url: edge.replace("http", "ws"), key, say });
const text = (s) => s.events.filter((e) => e.type == "response.output_text.delta").map((e) => e.delta).join("");

let s = await session(["write to ann@corp.example at noon"]);
ok("a page's session opens with the subprotocol alone", s.opened && s.protocol == "realtime" && s.extensions === "", s);
ok("a turn is answered, and was read", text(s) == "write to <EMAIL_ADDRESS_1> at noon", s);
ok("the page closes it", s.code == 1000 && s.clean && status == 101, s, status);
s = await session(["hello", "my card is 4111 1111 1111 1111"]);
ok("a turn before what is denied is answered", text(s) == "hello", s);
ok("what is denied is an error event", s.events.at(-1)?.error?.code == "content_policy_violation", s);
ok("and a close that the page sees as 1008", s.code == 1008 && s.clean, s);
s = await session(["social 536-90-4399 number ok"]);
ok("an answer that is denied is a 1008, too, and the page sees nothing of it", s.code == 1008 && !/536-90/.test(JSON.stringify(s.events.filter((e) => /^response/.test(e.type)))), s);
s = await session(["hello"], { key: "tg_wrong" });
ok("a page with a wrong key has no session", !s.opened && s.code == 1006 && s.events.length == 0, s);
// where it has a connection of HTTP/2 a browser takes it
const edge = process.env.SECURE;
await page.evaluate((url) => fetch(url, { mode: "no-cors", credentials: "include" }).then((r) => r.type), edge + "/");
s = await session(["over http two", "my card is 4111 1111 1111 1111"], { edge });
ok("over HTTP/2 it is an extended CONNECT", status == 200 && s.opened && s.protocol == "realtime", s, status);
ok("which is answered, and denied with 1008", text(s) == "over http two" && s.code == 1008, s);
await browser.close();
site.close();
