// LangChain and the Vercel AI SDK through the gateway: an answer, a stream, and what each
// status becomes: the error its user sees and how many requests came. Prints a line a check.
import { ChatOpenAI } from "@langchain/openai";
import { ChatAnthropic } from "@langchain/anthropic";
import { generateText, streamText } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { createAnthropic } from "@ai-sdk/anthropic";

const { EDGE, ADMIN } = process.env;
const KEYS = JSON.parse(process.env.KEYS); // by status; 200: one that is good

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
// What docs/clients.md says: the error's name, the status it carries, requests that came.
const wanted = JSON.parse(process.env.WANTED);

function is(name, got, want) {
	const good = JSON.stringify(got) === JSON.stringify(want);
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (!good) console.log(`#   got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}
async function decisions() {
	const text = await (await fetch(`${ADMIN}/metrics`)).text();
	return [...text.matchAll(/^tollgate_decisions_total\{[^}]*\} (\d+)/gm)].reduce((n, m) => n + Number(m[1]), 0);
}
for (const [name, make] of Object.entries(clients)) {
	const [ask, stream] = make(KEYS[200]);
	is(`${name}: an answer`, await ask().catch((e) => e.message), "hello there");
	is(`${name}: a stream`, await stream().catch((e) => e.message), "hello there");
	for (const status of [401, 403, 429, 503]) {
		/* LangChain's own six retries of a 503 last 95 seconds. */
		const [fail] = make(KEYS[status][name], status === 503 ? { maxRetries: 1 } : {});
		if (status === 429) await fail().catch(() => {});
		const before = await decisions(), began = Date.now();
		let e = null;
		try {
			await fail();
		} catch (x) {
			e = x;
		}
		const last = e?.lastError ?? e;
		is(`${name}: ${status}: what the user sees, and requests`,
			[e && (e.name === "Error" ? e.constructor.name : e.name), last?.status ?? last?.statusCode ?? null, await decisions() - before],
			wanted[name]?.[status]);
		console.log(`# ${name} ${status}: ${Date.now() - began} ms: ${e?.message?.slice(0, 160)}`);
	}
}
