// serve DIR: a provider that verifies the credentials of requests, and the endpoints that issue tokens. Prints
// "provider=PORT tokens=PORT". It reads these files of DIR at each request: expect.json (id, secret and token of AWS;
// client; key), clock (by how many seconds it is ahead), mode of the endpoint (away, html), revoked (a token to
// refuse). Writes a line for each request into DIR/seen.
// memory PID WORD…: prints how often each word occurs in the process' writable memory, a line each.
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";

if (process.argv[2] === "memory") {
	const [, , , pid, ...words] = process.argv, mem = fs.openSync(`/proc/${pid}/mem`, "r"), found = new Map(words.map((w) => [w, 0]));
	for (const line of fs.readFileSync(`/proc/${pid}/maps`, "latin1").split("\n")) {
		const m = /^(\w+)-(\w+) .w/.exec(line);
		if (!m) continue;
		const from = BigInt(`0x${m[1]}`), room = Buffer.alloc(Number(BigInt(`0x${m[2]}`) - from));
		let n = 0;
		try { n = fs.readSync(mem, room, 0, room.length, from); } catch { continue; }
		const text = room.toString("latin1", 0, n);
		for (const w of words)
			for (let i = text.indexOf(w); i >= 0; i = text.indexOf(w, i + 1)) found.set(w, found.get(w) + 1);
	}
	console.log([...found].map(([w, n]) => `${w} ${n}`).join("\n"));
	process.exit();
}
const dir = process.argv[3];
const told = (name) => { try { return fs.readFileSync(`${dir}/${name}`, "utf8").trim(); } catch { return ""; } };
const expected = () => JSON.parse(told("expect.json"));
const hex = (data) => crypto.createHash("sha256").update(data).digest("hex");
const hmac = (key, data) => crypto.createHmac("sha256", key).update(data).digest();
const strict = (s) => encodeURIComponent(s).replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());

// Verifies Signature Version 4 of the received request. Returns "" if it is valid, otherwise the mistake.
function signature(q, body, now) {
	const e = expected(), h = q.headers;
	const m = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/us-east-1\/bedrock\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
		.exec(h.authorization ?? "");
	if (!m) return "no signature";
	const [, id, day, names, got] = m, date = h["x-amz-date"] ?? "";
	if (id !== e.id || (h["x-amz-security-token"] ?? "") !== (e.token ?? "")) return "another key";
	if (names !== `content-type;host;x-amz-content-sha256;x-amz-date${e.token ? ";x-amz-security-token" : ""}`) return `signs ${names}`;
	const at = Date.parse(date.replace(/(....)(..)(..T..)(..)(..Z)/, "$1-$2-$3:$4:$5"));
	if (!(Math.abs(at - now) < 300e3)) return "Signature expired";
	if (h["x-amz-content-sha256"] !== hex(body)) return "another body";
	const [path] = q.url.split("?");
	const canonical = [q.method, path.split("/").map(strict).join("/"), "",
		...names.split(";").map((n) => `${n}:${h[n]}`), "", names, hex(body)].join("\n");
	let key = "AWS4" + e.secret;
	for (const part of [day, "us-east-1", "bedrock", "aws4_request"]) key = hmac(key, part);
	const want = hmac(key, `AWS4-HMAC-SHA256\n${date}\n${day}/us-east-1/bedrock/aws4_request\n${hex(canonical)}`).toString("hex");
	return got === want && h.host === "bedrock-runtime.us-east-1.amazonaws.com" ? "" : "another signature";
}

let tokens = 0;
const good = new Set();
const chat = { id: "c", object: "chat.completion", created: 1, model: "m", usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
	choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "answered" } }] };
const converse = { output: { message: { role: "assistant", content: [{ text: "answered" }] } }, stopReason: "end_turn",
	usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 }, metrics: { latencyMs: 1 } };

function whole(q, done) {
	const parts = [];
	q.on("data", (d) => parts.push(d)).on("end", () => done(Buffer.concat(parts)));
}
function answer(s, status, value, fields = {}) {
	const text = typeof value === "string" ? value : JSON.stringify(value);
	s.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text), ...fields });
	s.end(text);
}

const provider = http.createServer((q, s) => whole(q, (body) => {
	const now = Date.now() + 1000 * Number(told("clock") || 0), date = new Date(now).toUTCString();
	let wrong;
	if (q.url.startsWith("/model/")) wrong = signature(q, body, now);
	else if (q.headers["x-api-key"]) wrong = q.headers["x-api-key"] === expected().key ? "" : "another key";
	else {
		const token = (q.headers.authorization ?? "").replace(/^Bearer /, "");
		wrong = good.has(token) && token !== told("revoked") ? "" : "another token";
	}
	fs.appendFileSync(`${dir}/seen`, JSON.stringify({ url: q.url, headers: q.headers, body: body.toString().slice(0, 300), wrong }) + "\n");
	if (!wrong) return answer(s, 200, q.url.startsWith("/model/") ? converse : chat, { date });
	if (q.url.startsWith("/model/"))
		return answer(s, 403, { message: wrong }, { date, "x-amzn-errortype": "InvalidSignatureException:http://internal.amazon.com/" });
	answer(s, 401, { error: { message: wrong, type: "invalid_request_error", code: "invalid_api_key" } }, { date });
}));

// Returns what is wrong with the credentials of a caller of the endpoint, or "".
function proof(q, form) {
	if (q.url === "/T/oauth2/v2.0/token")
		return form.get("grant_type") === "client_credentials" && form.get("client_id") === "me" &&
			form.get("client_secret") === expected().client && form.get("scope") === "https://cognitiveservices.azure.com/.default" ? "" : "invalid_client";
	const [head, claims, sig] = (form.get("assertion") ?? "..").split(".");
	const c = JSON.parse(Buffer.from(claims, "base64url")), now = Date.now() / 1000;
	const ok = q.url === "/token" && form.get("grant_type") === "urn:ietf:params:oauth:grant-type:jwt-bearer" &&
		crypto.verify("sha256", Buffer.from(`${head}.${claims}`), fs.readFileSync(`${dir}/public.pem`), Buffer.from(sig, "base64url")) &&
		JSON.parse(Buffer.from(head, "base64url")).kid === "k1" && c.iss === "sa@p.example" && c.aud === "https://tokens.example/token" &&
		c.iat <= now && c.exp > now && c.exp - c.iat <= 3600;
	return ok ? "" : "invalid_grant";
}
const endpoint = http.createServer((q, s) => whole(q, (body) => {
	if (told("mode") === "away") return q.socket.destroy();
	if (told("mode") === "html") return answer(s, 200, "<html>sign in</html>", { "content-type": "text/html" });
	const error = proof(q, new URLSearchParams(body.toString()));
	if (error) return answer(s, 400, { error, error_description: body.toString() });
	const token = `issued-${++tokens}-${q.url === "/token" ? "google" : "azure"}`;
	good.add(token);
	fs.writeFileSync(`${dir}/issued`, String(tokens));
	answer(s, 200, { access_token: token, expires_in: 3599, token_type: "Bearer" });
}));

provider.listen(0, "127.0.0.1", () => endpoint.listen(0, "127.0.0.1", () =>
	console.log(`provider=${provider.address().port} tokens=${endpoint.address().port}`)));
