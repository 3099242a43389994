// Sends requests of thirty people and keeps a ledger of its own: each request, and the usage that its response reports.
// LEDGER gets a line of JSON for each response, until the file STOP exists.
import fs from "node:fs";
import http from "node:http";

const { EDGE, TOKENS, STOP, LEDGER, RATE = "15" } = process.env;
const people = JSON.parse(fs.readFileSync(TOKENS)); // [{ person, team, agent, token }]
const MODELS = ["quick", "large", "call"];
const agent = new http.Agent({ keepAlive: true, maxSockets: 24 });
const out = fs.createWriteStream(LEDGER, { flags: "a" });
let open = 0, n = 0;

/* Each eleventh request has a secret, each seventh an address that is redacted, each fifth offers a tool, and each
 * fourth is a stream. The model "call" calls the tool, and the policy denies calls of deploy. */
function one() {
	const who = people[n % people.length], model = MODELS[n % MODELS.length], i = n++;
	const text = i % 11 === 10 ? "the key is AKIAQ3EGRTZK7VXW2YUB" : i % 7 === 6 ? "write to jane.doe@example.com" : `question ${i} ${"word ".repeat(i % 40)}`;
	const tools = i % 5 === 4 ? [{ type: "function", function: { name: ["lookup", "deploy"][i % 2], parameters: { type: "object", properties: {} } } }] : undefined;
	const stream = i % 4 === 3;
	const body = JSON.stringify({ model, messages: [{ role: "user", content: text }], ...(tools ? { tools } : {}), ...(stream ? { stream, stream_options: { include_usage: true } } : {}) });
	const row = { i, at: Date.now(), person: who.person, team: who.team, agent: who.agent, model, secret: i % 11 === 10, offered: tools?.[0].function.name ?? null };
	const end = (more) => { open--; out.write(`${JSON.stringify({ ...row, ...more })}\n`); };
	open++;
	const req = http.request(`${EDGE}/v1/chat/completions`, { agent, method: "POST",
		headers: { authorization: `Bearer ${who.token}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, (res) => {
		let said = "";
		const head = { status: res.statusCode, id: res.headers["x-tollgate-id"], decision: res.headers["x-tollgate-decision"] };
		res.on("data", (c) => { said += c; });
		res.on("error", () => end({ ...head, cut: true }));
		res.on("end", () => {
			const usage = [...said.matchAll(/"prompt_tokens":(\d+),"completion_tokens":(\d+)/g)].at(-1);
			end({ ...head, input: Number(usage?.[1] ?? 0), output: Number(usage?.[2] ?? 0), tool: head.status === 200 && model === "call" ? row.offered : null,
				cut: head.status === 200 && !usage });
		});
	});
	req.on("error", () => end({ status: 0, cut: true }));
	req.end(body);
}
const timer = setInterval(() => {
	if (!fs.existsSync(STOP)) return one();
	clearInterval(timer);
	const wait = setInterval(() => { if (!open) { clearInterval(wait); out.end(() => process.exit(0)); } }, 20);
}, 1000 / Number(RATE));
