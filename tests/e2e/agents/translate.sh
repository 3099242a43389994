#!/bin/bash
# Claude Code and Codex themselves, without a terminal, with providers of other APIs: a task with a tool for chat
# completions, Gemini's generateContent and Bedrock's converse. `make agents-test` runs it after agents.sh, whose
# packages it uses.
. "$(dirname "$0")/../lib.sh"
bin=$build/agents/node_modules/.bin
[ -x "$bin/codex" ] || { skip "Claude Code, Codex" "agents.sh has not installed them"; exit 0; }
# The shipped policy of coding agents, with a provider of another API. Claude Code has system texts after the first
# turn, whose position is dropped. Codex offers tools that its provider runs, or that have namespaces.
policy() { # FORM [MODEL of the target]
	sed -e 's/^identity:.*/&\n  - jwt: {header: authorization, demo_issuer: true}/' \
		-e "s/^providers:.*/&\n  chat: {backend: openai, dialect: openai, speaks: [chat], external: true}\n  generate: {backend: openai, dialect: gemini, external: true}\n  converse: {backend: openai, dialect: bedrock, external: true}/" \
		-e "/name: messages/,/targets:/ s/targets: .*/targets: [$1]\n    dialect: anthropic\n    translate: {drop: ['messages[*].role=system']}/" \
		-e "/name: responses/,/targets:/ s/targets: .*/targets: [${2:+{provider: }$1${2:+, model: \"$2\"\}}]\n    dialect: openai\n    translate: {drop: ['tools[*].type=web_search']}/" \
		"$root/policies/coding-agents.yaml" >"$D/agents.yaml"
}
policy chat
stack_up --policy "$D/agents.yaml"
export HOME=$D/home
mkdir -p "$HOME/.codex" "$HOME/work"
cat >"$HOME/.codex/config.toml" <<C
model_provider = "gate"
[model_providers.gate]
name = "gate"
base_url = "$EDGE/v1"
env_key = "GATE_KEY"
wire_api = "responses"
C
cd "$HOME/work" || exit 1
T=$(token)
claude() { ANTHROPIC_BASE_URL=$EDGE ANTHROPIC_AUTH_TOKEN=$T CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 timeout 90 "$bin/claude" -p "$1" --output-format json --max-turns 4 "${@:2}" </dev/null 2>&1; }
codex() { GATE_KEY=$T timeout 90 "$bin/codex" exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox "${@:2}" "$1" </dev/null 2>&1; }
what_path() { case $1 in chat) echo completions ;; generate) echo "streamGenerateContent" ;; converse) echo "converse-stream" ;; esac; }
reload() { curl -s -m 90 -o "$D/reload" -w '%{http_code}' -X POST -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/reload"; }
echo "the ferry leaves at nine" >"$HOME/work/ferry.txt"

for form in chat generate converse; do
	policy $form task:exec_command
	is "$form: the policy is in force" "$(reload)" 200
	for c in claude codex; do
		"$bin/$c" --version >"$D/$c.version" 2>&1 || { skip "$c on $form" "it does not run here: $(tail -1 "$D/$c.version")"; continue; }
		forget
		case $c in
		claude) out=$(claude "read $HOME/work/ferry.txt" --model task:Read --allowedTools Read) ;;
		codex) out=$(codex "run cat<$HOME/work/ferry.txt" --model gpt-5) ;;
		esac
		echo "$out" >"$D/$c.$form"
		seen 100 >"$D/$c.$form.seen"
		like "$c on $form: the tool is called, and the turn ends" "$out" 'has read your message and agrees'
		like "$c on $form: the model gets the tool's result" "$(jq -r '.[].body' "$D/$c.$form.seen")" 'the ferry leaves at nine'
		is "$c on $form: the provider receives its own API" "$(jq -r '.[].path' "$D/$c.$form.seen" | sed 's/.*[/:]//; s/?.*//' | sort -u | paste -sd ' ')" "$(what_path $form)"
	done
	# The models that Codex knows have further features: tools with any text, tools that find others, tools in
	# namespaces. The default model, "", has a single tool, which runs a program that calls the others.
	"$bin/codex" --version >"$D/codex.version" 2>&1 || continue
	for model in gpt-5.5 ''; do
		tool=exec_command ask="run cat<$HOME/work/ferry.txt"
		[ "$model" ] || { tool=exec ask="run text(JSON.stringify(await(tools.exec_command({cmd:'cat<$HOME/work/ferry.txt'}))))"; }
		policy $form task:$tool
		is "$form: the policy is in force for $tool" "$(reload)" 200
		forget
		out=$(codex "$ask" ${model:+--model $model})
		echo "$out" >"$D/codex.$form.$model"
		seen 100 >"$D/codex.$form.$model.seen"
		like "codex with ${model:-its default} on $form: the turn ends" "$out" 'has read your message and agrees'
		like "codex with ${model:-its default} on $form: the model gets the tool's result" "$(jq -r '.[].body' "$D/codex.$form.$model.seen")" 'the ferry leaves at nine'
	done
done
exit $failed
