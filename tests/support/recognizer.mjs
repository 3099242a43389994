// A simulated external recognizer for tests: it knows three persons by name, and nothing else. The Server field of each
// response states that it is simulated.
//
//   node tests/support/recognizer.mjs FILE [PORT]      writes its address to FILE
//
// POST /analyze        Presidio analyzer's form (text: a string or a list)
// POST /predict        {"inputs": […]}: [[{"label", "score"}], …]
// POST /v1/moderations OpenAI's form
// POST /v1/chat/completions, …/text:shieldPrompt, /v2/guard   Llama Guard, Azure Prompt Shields and Lakera, in the form
//                      of their documentation (docs/policy.md)
// POST /_control       {"mode": good | garbage | status | hang | close | unknown, "delay_ms"}. unknown: a verdict that the
//                      documentation does not have
// GET /_seen           {"calls", "texts"}: the number of requests, and of their texts
import fs from "node:fs";
import http from "node:http";

const [file, port] = process.argv.slice(2);
const names = ["zor blax", "quuxel", "John Smith"];
let control = { mode: "good", delay_ms: 0 };
let seen = { calls: 0, texts: 0 };

// Offsets in code points, as Python counts.
function persons(text) {
	const found = [];
	for (const name of names)
		for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
			const start = Array.from(text.slice(0, at)).length;
			found.push({ entity_type: "PERSON", start, end: start + name.length, score: 0.85, analysis_explanation: null });
		}
	return found;
}
const bad = (text) => names.some((n) => text.includes(n));
const says = (good, wrong, strange) => (t) => control.mode === "unknown" ? strange : bad(t) ? wrong : good;
const chat = (content) => ({ id: "simulated", object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }] });
const shields = (attackDetected) => ({ userPromptAnalysis: { attackDetected }, documentsAnalysis: [] });
const shapes = {
	"/v1/chat/completions": (q) => [q.messages[0].content, says(chat("\n\nsafe"), chat("\n\nunsafe\nS1,S14"), chat("I cannot help with that"))],
	"/contentsafety/text:shieldPrompt?api-version=2024-09-01": (q) => [q.userPrompt, says(shields(false), shields(true), shields("maybe"))],
	"/v2/guard": (q) => [q.messages[0].content, says({ flagged: false, metadata: {} }, { flagged: true, metadata: {} }, { flagged: "unsure" })],
	"/analyze": (q) => [q.text, (t) => persons(t)],
	"/predict": (q) => [q.inputs, says([{ label: "toxic", score: 0.1 }], [{ label: "toxic", score: 0.9 }], [{ label: "LABEL_1", score: 0.9 }])],
	"/v1/moderations": (q) => [q.input, (t) => ({ flagged: bad(t), categories: { violence: bad(t) }, category_scores: { violence: bad(t) ? 0.9 : 0 } })],
};

function answer(path, q) {
	const [texts, one] = shapes[path](q);
	seen.texts += Array.isArray(texts) ? texts.length : 1;
	const all = Array.isArray(texts) ? texts.map(one) : one(texts);
	return path === "/v1/moderations" ? { id: "simulated", model: "simulated", results: all } : all;
}

function reply(req, res, body) {
	const json = (what) => res.writeHead(200, { "content-type": "application/json", server: "simulated-recognizer" }).end(JSON.stringify(what));
	if (req.url === "/_seen") return json(seen);
	if (req.url === "/_control") {
		control = { mode: "good", delay_ms: 0, ...JSON.parse(body) };
		seen = { calls: 0, texts: 0 };
		return json({});
	}
	if (!shapes[req.url]) return res.writeHead(404).end();
	seen.calls++;
	const { mode, delay_ms } = control;
	if (mode === "hang") return undefined;
	if (mode === "close") return req.socket.destroy();
	return setTimeout(() => {
		if (mode === "status") res.writeHead(500).end("simulated");
		else if (mode === "garbage") res.end('[[{"entity_type":"PERSON","start":0,"end":99999,"score":1}]]');
		else json(answer(req.url, JSON.parse(body)));
	}, delay_ms);
}

const server = http.createServer((req, res) => {
	const parts = [];
	req.on("data", (d) => parts.push(d));
	req.on("end", () => reply(req, res, Buffer.concat(parts).toString()));
	req.on("error", () => {});
});
server.keepAliveTimeout = 60000;
server.listen(Number(port || 0), "127.0.0.1", () => fs.writeFileSync(file, `http://127.0.0.1:${server.address().port}\n`));
