# Each SDK reads a response from the cache as it read the first response.
# Clients: as users install them.
. "$(dirname "$0")/lib.sh"
what="openai, @anthropic-ai/sdk, @google/genai, @aws-sdk/client-bedrock-runtime, ai, @langchain/openai"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages sdk "$what" || exit 0
{
	sed '/^  - {name: s400/,$d; /late, match/d; s/^  - {name: \(openai\|anthropic\|gemini\|bedrock\), \(.*\)}$/  - {name: \1, \2, cache: {exact: {ttl: 1h, temperature: 2, tools: true}}}/' "$here/sdk-answers.yaml"
	echo '  - {name: in-mail, when: '"'"'"EMAIL_ADDRESS" in prompt.entities'"'"', redact: {entities: [EMAIL_ADDRESS]}}'
	echo 'default: permit'
} >"$D/cached.yaml"
stack_up --policy "$D/cached.yaml"
EDGE=$EDGE PROVIDER=$PROVIDER JOURNAL=$JOURNAL DIR=$D TOKEN=$build/stackhelp \
	timeout 300 node "$build/sdk/cache.mjs" >"$D/cache.log" 2>"$D/cache.err" ||
	echo "not ok - cache.mjs ends: $(tail -n 1 "$D/cache.err")" >>"$D/cache.log"
cat "$D/cache.log"
if grep -q '^not ok' "$D/cache.log"; then failed=1; fi
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
