// Each SDK of a translated API, with a provider of each API. It reads the same from a stream as from a whole response,
// the provider receives what the caller meant, and each failure is an error of the SDK.
import { setDefaultResultOrder } from "node:dns";
import { writeFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { AIMessage, ToolMessage } from "@langchain/core/messages";
import { jsonSchema, Output } from "ai";
import { sdks } from "./sdks.mjs";

const { EDGE, KEY } = process.env, providers = process.env.PROVIDERS.split(" ");
setDefaultResultOrder("ipv4first");
const edge = new URL(EDGE);

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const SCHEMA = { type: "object", properties: { note: { type: "string" } }, required: ["note"], additionalProperties: false };
const MAIL = "jane.doe@example.com"; // the provider receives a placeholder
const TEXT = `send it to ${MAIL} please`;
const BRIEF = "be brief";
const DONE = ["first is done", "second is done"];
const url = `data:image/png;base64,${PNG}`;
const user = (content) => ({ role: "user", content });

// ---- the requests of each SDK: an image next to a text, a tool's calls with their results, a schema, an effort ----

const WAYS = {
	chat: {
		image: (t) => ({ messages: [user([{ type: "text", text: t }, { type: "image_url", image_url: { url } }])] }),
		round: (t, calls) => ({ messages: [user(t), { role: "assistant", content: null, tool_calls: calls.map(([id, name, args]) => ({ id, type: "function", function: { name, arguments: JSON.stringify(args) } })) },
			...calls.map(([id], i) => ({ role: "tool", tool_call_id: id, content: DONE[i] }))] }),
		schema: { response_format: { type: "json_schema", json_schema: { name: "note", schema: SCHEMA, strict: true } } },
		effort: { reasoning_effort: "high" },
		settings: { messages: [{ role: "system", content: BRIEF }, user("hi")], temperature: 0.5, top_p: 0.9, max_completion_tokens: 90 },
		odd: { n: 2 },
	},
	responses: {
		image: (t) => ({ input: [user([{ type: "input_text", text: t }, { type: "input_image", image_url: url, detail: "auto" }])] }),
		round: (t, calls) => ({ input: [user(t), ...calls.map(([call_id, name, args]) => ({ type: "function_call", call_id, name, arguments: JSON.stringify(args) })),
			...calls.map(([call_id], i) => ({ type: "function_call_output", call_id, output: DONE[i] }))] }),
		schema: { text: { format: { type: "json_schema", name: "note", schema: SCHEMA, strict: true } } },
		effort: { reasoning: { effort: "high" } },
		settings: { instructions: BRIEF, input: "hi", temperature: 0.5, top_p: 0.9, max_output_tokens: 90 },
		odd: { previous_response_id: "resp_1" },
	},
	messages: {
		image: (t) => ({ messages: [user([{ type: "text", text: t }, { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } }])] }),
		round: (t, calls) => ({ messages: [user(t), { role: "assistant", content: calls.map(([id, name, input]) => ({ type: "tool_use", id, name, input })) },
			user(calls.map(([id], i) => ({ type: "tool_result", tool_use_id: id, content: DONE[i] })))] }),
		schema: { output_config: { format: { type: "json_schema", schema: SCHEMA } } },
		effort: { thinking: { type: "adaptive" }, output_config: { effort: "high" } },
		settings: { system: BRIEF, temperature: 0.5, top_p: 0.9, max_tokens: 90 },
		odd: { top_k: 5 },
	},
	generate: {
		image: (t) => ({ contents: [{ role: "user", parts: [{ text: t }, { inlineData: { mimeType: "image/png", data: PNG } }] }] }),
		round: (t, calls) => ({ contents: [{ role: "user", parts: [{ text: t }] }, { role: "model", parts: calls.map(([id, name, args]) => ({ functionCall: { id, name, args } })) },
			{ role: "user", parts: calls.map(([id, name], i) => ({ functionResponse: { id, name, response: { output: DONE[i] } } })) }] }),
		schema: { config: { responseMimeType: "application/json", responseJsonSchema: SCHEMA } },
		effort: { config: { thinkingConfig: { thinkingLevel: "HIGH" } } },
		settings: { config: { systemInstruction: BRIEF, temperature: 0.5, topP: 0.9, maxOutputTokens: 90 } },
		odd: { config: { candidateCount: 2 } },
	},
	converse: {
		image: (t) => ({ messages: [user([{ text: t }, { image: { format: "png", source: { bytes: Buffer.from(PNG, "base64") } } }])] }),
		round: (t, calls) => ({ messages: [user([{ text: t }]), { role: "assistant", content: calls.map(([toolUseId, name, input]) => ({ toolUse: { toolUseId, name, input } })) },
			user(calls.map(([toolUseId], i) => ({ toolResult: { toolUseId, content: [{ text: DONE[i] }] } })))] }),
		schema: { outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema: { schema: JSON.stringify(SCHEMA), name: "note" } } } } },
		effort: { outputConfig: { effort: "high" } },
		settings: { system: [{ text: BRIEF }], inferenceConfig: { temperature: 0.5, topP: 0.9, maxTokens: 90 } },
		odd: { guardrailConfig: { guardrailIdentifier: "g", guardrailVersion: "1" } },
	},
	ai: {
		image: (t) => ({ messages: [user([{ type: "text", text: t }, { type: "image", image: PNG, mediaType: "image/png" }])] }),
		round: (t, calls) => ({ messages: [user(t), { role: "assistant", content: calls.map(([toolCallId, toolName, input]) => ({ type: "tool-call", toolCallId, toolName, input })) },
			{ role: "tool", content: calls.map(([toolCallId, toolName], i) => ({ type: "tool-result", toolCallId, toolName, output: { type: "text", value: DONE[i] } })) }] }),
		schema: { output: Output.object({ schema: jsonSchema(SCHEMA), name: "note" }), providerOptions: { anthropic: { structuredOutputMode: "outputFormat" } } },
		effort: { providerOptions: { openai: { reasoningEffort: "high", forceReasoning: true }, anthropic: { thinking: { type: "adaptive" }, effort: "high" },
			google: { thinkingConfig: { thinkingLevel: "high" } }, bedrock: { reasoningConfig: { maxReasoningEffort: "high" } } } },
		settings: { system: BRIEF, temperature: 0.5, topP: 0.9, maxOutputTokens: 90 },
	},
	langchain: {
		image: (t) => ({ messages: [user([{ type: "text", text: t }, { type: "image_url", image_url: { url } }])] }),
		round: (t, calls) => ({ messages: [user(t), new AIMessage({ content: "", tool_calls: calls.map(([id, name, args]) => ({ id, name, args })) }),
			...calls.map(([tool_call_id], i) => new ToolMessage({ tool_call_id, content: DONE[i] }))] }),
		schema: { modelKwargs: { response_format: { type: "json_schema", json_schema: { name: "note", schema: SCHEMA, strict: true } } } },
		effort: { modelKwargs: { reasoning_effort: "high" } },
		settings: { messages: [{ role: "system", content: BRIEF }, user("hi")], modelKwargs: { temperature: 0.5, top_p: 0.9, max_completion_tokens: 90 } },
		odd: { n: 2 },
	},
};

