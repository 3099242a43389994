// A proxy in front of the admin socket: order-proxy.mjs LISTEN DAEMON MODE_FILE. Each POST /reload is
// treated as the first word of MODE_FILE states:
//   refused: the proxy answers that the daemon refused the policy; the daemon does not get the order
//   handed: the proxy answers as an older instance does after a hand-over; the daemon does not get the order
//   unknown: the proxy answers as the daemon does after 60 s; the daemon does not get the order
//   lost: the proxy closes the connection; the daemon does not get the order
//   carried: the daemon carries out the order, and the proxy closes the connection
// All other requests are forwarded.
import { readFileSync } from "node:fs";
import http from "node:http";

const [listen, daemon, modeFile] = process.argv.slice(2);

function forward(req, then) {
	const onward = http.request({ socketPath: daemon, path: req.url, method: req.method, headers: req.headers }, then);
	req.pipe(onward);
}

http.createServer((req, res) => {
	const mode = req.url === "/reload" ? readFileSync(modeFile, "utf8").trim() : "";
	const answer = (body) => res.writeHead(422, { "content-type": "application/json" }).end(JSON.stringify(body));
	if (mode === "refused") return answer({ result: "refused", errors: ["a mistake"] });
	if (mode === "handed") return answer({ result: "repeat", errors: ["the other instance decides: repeat the order"] });
	if (mode === "unknown") return answer({ result: "unknown" });
	if (mode === "lost") return req.socket.destroy();
	forward(req, (from) => {
		if (mode === "carried") return from.resume().on("end", () => req.socket.destroy());
		res.writeHead(from.statusCode, from.headers);
		from.pipe(res);
	});
}).listen(listen);
