# External data in conditions: a file, a hash in the real Redis, and a URL. The decision if one of them is
# unreachable, and the record, which contains the values that were read.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/policy"
sed -e 's/^name: .*/&\ndata:\n  people: {file: people.yaml, key: identity.person}\n  incidents: {redis: "acme:incidents", ttl: 200ms}/' \
	-e 's/^rules:/&\n  - {name: away, when: "has(data.people.away)", deny: {status: 451, reason: away}}\n  - {name: incident, when: "has(data.incidents.level) \&\& data.incidents.level == \\"high\\"", deny: {status: 403}}/' \
	"$root/tests/support/stack-policy.yaml" >"$D/policy/policy.yaml"
echo "{bob: {away: true}}" >"$D/policy/people.yaml"
echo "policy_watch: true" >"$D/watch.yaml"
stack_up --policy "$D/policy/policy.yaml" --config "$D/watch.yaml"
models() { req GET /v1/models -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")"; }
redis() { redis-cli -s "${REDIS#unix:}" "$@" >/dev/null; }
last() { "$build/tollgate" audit export --journal "$JOURNAL" 2>/dev/null | grep '"type":"decision"' | tail -1; }
models alice
is "a person without a row passes" "$status" 200
models bob
is "a row of the file can deny" "$status" 451
like "the record has the values that were read" "$(last)" '"data":\{"people":\{"away":true\}\}'
# answers STATUS: repeats the request until it has this status, because a value may be cached for 200 ms
alice_has() { models alice; [ "$status" = "$1" ]; }
answers() { wait_for alice_has "$1"; }
redis hset acme:incidents level high
check "a hash in Redis can deny" answers 403
like "the record has the values of the hash" "$(last)" '"data":\{"people":\{\},"incidents":\{"level":"high"\}\}'
redis del acme:incidents
check "after the hash changed, the request passes" answers 200
redis set acme:incidents text
check "a key of the wrong type is a 503" answers 503
like "the 503 has the code data_unavailable" "$body" 'data_unavailable'
redis del acme:incidents
check "after the key was corrected, the request passes" answers 200
echo "{alice: {away: true}}" >"$D/policy/people.yaml.new"
mv "$D/policy/people.yaml.new" "$D/policy/people.yaml"
check "a file that changes is loaded again" answers 451
echo "{alice: [}" >"$D/policy/people.yaml"
wait_for grep -q 'configuration.invalid.*people.yaml' "$D/tollgate.log"
models alice
is "an invalid file does not replace the loaded one" "$status" 451
like "the log names the error in the file" "$(grep configuration.invalid "$D/tollgate.log")" 'people.yaml:1:10'
check "a metric counts the refused file" test "$(metric reloads_total 'result="refused"')" -ge 1
check "a metric counts the fetches" test "$(metric data_fetches_total 'result="ok"')" -ge 3