// ---- each SDK: its calls, and its errors ----

const openai = { 400: "BadRequestError", 429: "RateLimitError", 500: "InternalServerError" };
const aws = { 400: "ValidationException", 429: "ThrottlingException", 500: "InternalServerException" };
const every = (name) => ({ 400: name, 429: name, 500: name });
const CLIENTS = [
	["openai chat", "chat", openai], ["openai responses", "responses", openai], ["anthropic", "messages", openai],
	["genai", "generate", every("ApiError")], ["gemini array", "generate", every("Error")], ["bedrock converse", "converse", aws],
	["ai openai", "ai", every("AI_APICallError")], ["ai openai responses", "ai", every("AI_APICallError")], ["ai anthropic", "ai", every("AI_APICallError")],
	["ai google", "ai", every("AI_APICallError")], ["ai bedrock", "ai", every("AI_APICallError")],
	["langchain openai", "langchain", { ...openai, 429: "RateLimitCapacityError" }],
];

// ---- the requests that the provider of each API receives ----

const texts = (c) => (typeof c === "string" ? c : c.map((p) => p.text).join(""));
const FORMS = {
	chat: {
		image: (b) => b.messages[0].content.find((p) => p.image_url).image_url.url.split(",")[1],
		calls: (b) => b.messages.flatMap((m) => m.tool_calls ?? []).map((c) => [c.id, JSON.parse(c.function.arguments)]),
		results: (b) => b.messages.filter((m) => m.role === "tool").map((m) => [m.tool_call_id, texts(m.content)]),
		schema: (b) => b.response_format.json_schema.schema,
		effort: (b) => b.reasoning_effort,
		settings: (b) => [b.messages[0].content, b.temperature, b.top_p, b.max_completion_tokens ?? b.max_tokens],
	},
	responses: {
		image: (b) => b.input[0].content.find((p) => p.type === "input_image").image_url.split(",")[1],
		calls: (b) => b.input.filter((i) => i.type === "function_call").map((i) => [i.call_id, JSON.parse(i.arguments)]),
		results: (b) => b.input.filter((i) => i.type === "function_call_output").map((i) => [i.call_id, texts(i.output)]),
		schema: (b) => b.text.format.schema,
		effort: (b) => b.reasoning.effort,
		settings: (b) => [b.instructions ?? texts(b.input[0].content), b.temperature, b.top_p, b.max_output_tokens],
	},
	messages: {
		image: (b) => b.messages[0].content.find((p) => p.type === "image").source.data,
		calls: (b) => b.messages[1].content.map((p) => [p.id, p.input]),
		results: (b) => b.messages[2].content.map((p) => [p.tool_use_id, texts(p.content)]),
		schema: (b) => b.output_config.format.schema,
		effort: (b) => b.output_config.effort,
		settings: (b) => [texts(b.system), b.temperature, b.top_p, b.max_tokens],
	},
	generate: {
		image: (b) => b.contents[0].parts.find((p) => p.inlineData).inlineData.data,
		calls: (b) => b.contents[1].parts.map((p, i) => [p.functionCall.id ?? i, p.functionCall.args]),
		signed: (b) => b.contents[1].parts.map((p) => Boolean(p.thoughtSignature)), /* Gemini 3 refuses the first one without */
		results: (b) => b.contents[2].parts.map((p, i) => [p.functionResponse.id ?? i, p.functionResponse.response.output ?? p.functionResponse.response.content]),
		schema: (b) => b.generationConfig.responseJsonSchema ?? b.generationConfig.responseSchema,
		effort: (b) => b.generationConfig.thinkingConfig.thinkingLevel.toLowerCase(),
		settings: ({ systemInstruction: s, generationConfig: g }) => [texts(s.parts), g.temperature, g.topP, g.maxOutputTokens],
	},
	converse: {
		image: (b) => b.messages[0].content.find((p) => p.image).image.source.bytes,
		calls: (b) => b.messages[1].content.map((p) => [p.toolUse.toolUseId, p.toolUse.input]),
		results: (b) => b.messages[2].content.map((p) => [p.toolResult.toolUseId, texts(p.toolResult.content)]),
		schema: (b) => JSON.parse(b.outputConfig.textFormat.structure.jsonSchema.schema),
		effort: (b) => b.outputConfig.effort,
		settings: ({ system: s, inferenceConfig: i }) => [texts(s), i.temperature, i.topP, i.maxTokens],
	},
};

