// Firefox by WebDriver BiDi, as far as the proof page needs it, because playwright-core sends commands that Debian's
// firefox-esr lacks.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);
const { ws: WebSocket } = require(join(require.resolve("playwright-core/package.json"), "../lib/utilsBundle.js"));

export async function firefox(binary, profile) {
	const child = spawn(binary, ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank"], { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, HOME: profile } });
	const address = await new Promise((done, fail) => {
		let said = "";
		child.stderr.on("data", (d) => {
			said += d;
			const at = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
			if (at) done(at[1]);
		});
		child.on("exit", (code) => fail(new Error(`Firefox ended with ${code}: ${said}`)));
	});
	const socket = new WebSocket(`${address}/session`);
	await new Promise((done, fail) => { socket.on("open", done); socket.on("error", fail); });
	const waiting = new Map(), requests = [];
	let last = 0;
	socket.on("message", (text) => {
		const m = JSON.parse(text);
		if (m.method === "network.beforeRequestSent") requests.push(m.params.request.url);
		waiting.get(m.id)?.(m);
	});
	const command = async (method, params) => {
		const id = ++last;
		const answer = new Promise((done) => waiting.set(id, done));
		socket.send(JSON.stringify({ id, method, params }));
		const m = await answer;
		waiting.delete(id);
		if (m.type === "error") throw new Error(`${method}: ${m.error} ${m.message}`);
		return m.result;
	};
	await command("session.new", { capabilities: {} });
	const { context } = await command("browsingContext.create", { type: "tab" });
	await command("session.subscribe", { events: ["network.beforeRequestSent"], contexts: [context] });
	return {
		requests,
		goto: (url) => command("browsingContext.navigate", { context, url, wait: "complete" }),
		evaluate: async (f) => {
			const { result, exceptionDetails } = await command("script.evaluate", { expression: `Promise.resolve((${f})()).then(JSON.stringify)`, target: { context }, awaitPromise: true });
			if (exceptionDetails) throw new Error(exceptionDetails.text);
			return JSON.parse(result.value ?? "null");
		},
		pdf: async () => Buffer.from((await command("browsingContext.print", { context })).data, "base64"),
		screenshot: async () => Buffer.from((await command("browsingContext.captureScreenshot", { context, origin: "document" })).data, "base64"),
		close: async () => {
			const ended = new Promise((done) => child.once("exit", done));
			await command("browser.close", {}).catch(() => child.kill());
			await ended;
		},
	};
}
