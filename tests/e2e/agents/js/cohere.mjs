// Cohere's SDK. Variant: chat, of its second version.
import { CohereClientV2 } from "cohere-ai";
import { main, schema, SYSTEM, tools } from "./common.mjs";

async function streamed(events) {
	const said = { content: [{ text: "" }], toolPlan: "", toolCalls: [] };
	for await (const e of events) {
		const m = e.delta?.message;
		if (e.type === "content-delta") said.content[0].text += m.content.text;
		else if (e.type === "tool-plan-delta") said.toolPlan += m.toolPlan;
		else if (e.type === "tool-call-start") said.toolCalls.push(m.toolCalls);
		else if (e.type === "tool-call-delta") said.toolCalls.at(-1).function.arguments += m.toolCalls.function.arguments;
	}
	return said;
}

main(async (base, token, variant, prompt, stream) => {
	const client = new CohereClientV2({ token, environment: base });
	const messages = [{ role: "system", content: SYSTEM }, { role: "user", content: prompt }];
	for (;;) {
		const asked = { model: "command-a-03-2025", messages,
			tools: Object.entries(tools).map(([name, t]) => ({ type: "function", function: { name, description: t.description, parameters: schema(t.members) } })) };
		const said = stream ? await streamed(await client.chatStream(asked)) : (await client.chat(asked)).message;
		if (!said.toolCalls?.length) return said.content.map((c) => c.text).join("");
		messages.push({ role: "assistant", toolPlan: said.toolPlan, toolCalls: said.toolCalls });
		for (const c of said.toolCalls) messages.push({ role: "tool", toolCallId: c.id, content: tools[c.function.name].run(JSON.parse(c.function.arguments)) });
	}
});
