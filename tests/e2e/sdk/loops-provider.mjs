// A provider that calls tools. The model's name determines the calls: `list.delete.find` three of them in parallel,
// `pay500` with an amount, `mail` with an address in its arguments; an `r` before them adds reasoning. It responds in
// the dialect of the path. As real providers do, it checks the turn that the client sends back: each call has a result
// and each result a call, reasoning is followed by its call, Gemini's first call has its signature, and ids of stored
// objects are known. A mistake is a 400 that describes it. A correct turn gets the response "done".
import { createServer } from "node:http";

const TEXT = "Let me see what there is.", THOUGHT = "The user wants all of it.", SIGNED = "c2lnbmVkIGJ5IHRoZSBwcm92aWRlcg==";
let serial = 0;
const stored = new Map(); // Responses API: responses and their items by id; Anthropic: the messages of a thread
const seen = []; // {model, body} of all that came

// The parts of the model's name.
function script(model) {
	const words = decodeURIComponent(model).split(".");
	const thinks = words[0] === "r" && !!words.shift();
	return { thinks, calls: words.map((w) => {
		const name = w.replace(/\d+$/, ""), amount = Number(w.slice(name.length));
		return { id: `call_${++serial}`, name, args: name === "pay" ? { amount } : name === "mail" ? { to: "jane.doe@example.com" } : { what: "all of it" } };
	}) };
}
const pieces = (s) => s.match(/[\s\S]{1,7}/g) ?? [];
const wrong = (why) => { throw Object.assign(new Error(why), { status: 400 }); };
// Each call has one result, and each result a call.
function matched(calls, results) {
	for (const c of calls) if (!results.includes(c)) wrong(`no result of call ${c}`);
	for (const r of results) if (!calls.includes(r)) wrong(`no call of result ${r}`);
}
const sse = (type, o) => `${type ? `event: ${type}\n` : ""}data: ${JSON.stringify(o)}\n\n`;
const typed = (o) => sse(o.type, o);

/* ---- OpenAI chat, Mistral ---- */
function chat(b, whole) {
	const s = script(b.model);
	let open;
	for (const m of b.messages) {
		if (m.role === "tool" && !open?.calls.includes(m.tool_call_id)) wrong("a message of role tool follows no call");
		if (m.role === "tool") open.results.push(m.tool_call_id);
		else if (open) matched(open.calls, open.results), open = null;
		if (m.role === "assistant" && m.tool_calls) {
			if (!m.tool_calls.length) wrong("tool_calls is too short");
			open = { calls: m.tool_calls.map((c) => JSON.parse(c.function.arguments) && c.id), results: [] };
		}
		if (m.role === "assistant" && !m.content?.length && !m.tool_calls) wrong("an assistant message is empty");
	}
	if (open) matched(open.calls, open.results);
	const done = b.messages.at(-1).role !== "user", calls = done ? [] : s.calls, text = done ? "done" : TEXT;
	const base = { id: `chatcmpl-${++serial}`, created: 1, model: b.model };
	const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 }, reason = calls.length ? "tool_calls" : "stop";
	const call = (c, i) => ({ ...(whole === "mistral" ? {} : { type: "function" }), id: c.id, function: { name: c.name, arguments: JSON.stringify(c.args) }, ...(i >= 0 && { index: i }) });
	if (!b.stream)
		return { ...base, object: "chat.completion", usage, choices: [{ index: 0, finish_reason: reason, message: { role: "assistant", content: text, ...(calls.length && { tool_calls: calls.map((c) => call(c)) }) } }] };
	const chunk = (delta, finish_reason = null, more = {}) => sse("", { ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }], ...more });
	return ["text/event-stream", chunk({ role: "assistant", content: "" }), ...pieces(text).map((content) => chunk({ content })),
		...(whole ? calls.map((c, i) => chunk({ tool_calls: [call(c, i)] })) : calls.flatMap((c, index) => [
			chunk({ tool_calls: [{ index, id: c.id, type: "function", function: { name: c.name, arguments: "" } }] }),
			...pieces(JSON.stringify(c.args)).map((p) => chunk({ tool_calls: [{ index, function: { arguments: p } }] }))])),
		chunk({}, reason, whole ? { usage } : {}), ...(b.stream_options?.include_usage ? [sse("", { ...base, object: "chat.completion.chunk", choices: [], usage })] : []), "data: [DONE]\n\n"];
}

