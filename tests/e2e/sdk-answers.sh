# Clients: as users install them.
# Each real SDK receives responses that were inspected, redacted, restored and metered, in its dialect.
# Long: it starts nine SDKs.
. "$(dirname "$0")/lib.sh"
what="openai, @anthropic-ai/sdk, @google/genai, @aws-sdk/client-bedrock-runtime, cohere-ai, @mistralai/mistralai, ollama, ai, @langchain/openai"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages sdk "$what" || exit 0
stack_up --policy "$here/sdk-answers.yaml"
EDGE=$EDGE PROVIDER=$PROVIDER JOURNAL=$JOURNAL DIR=$D TOKEN=$build/stackhelp \
	timeout 900 node "$build/sdk/answers.mjs" >"$D/answers.log" 2>"$D/answers.err" ||
	echo "not ok - answers.mjs ends: $(tail -n 1 "$D/answers.err")" >>"$D/answers.log"
cat "$D/answers.log"
if grep -q '^not ok' "$D/answers.log"; then failed=1; fi
