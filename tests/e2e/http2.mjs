// HTTP/2 requests that curl cannot make: trailers, bodies that start late, an
// :authority that differs from host. Prints a line a check.
import http2 from "node:http2";

const auth = { authorization: `Bearer ${process.env.TOKEN}` };
const session = http2.connect(process.env.EDGE);
session.on("error", (e) => console.log(`# session: ${e.message}`));

function request(headers, { body = "", delay = 0, trailers = null } = {}) {
	return new Promise((resolve) => {
		const s = session.request({ ":method": "POST", ...auth, ...headers }, { waitForTrailers: !!trailers, endStream: false });
		let status = 0;
		s.on("wantTrailers", () => s.sendTrailers(trailers));
		s.on("response", (h) => { status = h[":status"]; });
		s.on("data", () => {});
		s.on("error", (e) => { status = status || e.message; });
		s.on("close", () => resolve(status));
		setTimeout(() => s.end(body), delay);
	});
}
function is(name, got, want) {
	console.log(`${got === want ? "ok" : "not ok"} - ${name}`);
	if (got !== want) console.log(`#   got ${got}, want ${want}`);
}

const text = '{"a":"came late"}';
is("a body with a length", await request({ ":path": "/api/direct/length", "content-length": 7 }, { body: '{"a":1}' }), 200);
is("a body that starts late, without a length", await request({ ":path": "/api/direct/late" }, { body: text, delay: 1500 }), 200);
is("a body that starts late, with a secret",
	await request({ ":path": "/api/direct/late-secret" }, { body: '{"a":"AKIAQ3EGRTZK7VXW2YUB"}', delay: 1500 }), 403);
is("trailers behind a body with a length",
	await request({ ":path": "/api/direct/trailers-length", "content-length": 7 }, { body: '{"a":1}', trailers: { "x-trailer": "leaked" } }), 200);
is("trailers behind a body without one",
	await request({ ":path": "/api/direct/trailers-nolength" }, { body: '{"a":1}', trailers: { "x-trailer": "leaked" } }), 200);
is("trailers without a body",
	await request({ ":path": "/api/direct/trailers-alone" }, { delay: 800, trailers: { "x-trailer": "leaked" } }), 200);
is("trailers behind a length of 0",
	await request({ ":path": "/api/direct/trailers-zero", "content-length": 0 }, { delay: 800, trailers: { "x-trailer": "leaked" } }), 200);
is(":authority is the host that routes read",
	await request({ ":path": "/api/hosted", ":authority": "ai.example.com" }, { body: "{}" }), 200);
is(":authority wins over a host field",
	await request({ ":path": "/api/hosted?other", ":authority": "other.example.com", host: "ai.example.com" }, { body: "{}" }) !== 200, true);
session.close();
