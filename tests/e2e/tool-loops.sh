# The agent loops of real SDKs, whole and as a stream, if some of the tool calls in a response are denied.
# Clients: as users install them.
# Long: it starts eight SDKs.
. "$(dirname "$0")/lib.sh"
what="openai, @anthropic-ai/sdk, @google/genai, @aws-sdk/client-bedrock-runtime, cohere-ai, @mistralai/mistralai, ollama, ai, langchain"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages sdk "$what" || exit 0
node "$build/sdk/loops-provider.mjs" >"$D/ports" 2>"$D/provider.log" &
served=$!
wait_for grep -qs loops= "$D/ports"
eval "$(cat "$D/ports")"
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend loops from provider\n    server s 127.0.0.1:%s\n' "$loops"
} >"$D/edge.cfg"
echo 'backends: [loops]' >"$D/mine.yaml"
stack_up --edge "$D/edge.cfg" --policy "$here/tool-loops.yaml" --config "$D/mine.yaml"
note_pid $served loops-provider
EDGE=$EDGE PROVIDER=http://127.0.0.1:$loops DIR=$D TOKEN=$build/stackhelp \
	timeout 300 node "$build/sdk/loops.mjs" >"$D/loops.log" 2>"$D/loops.err" ||
	echo "not ok - loops.mjs ends: $(tail -n 1 "$D/loops.err")" >>"$D/loops.log"
cat "$D/loops.log"
if grep -q '^not ok' "$D/loops.log"; then failed=1; fi
exit $failed
