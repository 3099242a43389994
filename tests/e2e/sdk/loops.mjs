// The agent loops of the real SDKs, their own if they have one, while the gateway denies some of the tool calls in a
// response. The loop ends normally, the denied call is not made and the others are, the model receives the reason, and
// the provider accepts the turn that the client sends back (loops-provider.mjs checks it). Prints a line for each loop
// and script.
import { execFileSync } from "node:child_process";
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { GoogleGenAI } from "@google/genai";
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { CohereClientV2 } from "cohere-ai";
import { Mistral } from "@mistralai/mistralai";
import { Ollama } from "ollama";
import { ChatOpenAI } from "@langchain/openai";
import { createAgent } from "langchain";
import { tool as langchainTool } from "@langchain/core/tools";
import { generateText, streamText, stepCountIs, tool, jsonSchema } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";

globalThis.AI_SDK_LOG_WARNINGS = false;
const { EDGE, PROVIDER, TOKEN, DIR, ONLY } = process.env;
const KEY = execFileSync(TOKEN, ["token", DIR, "--claims", '{"sub":"agent"}']).toString().trim();

/* The model's name, the tools that are called, and those that are denied: loops-provider.mjs. */
const SCRIPTS = {
	"list.find.show": ["list", "find", "show"],
	"delete.list.find": ["list", "find"],
	"list.delete.find": ["list", "find"],
	"list.find.delete": ["list", "find"],
	"delete.delete.delete": [],
	delete: [],
	"list.pay500.pay5": ["list", "pay"],
	"r.list.delete.find": ["list", "find"],
	"r.delete": [],
	"pay5.list.pay6": ["pay", "list", "pay"],
	"list.mail.find": ["list", "mail", "find"],
};
const STEPS = 4; // more than any loop needs
const REASON = /nobody deletes|a person has to approve/;
const NAMES = ["list", "find", "show", "delete", "pay", "mail"], description = "does it";
const schema = { type: "object", properties: { what: { type: "string" }, amount: { type: "number" }, to: { type: "string" } } };
const fn = (name) => ({ type: "function", function: { name, description, parameters: schema } });
const result = (name) => `${name} is done`;

/* A loop gets { model, text, stream, ran }; ran(name, arguments) makes the call. It returns the text that its user
   reads last. */
