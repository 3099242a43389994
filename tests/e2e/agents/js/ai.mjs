// Vercel's AI SDK. The variant is the provider's function; "openai" is the default one, with `store: false`.
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createMistral } from "@ai-sdk/mistral";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { main, schema, SYSTEM, tools } from "./common.mjs";

const MODELS = {
	openai: (apiKey, base) => createOpenAI({ apiKey, baseURL: base + "/v1" })("gpt-5"),
	"openai.chat": (apiKey, base) => createOpenAI({ apiKey, baseURL: base + "/v1" }).chat("gpt-5"),
	anthropic: (apiKey, base) => createAnthropic({ apiKey, baseURL: base + "/v1" })("claude-opus-4-8"),
	google: (apiKey, base) => createGoogleGenerativeAI({ apiKey, baseURL: base + "/v1beta" })("gemini-3-pro-preview"),
	bedrock: (apiKey, base) => createAmazonBedrock({ apiKey, baseURL: base, region: "us-east-1" })("us.anthropic.claude-opus-4-7-v1:0"),
	mistral: (apiKey, base) => createMistral({ apiKey, baseURL: base + "/v1" })("mistral-large-latest"),
};

main(async (base, key, variant, prompt, stream) => {
	const asked = { model: MODELS[variant](key, base), system: SYSTEM, prompt, stopWhen: stepCountIs(5), maxOutputTokens: 500, providerOptions: { openai: { store: false } },
		tools: Object.fromEntries(Object.entries(tools).map(([n, t]) => [n, tool({ description: t.description, inputSchema: jsonSchema(schema(t.members)), execute: t.run })])) };
	if (!stream) return (await generateText(asked)).text;
	let failed;
	const result = streamText({ ...asked, onError: ({ error }) => (failed = error) });
	await result.consumeStream();
	if (failed) throw failed;
	return await result.text;
});
