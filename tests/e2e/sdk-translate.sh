# openai, @anthropic-ai/sdk, @google/genai and the AWS SDK, as their users install them, each at a provider
# of each form that is not its own.
# Clients: as their users install them.
. "$(dirname "$0")/lib.sh"
what="openai, @anthropic-ai/sdk, @google/genai, @aws-sdk/client-bedrock-runtime"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages sdk "$what" || exit 0
declare -A dialect=([chat]=openai [responses]=openai [messages]=anthropic [generate]=gemini [converse]=bedrock)
{
	cat <<-Y
	tollgate: 1
	name: translate
	identity:
	  - jwt: {header: authorization, demo_issuer: true}
	rules: [{name: mail, redact: {entities: EMAIL_ADDRESS}}]
	default: permit
	output_default: 100
	providers:
	Y
	for to in "${!dialect[@]}"; do echo "  $to: {backend: local, dialect: ${dialect[$to]}, speaks: $to, breaker: {failures: 1000}}"; done
	echo routes:
	for from in "${!dialect[@]}"; do
		for to in "${!dialect[@]}"; do
			echo "  - {name: $from-$to, match: {api: ${dialect[$from]}, host: $from-$to.test}, targets: $to, response: [meter, restore]}"
		done
	done
} >"$D/policy.yaml"
stack_up --policy "$D/policy.yaml"
EDGE=$EDGE PROVIDER=$PROVIDER KEY=$(token) timeout 500 node "$build/sdk/translate.mjs" >"$D/sdk.log" 2>"$D/sdk.err" ||
	echo "not ok - translate.mjs ends: $(tail -n 1 "$D/sdk.err")" >>"$D/sdk.log"
cat "$D/sdk.log"
if grep -q '^not ok' "$D/sdk.log"; then failed=1; fi
exit $failed
