#!/bin/bash
# Claude Code and Codex themselves, without a terminal, with an MCP server behind the gateway: a tool is called, a
# hidden tool is not offered, and after a denied call the agent gets the reason and the turn ends normally. `make
# agents-test` runs it after agents.sh, whose packages it uses.
. "$(dirname "$0")/../lib.sh"
bin=$build/agents/node_modules/.bin
[ -x "$bin/codex" ] || { skip "Claude Code, Codex" "agents.sh has not installed them"; exit 0; }
npm_packages mcp "@modelcontextprotocol/sdk" || exit 0
node "$build/mcp/servers.mjs" >"$D/ports" 2>"$D/servers.log" &
served=$!
wait_for grep -qs own= "$D/ports"
eval "$(tr ' ' '\n' <"$D/ports")"
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend sdk from provider\n    server s 127.0.0.1:%s\n' "$sdk"
} >"$D/edge.cfg"
echo 'backends: [sdk, anthropic, openai]' >"$D/mine.yaml"
# The shipped policy of coding agents, with one server of tools.
sed -e 's/^identity:.*/&\n  - jwt: {header: authorization, demo_issuer: true}/' \
	-e 's/^providers:.*/&\n  sdk: {backend: sdk, dialect: mcp}/' \
	-e 's/^routes:.*/&\n  - {name: tools, match: {path: \/mcp}, targets: [sdk], response: [inspect]}/' \
	-e "s/^rules:.*/&\n  - {name: no-leak, phase: tool, when: 'tool.name == \"leak\" \&\& tool.server == \"sdk\"', deny: {reason: leak is not for agents}}\n  - {name: no-whom, phase: tool, when: 'tool.name == \"whom\"', deny: {hide: true}}/" \
	"$root/policies/coding-agents.yaml" >"$D/agents.yaml"
stack_up --edge "$D/edge.cfg" --policy "$D/agents.yaml" --config "$D/mine.yaml"
note_pid $served servers
export HOME=$D/home
mkdir -p "$HOME/.codex" "$HOME/work"
T=$(token)
cat >"$HOME/.codex/config.toml" <<C
model = "gpt-5"
model_provider = "gate"
[model_providers.gate]
name = "gate"
base_url = "$EDGE/v1"
env_key = "GATE_KEY"
wire_api = "responses"
[mcp_servers.gate]
url = "$EDGE/mcp"
bearer_token_env_var = "GATE_KEY"
default_tools_approval_mode = "approve"
C
jq -n --arg url "$EDGE/mcp" --arg t "Bearer $T" '{mcpServers: {gate: {type: "http", url: $url, headers: {authorization: $t}}}}' >"$HOME/mcp.json"
cd "$HOME/work" || exit 1
claude() { # without ENABLE_TOOL_SEARCH, tools of an MCP server are offered only after a search
	ENABLE_TOOL_SEARCH=false ANTHROPIC_BASE_URL=$EDGE ANTHROPIC_AUTH_TOKEN=$T CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 timeout 90 "$bin/claude" -p "$1" --output-format json \
		--mcp-config "$HOME/mcp.json" --strict-mcp-config --allowedTools 'mcp__gate__*' --max-turns 4 --model "$2" </dev/null 2>&1
}
codex() { GATE_KEY=$T timeout 90 "$bin/codex" exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox --model "$2" "$1" </dev/null 2>&1; }

for c in claude codex; do
	if ! "$bin/$c" --version >"$D/$c.version" 2>&1; then
		skip "$c" "it does not run here: $(tail -1 "$D/$c.version")"
		continue
	fi
	forget
	out=$($c 'good morning' tool:echo)
	echo "$out" >"$D/$c.echo"
	like "$c: the tool is called, and the turn ends" "$out" 'has read your message and agrees'
	seen 100 >"$D/$c.seen"
	like "$c: the model gets the tool's result" "$(cat "$D/$c.seen")" 'you said .*good morning'
	like "$c: the visible tools are offered" "$(cat "$D/$c.seen")" 'says what it should not'
	unlike "$c: hidden tools are not offered" "$(cat "$D/$c.seen")" 'asks the person'
	forget
	out=$($c 'good evening' tool:leak)
	echo "$out" >"$D/$c.leak"
	like "$c: a turn with a denied call ends normally" "$out" 'has read your message and agrees'
	like "$c: the model gets the reason" "$(seen 100)" 'leak is not for agents'
done
