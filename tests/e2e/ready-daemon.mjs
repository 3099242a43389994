// A steady load for tests of two daemons: RATE requests a second, each on a connection of the pool, until the file
// STOP exists. LOG gets a line for each response: the time when the request was sent (ms since 1970), its status, and of a
// refusal how long it took and its text.
import fs from "node:fs";
import http from "node:http";

const { EDGE, TOKEN, STOP, LOG, RATE = "30" } = process.env;
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
const body = JSON.stringify({ model: "echo", messages: [{ role: "user", content: "hello" }] });
const out = fs.createWriteStream(LOG, { flags: "a" });
let open = 0;

function one() {
	const at = Date.now();
	const end = (status, text = "") => { open--; out.write(`${at} ${status}${text && ` ${Date.now() - at} ms ${text}`}\n`); };
	open++;
	const req = http.request(`${EDGE}/v1/chat/completions`, {
		agent, method: "POST",
		headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) },
	}, (res) => {
		let text = "";
		res.on("data", (part) => { if (res.statusCode !== 200) text += part; });
		res.on("end", () => end(res.statusCode, text.replace(/\s+/g, " ")));
		res.on("error", () => end("cut"));
	});
	req.on("error", (e) => end(e.code));
	req.end(body);
}
const timer = setInterval(() => {
	if (!fs.existsSync(STOP)) return one();
	clearInterval(timer);
	const wait = setInterval(() => { if (open === 0) { clearInterval(wait); out.end(() => process.exit(0)); } }, 20);
}, 1000 / Number(RATE));
