# A second policy beside the one in force: recorded and counted, never obeyed.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/policy"
cp "$root/tests/support/stack-policy.yaml" "$D/policy/policy.yaml"
sed -e 's/^name: .*/name: next/' -e 's/^rules:/&\n  - {name: no-bob, when: "identity.person == \\"bob\\"", deny: {status: 451}}\n  - {name: breaks, when: "request.temperature > 3.0 \&\& identity.person == \\"eve\\"", deny: true}/' \
	"$root/tests/support/stack-policy.yaml" >"$D/policy/next.yaml"
echo "shadow_policy: $D/policy/next.yaml" >"$D/with.yaml"
stack_up --policy "$D/policy/policy.yaml" --config "$D/with.yaml"
models() { req GET /v1/models -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")"; }
last() { "$build/tollgate" audit export --journal "$JOURNAL" 2>/dev/null | grep '"type":"decision"' | tail -1; }
admin() { curl -s -m 10 -H "authorization: Bearer $ADMIN_TOKEN" "$@"; }
like "status names it" "$(admin "$ADMIN/status")" '"shadow_policy":"next@'
models bob
is "the one in force decides" "$status" 200
like "the record says what the other would" "$(last)" '"shadow_policy":\{"policy":"next@[0-9a-f]{12}","decision":"deny","status":451,"rule":"no-bob","differs":\["decision","rule"'
is "a disagreement is counted" "$(metric shadow_policy_total 'result="other"')" 1
sed -i 's/^  - {name: breaks.*//; s/^  - {name: no-bob.*//' "$D/policy/next.yaml"
for _ in $(seq 40); do admin "$ADMIN/status" | grep -q '"by":"file .*next.yaml","result":"done"' && break; sleep 0.1; done
same=$(metric shadow_policy_total 'result="same"')
models bob
is "served" "$status" 200
is "agreement is counted too" "$(metric shadow_policy_total 'result="same"')" $((same + 1))
unlike "and differs in nothing" "$(last)" '"differs"'
