# openai and @anthropic-ai/sdk, as users install them: models, limits, errors, streams.
# Clients: as users install them.
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null || { skip "openai, @anthropic-ai/sdk" "npm is not installed"; exit 0; }
npm_packages sdk "openai, @anthropic-ai/sdk" || exit 0
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
forget
EDGE=$EDGE PROVIDER=$PROVIDER TOKEN=$(token) BAD=$(token --bad expired) \
	FEW=$(token --claims '{"sub":"few-openai","team":"few"}') FEW2=$(token --claims '{"sub":"few-anthropic","team":"few"}') \
	node "$build/sdk/sdk.mjs" >"$D/sdk.log" 2>&1 || echo "not ok - sdk.mjs ends" >>"$D/sdk.log"
cat "$D/sdk.log"
if grep -q '^not ok' "$D/sdk.log"; then failed=1; fi
