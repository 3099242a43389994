# openai, @anthropic-ai/sdk, @google/genai and the AWS SDK, as users install them, while a provider fails. They get
# one response, whole or as a stream, from the next target, and send one request.
# Clients: as users install them.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"
what="openai, @anthropic-ai/sdk, @google/genai, @aws-sdk/client-bedrock-runtime"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages sdk "$what" || exit 0
# A row for each SDK, fault and form, so that none changes the targets of another.
for sdk in openai:openai responses:openai anthropic:anthropic gemini:gemini bedrock:bedrock; do
	for fault in rate overloaded failed cut preamble; do
		for how in ask stream; do dialect=${sdk#*:} route "${sdk%:*}-$fault-$how"; done
	done
	dialect=${sdk#*:} route "${sdk%:*}-all"
done
targets_up
provider stop 3 # not needed here
EDGE=$EDGE PROVIDERS="$PROVIDER $PROVIDER_2" KEY=$(token) node "$build/sdk/fallback.mjs" >"$D/sdk.log" 2>"$D/sdk.err" ||
	echo "not ok - fallback.mjs ends: $(tail -n 1 "$D/sdk.err")" >>"$D/sdk.log"
cat "$D/sdk.log"
if grep -q '^not ok' "$D/sdk.log"; then failed=1; fi
exit $failed
