# A second policy next to the one in force: its decisions are recorded and counted, and have no effect.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/policy"
cp "$root/tests/support/stack-policy.yaml" "$D/policy/policy.yaml"
sed -e 's/^name: .*/name: next/' -e 's/^rules:/&\n  - {name: no-bob, when: "identity.person == \\"bob\\"", deny: {status: 451}}\n  - {name: breaks, when: "request.temperature > 3.0 \&\& identity.person == \\"eve\\"", deny: true}/' \
	"$root/tests/support/stack-policy.yaml" >"$D/policy/next.yaml"
printf "shadow_policy: %s\npolicy_watch: true\n" "$D/policy/next.yaml" >"$D/with.yaml"
stack_up --policy "$D/policy/policy.yaml" --config "$D/with.yaml"
models() { req GET /v1/models -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")"; }
last() { "$build/tollgate" audit export --journal "$JOURNAL" 2>/dev/null | grep '"type":"decision"' | tail -1; }
admin() { curl -s -m 90 -H "authorization: Bearer $ADMIN_TOKEN" "$@"; }
like "status names the shadow policy" "$(admin "$ADMIN/status")" '"shadow_policy":"next@'
models bob
is "the policy in force decides" "$status" 200
like "the record has the shadow policy's decision" "$(last)" '"shadow_policy":\{"policy":"next@[0-9a-f]{12}","decision":"deny","status":451,"rule":"no-bob","differs":\["decision","rule"'
is "a different decision is counted" "$(metric shadow_policy_total 'result="other"')" 1
sed -i 's/^  - {name: breaks.*//; s/^  - {name: no-bob.*//' "$D/policy/next.yaml"
wait_for says '"by":"file .*next.yaml","result":"done"' admin "$ADMIN/status"
same=$(metric shadow_policy_total 'result="same"')
models bob
is "the request is served" "$status" 200
is "an equal decision is counted" "$(metric shadow_policy_total 'result="same"')" $((same + 1))
unlike "then the record has no difference" "$(last)" '"differs"'

# Its rules on responses are evaluated for responses that are inspected.
rule() { sed -i "s/^rules:/&\n  - {name: $2, phase: response, when: 'route.name == \"chat\" \&\& \"$3\" in response.entities', $4}/" "$D/policy/$1.yaml"; }
rule policy out-mail EMAIL_ADDRESS 'redact: {entities: EMAIL_ADDRESS}'
rule next out-mail EMAIL_ADDRESS 'redact: {entities: EMAIL_ADDRESS, with: remove}'
rule next out-card CREDIT_CARD 'deny: true'
checked=$("$build/tollgate" reload -c "$D/tollgate.yaml" 2>&1)
like "both policies are loaded" "$checked" 'done|reloaded|in force'
say() {
	control "$(jq -cn --arg t "$1" '{body:("data: " + ({choices:[{index:0,delta:{content:$t}}]}|tojson) + "\n\ndata: [DONE]\n\n"),content_type:"text/event-stream",times:1}')"
	req POST /v1/chat/completions -H "authorization: Bearer $(token)" -H 'content-type: application/json' \
		-d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"hi"}]}'
	settled
	said=$("$build/tollgate" audit export --journal "$JOURNAL" 2>/dev/null | grep '"type":"completion"' | tail -1 | jq -c .answer.shadow_policy)
}
say 'card 4111 1111 1111 1111 it is'
is "its decision on a response is recorded" "$(jq -c '[.decision,.rule,.differs]' <<<"$said")" '["deny","out-card",["decision","rule"]]'
like "the response is not changed by it" "$body" 'DONE'
say 'all is well'
is "if both decide the same, there is no difference" "$(jq -c '[.decision,.differs]' <<<"$said")" '["permit",null]'
say 'to jane.doe@example.org it goes'
is "another redaction style is recorded as a difference" "$(jq -c .differs <<<"$said")" '["redactions"]'
exit $failed
