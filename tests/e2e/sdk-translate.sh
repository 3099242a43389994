# openai and @anthropic-ai/sdk, as their users install them, at providers that speak the other's form.
# Clients: as their users install them.
. "$(dirname "$0")/lib.sh"
what="openai, @anthropic-ai/sdk"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages sdk "$what" || exit 0
stack_up --policy "$here/translate.yaml" --providers 2
EDGE=$EDGE PROVIDERS="$PROVIDER $PROVIDER_2" KEY=$(token) timeout 300 node "$build/sdk/translate.mjs" >"$D/sdk.log" 2>"$D/sdk.err" ||
	echo "not ok - translate.mjs ends: $(tail -n 1 "$D/sdk.err")" >>"$D/sdk.log"
cat "$D/sdk.log"
if grep -q '^not ok' "$D/sdk.log"; then failed=1; fi
exit $failed
