// Each SDK of an API with a cache reads a stored response as it read the first one: whole, as a stream, whole from a
// stream, and a stream from a whole one; texts with restored values, tool calls, usage. The requests at the provider
// are counted, and the records name the hits.
import { execFile } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { promisify } from "node:util";
import { sdks } from "./sdks.mjs";

const { EDGE, PROVIDER, JOURNAL, TOKEN, DIR } = process.env;
const NAMES = ["openai chat", "azure openai", "openai responses", "anthropic", "genai", "vertex", "gemini array", "bedrock converse",
	"ai openai", "ai openai responses", "ai anthropic", "ai bedrock", "ai google", "langchain openai"];
// The Responses API stores a response by default, and then the cache is not used.
const MORE = { "openai responses": { store: false }, "ai openai responses": { providerOptions: { openai: { store: false } } } };
// Its streams request an option of the tool that whole responses do not have (eager_input_streaming), so that they are
// other requests.
const OTHER_TOOL = ["ai anthropic"];
const TEXT = "write to jane.doe@example.com, twelve words at most, and sign with your name";

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const is = (name, got, want) => console.log(same(got, want) ? `ok - ${name}` : `not ok - ${name}\n#   got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
async function key(sub) {
	const { stdout } = await promisify(execFile)(TOKEN, ["token", DIR, "--claims", JSON.stringify({ sub })]);
	return stdout.trim();
}
function completions(sub) {
	const all = [];
	for (const f of readdirSync(JOURNAL).sort())
		for (const line of readFileSync(`${JOURNAL}/${f}`, "latin1").split("\n"))
			if (line.includes('"type":"completion"') && line.includes(`"person":"${sub}"`)) all.push(JSON.parse(line.replace(/\0/g, "")));
	return all;
}
const asked = async () => (await (await fetch(`${PROVIDER}/_seen?last=10000`)).text()).split('"ended"').length - 1;
// The id differs, and a stream that did not request usage has none.
const read = (r) => ({ text: r.text ?? "", args: r.args ?? null, calls: (r.calls ?? []).map(([, name, args]) => [name, args]), thinking: r.thinking || "" });

for (const name of NAMES) {
	const sub = name.replaceAll(" ", "-"), c = sdks[name](await key(sub), EDGE);
	const before = await asked(), want = [], last = (o) => (o.tool && OTHER_TOOL.includes(name) ? "miss" : "hit");
	const ask = async (how, o) => c[how]({ ...o, more: MORE[name] }).catch((e) => ({ text: `${e.name}: ${e.message}` }));
	for (const [what, o] of [["a text", { model: "echo", text: TEXT }], ["a call", { model: "call", text: TEXT, tool: true }]]) {
		if (o.tool && c.tools === false) continue;
		for (const [first, then] of [["ask", ["ask", "stream"]], ["stream", ["stream", "ask"]]]) {
			const one = { ...o, text: `${o.text} ${first}` }, was = await ask(first, one), again = [];
			for (const how of then) again.push(await ask(how, one));
			want.push("miss", "hit", last(o));
			is(`${name}: ${what}, ${first}: the first response has the text`, JSON.stringify(read(was)).includes("jane.doe@example.com"), true);
			is(`${name}: ${what}, ${first}, then ${then[0]}`, [read(again[0]), again[0].usage], [read(was), was.usage]);
			is(`${name}: ${what}, ${first}, then ${then[1]}`, read(again[1]), read(was));
		}
	}
	is(`${name}: the number of requests at the provider`, await asked() - before, want.filter((w) => w === "miss").length);
	for (const end = Date.now() + 30000; Date.now() < end && completions(sub).length < want.length;) await new Promise((r) => setTimeout(r, 20));
	is(`${name}: the records have hits and misses`, completions(sub).map((r) => r.cache), want);
}
