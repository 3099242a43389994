#!/bin/bash
# Token ids next to those of tiktoken (npm, WebAssembly), over the published vocabularies; another
# vocabulary packed and used the same way; files that are missing or damaged.
# Once: no HAProxy is asked.
. "$(dirname "$0")/lib.sh"
what="token ids equal to tiktoken's"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages tokens "$what" || exit 0
tollgate=$build/tollgate
make -s -C "$root" B="$build" ranks >"$D/ranks.log" 2>&1 || { skip "$what" "make ranks failed: $(tail -1 "$D/ranks.log")"; exit 0; }
sources=("$root"/spoa/*/*.c "$root"/docs/*.md "$root"/policies/*.yaml)

compare() { # encoding, texts, options of tokens: "N texts, N wrong"
	(cd "$build/tokens" && node oracle.mjs "$1" "$2" "${sources[@]}") >"$D/oracle"
	"$tollgate" tokens --encoding "$1" --ids --jsonl "${@:3}" <"$D/oracle" >"$D/ours"
	(cd "$build/tokens" && node compare.mjs "$D/oracle" "$D/ours")
}
is "2,200 texts of code, prose, CJK, emoji, random Unicode in o200k_base" "$(compare o200k_base 2200)" "2200 texts, 0 wrong"
is "the same in cl100k_base" "$(compare cl100k_base 2200)" "2200 texts, 0 wrong"

mkdir -p "$D/other"
"$tollgate" ranks pack --name r50k_base --pattern gpt2 "$build/tokens/node_modules/gpt-tokenizer/data/r50k_base.tiktoken" "$D/other/r50k_base.ranks"
is "another vocabulary is packed and used the same way" "$(compare r50k_base 600 --ranks "$D/other")" "600 texts, 0 wrong"
"$tollgate" ranks pack --name o200k_base --pattern cl100k "$build/tokens/node_modules/gpt-tokenizer/data/o200k_base.tiktoken" "$D/other/wrong.ranks"
unlike "by a wrong pattern they would differ" "$(compare o200k_base 200 --ranks "$D/other" | tail -1)" ", 0 wrong"

is "a count" "$(printf 'Hello, World' | "$tollgate" tokens)" 3
is "special tokens are text" "$(printf '<|endoftext|>' | "$tollgate" tokens --encoding cl100k_base --ids)" '{"tokens":7,"ids":[27,91,8862,728,428,91,29]}'
is "lines" "$(printf '{"text":"a b"}\n{"text":""}\n' | "$tollgate" tokens --jsonl)" $'{"tokens":2}\n{"tokens":0}'
head -c 1000000 /dev/zero | tr '\0' a >"$D/a"
is "1 MB of one letter is bounded" "$("$tollgate" tokens <"$D/a" 2>"$D/err"), $(grep -c 'upper bound' "$D/err")" "1000000, 1"

mkdir "$D/damaged"
for f in "$build"/ranks/*.ranks; do cp "$f" "$D/damaged/"; done
printf x | dd of="$D/damaged/o200k_base.ranks" bs=1 seek=3000000 conv=notrunc 2>/dev/null
like "a damaged file is refused" "$(printf x | "$tollgate" tokens --ranks "$D/damaged" 2>&1)" "o200k_base.ranks: it is damaged"
is "and the others are used" "$(printf x | "$tollgate" tokens --ranks "$D/damaged" --encoding cl100k_base 2>/dev/null)" 1
like "no file: where it was looked for" "$(printf x | "$tollgate" tokens --ranks "$D/none" 2>&1)" "$D/none: No such file"
