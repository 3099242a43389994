// One row for each real SDK: its request, whole and streamed, with a tool and without. All return { text, thinking,
// args }, so that answers.mjs can check each in the same way. The SDKs of translated APIs also return `calls`, each
// [id, name, args], and `usage`, [input, output], for translate.mjs. It passes `more`, which are fields of the request
// in that SDK's form, and creates the SDKs with its own options.
import OpenAI, { AzureOpenAI } from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand, InvokeModelWithResponseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { CohereClientV2 } from "cohere-ai";
import { Mistral } from "@mistralai/mistralai";
import { Ollama } from "ollama";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, streamText, tool, jsonSchema } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createAzure } from "@ai-sdk/azure";
import { createCohere } from "@ai-sdk/cohere";
import { createMistral } from "@ai-sdk/mistral";

globalThis.AI_SDK_LOG_WARNINGS = false;

const schema = { type: "object", properties: { note: { type: "string" } }, required: ["note"] };
const description = "sends a note";
const user = (content) => [{ role: "user", content }];
const fn = { type: "function", function: { name: "send", description, parameters: schema } };
const json = (bytes) => JSON.parse(Buffer.from(bytes).toString());
async function each(stream, f) {
	const all = { text: "", thinking: "", args: "", calls: [] };
	for await (const x of stream) f(x, all);
	return all;
}
const object = (args) => (typeof args === "string" ? JSON.parse(args || "{}") : args);
function parsed(all) {
	const calls = (all.calls ?? []).filter(Boolean).map(([id, name, args]) => [id, name, object(args)]);
	return { ...all, calls, args: calls[0]?.[2] ?? (all.args ? object(all.args) : null) };
}

/* The text has a mail address, which is redacted in the request and restored in the response, and a key, which is
   redacted in the response. */
export const ASKED = "send the key AKIAQ3EGRTZK7VXW2YUB to jane.doe@example.com please";
export const SHOWN = "send the key <AWS_ACCESS_KEY> to jane.doe@example.com please";

