# If a client closes its connection, the relay ends the exchange and cancels the request at the provider. The client
# leaves while it waits for the response, during a stream, and during an upload.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "clients that close their connection" "node is not installed"; exit 0; }
# A route whose responses no guard reads; its requests are relayed because an address in them is replaced.
sed -e "s#^routes:#&\n  - {name: ignored, match: {methods: [POST], path: /v1/chat/completions, host: ignored.test}, response: ignore, targets: [openai]}#" "$here/policy.yaml" >"$D/policy.yaml"
stack_up --policy "$D/policy.yaml" --config "$here/config.yaml"
EDGE=$EDGE ADMIN=$ADMIN PROVIDER=$PROVIDER TOKEN=$(token) node "$here/aborts.mjs" >"$D/aborts.log" 2>&1 ||
	echo "not ok - aborts.mjs ends" >>"$D/aborts.log"
cat "$D/aborts.log"
grep -q '^not ok' "$D/aborts.log" && failed=1
settled
final is "each aborted request has a completion with the outcome client_abort" "$(cat "$JOURNAL"/* | grep -c '"client_abort"')" 4
