// Compares oracle.mjs' lines with those of `tollgate tokens --ids --jsonl`, and prints how many differ.
import { readFileSync } from "node:fs";
const [oracle, ours] = process.argv.slice(2).map((f) => readFileSync(f, "utf8").trim().split("\n").map((l) => JSON.parse(l)));
let wrong = Math.abs(oracle.length - ours.length);
for (let i = 0; i < Math.min(oracle.length, ours.length); i++) {
	const want = oracle[i].ids.join(), got = ours[i].ids.join();
	if (want === got && ours[i].tokens === oracle[i].ids.length)
		continue;
	if (wrong++ < 3)
		console.log(`${JSON.stringify(oracle[i].text.slice(0, 200))}\n want ${want.slice(0, 200)}\n got  ${got.slice(0, 200)}`);
}
console.log(`${oracle.length} texts, ${wrong} wrong`);
