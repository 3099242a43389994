#!/bin/bash
# LangChain and the Vercel AI SDK, with the code of docs/clients.md. Claude Code and Codex are large: agents/agents.sh
# tests them (`make agents-test`).
# Clients: as users install them.
. "$(dirname "$0")/lib.sh"
what="@langchain/openai, @langchain/anthropic, ai, @ai-sdk/openai, @ai-sdk/anthropic"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages clients "$what" || exit 0
stack_up --policy "$here/clients.yaml"
key() { token --claims "{\"sub\":\"$1\",\"team\":\"$2\"}"; }
keys() { # STATUS: prints a key for each client, so that each reaches its own limit
	local sep=""
	for c in "langchain openai" "langchain anthropic" "ai openai" "ai openai responses" "ai anthropic"; do
		printf '%s"%s":"%s"' "$sep" "$c" "$(key "${c// /-}-$1" "$1")"
		sep=,
	done
}
KEYS="{\"200\":\"$(key good good)\"$(for s in 401 403 429 503; do printf ',"%s":{%s}' $s "$(keys s$s)"; done)}"
EDGE=$EDGE JOURNAL=$JOURNAL KEYS=$KEYS WANTED=$(cat "$here/clients/wanted.json") \
	timeout 600 node "$build/clients/clients.mjs" >"$D/clients.log" 2>&1 || echo "not ok - clients.mjs ends" >>"$D/clients.log"
cat "$D/clients.log"
if grep -q '^not ok' "$D/clients.log"; then failed=1; fi
