# The real SDKs, as their users install them, against a running stack.
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null || { skip "openai, @anthropic-ai/sdk" "npm is not installed"; exit 0; }
mkdir -p "$build/sdk"
cp "$here"/sdk/package.json "$here"/sdk/package-lock.json "$here"/sdk/sdk.mjs "$build/sdk/"
if ! cmp -s "$build/sdk/package-lock.json" "$build/sdk/.installed"; then
	if ! (cd "$build/sdk" && npm ci --no-audit --no-fund >"$D/npm.log" 2>&1); then
		skip "openai, @anthropic-ai/sdk" "npm ci failed: $(grep -m1 'npm error' "$D/npm.log" || tail -1 "$D/npm.log")"
		exit 0
	fi
	cp "$build/sdk/package-lock.json" "$build/sdk/.installed"
fi
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
forget
EDGE=$EDGE PROVIDER=$PROVIDER TOKEN=$(token) BAD=$(token --bad expired) \
	FEW=$(token --claims '{"sub":"few-openai","team":"few"}') FEW2=$(token --claims '{"sub":"few-anthropic","team":"few"}') \
	node "$build/sdk/sdk.mjs" >"$D/sdk.log" 2>&1 || echo "not ok - sdk.mjs ends" >>"$D/sdk.log"
cat "$D/sdk.log"
if grep -q '^not ok' "$D/sdk.log"; then failed=1; fi
