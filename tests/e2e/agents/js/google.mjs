// Google's SDK. Variants: generate calls the tools by hand, automatic lets the SDK call them.
import { GoogleGenAI } from "@google/genai";
import { main, schema, SYSTEM, tools } from "./common.mjs";

const functionDeclarations = Object.entries(tools).map(([name, t]) => ({ name, description: t.description, parametersJsonSchema: schema(t.members) }));
const runs = (calls) => calls.map((c) => ({ functionResponse: { id: c.id, name: c.name, response: { result: tools[c.name].run(c.args) } } }));

async function byHand(client, prompt, stream) {
	const contents = [{ role: "user", parts: [{ text: prompt }] }];
	for (;;) {
		const asked = { model: "gemini-3-pro-preview", contents, config: { systemInstruction: SYSTEM, tools: [{ functionDeclarations }] } };
		const parts = [];
		if (stream) for await (const a of await client.models.generateContentStream(asked)) parts.push(...(a.candidates?.[0].content?.parts ?? []));
		else parts.push(...(await client.models.generateContent(asked)).candidates[0].content.parts);
		const calls = parts.filter((p) => p.functionCall).map((p) => p.functionCall);
		if (!calls.length) return parts.map((p) => p.text ?? "").join("");
		contents.push({ role: "model", parts }, { role: "user", parts: runs(calls) });
	}
}

async function automatic(client, prompt, stream) {
	const callable = { tool: async () => ({ functionDeclarations }), callTool: async (calls) => runs(calls) };
	const asked = { model: "gemini-3-pro-preview", contents: prompt, config: { systemInstruction: SYSTEM, tools: [callable] } };
	if (!stream) return (await client.models.generateContent(asked)).text;
	let text = "";
	for await (const a of await client.models.generateContentStream(asked))
		for (const p of a.candidates?.[0].content?.parts ?? []) text = p.functionCall || p.functionResponse ? "" : text + (p.text ?? "");
	return text;
}

main((base, apiKey, variant, prompt, stream) => (variant === "automatic" ? automatic : byHand)(new GoogleGenAI({ apiKey, httpOptions: { baseUrl: base } }), prompt, stream));
