// A page in a browser with a session over a WebSocket: it cannot set header fields, so the key is one of the
// subprotocols. EDGE: HTTP/1.1; SECURE: the same with HTTP/2 over TLS; KEY.
import { chromium } from "playwright-core";
import http from "node:http";

const ok = (name, is, ...said) => {
	console.log(`${is ? "ok" : "not ok"} - ${name}`);
	if (!is) for (const s of said) console.log(`#   ${JSON.stringify(s)?.slice(0, 600)}`);
};
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors"] });
// another origin than the gateway's, as for an application's page
const site = http.createServer((q, a) => a.setHeader("content-type", "text/html").end("<!doctype html><title>voice</title>"));
await new Promise((yes) => site.listen(0, "127.0.0.1", yes));
const context = await browser.newContext();
const page = await context.newPage();
const cdp = await context.newCDPSession(page);
let status; // of the last handshake: 101, or 200 for an extended CONNECT
await cdp.send("Network.enable");
cdp.on("Network.webSocketHandshakeResponseReceived", (e) => { status = e.response.status; });
await page.goto(`http://127.0.0.1:${site.address().port}/`);

// The page's view of a session in which these messages are sent: {opened, protocol, extensions, events, code, reason}
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
ok("a page opens a session with only the subprotocol", s.opened && s.protocol == "realtime" && s.extensions === "", s);
ok("a turn gets a response, and is inspected", text(s) == "write to <EMAIL_ADDRESS_1> at noon", s);
ok("the page closes the session", s.code == 1000 && s.clean && status == 101, s, status);
s = await session(["hello", "my card is 4111 1111 1111 1111"]);
ok("the turn before a denied message gets a response", text(s) == "hello", s);
ok("a denied message is an error event", s.events.at(-1)?.error?.code == "content_policy_violation", s);
ok("the page sees the close code 1008", s.code == 1008 && s.clean, s);
s = await session(["social 536-90-4399 number ok"]);
ok("a denied response is a 1008 too, and the page receives no part of it", s.code == 1008 && !/536-90/.test(JSON.stringify(s.events.filter((e) => /^response/.test(e.type)))), s);
s = await session(["hello"], { key: "tg_wrong" });
ok("a page with a wrong key gets no session", !s.opened && s.code == 1006 && s.events.length == 0, s);
// A browser uses an existing HTTP/2 connection.
const edge = process.env.SECURE;
await page.evaluate((url) => fetch(url, { mode: "no-cors", credentials: "include" }).then((r) => r.type), edge + "/");
s = await session(["over http two", "my card is 4111 1111 1111 1111"], { edge });
ok("over HTTP/2 the session is an extended CONNECT", status == 200 && s.opened && s.protocol == "realtime", s, status);
ok("it gets responses, and is denied with 1008", text(s) == "over http two" && s.code == 1008, s);
await browser.close();
site.close();
