// Formats JavaScript files in place, or with --check names those that differ. Exit 0, 1: files differ.
import { createFromBuffer } from "@dprint/formatter";
import { getPath } from "@dprint/typescript";
import { readFileSync, writeFileSync } from "node:fs";

const formatter = createFromBuffer(readFileSync(getPath()));
formatter.setConfig({}, {
	lineWidth: 140,
	useTabs: true,
	quoteStyle: "preferSingle",
	useBraces: "maintain",
	singleBodyPosition: "maintain",
	nextControlFlowPosition: "sameLine",
	operatorPosition: "maintain",
	preferHanging: true,
	"arrowFunction.useParentheses": "force",
	"importDeclaration.sortNamedImports": "maintain",
	"module.sortImportDeclarations": "maintain",
});

/* Some lines need several passes until they no longer change. */
function formatted_text(filePath, text) {
	for (let pass = 0; pass < 8; pass++) {
		const next = formatter.formatText({ filePath, fileText: text });
		if (next === text) break;
		text = next;
	}
	return text;
}

const files = process.argv.slice(2), check = files[0] === "--check";
if (check) files.shift();
let differ = 0;
for (const filePath of files) {
	const fileText = readFileSync(filePath, "utf8"), formatted = formatted_text(filePath, fileText);
	if (formatted === fileText) continue;
	differ++;
	if (check) console.log(`${filePath}: not formatted: run tests/support/js-format`);
	else writeFileSync(filePath, formatted);
}
process.exit(check && differ ? 1 : 0);
