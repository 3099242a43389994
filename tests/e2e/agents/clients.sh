#!/bin/bash
# Coding agents of these versions at their first prompt, under the shipped policies: default.yaml and another policy, which
# the day's date selects (POLICIES="hipaa pci" selects others, POLICIES=all takes all of them). Each client prints the same as
# without the gateway, each of its model requests has a route, and the provider gets the names of its tools unchanged. The
# last lines are the matrix of docs/clients.md. `make agents-test` runs this file.
#
# CAPTURE=1 writes the first requests to build/agents-clients/, for tests/data/clients/.
. "$(dirname "$0")/../lib.sh"
what="coding agents"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
at=$build/agents-clients
mkdir -p "$at"
if ! cmp -s "$here/agents/clients/package.json" "$at/.installed"; then
	cp "$here/agents/clients/package.json" "$at/"
	if ! (cd "$at" && npm install --no-audit --no-fund --no-package-lock && npm rebuild @anthropic-ai/claude-code cline opencode-ai &&
		node node_modules/@anthropic-ai/claude-code/install.cjs) >"$D/npm.log" 2>&1; then
		skip "$what" "npm install failed: $(grep -m1 'npm error' "$D/npm.log" || tail -1 "$D/npm.log")"
		exit 0
	fi
	cp "$at/package.json" "$at/.installed"
fi
bin=$at/node_modules/.bin
cat >"$at/sdk.mjs" <<'J'
import { query } from '@anthropic-ai/claude-agent-sdk'
for await (const m of query({ prompt: 'say hi', options: { maxTurns: 1 } })) if (m.result) console.log(m.result)
J
names=(claude agent-sdk codex gemini qwen opencode cline continue copilot pi)
others=(hipaa gdpr-eu pci source-code agents-mcp coding-agents budgets)
case ${POLICIES:-} in
'') policies=(default "${others[$((EPOCHSECONDS / 86400 % ${#others[@]}))]}") ;;
all) policies=(default "${others[@]}") ;;
*) read -ra policies <<<"$POLICIES" ;;
esac

