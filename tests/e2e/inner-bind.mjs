// Providers that fail in each way, and HAProxy's report of it on the inner bind.
// serve KEY CERT: prints a port for each.
// ask SOCKET BACKEND…: sends a request to each backend, all on one connection; prints a line for each result,
// `STATUS|said|why|target`, "EOF" or "timeout".
import fs from "node:fs";
import net from "node:net";
import tls from "node:tls";

const ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n";
const forged = "X-Tollgate-Said: nobody\r\nx-tollgate-said: provider\r\nX-Tollgate-Why: 503 -1 -1 -1 0 a <NOSRV> 0\r\n" +
	"x-tollgate-target: theirs/m\r\nx-tollgate-attempts: 7\r\nx-tollgate-unanswered: 1\r\n";
// The behavior of each provider at the nth whole request of a connection.
const providers = {
	good: (s) => s.write(`${ok}\r\n{}`),
	forging: (s) => s.write(`${ok}${forged}\r\n{}`),
	cut: (s) => s.end(),
	reset: (s) => s.resetAndDestroy(),
	garbage: (s) => s.end("nonsense\r\n\r\n"),
	halfhead: (s) => s.end("HTTP/1.1 200 OK\r\ncontent-"),
	silent: () => {},
	kept: (s, n) => (n === 1 ? s.write(`${ok}\r\n{}`) : s.end()), // cuts the second request on a kept connection
};
function reads(answer) {
	return (s) => {
		let got = "", n = 0;
		s.on("error", () => {});
		s.on("data", (d) => {
			got += d;
			const end = got.indexOf("\r\n\r\n");
			const length = Number(/content-length: *(\d+)/i.exec(got)?.[1] ?? 0);
			if (end < 0 || got.length < end + 4 + length) return;
			got = "";
			answer(s, ++n);
		});
	};
}
async function serve(key, cert) {
	const listen = (server) => new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));
	const ports = {};
	for (const [name, answer] of Object.entries(providers)) ports[name] = await listen(net.createServer(reads(answer)));
	ports.mute = await listen(net.createServer((s) => s.on("error", () => {}))); // no TLS, no response
	ports.tls = await listen(tls.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, reads(providers.good)));
	const closed = net.createServer();
	ports.refusing = await listen(closed);
	closed.close();
	console.log(Object.entries(ports).map(([k, v]) => `${k}=${v}`).join(" "));
}

function one(s, backend) {
	return new Promise((done) => {
		let got = "";
		const end = (what) => {
			s.removeAllListeners();
			s.on("error", () => {});
			clearTimeout(timer);
			done(what);
		};
		const timer = setTimeout(() => end("timeout"), 60000);
		s.on("error", () => end(got ? "cut" : "EOF"));
		s.on("close", () => end(got ? "cut" : "EOF"));
		s.on("data", (d) => {
			got += d;
			const head = got.indexOf("\r\n\r\n");
			const length = Number(/content-length: *(\d+)/i.exec(got)?.[1] ?? 0);
			if (head < 0 || got.length < head + 4 + length) return;
			const field = (n) => [...got.slice(0, head).matchAll(new RegExp(`^${n}: ?(.*)$`, "gim"))].map((m) => m[1].trimEnd()).join(",");
			end([got.slice(9, 12), field("x-tollgate-said"), field("x-tollgate-why"), field("x-tollgate-target")].join("|"));
		});
		const path = backend.startsWith("/") ? backend : "/v1/any";
		s.write(`POST ${path} HTTP/1.1\r\nhost: inner\r\nx-tollgate-src: 192.0.2.1\r\n` +
			(backend.startsWith("/") ? "" : `x-tollgate-backend: ${backend}\r\n`) +
			"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
	});
}
async function ask(socket, backends) {
	let s;
	for (const b of backends) {
		if (!s || s.destroyed || s.readableEnded) s = net.connect(socket);
		console.log(`${b} ${await one(s, b)}`);
	}
	s.destroy();
}
const [what, ...rest] = process.argv.slice(2);
if (what === "serve") await serve(...rest);
else await ask(rest[0], rest.slice(1));
