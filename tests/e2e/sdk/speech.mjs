// Sound in the calls that each SDK's documentation shows. A harmless sound arrives unchanged, and a spoken card number is the
// SDK's error.
import { createReadStream, readFileSync } from "node:fs";
import { setDefaultResultOrder } from "node:dns";
import OpenAI from "openai";
import { GoogleGenAI } from "@google/genai";

const { EDGE, PROVIDER, TOKEN, SOUNDS } = process.env;
setDefaultResultOrder("ipv4first");
const ok = (name, is, ...said) => console.log((is ? "ok - " : "not ok - ") + name + (is ? "" : "\n#   " + said.map((s) => JSON.stringify(s)?.slice(0, 300)).join("\n#   ")));
const file = (name) => `${SOUNDS}/${name}.wav`, data = (name) => readFileSync(file(name)).toString("base64");
const seen = async () => (await (await fetch(`${PROVIDER}/_seen?last=1`)).json())[0];
const control = (c) => fetch(`${PROVIDER}/_control`, { method: "POST", body: JSON.stringify(c) });
const openai = new OpenAI({ baseURL: `${EDGE}/v1`, apiKey: TOKEN, maxRetries: 0 });
const genai = new GoogleGenAI({ apiKey: TOKEN, httpOptions: { baseUrl: EDGE } });

const calls = {
	"openai chat": (n) => openai.chat.completions.create({ model: "gpt-audio", messages: [{ role: "user", content: [{ type: "text", text: "What is said?" }, { type: "input_audio", input_audio: { data: data(n), format: "wav" } }] }] }),
	"openai transcriptions": (n) => openai.audio.transcriptions.create({ model: "whisper-1", file: createReadStream(file(n)) }),
	"openai translations": (n) => openai.audio.translations.create({ model: "whisper-1", file: createReadStream(file(n)) }),
	"openai files": (n) => openai.files.create({ purpose: "user_data", file: createReadStream(file(n)) }),
	genai: (n) => genai.models.generateContent({ model: "gemini-3-pro", contents: [{ text: "What is said?" }, { inlineData: { mimeType: "audio/wav", data: data(n) } }] }),
};
for (const [name, call] of Object.entries(calls)) {
	let error;
	await fetch(`${PROVIDER}/_seen`, { method: "DELETE" });
	await call("harmless").catch((e) => error = e);
	const body = (await seen())?.body ?? "";
	ok(`${name}: a harmless sound arrives`, body.includes(data("harmless")) || body.includes("RIFF"), error?.message, body.slice(0, 200));
	await fetch(`${PROVIDER}/_seen`, { method: "DELETE" });
	error = undefined;
	await call("card").catch((e) => error = e);
	ok(`${name}: a spoken card number is the SDK's error`, error?.status == 403 && /spoken at 0:00/.test(error.message), error?.status, error?.message);
	ok(`${name}: the provider gets no sound`, !(await seen()));
}
const speak = (n) => control({ body_base64: data(n), content_type: "audio/wav" }).then(() => openai.audio.speech.create({ model: "tts-1", voice: "alloy", input: "Read this.", response_format: "wav" }));
const spoken = Buffer.from(await (await speak("harmless")).arrayBuffer());
ok("openai speech: a harmless sound is returned", spoken.equals(readFileSync(file("harmless"))), spoken.length);
let error;
await speak("card").catch((e) => error = e);
ok("openai speech: a card number in the response is the SDK's error", error?.status == 403 && /no card numbers/.test(error.message), error?.message);
await control({});