export const sdks = {
	"openai chat": (apiKey, EDGE, more) => {
		const c = new OpenAI({ apiKey, baseURL: `${EDGE}/v1`, ...more });
		return {
			...chat(c),
			also: {
				embeddings: [async () => (await c.embeddings.create({ model: "m", input: [ASKED, "b"] })).data.map((d) => d.embedding), [[0.5, -0.25, 0.125, 1], [0.5, -0.25, 0.125, 1]]],
				completions: [async () => (await c.completions.create({ model: "echo", prompt: ASKED })).choices[0].text, SHOWN],
				"the stream's helper": [async () => (await c.chat.completions.stream({ model: "echo", messages: user(ASKED) }).finalContent()), SHOWN],
				"the helper's tool call": [async () => (await c.chat.completions.stream({ model: "call", messages: user(ASKED), tools: [fn] }).finalMessage())
					.tool_calls.map((t) => [t.function.name, JSON.parse(t.function.arguments)]), [["send", { note: SHOWN }]]],
				"completions, streamed": [async () => (await each(await c.completions.create({ model: "echo", prompt: ASKED, stream: true }),
					(e, all) => { all.text += e.choices[0].text; })).text, SHOWN],
			},
		};
	},
	/* without a package of their own: TGI, whose last event repeats the whole text, and Gemini's JSON array */
	tgi: (key, EDGE) => {
		/* the server has one model; an adapter can be requested */
		const post = raw(key, EDGE), body = (o) => ({ inputs: o.text, parameters: { adapter_id: o.model, details: true } });
		return {
			ask: async (o) => ({ text: (await post("/generate", body(o))).generated_text }),
			async stream(o) {
				const events = (await post("/generate_stream", body(o))).split("\n\n").filter(Boolean).map((e) => JSON.parse(e.slice(6)));
				if (events.at(-1).error) throw new Error(events.at(-1).error);
				const text = events.map((e) => e.token.text).join(""), again = events.at(-1).generated_text;
				return { text: text === again ? text : `${text}, and again ${again}` };
			},
			tools: false,
			thinks: false,
			caches: false,
		};
	},
	"gemini array": (key, EDGE) => {
		const post = raw(key, EDGE), body = (o) => ({ contents: [{ role: "user", parts: [{ text: o.text }] }] });
		const said = (all) => {
			const { error } = all.at(-1), parts = all.flatMap((a) => a.candidates?.[0].content.parts ?? []);
			if (error) throw Object.assign(new Error(error.message), { status: error.code });
			const text = (thought) => parts.filter((p) => !p.thought === !thought).map((p) => p.text).join("");
			return { text: text(false), thinking: text(true) };
		};
		return {
			ask: async (o) => said([await post(`/v1beta/models/${o.model}:generateContent`, body(o))]),
			stream: async (o) => said(await post(`/v1beta/models/${o.model}:streamGenerateContent`, body(o))),
			tools: false,
		};
	},
	"azure openai": (apiKey, endpoint) => chat(new AzureOpenAI({ apiKey, endpoint, apiVersion: "2024-10-21" })),
	"openai responses": (apiKey, EDGE, more) => {
		const c = new OpenAI({ apiKey, baseURL: `${EDGE}/v1`, ...more });
		const body = (o) => ({ model: o.model, input: o.text, ...(o.tool && { tools: [{ type: "function", name: "send", description, parameters: schema, strict: false }] }), ...o.more });
		const thought = (i) => i?.summary[0]?.text ?? i?.content?.[0]?.text;
		const said = (r) => parsed({ text: r.output_text, thinking: thought(r.output.find((i) => i.type === "reasoning")),
			calls: r.output.filter((i) => i.type === "function_call").map((i) => [i.call_id, i.name, i.arguments]), usage: [r.usage?.input_tokens, r.usage?.output_tokens] });
		return {
			ask: async (o) => said(await c.responses.create(body(o))),
			async stream(o) {
				const s = c.responses.stream(body(o));
				const all = parsed(await each(s, (e, all) => {
					if (e.type === "response.output_text.delta") all.text += e.delta;
					if (/^response.reasoning_(summary_)?text.delta$/.test(e.type)) all.thinking += e.delta;
					if (e.item?.type === "function_call") all.calls[e.output_index] ??= [e.item.call_id, e.item.name, ""];
					if (e.type === "response.function_call_arguments.delta") all.calls[e.output_index][2] += e.delta;
				}));
				const again = said(await s.finalResponse());
				return { ...all, usage: again.usage, again: { text: again.text, thinking: again.thinking, args: again.args } };
			},
			copies: true,
		};
	},
	anthropic: (authToken, EDGE, more) => {
		const c = new Anthropic({ authToken, apiKey: null, baseURL: EDGE, ...more });
		const body = (o) => ({ model: o.model, max_tokens: 100, messages: user(o.text), ...(o.tool && { tools: [{ name: "send", description, input_schema: schema }] }), ...o.more });
		const said = (m) => ({ calls: m.content.filter((b) => b.type === "tool_use").map((b) => [b.id, b.name, b.input]), usage: [m.usage.input_tokens, m.usage.output_tokens], text: m.content.find((b) => b.type === "text")?.text, thinking: m.content.find((b) => b.type === "thinking")?.thinking,
			args: m.content.find((b) => b.type === "tool_use")?.input, cited: m.content.find((b) => b.citations)?.citations?.[0].cited_text });
		return {
			ask: async (o) => said(await c.messages.create(body(o))),
			stream: async (o) => said(await c.messages.stream(body(o)).finalMessage()),
			cites: true,
			signs: true,
			also: { countTokens: [async () => (await c.messages.countTokens({ model: "m", messages: user(ASKED) })).input_tokens, 7] },
		};
	},
	genai: (apiKey, baseUrl, more = {}) => {
		const c = new GoogleGenAI({ apiKey, httpOptions: { baseUrl }, ...more });
		const body = (o) => ({ model: o.model, contents: o.text, ...(o.tool && { config: { tools: [{ functionDeclarations: [{ name: "send", description, parametersJsonSchema: schema }] }] } }), ...o.more });
		const add = (r, all) => {
			for (const p of r.candidates?.[0].content?.parts ?? []) {
				if (p.functionCall) all.calls.push([p.functionCall.id, p.functionCall.name, p.functionCall.args]);
				all[p.thought ? "thinking" : "text"] += p.text ?? "";
			}
			const u = r.usageMetadata;
			if (u) all.usage = [u.promptTokenCount, u.candidatesTokenCount + (u.thoughtsTokenCount ?? 0)];
		};
		return {
			async ask(o) {
				const all = { text: "", thinking: "", calls: [] };
				add(await c.models.generateContent(body(o)), all);
				return parsed(all);
			},
			stream: async (o) => parsed(await each(await c.models.generateContentStream(body(o)), add)),
			also: {
				countTokens: [async () => (await c.models.countTokens({ model: "m", contents: ASKED })).totalTokens, 7],
				embedContent: [async () => (await c.models.embedContent({ model: "m", contents: [ASKED] })).embeddings.map((e) => e.values), [[0.5, -0.25]]],
			},
		};
	},
	"bedrock converse": (token, endpoint, more) => {
		const c = new BedrockRuntimeClient({ region: "us-east-1", endpoint, token: { token }, authSchemePreference: ["httpBearerAuth"], ...more });
		const body = (o) => ({ modelId: o.model, messages: user([{ text: o.text }]),
			...(o.tool && { toolConfig: { tools: [{ toolSpec: { name: "send", description, inputSchema: { json: schema } } }] } }), ...o.more });
		const used = (u) => [u?.inputTokens, u?.outputTokens];
		return {
			async ask(o) {
				const r = await c.send(new ConverseCommand(body(o))), { content } = r.output.message;
				return { calls: content.filter((b) => b.toolUse).map((b) => [b.toolUse.toolUseId, b.toolUse.name, b.toolUse.input]), usage: used(r.usage), text: content.find((b) => b.text)?.text, thinking: content.find((b) => b.reasoningContent)?.reasoningContent.reasoningText.text,
					args: content.find((b) => b.toolUse)?.toolUse.input };
			},
			stream: async (o) => parsed(await each((await c.send(new ConverseStreamCommand(body(o)))).stream, (e, all) => {
				const d = e.contentBlockDelta?.delta;
				all.text += d?.text ?? "";
				all.thinking += d?.reasoningContent?.text ?? "";
				const t = e.contentBlockStart?.start?.toolUse;
				if (t) all.calls[e.contentBlockStart.contentBlockIndex] = [t.toolUseId, t.name, ""];
				if (d?.toolUse) all.calls[e.contentBlockDelta.contentBlockIndex][2] += d.toolUse.input;
				if (e.metadata) all.usage = used(e.metadata.usage);
			})),
			signs: true,
		};
	},
	"bedrock invoke": (token, endpoint) => {
		const c = new BedrockRuntimeClient({ region: "us-east-1", endpoint, token: { token }, authSchemePreference: ["httpBearerAuth"] });
		const body = (o) => ({ modelId: o.model, contentType: "application/json", body: JSON.stringify({ anthropic_version: "bedrock-2023-05-31", max_tokens: 100,
			messages: user([{ type: "text", text: o.text }]), ...(o.tool && { tools: [{ name: "send", description, input_schema: schema }] }) }) });
		return {
			async ask(o) {
				const content = json((await c.send(new InvokeModelCommand(body(o)))).body).content;
				return { text: content.find((b) => b.type === "text")?.text, thinking: content.find((b) => b.type === "thinking")?.thinking,
					args: content.find((b) => b.type === "tool_use")?.input };
			},
			stream: async (o) => parsed(await each((await c.send(new InvokeModelWithResponseStreamCommand(body(o)))).body, (e, all) => {
				const d = json(e.chunk.bytes).delta;
				all.text += d?.text ?? "";
				all.thinking += d?.thinking ?? "";
				all.args += d?.partial_json ?? "";
			})),
			signs: true,
		};
	},
	cohere: (token, environment) => {
		const c = new CohereClientV2({ token, environment });
		const body = (o) => ({ model: o.model, messages: user(o.text), ...(o.tool && { tools: [fn] }) });
		return {
			async ask(o) {
				const m = (await c.chat(body(o))).message;
				return parsed({ text: m.content?.find((b) => b.type === "text")?.text, thinking: m.content?.find((b) => b.type === "thinking")?.thinking,
					args: m.toolCalls?.[0].function.arguments });
			},
			stream: async (o) => parsed(await each(await c.chatStream(body(o)), (e, all) => {
				const m = e.delta?.message;
				all.text += m?.content?.text ?? "";
				all.thinking += m?.content?.thinking ?? "";
				all.args += m?.toolCalls?.function?.arguments ?? "";
				/* its users must check this themselves, because it throws no error */
				if (e.delta?.finishReason === "ERROR") throw Object.assign(new Error(e.delta.error), { name: "finishReason ERROR" });
			})),
			also: {
				embed: [async () => (await c.embed({ model: "m", texts: [ASKED], inputType: "search_query", embeddingTypes: ["float"] })).embeddings.float, [[0.5, -0.25]]],
				rerank: [async () => (await c.rerank({ model: "m", query: ASKED, documents: ["a", "b"] })).results.map((r) => r.index), [0, 1]],
			},
		};
	},
	mistral: (apiKey, EDGE) => {
		const c = new Mistral({ apiKey, serverURL: `${EDGE}/mistral` });
		const body = (o) => ({ model: o.model, messages: user(o.text), ...(o.tool && { tools: [fn] }) });
		return {
			async ask(o) {
				const m = (await c.chat.complete(body(o))).choices[0].message;
				return parsed({ text: m.content, args: m.toolCalls?.[0].function.arguments });
			},
			stream: async (o) => parsed(await each(await c.chat.stream(body(o)), (e, all) => {
				const d = e.data.choices[0]?.delta;
				all.text += d?.content ?? "";
				/* calls arrive whole, each as one part */
				all.args = d?.toolCalls?.[0].function.arguments ?? all.args;
			})),
			thinks: false, /* it returns reasoning as its own kind of part */
		};
	},
	ollama: (key, host) => {
		const c = new Ollama({ host, headers: { authorization: `Bearer ${key}` } });
		const body = (o) => ({ model: o.model, messages: user(o.text), think: o.model === "think", ...(o.tool && { tools: [fn] }) });
		return {
			async ask(o) {
				const m = (await c.chat(body(o))).message;
				return { text: m.content, thinking: m.thinking, args: m.tool_calls?.[0].function.arguments };
			},
			stream: async (o) => parsed(await each(await c.chat({ ...body(o), stream: true }), (e, all) => {
				all.text += e.message.content;
				all.thinking += e.message.thinking ?? "";
				if (e.message.tool_calls) all.args = JSON.stringify(e.message.tool_calls[0].function.arguments);
			})),
			caches: false,
			also: { embed: [async () => (await c.embed({ model: "m", input: ASKED })).embeddings, [[0.5, -0.25]]] },
		};
	},
	"ollama generate": (key, host) => {
		const c = new Ollama({ host, headers: { authorization: `Bearer ${key}` } });
		const body = (o) => ({ model: o.model, prompt: o.text, think: o.model === "think" });
		return {
			async ask(o) {
				const r = await c.generate(body(o));
				return { text: r.response, thinking: r.thinking };
			},
			stream: async (o) => parsed(await each(await c.generate({ ...body(o), stream: true }), (e, all) => {
				all.text += e.response;
				all.thinking += e.thinking ?? "";
			})),
			caches: false,
			tools: false,
		};
	},
	"ai openai": (apiKey, EDGE, more) => ({ ...vercel(createOpenAI({ apiKey, baseURL: `${EDGE}/v1` }).chat, more), thinks: false }),
	"ai openai responses": (apiKey, EDGE, more) => vercel(createOpenAI({ apiKey, baseURL: `${EDGE}/v1` }), more),
	"ai anthropic": (apiKey, EDGE, more) => ({ ...vercel(createAnthropic({ apiKey, baseURL: `${EDGE}/v1` }), more), signs: true }),
	"ai azure": (apiKey, EDGE) => ({ ...vercel(createAzure({ apiKey, baseURL: `${EDGE}/openai`, useDeploymentBasedUrls: true, apiVersion: "2024-10-21" }).chat), thinks: false }),
	"ai bedrock": (apiKey, baseURL, more) => ({ ...vercel(createAmazonBedrock({ apiKey, baseURL, region: "us-east-1" }), more), signs: true }),
	"ai cohere": (apiKey, EDGE) => vercel(createCohere({ apiKey, baseURL: `${EDGE}/v2` })),
	"ai mistral": (apiKey, EDGE) => ({ ...vercel(createMistral({ apiKey, baseURL: `${EDGE}/mistral/v1` })), thinks: false }),
	vertex: (apiKey, baseUrl) => ({ ...sdks.genai(apiKey, baseUrl, { vertexai: true }), also: {} }),
	"ai google": (apiKey, EDGE, more) => vercel(createGoogleGenerativeAI({ apiKey, baseURL: `${EDGE}/v1beta` }), more),
	"langchain openai": (apiKey, EDGE, more) => {
		const llm = (o) => {
			const m = new ChatOpenAI({ model: o.model, apiKey, configuration: { baseURL: `${EDGE}/v1` }, maxRetries: 1, ...more, ...o.more });
			return o.tool ? m.bindTools([fn]) : m;
		};
		const said = (m) => ({ text: m.content, args: m.tool_calls?.[0]?.args, calls: m.tool_calls?.map((t) => [t.id, t.name, t.args]),
			usage: [m.usage_metadata?.input_tokens, m.usage_metadata?.output_tokens] });
		return {
			ask: async (o) => said(await llm(o).invoke(o.more?.messages ?? o.text)),
			async stream(o) {
				let all;
				for await (const c of await llm(o).stream(o.more?.messages ?? o.text)) all = all ? all.concat(c) : c;
				return said(all);
			},
			thinks: false,
		};
	},
};

