# Each SDK of a translated API, as users install it, with a provider of each API: texts, tool calls, images, schemas,
# usage, errors; whole and as a stream.
# Clients: as users install them.
# Long: it runs eleven clients and five providers.
. "$(dirname "$0")/lib.sh"
what="openai, @anthropic-ai/sdk, @google/genai, @aws-sdk/client-bedrock-runtime, ai, @langchain/openai"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages sdk "$what" || exit 0
sed '/^routes:/q' "$here/sdk-translate.yaml" >"$D/forms.yaml"
for form in chat responses messages generate converse; do
	for api in openai anthropic gemini bedrock; do
		echo "  - {name: $form-$api, match: {methods: [POST], host: $form.test, api: $api}, targets: [$form], response: [meter, record, restore]}"
	done
done >>"$D/forms.yaml"
sed '1,/^routes:/d' "$here/sdk-translate.yaml" >>"$D/forms.yaml"
stack_up --policy "$D/forms.yaml" --providers 5
EDGE=$EDGE PROVIDERS="$PROVIDER $PROVIDER_2 $PROVIDER_3 $PROVIDER_4 $PROVIDER_5" KEY=$(token) timeout 300 node "$build/sdk/translate.mjs" >"$D/sdk.log" 2>"$D/sdk.err" ||
	echo "not ok - translate.mjs ends: $(tail -n 1 "$D/sdk.err")" >>"$D/sdk.log"
cat "$D/sdk.log"
if grep -q '^not ok' "$D/sdk.log"; then failed=1; fi
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