async function steps(o, ask) { // by hand: while there are calls
	for (let n = 0; n < STEPS; n++) {
		const { text, calls, results } = await ask();
		if (!calls.length) return text;
		results(calls.map(([name, args]) => o.ran(name, args)));
	}
	return "it never ends";
}
function vercel(model) {
	return async (o) => {
		const tools = Object.fromEntries(NAMES.map((name) => [name, tool({ description, inputSchema: jsonSchema(schema), execute: (args) => o.ran(name, args) })]));
		const body = { model: model(o.model), prompt: o.text, tools, stopWhen: stepCountIs(STEPS), maxRetries: 0 };
		if (!o.stream) return (await generateText(body)).text;
		let error;
		const r = streamText({ ...body, onError: (e) => { error ??= e.error; } });
		for await (const p of r.fullStream) if (p.type === "tool-error") error ??= p.error;
		if (error) throw error;
		return r.text;
	};
}
function langchain(make) {
	return async (o) => {
		const agent = createAgent({ model: make(o), tools: NAMES.map((name) => langchainTool((args) => o.ran(name, args), { name, description, schema })) });
		const input = { messages: [{ role: "user", content: o.text }] }, say = (m) => m.messages.at(-1).text;
		if (!o.stream) return say(await agent.invoke(input));
		let last;
		for await (const [mode, x] of await agent.stream(input, { streamMode: ["values", "messages"] })) if (mode === "values") last = x;
		return say(last);
	};
}
function converse(o, content, text) {
	return content.map((b) => b.text ?? "").join("") || text;
}
const openai = () => new OpenAI({ apiKey: KEY, baseURL: `${EDGE}/v1`, maxRetries: 0 });
const LOOPS = {
	"openai runTools": async (o) => {
		const tools = NAMES.map((name) => ({ type: "function", function: { name, description, parameters: schema, parse: JSON.parse, function: (args) => o.ran(name, args) } }));
		return openai().chat.completions.runTools({ model: o.model, messages: [{ role: "user", content: o.text }], tools, stream: o.stream }, { maxChatCompletions: STEPS }).finalContent();
	},
	"openai responses": (o) => responses(o, false),
	"openai responses, stored": (o) => responses(o, true),
	"anthropic toolRunner": (o) => toolRunner(o, false),
	"anthropic toolRunner, stored": (o) => toolRunner(o, true),
	/* by hand, as in the documentation: by stop_reason */
	"anthropic by stop_reason": async (o) => {
		const c = new Anthropic({ authToken: KEY, apiKey: null, baseURL: EDGE, maxRetries: 0 }), messages = [{ role: "user", content: o.text }];
		const body = () => ({ model: o.model, max_tokens: 100, messages, tools: NAMES.map((name) => ({ name, description, input_schema: schema })) });
		for (let n = 0; n < STEPS; n++) {
			const m = o.stream ? await c.messages.stream(body()).finalMessage() : await c.messages.create(body());
			if (m.stop_reason !== "tool_use") return m.content.map((b) => b.text ?? "").join("");
			messages.push({ role: "assistant", content: m.content }, { role: "user", content: m.content.filter((b) => b.type === "tool_use").map((b) => ({ type: "tool_result", tool_use_id: b.id, content: o.ran(b.name, b.input) })) });
		}
		return "it never ends";
	},
	"genai automatic": async (o) => {
		const c = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: EDGE } });
		const callable = { tool: async () => ({ functionDeclarations: NAMES.map((name) => ({ name, description, parametersJsonSchema: schema })) }),
			callTool: async (calls) => calls.map((f) => ({ functionResponse: { name: f.name, response: { output: o.ran(f.name, f.args) } } })) };
		const body = { model: o.model, contents: o.text, config: { tools: [callable], automaticFunctionCalling: { maximumRemoteCalls: STEPS } } };
		const said = (r) => (r.candidates?.[0]?.content?.parts ?? []).map((p) => (p.thought ? "" : p.text ?? "")).join("");
		if (!o.stream) return said(await c.models.generateContent(body));
		let text = "";
		for await (const r of await c.models.generateContentStream(body)) {
			if (r.candidates?.[0]?.content?.role === "user") text = ""; // the results of the turn: another turn begins
			else text += said(r);
		}
		return text;
	},
	"genai chats": async (o) => {
		const chat = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: EDGE } }).chats.create({ model: o.model,
			config: { tools: [{ functionDeclarations: NAMES.map((name) => ({ name, description, parametersJsonSchema: schema })) }] } });
		let message = o.text;
		return steps(o, async () => {
			const all = [];
			for await (const r of o.stream ? await chat.sendMessageStream({ message }) : [await chat.sendMessage({ message })]) all.push(...(r.candidates?.[0]?.content?.parts ?? []));
			const calls = all.filter((p) => p.functionCall).map((p) => p.functionCall);
			return { text: all.map((p) => (p.thought ? "" : p.text ?? "")).join(""), calls: calls.map((f) => [f.name, f.args]),
				results: (r) => { message = calls.map((f, i) => ({ functionResponse: { name: f.name, response: { output: r[i] } } })); } };
		});
	},
	/* a JSON array, which the SDKs do not request */
	"gemini array": async (o) => {
		const contents = [{ role: "user", parts: [{ text: o.text }] }];
		return steps(o, async () => {
			const r = await fetch(`${EDGE}/v1beta/models/${o.model}:${o.stream ? "streamGenerateContent" : "generateContent"}`, { method: "POST", body: JSON.stringify({ contents }),
				headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` } });
			if (!r.ok) throw new Error(await r.text());
			const parts = [await r.json()].flat().flatMap((e) => e.error ? [{ text: e.error.message }] : e.candidates[0].content.parts), calls = parts.filter((p) => p.functionCall).map((p) => p.functionCall);
			return { text: parts.map((p) => p.text ?? "").join(""), calls: calls.map((f) => [f.name, f.args]), results: (r) =>
				contents.push({ role: "model", parts }, { role: "user", parts: calls.map((f, i) => ({ functionResponse: { name: f.name, response: { output: r[i] } } })) }) };
		});
	},
	/* by stopReason, as in AWS' examples */
	"aws converse": async (o) => {
		const c = new BedrockRuntimeClient({ region: "us-east-1", endpoint: EDGE, token: { token: KEY }, authSchemePreference: ["httpBearerAuth"], maxAttempts: 1 });
		const messages = [{ role: "user", content: [{ text: o.text }] }];
		const body = () => ({ modelId: o.model, messages, toolConfig: { tools: NAMES.map((name) => ({ toolSpec: { name, description, inputSchema: { json: schema } } })) } });
		for (let n = 0; n < STEPS; n++) {
			let content = [], stop;
			if (!o.stream) {
				const r = await c.send(new ConverseCommand(body()));
				content = r.output.message.content, stop = r.stopReason;
			} else {
				for await (const e of (await c.send(new ConverseStreamCommand(body()))).stream) {
					const { contentBlockStart: s, contentBlockDelta: d } = e, at = (s ?? d)?.contentBlockIndex;
					if (s?.start.toolUse) content[at] = { toolUse: { ...s.start.toolUse, input: "" } };
					if (d?.delta.toolUse) content[at].toolUse.input += d.delta.toolUse.input;
					if (d?.delta.text !== undefined) (content[at] ??= { text: "" }).text += d.delta.text;
					if (d?.delta.reasoningContent) {
						const t = (content[at] ??= { reasoningContent: { reasoningText: { text: "" } } }).reasoningContent.reasoningText;
						if (d.delta.reasoningContent.text) t.text += d.delta.reasoningContent.text;
						if (d.delta.reasoningContent.signature) t.signature = d.delta.reasoningContent.signature;
					}
					stop ??= e.messageStop?.stopReason;
				}
				if (Object.keys(content).length !== content.length) throw new Error("a block is missing");
				content = content.map((b) => (b.toolUse ? { toolUse: { ...b.toolUse, input: JSON.parse(b.toolUse.input) } } : b));
			}
			if (stop !== "tool_use") return content.map((b) => b.text ?? "").join("");
			messages.push({ role: "assistant", content }, { role: "user", content: content.filter((b) => b.toolUse).map(({ toolUse: t }) => ({ toolResult: { toolUseId: t.toolUseId, content: [{ text: o.ran(t.name, t.input) }] } })) });
		}
		return "it never ends";
	},
	cohere: async (o) => {
		const c = new CohereClientV2({ token: KEY, environment: EDGE, maxRetries: 0 }), messages = [{ role: "user", content: o.text }];
		return steps(o, async () => {
			const body = { model: o.model, messages, tools: NAMES.map(fn) };
			let m = { role: "assistant", toolPlan: "", toolCalls: [] }, text = "";
			if (!o.stream) {
				m = (await c.chat(body)).message;
				text = m.content?.map((b) => b.text).join("") ?? "";
			} else {
				for await (const e of await c.chatStream(body)) {
					const d = e.delta?.message;
					m.toolPlan += d?.toolPlan ?? "";
					text += d?.content?.text ?? "";
					if (e.type === "tool-call-start") m.toolCalls[e.index] = { ...d.toolCalls, function: { ...d.toolCalls.function } };
					if (e.type === "tool-call-delta") m.toolCalls[e.index].function.arguments += d.toolCalls.function.arguments;
				}
				if (text) m.content = [{ type: "text", text }];
				if (!m.toolCalls.length) delete m.toolCalls;
			}
			const calls = m.toolCalls ?? [];
			return { text: (m.toolPlan ?? "") + text, calls: calls.map((t) => [t.function.name, JSON.parse(t.function.arguments)]),
				results: (r) => messages.push(m, ...calls.map((t, i) => ({ role: "tool", toolCallId: t.id, content: r[i] }))) };
		});
	},
	mistral: async (o) => {
		const c = new Mistral({ apiKey: KEY, serverURL: `${EDGE}/mistral` }), messages = [{ role: "user", content: o.text }];
		return steps(o, async () => {
			const body = { model: o.model, messages, tools: NAMES.map(fn) };
			let m = { role: "assistant", content: "", toolCalls: [] };
			if (!o.stream) m = (await c.chat.complete(body)).choices[0].message;
			else for await (const { data } of await c.chat.stream(body)) {
				const d = data.choices[0]?.delta;
				m.content += d?.content ?? "";
				m.toolCalls.push(...(d?.toolCalls ?? []));
			}
			const calls = m.toolCalls ?? [];
			return { text: m.content, calls: calls.map((t) => [t.function.name, JSON.parse(t.function.arguments)]),
				results: (r) => messages.push({ ...m, ...(!calls.length && { toolCalls: undefined }) }, ...calls.map((t, i) => ({ role: "tool", toolCallId: t.id, content: r[i] }))) };
		});
	},
	ollama: async (o) => {
		const c = new Ollama({ host: EDGE, headers: { authorization: `Bearer ${KEY}` } }), messages = [{ role: "user", content: o.text }];
		return steps(o, async () => {
			const body = { model: o.model, messages, tools: NAMES.map(fn) };
			let m = { role: "assistant", content: "", tool_calls: [] };
			if (!o.stream) m = (await c.chat(body)).message;
			else for await (const e of await c.chat({ ...body, stream: true })) {
				m.content += e.message.content;
				m.tool_calls.push(...(e.message.tool_calls ?? []));
			}
			const calls = m.tool_calls ?? [];
			return { text: m.content, calls: calls.map((t) => [t.function.name, t.function.arguments]),
				results: (r) => messages.push(m, ...calls.map((t, i) => ({ role: "tool", tool_name: t.function.name, content: r[i] }))) };
		});
	},
	"ai openai": vercel((m) => createOpenAI({ apiKey: KEY, baseURL: `${EDGE}/v1` }).chat(m)),
	"ai openai responses": vercel((m) => createOpenAI({ apiKey: KEY, baseURL: `${EDGE}/v1` })(m)),
	"ai anthropic": vercel((m) => createAnthropic({ apiKey: KEY, baseURL: `${EDGE}/v1` })(m)),
	"ai google": vercel((m) => createGoogleGenerativeAI({ apiKey: KEY, baseURL: `${EDGE}/v1beta` })(m)),
	"ai bedrock": vercel((m) => createAmazonBedrock({ apiKey: KEY, baseURL: EDGE, region: "us-east-1" })(m)),
	"langchain openai": langchain((o) => new ChatOpenAI({ model: o.model, apiKey: KEY, configuration: { baseURL: `${EDGE}/v1` }, maxRetries: 0, streaming: o.stream })),
	"langchain openai responses": langchain((o) => new ChatOpenAI({ model: o.model, apiKey: KEY, configuration: { baseURL: `${EDGE}/v1` }, maxRetries: 0, streaming: o.stream, useResponsesApi: true, modelKwargs: { store: false } })),
};
/* The whole conversation each time, or only the new messages if the provider stores it. */
async function responses(o, stored) {
	const c = openai();
	let input = [{ role: "user", content: o.text }], previous_response_id;
	return steps(o, async () => {
		const body = { model: o.model, input, tools: NAMES.map((name) => ({ type: "function", name, description, parameters: schema, strict: false })), store: stored, ...(previous_response_id && { previous_response_id }) };
		let r, args = {};
		if (!o.stream) {
			r = await c.responses.create(body);
		} else {
			const s = c.responses.stream(body);
			for await (const e of s) if (e.type === "response.function_call_arguments.delta") args[e.item_id] = (args[e.item_id] ?? "") + e.delta;
			r = await s.finalResponse();
			for (const i of r.output) if (i.type === "function_call" && args[i.id] !== i.arguments) throw new Error(`pieces ${args[i.id]} are not ${i.arguments}`);
		}
		const calls = r.output.filter((i) => i.type === "function_call");
		return { text: r.output_text, calls: calls.map((i) => [i.name, JSON.parse(i.arguments)]), results: (said) => {
			const outputs = calls.map((i, n) => ({ type: "function_call_output", call_id: i.call_id, output: said[n] }));
			input = stored ? outputs : [...input, ...r.output, ...outputs];
			previous_response_id = stored ? r.id : undefined;
		} };
	});
}

/* The whole conversation each time, or a thread that the provider stores, which is the SDK's default. */
async function toolRunner(o, stored) {
	const c = new Anthropic({ authToken: KEY, apiKey: null, baseURL: EDGE, maxRetries: 0 });
	const tools = NAMES.map((name) => betaTool({ name, description, inputSchema: schema, run: (args) => o.ran(name, args) }));
	const runner = c.beta.messages.toolRunner({ model: o.model, max_tokens: 100, messages: [{ role: "user", content: o.text }], tools, stream: o.stream, thread: stored ? undefined : false, max_iterations: STEPS });
	let last;
	for await (const m of runner) last = o.stream ? await m.finalMessage() : m;
	return last.content.map((b) => b.text ?? "").join("");
}

/* All texts of a request, joined, because a text may be in pieces. */
const strings = (o) => (typeof o === "string" ? o : o && typeof o === "object" ? Object.entries(o).map(([k, v]) => (k === "role" || k === "type" ? "" : strings(v))).join("") : "");
let serial = 0;
async function run(name, model, stream) {
	const tag = `job-${++serial}.`, called = [];
	const o = { model, stream, text: `do all of it ${tag}`, ran: (tool, args) => { called.push([tool, args]); return result(tool); } };
	let error = null;
	const text = await LOOPS[name](o).catch((e) => { error = `${e.name}: ${e.message} ${JSON.stringify(e.body ?? "")}`; });
	const asked = (await (await fetch(`${PROVIDER}/_seen`)).json()).filter((r) => r.body.includes(tag) || r.body.includes(JSON.stringify(tag).slice(1, -1)));
	return { text, error, called, asked };
}
/* The provider stores the turn with all of its calls, so that none can be removed. */
const isStored = (name) => /stored|ai openai responses/.test(name);
const firstSigned = (name) => /genai|gemini|ai google/.test(name); // the provider's signature belongs to its first call
async function row(name, model, stream) {
	const whole = isStored(name) && /delete|pay500/.test(model);
	const want = whole || firstSigned(name) && model === "delete.list.find" ? [] : SCRIPTS[model];
	const { text, error, called, asked } = await run(name, model, stream), denies = /delete|pay500/.test(model), faults = [];
	const got = called.map(([n]) => n);
	if (whole ? got.some((n) => !SCRIPTS[model].includes(n)) : JSON.stringify(got) !== JSON.stringify(want)) faults.push(`called ${got}, want ${want}`);
	if (called.some(([n, a]) => n === "pay" && a.amount > 100)) faults.push("the denied payment was made");
	if (called.some(([n, a]) => n === "mail" && /@/.test(a.to))) faults.push(`mail to ${called.find(([n]) => n === "mail")[1].to}`);
	if (whole) {
		if (!REASON.test(error)) faults.push(`the loop ends with ${error ?? text}`);
	} else if (error) faults.push(`the loop ends with ${error}`);
	else if (want.length ? text !== "done" : !REASON.test(text)) faults.push(`the final text is ${JSON.stringify(text)}`);
	const stored = /, stored/.test(name); // its later requests do not repeat the earlier messages
	if (!stored && asked.length !== (want.length ? 2 : 1)) faults.push(`${asked.length} requests`);
	if (denies && want.length && !stored && asked[1] && !REASON.test(strings(JSON.parse(asked[1].body))) && !/item_reference/.test(asked[1].body)) faults.push("the model does not get the reason");
	for (const a of asked) if (a.wrong) faults.push(`the provider: ${a.wrong}`);
	console.log(`${faults.length ? "not ok" : "ok"} - ${name}, ${stream ? "streamed" : "whole"}: ${model}${faults.length ? `\n#   ${faults.join("; ")}` : ""}`);
}
const only = new RegExp(ONLY ?? "");
await Promise.all(Object.keys(LOOPS).flatMap((name) => Object.keys(SCRIPTS).flatMap((model) => [false, true].map((stream) => [name, model, stream])))
	.filter((r) => only.test(`${r[0]} ${r[1]} ${r[2] ? "streamed" : "whole"}`)).map((r) => row(...r)));
