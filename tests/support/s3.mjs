// A strict S3-compatible store for tests: node s3.mjs PORTFILE KEY SECRET REGION FOLDER. It verifies AWS Signature
// Version 4: the x-amz-content-sha256 must be that of the body, and each x-amz-* field and host must be signed. The
// file FOLDER/.mode determines its faults: "" (none), away (closes the connection), silent (never responds), 503,
// other (returns 200 and stores other bytes), cut (a response that ends early).
import { createHash, createHmac } from "node:crypto";
import { readFileSync, writeFileSync, existsSync, mkdirSync, appendFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";

const [portFile, key, secret, region, folder] = process.argv.slice(2);
const sha = (b) => createHash("sha256").update(b).digest("hex");
const hmac = (k, s) => createHmac("sha256", k).update(s).digest();
const mode = () => existsSync(join(folder, ".mode")) ? readFileSync(join(folder, ".mode"), "utf8").trim() : "";

function wrong(req, body) {
	const h = req.headers, hash = h["x-amz-content-sha256"];
	if (hash !== sha(body)) return `x-amz-content-sha256 is ${hash}, the body's is ${sha(body)}`;
	const m = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$/.exec(h.authorization ?? "");
	if (!m) return `authorization: ${h.authorization}`;
	const [, id, day, where, names, signature] = m, signed = names.split(";");
	if (id !== key || where !== region) return `credential ${id} ${where}`;
	for (const n of ["host", ...Object.keys(h).filter((n) => n.startsWith("x-amz-"))])
		if (!signed.includes(n)) return `${n} is not signed`;
	const date = h["x-amz-date"];
	if (!date?.startsWith(day) || Math.abs(Date.parse(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z")) - Date.now()) > 300000) return `date ${date}`;
	const url = new URL(req.url, "http://x");
	const canonical = [req.method, url.pathname, url.searchParams.toString(), ...signed.map((n) => `${n}:${(h[n] ?? "").trim()}`), "", names, hash].join("\n");
	const toSign = ["AWS4-HMAC-SHA256", date, `${day}/${region}/s3/aws4_request`, sha(canonical)].join("\n");
	const k = hmac(hmac(hmac(hmac("AWS4" + secret, day), region), "s3"), "aws4_request");
	if (hmac(k, toSign).toString("hex") !== signature) return "the signature does not match";
	const sum = h["x-amz-checksum-sha256"];
	if (sum && sum !== createHash("sha256").update(body).digest("base64")) return "x-amz-checksum-sha256 does not match";
	return null;
}

const server = createServer((req, res) => {
	const parts = [];
	req.on("data", (d) => parts.push(d));
	req.on("end", () => {
		const body = Buffer.concat(parts), file = join(folder, req.url), now = mode();
		const say = (status, code, text) => {
			appendFileSync(join(folder, ".log"), `${req.method} ${req.url} ${status} ${text ?? ""}\n`);
			res.writeHead(status, { "content-type": "application/xml" }).end(code ? `<Error><Code>${code}</Code></Error>` : "");
		};
		if (now === "away") return req.socket.destroy();
		if (now === "silent") return;
		const why = wrong(req, body);
		if (why) return say(403, "SignatureDoesNotMatch", why);
		if (now === "503") return say(503, "SlowDown");
		if (req.method === "PUT") {
			mkdirSync(dirname(file), { recursive: true });
			writeFileSync(file, now === "other" ? Buffer.concat([body.subarray(1), Buffer.from("x")]) : body);
			return say(200, null, `lock=${req.headers["x-amz-object-lock-mode"] ?? "-"} until=${req.headers["x-amz-object-lock-retain-until-date"] ?? "-"}`);
		}
		if (req.method !== "GET") return say(405, "MethodNotAllowed");
		if (!existsSync(file)) return say(404, "NoSuchKey");
		const all = readFileSync(file);
		appendFileSync(join(folder, ".log"), `GET ${req.url} 200\n`);
		res.writeHead(200, { "content-length": all.length });
		if (now !== "cut") return res.end(all);
		res.write(all.subarray(0, all.length >> 1), () => req.socket.destroy());
	});
});
server.listen(0, "127.0.0.1", () => writeFileSync(portFile, String(server.address().port)));