# one NAME URL KEY: runs a client with one prompt at the address; prints its output.
one() {
	local url=$2 key=$3
	export HOME=$D/home-$1
	rm -rf "$HOME"
	mkdir -p "$HOME/work" "$HOME/.codex" "$HOME/.gemini" "$HOME/.config/opencode"
	cd "$HOME/work" || exit 1
	case $1 in
	claude) ANTHROPIC_BASE_URL=$url ANTHROPIC_AUTH_TOKEN=$key CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 timeout 90 "$bin/claude" -p 'say hi' ;;
	agent-sdk) ANTHROPIC_BASE_URL=$url ANTHROPIC_AUTH_TOKEN=$key CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 timeout 90 node "$at/sdk.mjs" ;;
	codex)
		printf 'model = "gpt-5"\nmodel_provider = "gate"\n[model_providers.gate]\nname = "gate"\nbase_url = "%s/v1"\nenv_key = "GATE_KEY"\nwire_api = "responses"\n' "$url" >"$HOME/.codex/config.toml"
		GATE_KEY=$key timeout 90 "$bin/codex" exec --skip-git-repo-check 'say hi' 2>/dev/null
		;;
	gemini)
		echo '{"security":{"auth":{"selectedType":"gemini-api-key"}}}' >"$HOME/.gemini/settings.json"
		GEMINI_API_KEY=$key GOOGLE_GEMINI_BASE_URL=$url GEMINI_CLI_TRUST_WORKSPACE=true timeout 90 "$bin/gemini" -m gemini-3-pro -p 'say hi' 2>/dev/null
		;;
	qwen) OPENAI_API_KEY=$key OPENAI_BASE_URL=$url/v1 OPENAI_MODEL=gpt-5 timeout 90 "$bin/qwen" --auth-type openai -p 'say hi' 2>/dev/null ;;
	opencode)
		printf '{"model":"openai/gpt-5","provider":{"openai":{"options":{"baseURL":"%s/v1","apiKey":"%s"}}}}\n' "$url" "$key" >"$HOME/.config/opencode/opencode.json"
		timeout 90 "$bin/opencode" run 'say hi' 2>/dev/null
		;;
	cline)
		"$bin/cline" auth -p openai-native -k "$key" -m gpt-5 -b "$url/v1" >/dev/null 2>&1
		timeout 90 "$bin/cline" --retries 1 'say hi' 2>/dev/null
		;;
	continue)
		printf 'name: t\nversion: 1.0.0\nschema: v1\nmodels:\n  - {name: c, provider: anthropic, model: claude-opus-4-8, apiKey: %s, apiBase: %s/v1}\n' "$key" "$url" >"$HOME/cn.yaml"
		timeout 90 "$bin/cn" --config "$HOME/cn.yaml" -p 'say hi'
		;;
	copilot) COPILOT_PROVIDER_BASE_URL=$url/v1 COPILOT_PROVIDER_TYPE=openai COPILOT_PROVIDER_API_KEY=$key COPILOT_MODEL=gpt-5 COPILOT_OFFLINE=true timeout 90 "$bin/copilot" -s -p 'say hi' --allow-all-tools 2>/dev/null ;;
	pi)
		mkdir -p "$HOME/.pi/agent"
		printf '{"providers":{"gate":{"baseUrl":"%s/v1","apiKey":"%s","api":"openai-completions","models":[{"id":"gpt-5"}]}}}\n' "$url" "$key" >"$HOME/.pi/agent/models.json"
		timeout 90 "$bin/pi" --provider gate --model gpt-5 -p 'say hi' 2>/dev/null
		;;
	esac </dev/null
}
# tools: prints the names of the tools in the requests that the provider has seen
tools() { seen 20 | jq -r '.. | .body? // empty | if type == "string" then (fromjson? // empty) else . end | .tools[]? | (.name // .function.name // .functionDeclarations[]?.name) | select(.)' 2>/dev/null | sort -u; }
# The policy as it is shipped, for this machine's host and providers, with the two lines of docs/clients.md for Gemini CLI;
# callers use the stack's tokens.
policy() {
	cp "$root"/policies/prices.yaml "$root"/policies/source-code.* "$D/"
	sed -E -e 's/^identity:.*/&\n  - jwt: {header: authorization, demo_issuer: true}\n  - jwt: {header: x-api-key, demo_issuer: true}\n  - jwt: {header: x-goog-api-key, demo_issuer: true}/' \
		-e 's/^providers:.*/&\n  gemini: {backend: openai, dialect: gemini, external: true}/' \
		-e 's/^routes:.*/&\n  - {name: gemini, match: {api: gemini}, targets: [gemini], response: [meter]}/' \
		-e 's/, host: [a-z.]+\}/}/' -e 's/backend: (azure_eu|openai_us|inhouse)/backend: openai/' -e 's/backend: anthropic_eu/backend: anthropic/' \
		-e 's/backend: (mcp-[a-z]+|payments)/backend: openai/' "$root/policies/$1.yaml" >"$D/policy.yaml"
}

declare -A alone cell tool
version() { node -p "require('$at/node_modules/$1/package.json').version"; }
for p in "${policies[@]}"; do
	policy "$p"
	stack_up --policy "$D/policy.yaml"
	T=$(token --claims '{"roles":["hipaa-trained"],"dept":"support"}')
	for c in "${names[@]}"; do
		if [ -z "${alone[$c]:-}" ]; then
			forget
			alone[$c]=$(one "$c" "$PROVIDER" "$T")
			tool[$c]=$(tools)
			[ -z "${CAPTURE:-}" ] || seen 20 >"$at/$c.json"
			like "$c: without the gateway, it says what the provider says" "${alone[$c]}" 'has read your message and agrees'
		fi
		forget
		before=$(stat -c %s "$D/haproxy.log")
		said=$(one "$c" "$EDGE" "$T")
		if tail -c "+$((before + 1))" "$D/haproxy.log" | grep -a ' 404 ' | grep -aq POST; then
			cell[$c,$p]="no route"
			case $c,$p in
			claude,pci | agent-sdk,pci | continue,pci) ok "$c, $p: the policy has no route for its API" ;;
			*) not_ok "$c, $p: its requests have a route" ;;
			esac
			continue
		fi
		is "$c, $p: it says the same as without the gateway" "$said" "${alone[$c]}"
		is "$c, $p: the provider gets the names of its tools" "$(tools)" "${tool[$c]}"
		[ "$said" = "${alone[$c]}" ] && cell[$c,$p]=works || cell[$c,$p]=fails
	done
	"$root/tests/support/stack" down --dir "$D" >/dev/null 2>&1
done
echo "# client $(printf '| %s ' "${policies[@]}")"
for c in "${names[@]}"; do
	printf '# %s' "$c"
	for p in "${policies[@]}"; do printf ' | %s' "${cell[$c,$p]:-not run}"; done
	echo
done
exit $failed
