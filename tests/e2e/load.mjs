// Load for the tests of faults and reloads: 16 connections until the file STOP exists. A third of the prompts has a
// secret, a third an address, on the direct path and through the relay. NOW has the number of each status, one a line,
// during the load and at its end.
import fs from "node:fs";
import http from "node:http";

const { EDGE, TOKEN, STOP, NOW } = process.env, clients = 16;
const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
const said = {};
const count = (k) => { said[k] = (said[k] ?? 0) + 1; };
const prompts = ["nothing to see", "my key is AKIAQ3EGRTZK7VXW2YUB", "write to jane.doe@example.com"];

function one(n) {
	return new Promise((resolve) => {
		const chat = n % 2 === 0;
		const body = chat ? JSON.stringify({ model: "echo", messages: [{ role: "user", content: prompts[n % 3] }] })
			: JSON.stringify({ text: prompts[n % 3] });
		const req = http.request(`${EDGE}${chat ? "/v1/chat/completions" : "/api/direct/load"}`, {
			agent, method: "POST", timeout: 90000,
			headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) },
		}, (res) => {
			let text = "";
			res.on("data", (d) => { text += d; });
			res.on("end", () => {
				count(res.statusCode);
				if (res.statusCode === 200 && n % 3 === 1) count("passed-a-secret");
				if (res.statusCode === 200 && text.includes("jane.doe")) count("passed-an-address");
				if (res.statusCode === 403 && n % 3 !== 1) count("denied-for-nothing");
				resolve();
			});
			res.on("error", () => { count("cut"); resolve(); });
		});
		req.on("timeout", () => req.destroy(new Error("timeout")));
		req.on("error", (e) => { count(e.message === "timeout" ? "timeout" : "refused"); resolve(); });
		req.end(body);
	});
}
function tell() {
	fs.writeFileSync(`${NOW}.new`, Object.entries(said).sort().map(([k, v]) => `${k} ${v}\n`).join(""));
	fs.renameSync(`${NOW}.new`, NOW);
}
const telling = setInterval(tell, 50);
let n = 0;
await Promise.all(Array.from({ length: clients }, async () => {
	while (!fs.existsSync(STOP)) {
		await one(n++);
	}
}));
agent.destroy();
clearInterval(telling);
tell();
