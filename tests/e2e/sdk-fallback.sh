# openai, @anthropic-ai/sdk, @google/genai and the AWS SDK, as their users install them, while a provider
# fails: whole and streamed they have one answer, of the next target, and ask once.
# Clients: as their users install them.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"
what="openai, @anthropic-ai/sdk, @google/genai, @aws-sdk/client-bedrock-runtime"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages sdk "$what" || exit 0
# a row each for SDK, fault and form: what one did to a target, no other meets
for sdk in openai:openai responses:openai anthropic:anthropic gemini:gemini bedrock:bedrock; do
	for fault in rate overloaded failed cut preamble; do
		for how in ask stream; do dialect=${sdk#*:} route "${sdk%:*}-$fault-$how"; done
	done
	dialect=${sdk#*:} route "${sdk%:*}-all"
done
targets_up
provider stop 3 # in none of these
EDGE=$EDGE PROVIDERS="$PROVIDER $PROVIDER_2" KEY=$(token) node "$build/sdk/fallback.mjs" >"$D/sdk.log" 2>"$D/sdk.err" ||
	echo "not ok - fallback.mjs ends: $(tail -n 1 "$D/sdk.err")" >>"$D/sdk.log"
cat "$D/sdk.log"
if grep -q '^not ok' "$D/sdk.log"; then failed=1; fi
exit $failed
