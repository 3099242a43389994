// Sends requests of the persons of limits-history.sh. Prints for each person the number of responses with 200, the number
// of responses to chat requests among them, and the number of requests that may have been counted without such a response.
//   limits-history.mjs REQUESTS CLIENTS        the number of requests of each person; 0: until $D/stop exists
import fs from "node:fs";
import http from "node:http";

const { EDGE, D } = process.env;
const [each, clients] = process.argv.slice(2).map(Number);
const edge = new URL(EDGE), agent = new http.Agent({ keepAlive: true, maxSockets: clients });
const people = fs.readFileSync(`${D}/people`, "utf8").trim().split("\n").map((l) => l.split(" "));
const said = Object.fromEntries(people.map(([p]) => [p, { ok: 0, chats: 0, unsure: 0 }]));
const body = JSON.stringify({ model: "echo", max_tokens: 20, messages: [{ role: "user", content: "hi" }] });

function one(token, chat) {
	return new Promise((resolve) => {
		const req = http.request({ host: edge.hostname, port: edge.port, agent, method: chat ? "POST" : "GET", path: chat ? "/v1/chat/completions" : "/v1/models",
			headers: { authorization: `Bearer ${token}`, ...(chat ? { "content-type": "application/json", "content-length": body.length } : {}) } }, (res) => {
			res.resume();
			res.on("end", () => resolve(res.statusCode));
			res.on("error", () => resolve(0));
		});
		req.setTimeout(40000, () => req.destroy());
		req.on("error", () => resolve(0));
		req.end(chat ? body : "");
	});
}
let sent = 0;
async function client() {
	while (each ? sent < each * people.length : !fs.existsSync(`${D}/stop`)) {
		const n = sent++, [person, token] = people[n % people.length];
		const chat = Math.floor(n / people.length) % 2, status = await one(token, chat);
		if (status !== 200) said[person].unsure++;
		else said[person].ok++;
		if (status === 200) said[person].chats += chat;
	}
}
await Promise.all(Array.from({ length: clients }, client));
for (const [p, { ok, chats, unsure }] of Object.entries(said)) console.log(p, ok, chats, unsure);
