// Anthropic's SDK. Variant: runner, which calls the tools.
import Anthropic from "@anthropic-ai/sdk";
import { main, schema, SYSTEM, tools } from "./common.mjs";

main(async (base, authToken, variant, prompt, stream) => {
	const client = new Anthropic({ authToken, apiKey: null, baseURL: base });
	const runner = client.beta.messages.toolRunner({ model: "claude-opus-4-8", max_tokens: 500, stream, system: SYSTEM, messages: [{ role: "user", content: prompt }],
		tools: Object.entries(tools).map(([name, t]) => ({ type: "custom", name, description: t.description, input_schema: schema(t.members), parse: (x) => x, run: t.run })) });
	let last;
	for await (const message of runner) last = stream ? await message.finalMessage() : message;
	return last.content[0].text;
});
