// The packages openai and @anthropic-ai/sdk through the gateway: a permit, a redaction, a typed permission error, a
// rate-limit error, a stream. Prints a line for each check.
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";

const { EDGE, PROVIDER, TOKEN, BAD, FEW, FEW2 } = process.env;
const openai = (apiKey) => new OpenAI({ apiKey, baseURL: `${EDGE}/v1`, maxRetries: 2 });
const anthropic = (authToken) => new Anthropic({ apiKey: null, authToken, baseURL: EDGE, maxRetries: 2 });
const SECRET = "AKIAQ3EGRTZK7VXW2YUB";

function is(name, got, want) {
	const good = JSON.stringify(got) === JSON.stringify(want);
	console.log(`${good ? "ok" : "not ok"} - ${name}`);
	if (!good) console.log(`#   got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}
async function test(name, f) {
	try {
		await f();
	} catch (e) {
		console.log(`not ok - ${name}: ${e.constructor.name} ${e.message}`);
	}
}
async function failure(f) {
	try {
		return { none: await f() };
	} catch (e) {
		return e;
	}
}
const seen = async (n) => (await fetch(`${PROVIDER}/_seen?last=${n}`)).json();
const user = (content) => [{ role: "user", content }];

await test("openai: models", async () => {
	const list = await openai(TOKEN).models.list();
	is("openai: models.list", list.data.length > 0, true);
});
await test("openai: permit", async () => {
	const { data, response } = await openai(TOKEN).chat.completions
		.create({ model: "say:hello there", messages: user("three small words") }).withResponse();
	is("openai: permit: the response", data.choices[0].message.content, "hello there");
	is("openai: permit: usage", data.usage, { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 });
	is("openai: permit: decision", response.headers.get("x-tollgate-decision"), "permit");
	is("openai: permit: via the relay, as the token limit shows", response.headers.get("x-ratelimit-limit-tokens"), "600000000");
});
await test("openai: redaction", async () => {
	const { data, response } = await openai(TOKEN).chat.completions
		.create({ model: "echo", messages: user("please write to jane.doe@example.com today") }).withResponse();
	const [got] = await seen(1);
	is("openai: redaction: decision", response.headers.get("x-tollgate-decision"), "redact");
	is("openai: redaction: the provider received the placeholder",
		JSON.parse(got.body).messages[0].content, "please write to <EMAIL_ADDRESS_1> today");
	is("openai: redaction: the response arrives", data.choices[0].message.content, "please write to <EMAIL_ADDRESS_1> today");
});
await test("openai: permission error", async () => {
	const before = (await seen(1000)).length;
	const e = await failure(() => openai(TOKEN).chat.completions.create({ model: "echo", messages: user(`my key is ${SECRET}`) }));
	is("openai: a denied prompt is a PermissionDeniedError", e instanceof OpenAI.PermissionDeniedError, true);
	is("openai: its status and code", [e.status, e.code], [403, "content_policy_violation"]);
	is("openai: it names the decision", e.message.includes(e.requestID) || JSON.stringify(e.error).includes(e.requestID), true);
	is("openai: without the secret", JSON.stringify(e.error).includes(SECRET), false);
	is("openai: nothing reached the provider", (await seen(1000)).length, before);
});
await test("openai: authentication error", async () => {
	const e = await failure(() => openai(BAD).chat.completions.create({ model: "echo", messages: user("hi") }));
	is("openai: an expired token is an AuthenticationError", e instanceof OpenAI.AuthenticationError, true);
});
await test("openai: rate limit", async () => {
	const few = new OpenAI({ apiKey: FEW, baseURL: `${EDGE}/v1`, maxRetries: 0 });
	await few.models.list();
	await few.models.list();
	const e = await failure(() => few.models.list());
	is("openai: over the limit is a RateLimitError", e instanceof OpenAI.RateLimitError, true);
	is("openai: it has Retry-After", /^[0-9]+$/.test(e.headers.get("retry-after")), true);
});
await test("openai: stream", async () => {
	const stream = await openai(TOKEN).chat.completions.create({ model: "say:one two three", stream: true, messages: user("count") });
	let text = "", usage = 0, chunks = 0;
	for await (const c of stream) {
		chunks++;
		text += c.choices[0]?.delta?.content ?? "";
		usage += "usage" in c && c.usage !== null ? 1 : 0;
	}
	is("openai: stream: the text", text, "one two three");
	is("openai: stream: no usage if it was not requested", usage, 0);
	const [got] = await seen(1);
	is("openai: stream: the relay asked for usage", JSON.parse(got.body).stream_options?.include_usage, true);
});
await test("openai: stream with usage", async () => {
	const stream = await openai(TOKEN).chat.completions
		.create({ model: "say:one two three", stream: true, stream_options: { include_usage: true }, messages: user("count to three") });
	let usage = null;
	for await (const c of stream) usage = c.usage ?? usage;
	is("openai: stream: usage if it was requested", usage, { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 });
});

await test("anthropic: permit", async () => {
	const { data, response } = await anthropic(TOKEN).messages
		.create({ model: "say:hello there", max_tokens: 64, messages: user("three small words") }).withResponse();
	is("anthropic: permit: the response", data.content[0].text, "hello there");
	is("anthropic: permit: usage", [data.usage.input_tokens, data.usage.output_tokens], [3, 2]);
	is("anthropic: permit: decision", response.headers.get("x-tollgate-decision"), "permit");
});
await test("anthropic: redaction", async () => {
	const data = await anthropic(TOKEN).messages.create({
		model: "echo", max_tokens: 64, system: "answer jane.doe@example.com",
		messages: [{ role: "user", content: [{ type: "text", text: "call jane.doe@example.com or bob@example.com" }] }],
	});
	const [got] = await seen(1);
	const body = JSON.parse(got.body);
	is("anthropic: redaction: the system text", body.system, "answer <EMAIL_ADDRESS_1>");
	is("anthropic: redaction: the content", body.messages[0].content[0].text, "call <EMAIL_ADDRESS_1> or <EMAIL_ADDRESS_2>");
	is("anthropic: redaction: the response arrives", data.content[0].text, "call <EMAIL_ADDRESS_1> or <EMAIL_ADDRESS_2>");
});
await test("anthropic: permission error", async () => {
	const e = await failure(() => anthropic(TOKEN).messages.create({ model: "echo", max_tokens: 64, messages: user(`my key is ${SECRET}`) }));
	is("anthropic: a denied prompt is a PermissionDeniedError", e instanceof Anthropic.PermissionDeniedError, true);
	is("anthropic: its type", e.error?.error?.type, "permission_error");
	is("anthropic: it names the decision", JSON.stringify(e.error).includes(e.requestID), true);
});
await test("anthropic: rate limit", async () => {
	const few = new Anthropic({ apiKey: null, authToken: FEW2, baseURL: EDGE, maxRetries: 0 });
	const ask = () => few.messages.create({ model: "say:ok", max_tokens: 8, messages: user("hi") });
	await ask();
	await ask();
	const e = await failure(ask);
	is("anthropic: over the limit is a RateLimitError", e instanceof Anthropic.RateLimitError, true);
	is("anthropic: its type", e.error?.error?.type, "rate_limit_error");
});
await test("anthropic: stream", async () => {
	const stream = anthropic(TOKEN).messages.stream({ model: "say:one two three", max_tokens: 64, messages: user("count") });
	let text = "";
	stream.on("text", (t) => { text += t; });
	const final = await stream.finalMessage();
	is("anthropic: stream: the text", text, "one two three");
	is("anthropic: stream: usage", [final.usage.input_tokens, final.usage.output_tokens], [1, 3]);
	is("anthropic: stream: its end", final.stop_reason, "end_turn");
});