// ---- requests that are refused, by field, and combinations that are not possible, with the reason ----

const REFUSED = [ // client, the provider's API ("": any other than its own), case, field
	...["responses", "messages", "converse"].flatMap((form) => [
		["langchain openai", form, "a field without an equivalent", "n"], ["openai chat", form, "a field without an equivalent", "n"],
		["genai", form, "a field without an equivalent", "generationConfig.candidateCount"]]),
	["openai responses", "", "a field without an equivalent", "previous_response_id"],
	...["chat", "responses", "converse"].map((form) => ["anthropic", form, "a field without an equivalent", "top_k"]),
	["bedrock converse", "", "a field without an equivalent", "guardrailConfig"],
];
const NOT_POSSIBLE = [ // client, the provider's API ("*": any), case, reason
	["ai openai", "*", "reasoning", "it shows none"],
	["langchain openai", "*", "reasoning", "it shows none"],
	...["text", "cached tokens", "a call", "two parallel calls", "their results", "an image", "a schema", "effort", "settings", "a field without an equivalent"]
		.map((what) => ["gemini array", "*", what, "it is no SDK, and only sends a text"]),
	["ai bedrock", "*", "a schema", "it requests a tool call instead"],
	["ai bedrock", "converse", "effort", "it uses its model's own field"],
];

