# A token elsewhere than in authorization: as ?key=, as Google's clients send it, and in
# x-goog-api-key. It names the person, and neither the provider nor a record or log gets it.
. "$(dirname "$0")/lib.sh"

sed 's/^  - none:/  - jwt: {header: x-goog-api-key, demo_issuer: true}\n  - jwt: {query: key, demo_issuer: true}\n&/' \
	"$here/policy.yaml" >"$D/policy-in.yaml"
stack_up --policy "$D/policy-in.yaml" --config "$here/config.yaml"
token=$(token) json='content-type: application/json'
hello='{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
head -c 400000 /dev/zero | tr '\0' y >"$D/filler"
{ printf '{"model":"echo","messages":[{"role":"user","content":"'; cat "$D/filler"; printf ' jane.doe@example.com"}]}'; } >"$D/large"

# what would go direct, what the relay takes, a body that does not arrive whole, a redacted one
for row in "direct:/api/direct/x:{}" "relay:/v1/chat/completions:$hello" "large:/v1/chat/completions:@$D/large" \
	'redact:/api/direct/x:{"to":"jane.doe@example.com"}'; do
	name=${row%%:*} rest=${row#*:}
	for where in query header; do
		path=${rest%%:*}
		more='x-other: 1'
		if [ $where = query ]; then path="$path?alt=sse&key=$token&n=1"; else more="x-goog-api-key: $token"; fi
		req POST "$path" -H "$json" -H "$more" --data-binary "${rest#*:}"
		is "$name, $where: it is alice's request" "$status $("$B/tollgate" audit show -c "$D/tollgate.yaml" "$(header x-tollgate-id)" 2>&1 | grep -o '"person": "[a-z]*"' | head -1)" \
			'200 "person": "alice"'
		got=$(seen)
		unlike "$name, $where: the provider does not get it" "$got" "${token:0:40}|x-goog-api-key"
		[ $where = header ] || like "$name, $where: other parameters go on" "$got" '"path":"/[a-z0-9/]*\?alt=sse&n=1"'
	done
done
req POST "/api/direct/x?key=$token&mail=jane.doe@example.com" -H "$json" -d '{}'
like "what else is in the query is redacted" "$status $(seen)" '^200 .*"path":"/api/direct/x\?mail=(%3C|<)EMAIL_ADDRESS_1'
req POST "/api/direct/x?key=$token;mail=jane.doe@example.com" -H "$json" -d '{}'
is "with something behind it it is no token" "$status" 401
req POST "/api/direct/x?key=$token&key=$token" -H "$json" -d '{}'
is "given twice" "$status" 401
req POST "/api/direct/x?key=$(token --bad expired)" -H "$json" -d '{}'
is "expired" "$status" 401
req POST "/api/direct/x" -H "x-goog-api-key: $(token --bad wrong-key)" -H "$json" -d '{}'
is "of another key" "$status" 401
req POST "/api/direct/x?key=AIzaSyA-a-providers-key" -H "$json" -d '{}'
is "a provider's key is nobody's" "$status" 401
req POST "/api/direct/x?token=$token" -H "$json" -d '{}'
is "a parameter that no entry names" "$status" 401
like "HAProxy's log has the path alone" "$(grep -c ' POST /api/direct/x HTTP' "$D/haproxy.log")" '^[1-9]'
final is "nothing of it is in a log, the journal or the stream" \
	"$(grep -raoE "${token:0:40}" "$D"/*.log "$JOURNAL" | wc -l) $(redis-cli -s "${REDIS#unix:}" xrange tollgate:audit:a - + | grep -c "${token:0:40}")" "0 0"
check "the records verify" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
