// Providers that respond with interim heads and trailers, over HTTP/1.1 and HTTP/2, and the parts that a client
// receives.
// serve: prints two ports.
// ask: prints a line for each check.
import http2 from "node:http2";
import net from "node:net";

const early = { "set-cookie": "a=early", "x-tollgate-id": "forged-early", "openai-organization": "org-early" };
const late = { "set-cookie": "t=late", "x-tollgate-id": "forged-late", "openai-organization": "org-late" };
const lines = (h) => Object.entries(h).map(([k, v]) => `${k}: ${v}\r\n`).join("");

function serve() {
	const one = net.createServer((s) => {
		let got = "";
		s.on("error", () => {});
		s.on("data", (d) => {
			got += d;
			const end = got.indexOf("\r\n\r\n");
			const n = Number(/content-length: *(\d+)/i.exec(got)?.[1] ?? 0);
			if (end < 0 || got.length < end + 4 + n) return;
			got = "";
			s.write(`HTTP/1.1 103 Early Hints\r\n${lines(early)}\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n` +
				`trailer: x-tollgate-id\r\ncontent-type: application/json\r\n\r\n2\r\n{}\r\n0\r\n${lines(late)}\r\n`);
		});
	});
	const two = http2.createServer();
	two.on("stream", (s) => {
		s.on("error", () => {});
		s.on("wantTrailers", () => s.sendTrailers(late));
		s.resume();
		s.on("end", () => {
			s.additionalHeaders({ ":status": 103, ...early });
			s.respond({ ":status": 200, "content-type": "application/json" }, { waitForTrailers: true });
			s.end("{}");
		});
	});
	one.listen(0, "127.0.0.1", () => two.listen(0, "127.0.0.1", () => console.log(one.address().port, two.address().port)));
}

const { EDGE, TOKEN, DROPS } = process.env;
const at = EDGE && new URL(EDGE);
// reads up to the last chunk and the lines after it, or up to the content-length
const whole = /\r\n0\r\n([^\r\n]+\r\n)*\r\n$|content-length: 2\r\n[^]*\r\n\r\n\{\}$/i;
function raw(path) {
	return new Promise((resolve) => {
		const c = net.connect(at.port, at.hostname);
		let got = "";
		c.on("data", (d) => {
			got += d;
			if (whole.test(got)) c.destroy();
		});
		c.on("close", () => resolve(got));
		c.on("error", () => {});
		c.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: close\r\nAuthorization: Bearer ${TOKEN}\r\n` +
			"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
		setTimeout(() => c.destroy(), 60000).unref();
	});
}
function h2(path) {
	return new Promise((resolve) => {
		const session = http2.connect(EDGE);
		session.on("error", () => {});
		const s = session.request({ ":method": "POST", ":path": path, authorization: `Bearer ${TOKEN}`,
			"content-type": "application/json", "content-length": 2 });
		let got = "";
		for (const e of ["headers", "response", "trailers"]) s.on(e, (h) => { got += `${e} ${JSON.stringify(h)}\n`; });
		s.on("data", (d) => { got += d; });
		s.on("error", () => {});
		s.on("close", () => { session.close(); resolve(got); });
		s.end("{}");
	});
}
function is(name, ok, got) {
	console.log(`${ok ? "ok" : "not ok"} - ${name}`);
	if (!ok) console.log(`#   ${JSON.stringify(got).slice(0, 600)}`);
}
async function ask() {
	for (const provider of ["http1", "http2"])
		for (const [client, get] of [["HTTP/1.1", raw], ["HTTP/2", h2]])
			for (const way of ["relay", "via", "direct"]) {
				const got = await get(`/${way}/${provider}`);
				const what = `${client} client, ${provider} provider, ${way}`;
				is(`${what}: the response arrives`, /200/.test(got) && got.includes("{}"), got);
				const passes = way === "direct";
				// The threat model describes this behavior of the direct path. It changes if a later HAProxy drops
				// interim heads.
				is(`${what}: interim heads ${passes ? "are forwarded" : "are dropped"}`, /early/i.test(got) === passes, got);
				if (!passes || DROPS) is(`${what}: trailers are dropped`, !got.includes("late"), got);
			}
}
process.argv[2] === "serve" ? serve() : await ask();
