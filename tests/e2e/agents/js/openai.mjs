// OpenAI's SDK: its own runner of tools for chat completions.
import OpenAI from "openai";
import { main, schema, SYSTEM, tools } from "./common.mjs";

main(async (base, apiKey, variant, prompt, stream) => {
	const client = new OpenAI({ apiKey, baseURL: base + "/v1" });
	const runner = client.chat.completions.runTools({ model: "gpt-5", stream, messages: [{ role: "system", content: SYSTEM }, { role: "user", content: prompt }],
		tools: Object.entries(tools).map(([name, t]) => ({ type: "function", function: { name, description: t.description, parameters: schema(t.members), parse: JSON.parse, function: t.run } })) });
	return await runner.finalContent();
});