/* ---- Responses ---- */
function responses(b) {
	const s = script(b.model), before = b.previous_response_id ? stored.get(b.previous_response_id) ?? wrong("previous response not found") : [];
	const input = [...before, ...(typeof b.input === "string" ? [{ role: "user", content: b.input }] : b.input)].map((i) =>
		i.type === "item_reference" ? stored.get(i.id) ?? wrong(`Item with id '${i.id}' not found`) : i);
	matched(input.filter((i) => i.type === "function_call").map((i) => i.call_id), input.filter((i) => i.type === "function_call_output").map((i) => i.call_id));
	input.forEach((i, n) => {
		if (i.type === "reasoning" && !(input[n + 1]?.type === "function_call" || input[n + 1]?.role === "assistant"))
			wrong(`Item '${i.id}' of type 'reasoning' was provided without its required following item`);
	});
	const done = !(input.at(-1).role === "user"), id = `resp_${++serial}`, item = (o) => ({ id: `${o.type === "message" ? "msg" : o.type === "reasoning" ? "rs" : "fc"}_${++serial}`, ...o });
	const message = (text) => item({ type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text, annotations: [] }] });
	const output = done ? [message("done")] : [...(s.thinks ? [item({ type: "reasoning", summary: [{ type: "summary_text", text: THOUGHT }] })] : [message(TEXT)]),
		...s.calls.map((c) => item({ type: "function_call", call_id: c.id, name: c.name, arguments: JSON.stringify(c.args), status: "completed" }))];
	if (b.store !== false) {
		stored.set(id, [...input, ...output]);
		for (const i of output) stored.set(i.id, i);
	}
	const all = { id, object: "response", created_at: 1, status: "completed", model: b.model, store: b.store ?? true, output, error: null, incomplete_details: null, instructions: null, metadata: {}, parallel_tool_calls: true, temperature: 1,
		tool_choice: "auto", tools: [], top_p: 1, usage: { input_tokens: 3, input_tokens_details: { cached_tokens: 0 }, output_tokens: 5, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 8 } };
	if (!b.stream) return all;
	const e = [], say = (type, o) => e.push({ type, ...o });
	say("response.created", { response: { ...all, status: "in_progress", output: [], usage: null } });
	output.forEach((i, output_index) => {
		const at = { item_id: i.id, output_index }, part = i.content?.[0] ?? i.summary?.[0];
		say("response.output_item.added", { output_index, item: { ...i, ...(i.content && { content: [] }), ...(i.summary && { summary: [] }), ...("arguments" in i && { arguments: "" }), ...(i.status && { status: "in_progress" }) } });
		if (i.type === "message") {
			say("response.content_part.added", { ...at, content_index: 0, part: { ...part, text: "" } });
			for (const delta of pieces(part.text)) say("response.output_text.delta", { ...at, content_index: 0, delta, logprobs: [] });
			say("response.output_text.done", { ...at, content_index: 0, text: part.text, logprobs: [] });
			say("response.content_part.done", { ...at, content_index: 0, part });
		} else if (i.type === "reasoning") {
			say("response.reasoning_summary_part.added", { ...at, summary_index: 0, part: { ...part, text: "" } });
			for (const delta of pieces(part.text)) say("response.reasoning_summary_text.delta", { ...at, summary_index: 0, delta });
			say("response.reasoning_summary_text.done", { ...at, summary_index: 0, text: part.text });
			say("response.reasoning_summary_part.done", { ...at, summary_index: 0, part });
		} else {
			for (const delta of pieces(i.arguments)) say("response.function_call_arguments.delta", { ...at, delta });
			say("response.function_call_arguments.done", { ...at, name: i.name, arguments: i.arguments });
		}
		say("response.output_item.done", { output_index, item: i });
	});
	say("response.completed", { response: all });
	return ["text/event-stream", ...e.map((o, sequence_number) => typed({ ...o, sequence_number }))];
}

