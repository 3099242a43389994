// LangChain and the Vercel AI SDK through the gateway: a response, a stream, and for each status the error that the
// user gets and the number of requests. Prints a line for each check.
import { ChatOpenAI } from "@langchain/openai";
import { ChatAnthropic } from "@langchain/anthropic";
import { generateText, streamText } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { readdirSync, readFileSync } from "node:fs";

const { EDGE, JOURNAL } = process.env;
const KEYS = JSON.parse(process.env.KEYS); // by status; 200: a valid key

const clients = {
	"langchain openai": (apiKey, more) => {
		const m = new ChatOpenAI({ ...more, model: "say:hello there", apiKey, configuration: { baseURL: `${EDGE}/v1` } });
		return [async () => (await m.invoke("hi")).content, async () => joined(await m.stream("hi"), (c) => c.content)];
	},
	"langchain anthropic": (apiKey, more) => {
		const m = new ChatAnthropic({ ...more, model: "say:hello there", apiKey, anthropicApiUrl: EDGE, maxTokens: 64 });
		return [async () => (await m.invoke("hi")).content, async () => joined(await m.stream("hi"), (c) => c.content)];
	},
	"ai openai": (apiKey) => vercel(createOpenAI({ apiKey, baseURL: `${EDGE}/v1` }).chat("say:hello there")),
	"ai openai responses": (apiKey) => vercel(createOpenAI({ apiKey, baseURL: `${EDGE}/v1` })("say:hello there")),
	"ai anthropic": (apiKey) => vercel(createAnthropic({ apiKey, baseURL: `${EDGE}/v1` })("say:hello there")),
};
function vercel(model) {
	return [async () => (await generateText({ model, prompt: "hi" })).text,
		async () => joined(streamText({ model, prompt: "hi" }).textStream, (c) => c)];
}
async function joined(stream, text) {
	let all = "";
	for await (const c of stream) all += text(c);
	return all;
}
// The table of docs/clients.md: the error's name, its status, and the number of requests.
const wanted = JSON.parse(process.env.WANTED);

const claims = (key) => JSON.parse(Buffer.from(key.split(".")[1], "base64url"));

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
// `late`: the reason why a slow machine gets exactly this result instead; "" if it does not.
const LATE = "#   another turn: ";
function is(name, got, want, late = "") {
	return same(got, want) ? `ok - ${name}\n` :
		`not ok - ${name}\n#   got ${JSON.stringify(got)}, want ${JSON.stringify(want)}\n${late && LATE + late + "\n"}`;
}
/* The record is on disk before the caller gets the response. */
function decisions(key) {
	const mark = `"person":"${claims(key).sub}"`;
	let n = 0;
	for (const f of readdirSync(JOURNAL))
		for (const line of readFileSync(`${JOURNAL}/${f}`, "latin1").split("\n"))
			n += line.includes('"type":"decision"') && line.includes(mark);
	return n;
}
async function answers(name, make) {
	const [ask, stream] = make(KEYS[200]);
	return is(`${name}: a response`, await ask().catch((e) => e.message), "hello there") +
		is(`${name}: a stream`, await stream().catch((e) => e.message), "hello there");
}
const WINDOW_MS = 2000; // of the limit for the status 429
async function refused(name, make, status) {
	/* LangChain's own six retries of a 503 last 95 seconds. */
	const key = KEYS[status][name], [fail] = make(key, status === 503 ? { maxRetries: 1 } : {});
	const first = Date.now();
	if (status === 429) await fail().catch(() => {});
	const before = decisions(key), began = Date.now();
	let e = null;
	try {
		await fail();
	} catch (x) {
		e = x;
	}
	const last = e?.lastError ?? e, took = Date.now() - first;
	const got = [e && (e.name === "Error" ? e.constructor.name : e.name), last?.status ?? last?.statusCode ?? null, decisions(key) - before];
	return is(`${name}: ${status}: the user's error, and the number of requests`, got, wanted[name]?.[status],
		/* two requests: the second one in a window is refused */
		status === 429 && same(got, [null, null, 1]) && took >= WINDOW_MS ? `the limit's window passed between two requests, ${took} ms` : "") +
		`# ${name} ${status}: ${Date.now() - began} ms: ${e?.message?.slice(0, 160)}\n`;
}
/* All run at the same time, each with a caller of its own, because each client waits by itself. A case that a slow
   machine delayed is repeated, up to two times, alone, and prints the reason. Any other wrong value is a failure at
   once. */
const rows = Object.entries(clients).flatMap(([name, make]) =>
	[() => answers(name, make), ...[401, 403, 429, 503].map((status) => () => refused(name, make, status))]);
const said = await Promise.all(rows.map((f) => f()));
for (const i of said.keys())
	for (let turn = 0; turn < 2 && said[i].includes(LATE); turn++) {
		process.stdout.write(said[i].split("\n").filter((l) => l.startsWith(LATE)).map((l) => `# ${l.slice(4)}\n`).join(""));
		await new Promise((r) => setTimeout(r, 2500)); // one and a half windows
		said[i] = await rows[i]();
	}
for (const row of said) process.stdout.write(row);
