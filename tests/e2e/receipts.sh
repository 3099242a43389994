# Receipts: a route with `record: {receipt: true}` returns the position of its record to the caller, on each path of a
# response. `tollgate audit show --receipt` finds the record.
. "$(dirname "$0")/lib.sh"

sed -e 's|name: chat$|name: chat\n    record: {receipt: true}|' -e 's|name: models$|name: models\n    record: {receipt: true}|' \
	"$root/tests/support/stack-policy.yaml" >"$D/receipts.yaml"
stack_up --policy "$D/receipts.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST "$1" -H "$auth" -H "$json" -d "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; }
show() { "$B/tollgate" audit show -c "$D/tollgate.yaml" "$@" 2>&1; }

# receipt NAME STATUS TYPE…: checks that the last response has a receipt, which leads to the decision of its id
receipt() {
	local name=$1 r id
	r=$(header x-tollgate-receipt)
	id=$(header x-tollgate-id)
	is "$name: the status is right" "$status" "$2"
	like "$name: the receipt is NODE/SEQ/HASH" "$r" '^[A-Za-z0-9_.-]+/[1-9][0-9]*/[0-9a-f]{64}$'
	is "$name: the receipt leads to the decision" "$(show --receipt "$r" | jq -r '.[0] | .type + " " + .id')" "decision $id"
}

ask /v1/chat/completions hello
receipt "through the relay" 200
one=$(header x-tollgate-receipt)
ask /v1/chat/completions 'my mail is ann@example.com'
receipt "inspected and redacted" 200
is "each request has its own receipt" "$([ "$one" = "$(header x-tollgate-receipt)" ] && echo same || echo other)" other
ask /v1/chat/completions 'key AKIAIOSFODNN7EXAMPLE, secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
receipt "denied" 403
req GET /v1/models -H "$auth"
receipt "direct" 200
req POST /v1/chat/completions -H "$json" -d '{"model":"m","messages":[]}'
receipt "without a credential" 401
ask /v1/messages hello
is "a route without the option returns no receipt" "$status $(header x-tollgate-receipt)" "200 "

# Neither a caller nor a provider can fake a receipt.
control '{"headers":{"x-tollgate-receipt":"gw/1/ff"}}'
ask /v1/messages hello
is "a provider's receipt is removed" "$status $(header x-tollgate-receipt)" "200 "
req GET /v1/models -H "$auth" -H 'x-tollgate-receipt: gw/1/ff'
like "on the direct path, the gateway's receipt replaces the provider's" "$(header x-tollgate-receipt)" '/[0-9a-f]{64}$'
control '{}'

# a receipt of another log
other=${one%?}$([ "${one: -1}" = 0 ] && echo 1 || echo 0)
like "a receipt with another hash is reported" "$(show --receipt "$other")" 'another hash'
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