// ---- the stack ----

const control = (n, o) => fetch(`${providers[n]}/_control`, { method: "POST", body: JSON.stringify(o) });
const seen = async (n) => JSON.parse((await (await fetch(`${providers[n]}/_seen?last=1`)).json()).at(-1).body);

// An SDK is configured with one address; the host in the request selects the route. The AWS SDK uses HTTP/2.
const one = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings"]);
const plain = (headers) => Object.fromEntries(Object.entries(headers).filter(([k]) => !k.startsWith(":") && !one.has(k)));
// RECORD=FILE: writes the SDKs' requests, one of each shape, in the format of tests/data/sdk_requests.jsonl.
const { RECORD } = process.env, recorded = new Map();
const shape = (k, v) => (typeof v === "string" && /^(model|text|content|input|prompt|.*id)$/i.test(k) ? "" : v);
function record({ url, headers }, body) {
	const kept = JSON.parse(body), key = `${url.split("?")[0].replace(/echo|cached|think|call[^:]*|say[^:]*|tool:send/, "")} ${JSON.stringify(kept, shape)}`;
	if (!recorded.has(key)) recorded.set(key, { sdk: headers["user-agent"].split(" ")[0], path: decodeURIComponent(url), body: kept });
}
async function address({ createServer }, host) {
	const server = createServer((req, res) => {
		const up = http.request({ host: edge.hostname, port: edge.port, method: req.method, path: req.url, headers: { ...plain(req.headers), host } }, (r) => {
			res.writeHead(r.statusCode, plain(r.headers));
			r.pipe(res);
			r.on("error", () => (res.stream ?? res).destroy(r.errored));
		});
		up.on("error", () => res.destroy());
		req.pipe(up);
		if (!RECORD || host !== "chat.test") return;
		let body = "";
		req.setEncoding("utf8").on("data", (d) => { body += d; }).on("end", () => record(req, body));
	});
	await new Promise((r) => server.listen(0, "127.0.0.1", r));
	return `http://127.0.0.1:${server.address().port}`;
}

// ---- the cases: the results and the expected values ----

