// LangChain's agent for JavaScript with OpenAI's model. Variants: chat, responses.
import { ChatOpenAI } from "@langchain/openai";
import { createAgent, tool } from "langchain";
import { main, schema, SYSTEM, tools } from "./common.mjs";

main(async (base, key, variant, prompt, stream) => {
	const model = new ChatOpenAI({ model: "gpt-5", apiKey: key, maxRetries: 1, useResponsesApi: variant === "responses", configuration: { baseURL: base + "/v1" } });
	const agent = createAgent({ model, systemPrompt: SYSTEM, tools: Object.entries(tools).map(([name, t]) => tool(t.run, { name, description: t.description, schema: schema(t.members) })) });
	const asked = { messages: [{ role: "user", content: prompt }] };
	if (!stream) return (await agent.invoke(asked)).messages.at(-1).text;
	let text = "", last;
	for await (const [chunk, { langgraph_node }] of await agent.stream(asked, { streamMode: "messages" })) {
		if (langgraph_node === "tools") continue;
		if (chunk.id !== last) (text = ""), (last = chunk.id);
		text += chunk.text;
	}
	return text;
});