function vercel(provider, more) {
	const said = (calls, u) => ({ args: calls[0]?.input, calls: calls.map((c) => [c.toolCallId, c.toolName, c.input]), usage: [u.inputTokens, u.outputTokens] });
	const body = (o) => ({ ...more, model: provider(o.model), ...(!o.more?.messages && { prompt: o.text }), ...o.more, ...(o.tool && { tools: { send: tool({ description, inputSchema: jsonSchema(schema) }) } }) });
	return {
		async ask(o) {
			const r = await generateText(body(o));
			return { text: r.text, thinking: r.reasoningText, ...said(r.toolCalls, r.usage) };
		},
		async stream(o) {
			let error;
			const r = streamText({ ...body(o), onError: (e) => { error ??= e.error; } });
			let text = "";
			try {
				for await (const t of r.textStream) text += t;
			} catch (e) {
				error ??= e;
			}
			if (error) throw error;
			return { text, thinking: await r.reasoningText, ...said(await r.toolCalls, await r.usage) };
		},
	};
}

function chat(c) {
	const body = (o) => ({ model: o.model, messages: user(o.text), ...(o.tool && { tools: [fn] }), ...o.more });
	const used = (u) => [u?.prompt_tokens, u?.completion_tokens];
	return {
		async ask(o) {
			const r = await c.chat.completions.create(body(o)), m = r.choices[0].message;
			return parsed({ text: m.content, thinking: m.reasoning_content, usage: used(r.usage),
				calls: m.tool_calls?.map((t) => [t.id, t.function.name, t.function.arguments]) });
		},
		stream: async (o) => parsed(await each(await c.chat.completions.create({ ...body(o), stream: true, ...(o.usage && { stream_options: { include_usage: true } }) }), (e, all) => {
			const d = e.choices[0]?.delta;
			all.text += d?.content ?? "";
			all.thinking += d?.reasoning_content ?? "";
			for (const t of d?.tool_calls ?? []) (all.calls[t.index] ??= [t.id, t.function.name, ""])[2] += t.function.arguments ?? "";
			if (e.usage) all.usage = used(e.usage);
		})),
	};
}

function raw(key, EDGE) {
	return async (path, body) => {
		const r = await fetch(EDGE + path, { method: "POST", body: JSON.stringify(body),
			headers: { "content-type": "application/json", authorization: `Bearer ${key}` } });
		if (!r.ok) throw Object.assign(new Error(await r.text()), { status: r.status });
		return /json/.test(r.headers.get("content-type")) ? r.json() : r.text();
	};
}
