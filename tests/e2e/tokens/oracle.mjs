// Prints texts and their token ids by tiktoken (WebAssembly), a line each: {"text","ids"}.
//
//   node oracle.mjs ENCODING TEXTS FILE…
//
// Code, prose, Chinese, Japanese, Korean, other scripts, emoji, white space and signs, random Unicode; the same in
// each run. The code and the prose come from the files.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const { Tiktoken } = require("tiktoken");

const [encoding, count, ...files] = process.argv.slice(2);
const given = require(`tiktoken/encoders/${encoding}.json`);
const oracle = new Tiktoken(given.bpe_ranks, given.special_tokens, given.pat_str);

let state = 0x9E3779B9;
const random = (n) => {
	state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
	return (state >>> 0) % n;
};
const pick = (list) => list[random(list.length)];
const sources = files.map((f) => readFileSync(f, "utf8")).filter((t) => t.length > 200);
const chunk = () => {
	const t = pick(sources), n = 20 + random(3000), at = random(Math.max(1, t.length - n));
	return t.slice(at, at + n).toWellFormed?.() ?? t.slice(at, at + n).replace(/[\uD800-\uDFFF]/g, "");
};
const ranges = (list, n, between) => {
	let s = "";
	for (let i = 0; i < n; i++) {
		const [from, to] = pick(list);
		s += String.fromCodePoint(from + random(to - from + 1));
		if (between && random(between[1]) === 0)
			s += pick(between[0]);
	}
	return s;
};
const CJK = [[0x4E00, 0x9FFF], [0x4E00, 0x62FF], [0x3041, 0x3096], [0x30A1, 0x30FA], [0xAC00, 0xD7A3]];
const stops = ["。", "，", "、", "\n", " ", "「", "」", "A", "7", "！"];
const SCRIPTS = [[0x400, 0x45F], [0x5D0, 0x5EA], [0x620, 0x65F], [0x900, 0x97F], [0xE01, 0xE4E], [0x370, 0x3FF],
	[0x1E00, 0x1EFF], [0x10A0, 0x10FF], [0x1C4, 0x1CC], [0x300, 0x36F], [0x2B0, 0x2FF]];
const EMOJI = [[0x1F300, 0x1F64F], [0x1F680, 0x1F6FF], [0x1F900, 0x1F9FF], [0x1F1E6, 0x1F1FF], [0x2600, 0x27BF]];
const joiners = ["\u200D", "\uFE0F", "\u{1F3FD}", " ", "ok", "!"];
const ODD = ["'s", "'S", "'ll", "'LL", "'ſ", "'re", "'VE", "'d", "'", "\r\n", "\n\n", "\r", "  ", "\t", " ", "\u00A0", "\u0085",
	"\u3000", "\uFEFF", "//", "/\n", "...", "!?", "12", "3456", "Ⅷ", "²", "½", "٣", "Ab", "ABC", "aBc", "ǅ", "ʰ", "漢", "a\u0301", "\u0301",
	"É", "<|endoftext|>", "<|im_start|>", "_", "-", "$", "🙂", "\0", "ß", "ı", "İ", "\u200B", "\u2028", "x"];
const any = () => {
	const cp = random(0x110000);
	return cp >= 0xD800 && cp < 0xE000 ? "x" : String.fromCodePoint(random(3) ? cp % 0x20000 === 0xD800 ? 65 : safe(cp % 0x20000) : safe(cp));
};
const safe = (cp) => cp >= 0xD800 && cp < 0xE000 ? 0x41 : cp;
const many = (n, one) => Array.from({ length: n }, one).join("");

const kinds = [
	chunk,
	chunk,
	() => ranges(CJK, 10 + random(400), [stops, 2 + random(40)]),
	() => ranges([pick(CJK)], 10 + random(1500)),
	() => ranges([pick(SCRIPTS)], 10 + random(500), [[" ", ", ", "\n"], 7]),
	() => ranges(SCRIPTS, 10 + random(200), [ODD, 5]),
	() => ranges(EMOJI, 5 + random(100), [joiners, 2]),
	() => many(3 + random(120), () => pick(ODD)),
	() => many(3 + random(300), any),
	() => many(2 + random(40), () => random(2) ? chunk().slice(0, 30) : pick(ODD) + any()),
	() => pick(["a", "Z", " ", "=", "\n", "é", "漢", "7", "ab", " \n"]).repeat(1 + random(700)),
];
for (let i = 0; i < Number(count); i++) {
	const text = kinds[i % kinds.length]();
	console.log(JSON.stringify({ text, ids: Array.from(oracle.encode(text, [], [])) }));
}
