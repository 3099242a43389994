// A PDF and an image in the call that each SDK's documentation shows. Without a finding, the provider gets the same
// bytes. With an account number, the SDK throws its own error, or the file is replaced by a text. Whole and as a
// stream.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setDefaultResultOrder } from "node:dns";
import { sdks } from "./sdks.mjs";

const { EDGE, PROVIDER, PAPERS } = process.env;
const [DENY, STRIP, OCR] = process.env.KEYS.split(" ");
setDefaultResultOrder("ipv4first");
const user = (content) => [{ role: "user", content }];
const ASK = "What is in it?";
const GONE = "[a file was removed here: pdf]";

// ---- each SDK: its call with a file of this type, the file's place at the provider, the SDK's error ----

const image = (type) => type.startsWith("image/");
const uri = (type, bytes) => `data:${type};base64,${bytes.toString("base64")}`;
const of_uri = (s) => s?.split(",")[1];
const openai = { error: "PermissionDeniedError" };
const SDKS = {
	"openai chat": { ...openai,
		call: (type, bytes) => ({ messages: user([{ type: "text", text: ASK }, image(type) ? { type: "image_url", image_url: { url: uri(type, bytes) } } :
			{ type: "file", file: { filename: "a.pdf", file_data: uri(type, bytes) } }]) }),
		part: (b) => b.messages[0].content[1],
		data: (p) => of_uri(p.file?.file_data ?? p.image_url?.url),
		gone: { type: "text", text: GONE },
	},
	"openai responses": { ...openai,
		call: (type, bytes) => ({ input: user([{ type: "input_text", text: ASK }, image(type) ? { type: "input_image", image_url: uri(type, bytes), detail: "auto" } :
			{ type: "input_file", filename: "a.pdf", file_data: uri(type, bytes) }]) }),
		part: (b) => b.input[0].content[1],
		data: (p) => of_uri(p.file_data ?? p.image_url),
		gone: { type: "input_text", text: GONE },
	},
	anthropic: { ...openai,
		call: (type, bytes) => ({ messages: user([{ type: image(type) ? "image" : "document", source: { type: "base64", media_type: type, data: bytes.toString("base64") } }, { type: "text", text: ASK }]) }),
		part: (b) => b.messages[0].content[0],
		data: (p) => p.source?.data,
		gone: { type: "text", text: GONE },
	},
	genai: { error: "ApiError",
		call: (type, bytes) => ({ contents: [{ text: ASK }, { inlineData: { mimeType: type, data: bytes.toString("base64") } }] }),
		part: (b) => b.contents[0].parts[1],
		data: (p) => p.inlineData?.data,
		gone: { text: GONE },
	},
	"bedrock converse": { error: "AccessDeniedException",
		call: (type, bytes) => ({ messages: user([{ text: ASK }, image(type) ? { image: { format: type.slice(6), source: { bytes } } } : { document: { format: "pdf", name: "a", source: { bytes } } }]) }),
		part: (b) => b.messages[0].content[1],
		data: (p) => (p.document ?? p.image)?.source.bytes,
		gone: { text: GONE },
	},
};

// ---- the cases: the key, the file, and the result ----

const TYPES = { pdf: "application/pdf", png: "image/png", jpg: "image/jpeg" };
const CASES = [
	["a PDF without a finding", DENY, "clean.pdf", "whole"],
	["a PDF with an account number", DENY, "account.pdf", /page 2 of a file \(pdf\)/],
	["a PDF with an account number, replaced", STRIP, "account.pdf", "gone"],
	["a PDF without a finding, on a route that replaces files", STRIP, "clean.pdf", "whole"],
	["a PDF without text", DENY, "scanned.pdf", /no_text/],
	["a scanned PDF with an account number, with OCR", OCR, "scanned.pdf", /page 1 of a file \(pdf\)/],
	["an image, without OCR", DENY, "small.png", /cannot inspect/],
	["an image without a finding, with OCR", OCR, "small.png", "whole"],
	["a photograph without a finding, with OCR", OCR, "small.jpg", "whole"],
	["an image with an account number, with OCR", OCR, "page.png", /a file \(png\)/],
	["a photograph with an account number, with OCR", OCR, "page.jpg", /a file \(jpeg\)/],
];

const seen = async () => JSON.parse((await (await fetch(`${PROVIDER}/_seen?last=1`)).json()).at(-1).body);
const forget = () => fetch(`${PROVIDER}/_seen`, { method: "DELETE" });
const count = async () => (await (await fetch(`${PROVIDER}/_seen?last=9`)).json()).length;
const name = (e) => (!e.name || e.name === "Error" ? e.constructor.name : e.name);
const status = (e) => e.status ?? e.$metadata?.httpStatusCode ?? null;
async function becomes(sdk, c, how, file, want) {
	const bytes = readFileSync(join(PAPERS, file));
	const asked = c[how]({ model: "say:yes", text: ASK, more: sdk.call(TYPES[file.split(".")[1]], bytes) });
	if (want instanceof RegExp) {
		const e = await asked.then(() => null, (e) => e);
		return [[e && name(e), e && status(e), want.test(e?.message) || e?.message, await count()], [sdk.error, 403, true, 0]];
	}
	const said = /yes/.test((await asked).text);
	const part = sdk.part(await seen());
	if (want === "gone") return [[said, part], [true, sdk.gone]];
	const data = sdk.data(part);
	return [[said, data === bytes.toString("base64") || data], [true, true]];
}
for (const [client, sdk] of Object.entries(SDKS))
	for (const [what, key, file, want] of CASES)
		for (const how of ["ask", "stream"]) {
			const title = `${client}: ${what}${how === "ask" ? "" : ", streamed"}`;
			await forget();
			try {
				const [got, wanted] = (await becomes(sdk, sdks[client](key, EDGE, { maxRetries: 0, maxAttempts: 1 }), how, file, want)).map((x) => JSON.stringify(x));
				console.log(got === wanted ? `ok - ${title}` : `not ok - ${title}\n#   got ${got.slice(0, 600)}, want ${wanted}`);
			} catch (e) {
				console.log(`not ok - ${title}\n#   ${name(e)} ${status(e)} ${e.message?.slice(0, 600)}`);
			}
		}
process.exit(0);
