// OpenAI's Agents SDK. Variants: chat, responses.
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { main, schema, SYSTEM, tools } from "./common.mjs";

setTracingDisabled(true);
main(async (base, apiKey, variant, prompt, stream) => {
	const model = new (variant === "chat" ? OpenAIChatCompletionsModel : OpenAIResponsesModel)(new OpenAI({ apiKey, baseURL: base + "/v1" }), "gpt-5");
	const agent = new Agent({ name: "clerk", instructions: SYSTEM, model,
		tools: Object.entries(tools).map(([name, t]) => tool({ name, description: t.description, parameters: schema(t.members), execute: t.run })) });
	const result = await new Runner().run(agent, prompt, { stream });
	if (stream) for await (const _ of result);
	if (result.error) throw result.error;
	return result.finalOutput;
});
