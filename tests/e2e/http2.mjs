// HTTP/2 requests that curl cannot send: trailers, bodies that begin late, an :authority that differs from host.
// Prints a line for each check.
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
is("a body with a length passes", await request({ ":path": "/api/direct/length", "content-length": 7 }, { body: '{"a":1}' }), 200);
is("a body that begins late, without a length, passes", await request({ ":path": "/api/direct/late" }, { body: text, delay: 1500 }), 200);
is("a body that begins late, with a secret, is denied",
	await request({ ":path": "/api/direct/late-secret" }, { body: '{"a":"AKIAQ3EGRTZK7VXW2YUB"}', delay: 1500 }), 403);
is("trailers after a body with a length are accepted",
	await request({ ":path": "/api/direct/trailers-length", "content-length": 7 }, { body: '{"a":1}', trailers: { "x-trailer": "leaked" } }), 200);
is("trailers after a body without a length are accepted",
	await request({ ":path": "/api/direct/trailers-nolength" }, { body: '{"a":1}', trailers: { "x-trailer": "leaked" } }), 200);
is("trailers without a body are accepted",
	await request({ ":path": "/api/direct/trailers-alone" }, { delay: 800, trailers: { "x-trailer": "leaked" } }), 200);
is("trailers after a length of 0 are accepted",
	await request({ ":path": "/api/direct/trailers-zero", "content-length": 0 }, { delay: 800, trailers: { "x-trailer": "leaked" } }), 200);
is("routes use the host in :authority",
	await request({ ":path": "/api/hosted", ":authority": "ai.example.com" }, { body: "{}" }), 200);
is(":authority has precedence over a host field",
	await request({ ":path": "/api/hosted?other", ":authority": "other.example.com", host: "ai.example.com" }, { body: "{}" }) !== 200, true);
session.close();
