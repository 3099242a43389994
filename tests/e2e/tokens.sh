#!/bin/bash
# Token ids next to those of tiktoken (npm, WebAssembly), over the published vocabularies; another
# vocabulary packed and used the same way; files that are missing or damaged.
# Once: HAProxy is not used.
# Late: it packs a vocabulary.
. "$(dirname "$0")/lib.sh"
what="token ids equal to tiktoken's"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages tokens "$what" || exit 0
tollgate=$build/tollgate
make -s -C "$root" B="$build" ranks >"$D/ranks.log" 2>&1 || { skip "$what" "needs network: make ranks failed: $(tail -1 "$D/ranks.log")"; exit 0; }
sources=("$root"/spoa/*/*.c "$root"/spoa/*/*/*.c "$root"/docs/*.md "$root"/policies/*.yaml)

compare() { # encoding, texts, options of tokens: prints "N texts, N wrong"
	(cd "$build/tokens" && node oracle.mjs "$1" "$2" "${sources[@]}") >"$D/oracle"
	"$tollgate" tokens --encoding "$1" --ids --jsonl "${@:3}" <"$D/oracle" >"$D/ours"
	(cd "$build/tokens" && node compare.mjs "$D/oracle" "$D/ours")
}
is "2,200 texts of code, prose, CJK, emoji, random Unicode in o200k_base" "$(compare o200k_base 2200)" "2200 texts, 0 wrong"
is "the same in cl100k_base" "$(compare cl100k_base 2200)" "2200 texts, 0 wrong"

mkdir -p "$D/other"
"$tollgate" ranks pack --name r50k_base --pattern gpt2 "$build/tokens/node_modules/gpt-tokenizer/data/r50k_base.tiktoken" "$D/other/r50k_base.ranks"
is "another vocabulary can be packed and used" "$(compare r50k_base 600 --ranks "$D/other")" "600 texts, 0 wrong"
"$tollgate" ranks pack --name o200k_base --pattern cl100k "$build/tokens/node_modules/gpt-tokenizer/data/o200k_base.tiktoken" "$D/other/wrong.ranks"
unlike "with a wrong pattern the ids differ" "$(compare o200k_base 200 --ranks "$D/other" | tail -1)" ", 0 wrong"

is "tokens prints the number of tokens" "$(printf 'Hello, World' | "$tollgate" tokens)" 3
is "special tokens count as text" "$(printf '<|endoftext|>' | "$tollgate" tokens --encoding cl100k_base --ids)" '{"tokens":7,"ids":[27,91,8862,728,428,91,29]}'
is "--jsonl counts each line" "$(printf '{"text":"a b"}\n{"text":""}\n' | "$tollgate" tokens --jsonl)" $'{"tokens":2}\n{"tokens":0}'
head -c 1000000 /dev/zero | tr '\0' a >"$D/a"
is "for 1 MB of one letter an upper bound is printed" "$("$tollgate" tokens <"$D/a" 2>"$D/err"), $(grep -c 'upper bound' "$D/err")" "1000000, 1"

is "--model selects the encoding" "$(printf 'Hello, World' | "$tollgate" tokens --model gpt-4 --ids)" '{"tokens":3,"ids":[9906,11,4435]}'
is "a model without a tokenizer is estimated" "$(printf '{"text":"Hello, World"}' | "$tollgate" tokens --model claude-3-5-haiku --jsonl)" '{"tokens":4,"estimated":true}'
like "such a model has no ids" "$(printf x | "$tollgate" tokens --model claude-3-5-haiku --ids 2>&1)" "the tokenizer of claude-3-5-haiku is unknown"

mkdir "$D/damaged"
for f in "$build"/ranks/*.ranks; do cp "$f" "$D/damaged/"; done
printf x | dd of="$D/damaged/o200k_base.ranks" bs=1 seek=3000000 conv=notrunc 2>/dev/null
like "a damaged vocabulary is refused" "$(printf x | "$tollgate" tokens --ranks "$D/damaged" 2>&1)" "o200k_base.ranks: the file is damaged"
is "the other vocabularies are used" "$(printf x | "$tollgate" tokens --ranks "$D/damaged" --encoding cl100k_base 2>/dev/null)" 1
like "a missing vocabulary is reported with its path" "$(printf x | "$tollgate" tokens --ranks "$D/none" 2>&1)" "$D/none: No such file"

# ---- token ids in place of text ----
cat >"$D/ids.yaml" <<'Y'
tollgate: 1
name: ids
identity:
  - none: {}
classes:
  pii: [EMAIL_ADDRESS]
routes:
  - {name: o, match: {path_prefix: /v1/}, dialect: openai, backend: b}
rules:
  - {name: moved, when: 'model.name == "text-embedding-3-large"', route: {model: gpt-4o}}
  - {name: pii, when: '"pii" in prompt.classes', redact: {classes: [pii]}}
default: permit
Y
ids_of() { printf %s "$2" | "$tollgate" tokens --encoding "$1" --ids | grep -o '\[.*\]'; }
ids() { # path, body: prints the decision, and the body that is sent
	node -e 'const [p, b] = process.argv.slice(1); console.log(JSON.stringify({method: "POST", path: p, headers: {"content-type": "application/json"}, body: b}))' "$1" "$2" |
		"$tollgate" decide --policy "$D/ids.yaml" |
		node -e 'const r = JSON.parse(require("fs").readFileSync(0)); console.log(r.decision, r.reason || "", r.body || "")'
}
mail=$(ids_of cl100k_base 'to jane.doe@example.com now') hi=$(ids_of cl100k_base 'say "hi"')
is "token ids are decoded for inspection, and forwarded unchanged" "$(ids /v1/embeddings '{"model":"text-embedding-3-small","input":['"$hi"']}')" "permit  "
is "if a value is redacted, all ids become texts" "$(ids /v1/embeddings '{"input":['"$hi,$mail"'],"model":"text-embedding-3-small"}')" \
	'redact  {"input":["say \"hi\"","to <EMAIL_ADDRESS_1> now"],"model":"text-embedding-3-small"}'
is "a single list of ids is redacted" "$(ids /v1/completions '{"model":"gpt-4o","prompt":'"$(ids_of o200k_base jane.doe@example.com)"'}')" \
	'redact  {"model":"gpt-4o","prompt":"<EMAIL_ADDRESS_1>"}'
is "ids become texts if the target has another vocabulary" "$(ids /v1/embeddings '{"model":"text-embedding-3-large","input":'"$hi"'}')" \
	'permit  {"model":"gpt-4o","input":"say \"hi\""}'
like "ids for a model without a known vocabulary are refused" "$(ids /v1/completions '{"model":"llama-3","prompt":[1,2]}')" "deny .*token ids .*send text"
like "ids that are not UTF-8 are refused" "$(ids /v1/embeddings '{"model":"text-embedding-3-small","input":[[128]]}')" "deny .*token ids"

# ---- in the gateway ----
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: tokens
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {dialect: openai, backend: openai}
  anthropic: {dialect: anthropic, backend: anthropic}
routes:
  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, targets: [openai], response: [meter]}
  - {name: messages, match: {methods: [POST], path: /v1/messages}, targets: [anthropic], response: [meter]}
rules:
  - {name: too-long, when: 'route.name == "chat" && prompt.tokens > 21', deny: {reason: too long}}
  - {name: rest, when: 'true', permit: true}
limits:
  - {name: few, when: 'route.name == "messages"', tokens: 1000, window: 1h, per: [identity.person]}
Y
echo 'workers: 1' >"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
auth="authorization: Bearer $(token)" json='content-type: application/json'
chat() { req POST /v1/chat/completions -H "$auth" -H "$json" -d "{\"model\":\"gpt-4o\",\"max_tokens\":5,\"messages\":[{\"role\":\"system\",\"content\":\"$1\"},{\"role\":\"user\",\"content\":\"hi\"}]}"; }
claude() { req POST /v1/messages -H "$auth" -H "$json" -d "{\"model\":\"claude-3-5-haiku\",\"max_tokens\":$1,\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; }
last() { "$tollgate" audit list --journal "$JOURNAL" --json | grep "\"$1\"" | tail -1 | node -e "
	const r = JSON.parse(require('fs').readFileSync(0)); console.log(JSON.stringify($2))"; }

# (3 + system + 9) + (3 + user + hi) + 3: the published formula for chats
chat 'one two three four five six seven eight nine'
is "a rule reads prompt.tokens: 21 tokens pass" "$status" 200
chat 'one two three four five six seven eight nine ten'
is "22 tokens are denied" "$status" 403
like "the record has the exact number" "$(last decision 'r.prompt')" '"estimated_input_tokens":22,.*"tokens_exact":true'
long=$(printf 'the house is %.0s' {1..40})
control "{\"body\":\"{\\\"id\\\":\\\"c\\\",\\\"object\\\":\\\"chat.completion\\\",\\\"choices\\\":[{\\\"index\\\":0,\\\"message\\\":{\\\"role\\\":\\\"assistant\\\",\\\"content\\\":\\\"$long\\\"},\\\"finish_reason\\\":\\\"stop\\\"}]}\"}"
chat one
ended() { cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | tail -1 | jq -c '[.answer.text_bytes, .estimated_usage.output_tokens]'; }
settled
is "a response without usage is counted: 121 tokens of text and 16 of the format" "$(ended)" '[520,137]'
control '{}'
unlike "readyz does not mention estimates" "$(fetch GET "$ADMIN/readyz")" "tokens: estimated"
claude 900 "$(printf 'word %.0s' $(seq 20))"
is "a request within a limit of tokens passes" "$status" 200
claude 975 hi
is "a request that exceeds it by an estimate is refused" "$status" 429
like "the record has the estimate" "$(last messages 'r.prompt')" '"estimated_input_tokens":11,'
unlike "the record does not call it exact" "$(last messages 'r.prompt')" tokens_exact
settled
is "a metric compares exact counts with the reported usage" "$(metric 'token_counts_total{kind="exact"}')" 1
is "a metric compares estimates with the reported usage" "$(metric 'token_counts_total{kind="estimated"}')" 1
check "a metric sums the errors of estimates" test "$(metric 'token_estimate_error_total{side="over"}')" -gt 0

cp "$D/tollgate.yaml" "$D/none.yaml" 2>/dev/null && printf 'tokens:\n  ranks: %s\n' "$D/none" >>"$D/none.yaml"
like "check reports a folder without vocabularies" "$("$tollgate" check -c "$D/none.yaml" 2>&1)" "tokens.ranks: $D/none: No such file"

# ---- the program without vocabularies ----
mkdir -p "$D/bin" && cp "$build/tollgate" "$D/bin/"
like "without vocabularies, tokens names the command that creates them" "$(printf x | "$D/bin/tollgate" tokens 2>&1)" "make ranks"
ask='{"method":"POST","path":"/v1/chat/completions","headers":{"host":"x","content-type":"application/json"},"body":"{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"}'
sed '/^identity:/,/jwt:/d; s/tokens > 21/tokens > 9/; s/, response: .meter.//' "$D/policy.yaml" >"$D/estimate.yaml"
like "without vocabularies, rules read an estimate" "$(printf '%s' "$ask" | "$D/bin/tollgate" decide --policy "$D/estimate.yaml" --explain 2>&1 | grep -A3 '"values"')" '"prompt.tokens": 8,'
cat >"$D/bin/tollgate.yaml" <<Y
policy: $D/estimate.yaml
backends: [openai, anthropic]
agent: {listen: unix@$D/bin/agent.sock}
admin: {listen: unix@$D/bin/admin.sock}
Y
"$D/bin/tollgate" serve -c "$D/bin/tollgate.yaml" 2>"$D/bin/log" &
serving=$!
check "without vocabularies, readyz mentions estimates" wait_for says "tokens: estimated: $D/bin/ranks: not a vocabulary file" curl -s --unix-socket "$D/bin/admin.sock" http://x/readyz
kill $serving
wait $serving 2>/dev/null
