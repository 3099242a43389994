// AWS' SDK with a bearer key. Variant: converse.
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { main, schema, SYSTEM, tools } from "./common.mjs";

async function streamed(events) {
	const blocks = [];
	for await (const { contentBlockStart: start, contentBlockDelta: delta } of events) {
		if (start) blocks[start.contentBlockIndex] = { ...start.start, json: "" };
		else if (delta?.delta.toolUse) blocks[delta.contentBlockIndex].json += delta.delta.toolUse.input;
		else if (delta) (blocks[delta.contentBlockIndex] ??= { text: "" }).text += delta.delta.text;
	}
	return blocks.map(({ json, ...b }) => (json === undefined ? b : { toolUse: { ...b.toolUse, input: JSON.parse(json || "{}") } }));
}

main(async (base, key, variant, prompt, stream) => {
	const client = new BedrockRuntimeClient({ region: "us-east-1", endpoint: base, token: { token: key }, authSchemePreference: ["httpBearerAuth"] });
	const messages = [{ role: "user", content: [{ text: prompt }] }];
	for (;;) {
		const asked = { modelId: "us.anthropic.claude-opus-4-7-v1:0", system: [{ text: SYSTEM }], messages, inferenceConfig: { maxTokens: 500 },
			toolConfig: { tools: Object.entries(tools).map(([name, t]) => ({ toolSpec: { name, description: t.description, inputSchema: { json: schema(t.members) } } })) } };
		const content = stream ? await streamed((await client.send(new ConverseStreamCommand(asked))).stream) : (await client.send(new ConverseCommand(asked))).output.message.content;
		const calls = content.filter((c) => c.toolUse).map((c) => c.toolUse);
		if (!calls.length) return content.map((c) => c.text).join("");
		messages.push({ role: "assistant", content });
		messages.push({ role: "user", content: calls.map((c) => ({ toolResult: { toolUseId: c.toolUseId, content: [{ text: tools[c.name].run(c.input) }] } })) });
	}
});