/* ---- Anthropic ---- */
function anthropic(b) {
	const s = script(b.model), of = (m, type) => (Array.isArray(m?.content) ? m.content.filter((c) => c.type === type) : []);
	const messages = [...(b.thread?.type === "continue" ? stored.get(b.thread.previous_message_id) ?? wrong("previous_message_id: not found") : []), ...b.messages];
	messages.forEach((m, n) => {
		if (m.role === "assistant") matched(of(m, "tool_use").map((c) => c.id), of(messages[n + 1], "tool_result").map((c) => c.tool_use_id));
		if (m.role === "assistant" && (!m.content.length || of(m, "text").some((t) => !t.text.trim()))) wrong("text content blocks must be non-empty");
		for (const t of of(m, "thinking")) if (t.signature !== SIGNED || t.thinking !== THOUGHT) wrong("Invalid `signature` in `thinking` block");
	});
	const last = messages.at(-1), done = last.role !== "user" || of(last, "tool_result").length > 0;
	const content = done ? [{ type: "text", text: "done" }] : [...(s.thinks ? [{ type: "thinking", thinking: THOUGHT, signature: SIGNED }] : []), { type: "text", text: TEXT },
		...s.calls.map((c) => ({ type: "tool_use", id: `toolu_${c.id}`, name: c.name, input: c.args }))];
	const stop_reason = done ? "end_turn" : "tool_use", usage = { input_tokens: 3, output_tokens: 5 };
	const id = `msg_${++serial}`, all = { id, type: "message", role: "assistant", model: b.model, content, stop_reason, stop_sequence: null, usage };
	if (b.thread) stored.set(id, [...messages, { role: "assistant", content }]);
	if (!b.stream) return all;
	const start = { text: (c) => ({ ...c, text: "" }), thinking: (c) => ({ ...c, thinking: "", signature: "" }), tool_use: (c) => ({ ...c, input: {} }) };
	const deltas = { text: (c) => pieces(c.text).map((text) => ({ type: "text_delta", text })),
		thinking: (c) => [...pieces(c.thinking).map((thinking) => ({ type: "thinking_delta", thinking })), { type: "signature_delta", signature: c.signature }],
		tool_use: (c) => [{ type: "input_json_delta", partial_json: "" }, ...pieces(JSON.stringify(c.input)).map((partial_json) => ({ type: "input_json_delta", partial_json }))] };
	return ["text/event-stream", typed({ type: "message_start", message: { ...all, content: [], stop_reason: null } }), typed({ type: "ping" }),
		...content.flatMap((c, index) => [typed({ type: "content_block_start", index, content_block: start[c.type](c) }),
			...deltas[c.type](c).map((delta) => typed({ type: "content_block_delta", index, delta })), typed({ type: "content_block_stop", index })]),
		typed({ type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage }), typed({ type: "message_stop" })];
}

/* ---- Gemini ---- */
function gemini(b, model, how) {
	const s = script(model), of = (m, kind) => m?.parts.filter((p) => p[kind]).map((p) => p[kind]) ?? [];
	const turns = []; // several messages of one role in a row are one turn
	for (const c of b.contents) {
		if (turns.at(-1)?.role === c.role) turns.at(-1).parts.push(...c.parts);
		else turns.push({ ...c, parts: [...c.parts] });
	}
	turns.forEach((m, n) => {
		if (m.role !== "model") return;
		const calls = of(m, "functionCall"), first = m.parts.find((p) => p.functionCall);
		if (calls.length !== of(turns[n + 1], "functionResponse").length) wrong("the number of function response parts is not that of function call parts");
		matched(calls.map((c) => c.name), of(turns[n + 1], "functionResponse").map((r) => r.name));
		if (first && first.thoughtSignature !== SIGNED) wrong("Function call is missing a thought_signature");
		if (!m.parts.length) wrong("contents.parts must not be empty");
	});
	const done = turns.at(-1).role === "model" || of(turns.at(-1), "functionResponse").length > 0, usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 5, totalTokenCount: 8 };
	const parts = done ? [{ text: "done" }] : [...(s.thinks ? [{ text: THOUGHT, thought: true }] : []), { text: TEXT },
		...s.calls.map((c, i) => ({ functionCall: { name: c.name, args: c.args }, ...(!i && { thoughtSignature: SIGNED }) }))];
	const answer = (parts, last) => ({ candidates: [{ content: { role: "model", parts }, index: 0, ...(last && { finishReason: "STOP" }) }], usageMetadata, modelVersion: model, responseId: "r" });
	if (!how.startsWith("stream")) return answer(parts, true);
	const split = parts.flatMap((p) => (p.functionCall ? [p] : pieces(p.text).map((text) => ({ ...p, text })))), events = split.map((p, i) => answer([p], i === split.length - 1));
	return how.includes("alt=sse") ? ["text/event-stream", ...events.map((e) => sse("", e))] : ["application/json", ...events.map((e, i) => `${i ? "," : "["}${JSON.stringify(e)}\r\n`), "]"];
}

