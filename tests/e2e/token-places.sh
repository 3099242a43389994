# A token in other places than authorization: in ?key=, as Google's clients send it, and in x-goog-api-key. It
# identifies the person, and neither the provider nor a record or log receives it.
. "$(dirname "$0")/lib.sh"

sed 's/^  - none:/  - jwt: {header: x-goog-api-key, demo_issuer: true}\n  - jwt: {query: key, demo_issuer: true}\n&/' \
	"$here/policy.yaml" >"$D/policy-in.yaml"
stack_up --policy "$D/policy-in.yaml" --config "$here/config.yaml"
token=$(token) json='content-type: application/json'
hello='{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
head -c 400000 /dev/zero | tr '\0' y >"$D/filler"
{ printf '{"model":"echo","messages":[{"role":"user","content":"'; cat "$D/filler"; printf ' jane.doe@example.com"}]}'; } >"$D/large"

# a direct request, a relayed one, one whose body does not arrive whole, a redacted one
for row in "direct:/api/direct/x:{}" "relay:/v1/chat/completions:$hello" "large:/v1/chat/completions:@$D/large" \
	'redact:/api/direct/x:{"to":"jane.doe@example.com"}'; do
	name=${row%%:*} rest=${row#*:}
	for where in query header; do
		path=${rest%%:*}
		more='x-other: 1'
		if [ $where = query ]; then path="$path?alt=sse&key=$token&n=1"; else more="x-goog-api-key: $token"; fi
		req POST "$path" -H "$json" -H "$more" --data-binary "${rest#*:}"
		is "$name, $where: the request is alice's" "$status $("$B/tollgate" audit show -c "$D/tollgate.yaml" "$(header x-tollgate-id)" 2>&1 | grep -o '"person": "[a-z]*"' | head -1)" \
			'200 "person": "alice"'
		got=$(seen)
		unlike "$name, $where: the provider does not receive the token" "$got" "${token:0:40}|x-goog-api-key"
		[ $where = header ] || like "$name, $where: other parameters are forwarded" "$got" '"path":"/[a-z0-9/]*\?alt=sse&n=1"'
	done
done
req POST "/api/direct/x?key=$token&mail=jane.doe@example.com" -H "$json" -d '{}'
like "the rest of the query is redacted" "$status $(seen)" '^200 .*"path":"/api/direct/x\?mail=(%3C|<)EMAIL_ADDRESS_1'
req POST "/api/direct/x?key=$token;mail=jane.doe@example.com" -H "$json" -d '{}'
is "a token with a suffix is refused" "$status" 401
req POST "/api/direct/x?key=$token&key=$token" -H "$json" -d '{}'
is "two tokens are refused" "$status" 401
req POST "/api/direct/x?key=$(token --bad expired)" -H "$json" -d '{}'
is "an expired token is refused" "$status" 401
req POST "/api/direct/x" -H "x-goog-api-key: $(token --bad wrong-key)" -H "$json" -d '{}'
is "a token of another key is refused" "$status" 401
req POST "/api/direct/x?key=AIzaSyA-a-providers-key" -H "$json" -d '{}'
is "a provider's key is refused" "$status" 401
req POST "/api/direct/x?token=$token" -H "$json" -d '{}'
is "another parameter is refused" "$status" 401
like "HAProxy's log has only the path" "$(grep -c ' POST /api/direct/x HTTP' "$D/haproxy.log")" '^[1-9]'
final is "neither a log nor the journal nor the stream contains the token" \
	"$(grep -raoE "${token:0:40}" "$D"/*.log "$JOURNAL" | wc -l) $(redis-cli -s "${REDIS#unix:}" xrange tollgate:audit:a - + | grep -c "${token:0:40}")" "0 0"
check "the records verify" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
