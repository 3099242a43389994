// Opens N streams and writes "open" to NOW when each has two events. At the end, prints how many were complete, and
// their statuses.
import fs from "node:fs";
import http from "node:http";

const { EDGE, TOKEN, N, NOW } = process.env, body = JSON.stringify({ model: "say:one two three four five six seven eight", stream: true, messages: [{ role: "user", content: "hi" }] });
let open = 0, whole = 0;
const statuses = {};
const one = () => new Promise((resolve) => {
	const req = http.request(`${EDGE}/v1/chat/completions`, { agent: false, method: "POST", timeout: 200000, headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, (res) => {
		statuses[res.statusCode] = (statuses[res.statusCode] ?? 0) + 1;
		let text = "", counted = false;
		res.on("data", (d) => {
			text += d;
			if (!counted && text.split("data: ").length > 2) {
				counted = true;
				if (++open === +N) fs.writeFileSync(NOW, "open\n");
			}
		});
		res.on("end", () => { whole += text.includes("[DONE]"); resolve(); });
		res.on("error", resolve);
	});
	req.on("error", resolve);
	req.end(body);
});
// 50 at a time, so that no backlog overflows
const all = [];
for (let i = 0; i < +N; i++) {
	all.push(one());
	if (i % 50 === 49) await new Promise((r) => setTimeout(r, 100));
}
await Promise.all(all);
fs.writeFileSync(NOW, `whole ${whole} of ${N}, statuses ${JSON.stringify(statuses)}\n`);