const last = (e) => e?.lastError ?? e;
const status = (e) => last(e).status ?? last(e).statusCode ?? last(e).$metadata?.httpStatusCode ?? null;
const named = (e) => { const n = last(e).name; return !n || n === "Error" ? last(e).constructor.name : n; };
const failure = (f) => f().then((r) => { throw new Error(`nothing was thrown: ${JSON.stringify(r)}`); }, (e) => e);
const said = ({ text, calls, usage }) => ({ text: text || "", calls: (calls ?? []).map(([id, name, args]) => [typeof id === "string" && id !== "", name, args]), usage });
const called = (...notes) => notes.map((note) => [true, "send", { note }]);
/* Gemini's own calls may have no id; the AI SDK adds one. */
const numbered = (r) => ({ ...r, calls: r.calls.map(([id, name, args], i) => [id ?? `${i}`, name, args]) });
/* The AI SDK puts its result for Gemini into an object, which is forwarded unchanged. */
const result = (text) => (text.startsWith("{") ? JSON.parse(text).content : text);

const CASES = {
	text: async ({ c, n, how }) => {
		const r = said(await c[how]({ model: "echo", text: TEXT, usage: true }));
		return [[r, JSON.stringify(await seen(n)).includes(MAIL)], [{ text: TEXT, calls: [], usage: [5, 5] }, false]];
	},
	"cached tokens": async ({ c, how, way, formName }) => {
		/* Half of the input was cached, and a quarter is written, which Gemini does not report. Anthropic's and
		   Amazon's SDKs count them separately. */
		const { usage } = await c[how]({ model: "cached", text: "a b c d e f g h", usage: true });
		return [usage, [way !== WAYS.messages && way !== WAYS.converse ? 8 : formName === "generate" ? 4 : 2, 8]];
	},
	reasoning: async ({ c, how }) => {
		const r = await c[how]({ model: "think", text: "well now" });
		return [[r.text, r.thinking], ["well now", "well now"]];
	},
	"a call": async ({ c, how }) => {
		const r = said(numbered(await c[how]({ model: "call", text: TEXT, tool: true, usage: true })));
		return [r, { text: "", calls: called(TEXT), usage: [5, 5] }];
	},
	"two parallel calls": async ({ c, how }) => {
		const r = numbered(await c[how]({ model: "call:both", text: `one and ${MAIL}`, tool: true }));
		return [[said(r).calls, new Set(r.calls.map((x) => x[0])).size], [called("one", MAIL), 2]];
	},
	"their results": async ({ c, n, way, form, how, own, formName }) => {
		const { calls } = await c[how]({ model: "call:both", text: "one two", tool: true });
		const r = await c[how]({ model: "tool:send", text: "", tool: true, more: way.round("one two", calls) });
		const b = await seen(n), asked = Object.fromEntries(form.calls(b));
		const signed = form.signed && own !== formName;
		return [[r.text, form.results(b).map(([id, text]) => [asked[id]?.note, result(text)]), ...(signed ? form.signed(b) : [])],
			["The simulated provider has read your message and agrees.", [["one", DONE[0]], ["two", DONE[1]]], ...(signed ? [true, false] : [])]];
	},
	"an image": async ({ c, n, way, form, how }) => {
		const r = await c[how]({ model: "echo", text: "", more: way.image("what is it") });
		return [[r.text, form.image(await seen(n))], ["what is it", PNG]];
	},
	"a schema": async ({ c, n, way, form, how, own }) => {
		const text = `{"note":"${own === "generate" ? "x y" : "x/y"}"}`; /* Google's SDKs leave a slash in the path */
		const r = await c[how]({ model: `say:${text}`, text: "hi", more: way.schema });
		const { type, properties } = form.schema(await seen(n));
		return [[r.text, type.toLowerCase(), Object.keys(properties)], [text, "object", ["note"]]];
	},
	effort: async ({ c, n, way, form, how }) => {
		const r = await c[how]({ model: "echo", text: "hi", more: way.effort });
		return [[r.text, form.effort(await seen(n))], ["hi", "high"]];
	},
	settings: async ({ c, n, way, form, how }) => {
		const r = await c[how]({ model: "echo", text: "hi", more: way.settings });
		return [[r.text, ...form.settings(await seen(n))], ["hi", BRIEF, 0.5, 0.9, 90]];
	},
	"a field without an equivalent": async ({ c, how, way }) => {
		if (!way.odd) return null;
		return [(await c[how]({ model: "say:yes", text: "hi", more: way.odd })).text.includes("yes"), true];
	},
	...Object.fromEntries([400, 429, 500].map((s) => [`${s}`, async ({ c, n, how, errors }) => {
		await control(n, { status: s });
		const e = await failure(() => c[how]({ model: "echo", text: "hi" }));
		return [[named(e), status(e), /status \d+/.exec(last(e).message)?.[0]], [errors[s], s, `status ${s}`]];
	}])),
	"an error in its stream": async ({ c, n, how }) => {
		if (how === "ask") return null;
		await control(n, { error_after_content: 1, fault: "overloaded" });
		const e = await failure(() => c.stream({ model: "echo", text: "one two three" }));
		return [/overloaded|too many connections/i.test(JSON.stringify([e.message, e])), true];
	},
	"a cut stream": async ({ c, n, how }) => {
		if (how === "ask") return null;
		await control(n, { cut_after_content: 1 });
		await failure(() => c.stream({ model: "echo", text: "one two three" }));
		return [true, true];
	},
};