/* ---- Bedrock Converse ---- */
const TABLE = Array.from({ length: 256 }, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1; return n >>> 0; });
const crc32 = (b) => (b.reduce((c, x) => TABLE[(c ^ x) & 255] ^ (c >>> 8), -1) ^ -1) >>> 0;
export function frame(type, o) {
	const body = Buffer.from(JSON.stringify(o)), head = Buffer.concat([[":event-type", type], [":content-type", "application/json"], [":message-type", "event"]].map(([k, v]) =>
		Buffer.concat([Buffer.from([k.length]), Buffer.from(k), Buffer.from([7, 0, v.length]), Buffer.from(v)])));
	const f = Buffer.alloc(16 + head.length + body.length);
	f.writeUInt32BE(f.length, 0), f.writeUInt32BE(head.length, 4), f.writeUInt32BE(crc32(f.subarray(0, 8)), 8);
	head.copy(f, 12), body.copy(f, 12 + head.length), f.writeUInt32BE(crc32(f.subarray(0, f.length - 4)), f.length - 4);
	return f;
}
function converse(b, model, stream) {
	const s = script(model), of = (m, kind) => m?.content.filter((c) => c[kind]).map((c) => c[kind]) ?? [];
	b.messages.forEach((m, n) => {
		if (m.role === "assistant") matched(of(m, "toolUse").map((c) => c.toolUseId), of(b.messages[n + 1], "toolResult").map((r) => r.toolUseId));
		if (!m.content.length) wrong("The content field in the Message object is empty");
	});
	const done = b.messages.at(-1).role !== "user" || of(b.messages.at(-1), "toolResult").length > 0, stopReason = done ? "end_turn" : "tool_use";
	const content = done ? [{ text: "done" }] : [...(s.thinks ? [{ reasoningContent: { reasoningText: { text: THOUGHT, signature: SIGNED } } }] : []), { text: TEXT },
		...s.calls.map((c) => ({ toolUse: { toolUseId: `tooluse_${c.id}`, name: c.name, input: c.args } }))];
	const usage = { inputTokens: 3, outputTokens: 5, totalTokens: 8 }, metrics = { latencyMs: 1 };
	if (!stream) return { output: { message: { role: "assistant", content } }, stopReason, usage, metrics };
	return ["application/vnd.amazon.eventstream", frame("messageStart", { role: "assistant" }), ...content.flatMap((c, contentBlockIndex) => {
		const delta = (d) => frame("contentBlockDelta", { contentBlockIndex, delta: d }), r = c.reasoningContent?.reasoningText;
		return [...(c.toolUse ? [frame("contentBlockStart", { contentBlockIndex, start: { toolUse: { toolUseId: c.toolUse.toolUseId, name: c.toolUse.name } } })] : []),
			...(c.toolUse ? pieces(JSON.stringify(c.toolUse.input)).map((input) => delta({ toolUse: { input } })) :
				r ? [...pieces(r.text).map((text) => delta({ reasoningContent: { text } })), delta({ reasoningContent: { signature: SIGNED } })] :
					pieces(c.text).map((text) => delta({ text }))),
			frame("contentBlockStop", { contentBlockIndex })];
	}), frame("messageStop", { stopReason }), frame("metadata", { usage, metrics })];
}

