// A simulated transcriber for tests: it knows sounds by their SHA-256, and writes down nothing else. The Server field of each
// response states that it is simulated.
//
//   node tests/support/transcriber.mjs FILE KNOWN [PORT]      writes its address to FILE
//
// KNOWN: lines of `SHA-256 <tab> language <tab> text`. A bar in a text begins a piece; pieces last a second.
// POST /v1/audio/transcriptions   OpenAI's form; 422 for a sound that it does not know
// POST /_control                  {"mode": good | garbage | status | hang | close | late_times | quiet | doubtful, "delay_ms"}
// GET /_seen                      {"calls", "most", "last"}: the requests, the most of them at once, and the last one's fields
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";

const [file, known, port] = process.argv.slice(2);
let control = { mode: "good", delay_ms: 0 }, seen = { calls: 0, most: 0, last: {} }, open = 0;
const sounds = () => new Map(fs.readFileSync(known, "utf8").split("\n").filter(Boolean).map((l) => [l.split("\t")[0], l.split("\t").slice(1)]));

// Reads multipart/form-data with whole bytes.
function fields(type, body) {
	const boundary = /boundary=(.+)$/.exec(type)[1], out = {};
	let at = body.indexOf(`--${boundary}`);
	for (;;) {
		const head = body.indexOf("\r\n\r\n", at), end = body.indexOf(`\r\n--${boundary}`, head);
		if (head < 0 || end < 0) return out;
		const name = /name="([^"]*)"(?:; filename="([^"]*)")?/.exec(body.subarray(at, head).toString());
		out[name[1]] = name[2] ? { filename: name[2], bytes: body.subarray(head + 4, end) } : body.subarray(head + 4, end).toString();
		at = end + 2;
	}
}

function transcribe(req, res, body) {
	const f = fields(req.headers["content-type"], body), hash = crypto.createHash("sha256").update(f.file.bytes).digest("hex");
	seen.last = { ...f, file: f.file.filename, bytes: f.file.bytes.length, authorization: req.headers.authorization ?? null };
	const json = (what, status = 200) => res.writeHead(status, { "content-type": "application/json", server: "simulated-transcriber" }).end(JSON.stringify(what));
	const [language, text] = sounds().get(hash) ?? [];
	if (control.mode === "hang") return;
	if (control.mode === "close") return req.socket.destroy();
	if (control.mode === "status") return json({ error: "simulated" }, 500);
	if (control.mode === "garbage") return json({ result: [text] });
	if (text === undefined) return json({ error: "a sound that the simulated transcriber does not know" }, 422);
	const pieces = text.split("|"), whole = pieces.join(" ");
	if (f.response_format === "text") return res.writeHead(200, { "content-type": "text/plain" }).end(whole + "\n");
	if (f.response_format === "json") return json({ text: whole });
	const late = control.mode === "late_times" ? 7200 : 0, bad = control.mode === "doubtful", quiet = control.mode === "quiet";
	json({ task: "transcribe", language, duration: late || pieces.length, text: whole, segments: pieces.map((t, i) => ({ id: i, start: late + i, end: late + i + 1,
		text: ` ${t}`, avg_logprob: bad ? -2.5 : -0.2, no_speech_prob: quiet ? 0.9 : 0.01, temperature: 0, tokens: [1, 2] })) });
}

const server = http.createServer((req, res) => {
	const parts = [];
	req.on("data", (d) => parts.push(d));
	req.on("end", () => {
		const body = Buffer.concat(parts);
		if (req.url === "/_seen") return res.end(JSON.stringify(seen));
		if (req.url === "/_control") {
			control = { mode: "good", delay_ms: 0, ...JSON.parse(body) };
			seen = { calls: 0, most: 0, last: {} };
			return res.end("{}");
		}
		if (req.url !== "/v1/audio/transcriptions") return res.writeHead(404).end();
		seen.calls++;
		seen.most = Math.max(seen.most, ++open);
		res.on("close", () => open--);
		setTimeout(() => transcribe(req, res, body), control.delay_ms);
	});
});
server.listen(port ?? 0, "127.0.0.1", () => fs.writeFileSync(file, `http://127.0.0.1:${server.address().port}`));