// ---- all cases, separately for the provider of each API ----

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const row = (table, client, form, name, own) => table.find(([c, f, k]) => c === client && (f === form || f === "*" || (f === "" && form !== own)) && k === name)?.[3];
const totals = {};
function say(good, name, how, detail) {
	totals[good ? how : "failed"] = (totals[good ? how : "failed"] ?? 0) + 1;
	console.log(`${good ? "ok" : "not ok"} - ${name}${how === "passed" ? "" : `, ${how}`}`);
	if (detail) console.log(`#   ${detail.slice(0, 1000)}`);
}
async function cell(t, name, run, member) {
	await control(t.n, {});
	if (member) {
		const e = await failure(() => run(t));
		const text = JSON.stringify([last(e).message, last(e).responseBody]);
		return say(status(e) === 400 && text.includes(`${member}: `), name, "refused", `${status(e)} ${text}`);
	}
	try {
		const r = await run(t);
		if (r) say(same(...r), name, "passed", same(...r) ? "" : `got ${JSON.stringify(r[0])}, want ${JSON.stringify(r[1])}`);
	} catch (e) {
		say(false, name, "passed", `${named(e)} ${status(e)} ${last(e).message} ${last(e).responseBody ?? ""} ${last(e).stack.split("\n")[1]}`);
	}
}
async function provider(formName, n) {
	const at = await address(http, `${formName}.test`), at2 = await address(http2, `${formName}.test`);
	for (const [client, wayName, errors] of CLIENTS) {
		const c = sdks[client](KEY, client === "bedrock converse" ? at2 : at, { maxRetries: 0, maxAttempts: 1 });
		const own = { "ai openai": "chat", "ai openai responses": "responses", "ai anthropic": "messages", "ai google": "generate", "ai bedrock": "converse", "langchain openai": "chat" }[client] ?? wayName;
		for (const [what, run] of Object.entries(CASES))
			for (const how of ["ask", "stream"]) {
				const name = `${client} on ${formName}: ${what}${how === "ask" ? "" : ", streamed"}`;
				const why = row(NOT_POSSIBLE, client, formName, what, own);
				if (why) say(true, name, `not possible: ${why}`);
				else await cell({ c, n, how, errors, own, formName, way: WAYS[wayName], form: FORMS[formName] }, name, run, row(REFUSED, client, formName, what, own));
			}
	}
}
await Promise.all(Object.keys(FORMS).map(provider));
console.log(`# ${Object.entries(totals).map(([k, v]) => `${v} ${k}`).join(", ")}`);
if (RECORD) writeFileSync(RECORD, [...recorded.values()].map((r) => `${JSON.stringify(r)}\n`).join(""));
process.exit(0);
