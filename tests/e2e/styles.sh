# The text that the provider receives with each redaction style, in body, number, query and path, on the direct path and
# through the relay. Hashes are the same on both paths. A body can become empty.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
awk '/- \{name: pii, when/ {
	print "  - {name: cards, redact: {entities: [CREDIT_CARD], with: last4}}"
	print "  - {name: mail, when: \"has(request.top_k)\", redact: {entities: [EMAIL_ADDRESS], with: hash}}"
	print "  - {name: gone, when: \"request.path.startsWith(\\\"/api/direct/gone\\\")\", redact: {classes: [pii], with: remove}}"
	print "  - {name: masked, when: \"request.path.startsWith(\\\"/api/direct/mask\\\")\", redact: {classes: [pii], with: mask}}"
} { print }' "$here/policy.yaml" >"$D/policy.yaml"
(umask 077; echo 'a secret of the test that is long enough' >"$D/redact.key")
{
	cat "$here/config.yaml"
	echo "redact: {key_file: $D/redact.key}"
} >"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
got() { seen | node -e 'const r = JSON.parse(require("fs").readFileSync(0)); console.log(r[0]?.[process.argv[1]])' "$1"; }

req POST /api/direct/mask -H "$auth" -H "$json" -d '{"to":"jane.doe@example.com","card":4716379142021968}'
is "a mask replaces a string, and all but four digits of a number" "$(got body)" '{"to":"********************","card":"************1968"}'
req GET '/api/direct/mask/jane@example.com?q=jane@example.com' -H "$auth"
is "a mask in path and query" "$(got path)" '/api/direct/mask/%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A?q=%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A'
req POST /api/direct/gone -H "$auth" -H 'content-type: text/plain' -d 'jane.doe@example.com'
is "a body of which nothing remains is sent empty" "$status $(got body)" '200 '
req POST /api/direct/gone -H "$auth" -H 'content-type: text/plain' -H 'transfer-encoding: chunked' -d 'jane.doe@example.com'
is "the same through the relay" "$status $(got body)" '200 '
hashed() {
	req POST /v1/chat/completions -H "$auth" -H "$json" "$@" \
		-d '{"model":"echo","top_k":1,"messages":[{"role":"user","content":"mail jane.doe@example.com"}]}'
	got body | grep -o '<EMAIL_ADDRESS:[0-9a-f]*>'
}
once=$(hashed)
like "a hash replaces a value" "$once" '^<EMAIL_ADDRESS:[0-9a-f]{16}>$'
is "the hash is the same through the relay" "$(hashed -H 'transfer-encoding: chunked')" "$once"
is "the record has the style" "$(cat "$JOURNAL"/* | grep -ao '"EMAIL_ADDRESS":{[^}]*"with":"[a-z]*"' | sed 's/.*"with"://' | sort -u | tr -d '\n')" '"hash""mask""remove"'
unlike "the record has no value" "$(cat "$JOURNAL"/*)" 'jane|4716379142021968'
