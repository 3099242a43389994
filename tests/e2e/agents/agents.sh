#!/bin/bash
# Claude Code and Codex themselves, without a terminal, under policies/coding-agents.yaml: a turn, a key that was
# typed, a key that a tool read, long sessions; then with inspected responses and restored placeholders. They need 640
# MB of packages: `make agents-test` runs this file, `make test` does not.
. "$(dirname "$0")/../lib.sh"
what="Claude Code, Codex"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
mkdir -p "$build/agents"
cp "$here"/agents/package.json "$here"/agents/package-lock.json "$build/agents/"
if ! cmp -s "$build/agents/package-lock.json" "$build/agents/.installed"; then
	if ! (cd "$build/agents" && npm ci --no-audit --no-fund && node node_modules/@anthropic-ai/claude-code/install.cjs) >"$D/npm.log" 2>&1; then
		skip "$what" "npm ci failed: $(grep -m1 'npm error' "$D/npm.log" || tail -1 "$D/npm.log")"
		exit 0
	fi
	cp "$build/agents/package-lock.json" "$build/agents/.installed"
fi
bin=$build/agents/node_modules/.bin
SECRET=AKIAQ3EGRTZK7VXW2YUB
# The shipped policy; callers use the stack's tokens.
sed 's/^identity:.*/&\n  - jwt: {header: authorization, demo_issuer: true}/' "$root/policies/coding-agents.yaml" >"$D/coding-agents.yaml"
stack_up --policy "$D/coding-agents.yaml"
export HOME=$D/home
mkdir -p "$HOME/.codex" "$HOME/work"
cat >"$HOME/.codex/config.toml" <<C
model = "gpt-5"
model_provider = "gate"
[model_providers.gate]
name = "gate"
base_url = "$EDGE/v1"
env_key = "GATE_KEY"
wire_api = "responses"
C
cd "$HOME/work" || exit 1
T=$(token)
claude() { ANTHROPIC_BASE_URL=$EDGE ANTHROPIC_AUTH_TOKEN=$T CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 timeout 60 "$bin/claude" -p "$1" --output-format json "${@:2}" </dev/null 2>&1; }
codex() { GATE_KEY=$T timeout 60 "$bin/codex" exec --skip-git-repo-check "${@:2}" "$1" </dev/null 2>&1; }

for c in claude codex; do
	if ! "$bin/$c" --version >"$D/$c.version" 2>&1; then
		skip "$c" "it does not run here: $(tail -1 "$D/$c.version")"
		continue
	fi
	forget
	like "$c: a turn gets a response" "$($c 'say hi')" 'has read your message and agrees'
	unlike "$c: each of its requests had a route" "$(grep -a ' 404 ' "$D/haproxy.log" || true)" ' 404 '
	out=$($c "my key is $SECRET, use it")
	like "$c: a typed key is refused, with the reason" "$out" 'a message holds a key or password'
	unlike "$c: it did not reach the provider" "$(seen 100)" "$SECRET"
done

# Long sessions: a text that a tool read is in the history of each later turn.
turn() { # BYTES: prints a body of about that size, with a key that was read long ago
	node -e '
		const text = "the quick brown fox reads another file of the source tree and says what it does.\n";
		const messages = [{ role: "user", content: "why does the deployment fail?" }];
		const result = (id, content) => messages.push(
			{ role: "assistant", content: [{ type: "tool_use", id, name: "Read", input: { file_path: "src/" + id } }] },
			{ role: "user", content: [{ type: "tool_result", tool_use_id: id, content: [{ type: "text", text: content }] }] });
		result("toolu_0", "aws_access_key_id = " + process.argv[2] + " at 127.0.0.1 and 10.1.2.3");
		for (let n = 0, i = 1; n < +process.argv[1]; n += 20000, i++) result("toolu_" + i, text.repeat(250));
		messages.push({ role: "user", content: "go on" });
		console.log(JSON.stringify({ model: "claude-opus-4-8", max_tokens: 64000, messages }));
	' "$1" "$SECRET" >"$D/turn.json"
}
for size in 100000 200000 1000000 2000000; do
	turn $size
	good=0
	for _ in 1 2 3 4; do
		req POST /v1/messages -H "authorization: Bearer $T" -H 'content-type: application/json' --data-binary "@$D/turn.json"
		[ "$status" = 200 ] && good=$((good + 1))
	done
	is "four turns of $(stat -c %s "$D/turn.json") bytes in a row pass" "$good" 4
done
like "the provider received the placeholder" "$(seen 1)" 'AWS_ACCESS_KEY_1'
like "the provider received private addresses unchanged" "$(seen 1)" '127\.0\.0\.1 and 10\.1\.2\.3'
unlike "the provider received no key" "$(seen 20)" "$SECRET"

# Responses: the same policy with inspected responses and restored placeholders.
sed -i -e 's/response: \[meter, restore\]/response: [meter, inspect, restore]/' -e 's/^classes:/&\n  falcon: {words: [Project Falcon]}/' \
	-e "s/^default: permit/  - {name: no-falcon, phase: response, when: '\"falcon\" in response.classes', redact: {classes: [falcon]}}\n&/" \
	"$D/coding-agents.yaml"
is "inspected responses: the policy is in force" "$(curl -s -m 90 -o "$D/reload" -w '%{http_code}' -X POST -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/reload")" 200
MAIL=anna.berg@quixotic-mills.example.org
for c in claude codex; do
	[ -s "$D/$c.version" ] && "$bin/$c" --version >/dev/null 2>&1 || continue
	forget
	out=$($c "write to $MAIL today" --model echo)
	like "$c: the address behind a placeholder is restored" "$out" "write to $MAIL today"
	unlike "$c: the provider did not receive it" "$(seen 100)" "$MAIL"
	like "$c: a value that the policy keeps out of responses is replaced" "$($c 'what flies?' --model "say:it is Project Falcon that flies")" 'it is <FALCON> that flies'
done
if "$bin/claude" --version >/dev/null 2>&1; then
	echo 'the ferry leaves at nine' >"$HOME/work/$MAIL.txt"
	forget
	claude "read $HOME/work/$MAIL.txt" --model task:Read --allowedTools Read --max-turns 3 >"$D/call.json"
	like "claude: a tool is called with the restored name of a file, and reads it" "$(seen 100)" 'the ferry leaves at nine'
	unlike "claude: the provider did not receive that name" "$(seen 100)" "$MAIL"
fi