/* ---- Cohere, Ollama ---- */
function cohere(b) {
	const s = script(b.model);
	const calls = b.messages.filter((m) => m.role === "assistant").flatMap((m) => m.tool_calls?.map((c) => c.id) ?? []);
	matched(calls, b.messages.filter((m) => m.role === "tool").map((m) => m.tool_call_id));
	const done = b.messages.at(-1).role !== "user", finish_reason = done ? "COMPLETE" : "TOOL_CALL", usage = { billed_units: { input_tokens: 3, output_tokens: 5 }, tokens: { input_tokens: 3, output_tokens: 5 } };
	const made = s.calls.map((c) => ({ id: c.id, type: "function", function: { name: c.name, arguments: JSON.stringify(c.args) } })), id = `c-${++serial}`;
	if (!b.stream) return { id, finish_reason, usage, message: done ? { role: "assistant", content: [{ type: "text", text: "done" }] } : { role: "assistant", tool_plan: TEXT, tool_calls: made } };
	const e = (type, index, message) => typed({ type, ...(index !== undefined && { index }), ...(message && { delta: { message } }) });
	return ["text/event-stream", typed({ type: "message-start", id, delta: { message: { role: "assistant", content: [], tool_plan: "", tool_calls: [], citations: [] } } }),
		...(done ? [e("content-start", 0, { content: { type: "text", text: "" } }), e("content-delta", 0, { content: { text: "done" } }), e("content-end", 0)] : [
			...pieces(TEXT).map((tool_plan) => e("tool-plan-delta", undefined, { tool_plan })),
			...made.flatMap((c, i) => [e("tool-call-start", i, { tool_calls: { ...c, function: { name: c.function.name, arguments: "" } } }),
				...pieces(c.function.arguments).map((p) => e("tool-call-delta", i, { tool_calls: { function: { arguments: p } } })), e("tool-call-end", i)])]),
		typed({ type: "message-end", id, delta: { finish_reason, usage } })];
}
function ollama(b) {
	const s = script(b.model), calls = b.messages.flatMap((m) => m.tool_calls?.map((c) => c.function.name) ?? []);
	matched(calls, b.messages.filter((m) => m.role === "tool").map((m) => m.tool_name));
	const done = b.messages.at(-1).role !== "user", made = s.calls.map((c) => ({ function: { name: c.name, arguments: c.args } }));
	const line = (m, last) => ({ model: b.model, created_at: "2026-01-01T00:00:00Z", message: { role: "assistant", content: "", ...m }, done: last, ...(last && { done_reason: "stop", prompt_eval_count: 3, eval_count: 5 }) });
	if (!b.stream) return line(done ? { content: "done" } : { content: TEXT, tool_calls: made }, true);
	return ["application/x-ndjson", ...(done ? [line({ content: "done" }, false)] : [...pieces(TEXT).map((content) => line({ content }, false)), ...made.map((c) => line({ tool_calls: [c] }, false))]), line({}, true)]
		.map((l) => (typeof l === "string" ? l : JSON.stringify(l) + "\n"));
}

const PATHS = [
	[/^\/v1\/chat\/completions$/, (b) => chat(b)],
	[/^\/mistral\/v1\/chat\/completions$/, (b) => chat(b, "mistral")],
	[/^\/v1\/responses$/, responses],
	[/^\/v1\/messages(?:\?.*)?$/, anthropic],
	[/^\/v1beta\/models\/([^:]*):(.*)$/, gemini],
	[/^\/model\/([^/]*)\/converse$/, (b, model) => converse(b, model, false)],
	[/^\/model\/([^/]*)\/converse-stream$/, (b, model) => converse(b, model, true)],
	[/^\/v2\/chat$/, cohere],
	[/^\/api\/chat$/, ollama],
];
function answer(url, b, res) {
	const [path, f] = PATHS.find(([p]) => p.test(url)) ?? wrong(`${url}: no such path`), got = f(b, ...path.exec(url).slice(1));
	if (!Array.isArray(got)) return res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(got));
	res.writeHead(200, { "content-type": got[0] });
	for (const p of got.slice(1)) res.write(p);
	res.end();
}
createServer({ keepAliveTimeout: 0 }, (q, res) => {
	const all = [];
	q.on("data", (d) => all.push(d)).on("end", () => {
		const at = { url: q.url, tag: q.headers["x-tag"], body: Buffer.concat(all).toString() };
		if (q.url === "/_seen") return res.end(JSON.stringify(seen));
		seen.push(at);
		try {
			answer(q.url, JSON.parse(at.body), res);
		} catch (e) {
			at.wrong = e.message;
			res.writeHead(e.status ?? 500, { "content-type": "application/json" });
			res.end(JSON.stringify({ type: "error", error: { type: "invalid_request_error", message: e.message, code: "wrong" }, message: e.message }));
		}
	});
}).listen(0, "127.0.0.1", function () { console.log(`loops=${this.address().port}`); });
