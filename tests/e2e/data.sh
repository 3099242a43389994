# Data from outside in conditions: a file, a hash in the real Redis, a URL; what a decision
# says where one is away, and that its record holds what was read.
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
is "nothing known about her, nothing wrong" "$status" 200
models bob
is "a row of the file decides" "$status" 451
like "its record holds what was read" "$(last)" '"data":\{"people":\{"away":true\}\}'
# answers STATUS: soon, what is read of it may be 200 ms old
alice_has() { models alice; [ "$status" = "$1" ]; }
answers() { wait_for alice_has "$1"; }
redis hset acme:incidents level high
check "a hash decides" answers 403
like "and is in the record" "$(last)" '"data":\{"people":\{\},"incidents":\{"level":"high"\}\}'
redis del acme:incidents
check "and no longer" answers 200
redis set acme:incidents text
check "something else there is a 503" answers 503
like "that says so" "$body" 'data_unavailable'
redis del acme:incidents
check "over when it is over" answers 200
echo "{alice: {away: true}}" >"$D/policy/people.yaml.new"
mv "$D/policy/people.yaml.new" "$D/policy/people.yaml"
check "a file that changes is read again" answers 451
echo "{alice: [}" >"$D/policy/people.yaml"
wait_for grep -q 'configuration.invalid.*people.yaml' "$D/tollgate.log"
models alice
is "a bad one changes nothing" "$status" 451
like "and is said to be bad" "$(grep configuration.invalid "$D/tollgate.log")" 'people.yaml:1:10'
check "counted" test "$(metric reloads_total 'result="refused"')" -ge 1
check "fetches are counted" test "$(metric data_fetches_total 'result="ok"')" -ge 3
